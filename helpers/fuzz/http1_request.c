/* http1_request.c - fuzz request heads: read whole and in pieces, from buffers that move, the same
 * must come of it. */
#include <assert.h>
#include <stdlib.h>

#include "http1.h"
#include "pieces.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct http1_limits limits = {.line = 200, .head = 1000, .fields = 10, .body = 1000};

/* A block of exactly len octets: the sanitizer sees one read too many. */
static char *copy(const char *octets, size_t len)
{
    char *block = malloc(len + (len == 0));
    assert(block);
    memcpy(block, octets, len);
    return block;
}

static void same_span(struct http1_span a, struct http1_span b)
{
    assert(a.at == b.at && a.len == b.len);
}

static void same(const struct http1_request *a, const struct http1_request *b)
{
    assert(a->method == b->method && a->expect == b->expect && a->has_host == b->has_host);
    same_span(a->method_name, b->method_name);
    same_span(a->target, b->target);
    same_span(a->path, b->path);
    same_span(a->query, b->query);
    same_span(a->host, b->host);
    assert(a->head.len == b->head.len && a->head.minor == b->head.minor);
    assert(a->head.keep_alive == b->head.keep_alive && a->head.coded == b->head.coded);
    assert(a->head.framing == b->head.framing);
    assert(a->head.content_length == b->head.content_length);
    assert(a->head.field_count == b->head.field_count);
    for (unsigned i = 0; i < a->head.field_count; i++) {
        same_span(a->head.fields[i].name, b->head.fields[i].name);
        same_span(a->head.fields[i].value, b->head.fields[i].value);
    }
}

/* What every accepted head must fulfil, however it was written. */
static void sane(const struct http1_request *req, size_t len)
{
    const struct http1_head *h = &req->head;
    struct slice target = http1_slice(h, req->target);
    assert(h->len <= len && h->len <= limits.head && h->field_count <= limits.fields);
    assert(memcmp(h->base + h->len - 4, "\r\n\r\n", 4) == 0);
    assert(target.len > 0 && req->method_name.len > 0);
    for (size_t i = 0; i < target.len; i++)
        assert(target.at[i] > ' ' && target.at[i] < 127);
    for (unsigned i = 0; i < h->field_count; i++) {
        struct slice name = http1_slice(h, h->fields[i].name);
        struct slice value = http1_slice(h, h->fields[i].value);
        assert(name.len > 0 && name.at[name.len] == ':');
        assert(value.len == 0 || (*value.at != ' ' && value.at[value.len - 1] != ' '));
        assert(!memchr(value.at, '\r', value.len) && !memchr(value.at, '\n', value.len));
    }
    assert(h->content_length <= limits.body && h->framing != HTTP1_UNTIL_CLOSE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct http1_request whole;
    static struct http1_request split;
    struct pieces p = pieces_of(data, size);
    char *all = copy(p.octets, p.len);
    enum http1_result wanted = http1_read_request(all, p.len, 0, &limits, &whole);
    enum http1_result result = HTTP1_MORE;
    char *block = NULL;
    size_t seen = 0;

    if (wanted == HTTP1_DONE)
        sane(&whole, p.len);
    do {
        size_t end = pieces_next(&p, seen);
        char *moved = copy(p.octets, end);
        free(block);
        block = moved;
        result = http1_read_request(block, end, seen, &limits, &split);
        seen = end;
    } while (result == HTTP1_MORE && seen < p.len);
    assert(result == wanted);
    if (result == HTTP1_DONE)
        same(&whole, &split);
    if (result == HTTP1_REFUSED)
        assert(whole.head.refuse == split.head.refuse && whole.head.refuse >= 400);
    free(block);
    free(all);
    return 0;
}
