/* pieces.h - how a fuzzer's input is cut: its first octet says how many cuts there are, the next
 * ones how far each is from the last; what follows is what is read. */
#ifndef PIECES_H
#define PIECES_H

#include <stddef.h>
#include <stdint.h>

struct pieces {
    const uint8_t *cuts;
    size_t count;
    size_t next;
    const char *octets;
    size_t len;
};

static inline struct pieces pieces_of(const uint8_t *data, size_t len)
{
    struct pieces p = {data + 1, 0, 0, (const char *)data, len};
    if (len == 0)
        return p;
    p.count = data[0] % 16;
    if (p.count > len - 1)
        p.count = len - 1;
    p.octets += 1 + p.count;
    p.len -= 1 + p.count;
    return p;
}

/* The end of the next piece that began at `from`; after the cuts, the end of all. */
static inline size_t pieces_next(struct pieces *p, size_t from)
{
    if (p->next == p->count)
        return p->len;
    size_t end = from + p->cuts[p->next++];
    return end < p->len ? end : p->len;
}

#endif
