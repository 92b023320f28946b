/* ring.h - a doubly linked ring, its links embedded in what is linked: an element can leave
 * without knowing which ring it is in, and nothing is allocated. */
#ifndef RING_H
#define RING_H

#include <stdbool.h>

struct ring {
    struct ring *previous;
    struct ring *next;
};

static inline void ring_init(struct ring *r)
{
    r->previous = r->next = r;
}

/* Of a ring's head: nothing is linked to it. */
static inline bool ring_empty(const struct ring *head)
{
    return head->next == head;
}

/* Safe for what is in no ring, if it was initialised. */
static inline void ring_remove(struct ring *r)
{
    r->previous->next = r->next;
    r->next->previous = r->previous;
    ring_init(r);
}

/* Put r, which is in no ring, after `at`. */
static inline void ring_insert(struct ring *at, struct ring *r)
{
    r->previous = at;
    r->next = at->next;
    r->next->previous = r;
    at->next = r;
}

/* Take r out of where it is, and put it at the end of the ring. */
static inline void ring_append(struct ring *head, struct ring *r)
{
    ring_remove(r);
    ring_insert(head->previous, r);
}

/* Put all of `from` at the end of `to`, in their order. */
static inline void ring_append_all(struct ring *to, struct ring *from)
{
    if (ring_empty(from))
        return;
    from->next->previous = to->previous;
    to->previous->next = from->next;
    from->previous->next = to;
    to->previous = from->previous;
    ring_init(from);
}

#endif
