/* http1_chunked.c - fuzz chunked bodies: whole and in pieces, the same must come of it. */
#include <assert.h>
#include <stdlib.h>

#include "http1.h"
#include "pieces.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct http1_limits limits = {.line = 200, .head = 300, .fields = 5, .body = 5000};

struct outcome {
    enum http1_result result;
    uint16_t refuse;
    size_t used;
    size_t content;
    uint32_t sum;
    unsigned trailers;
};

static struct outcome read_all(struct pieces *p)
{
    static struct http1_head trailers;
    static const struct http1_head head = {.framing = HTTP1_CHUNKED};
    struct outcome o = {.result = HTTP1_MORE};
    struct http1_body body;
    size_t end = 0;

    http1_body_start(&body, &head, &limits, &trailers);
    do {
        end = pieces_next(p, end);
        do {
            struct slice piece = {NULL, 0};
            size_t len = end - o.used;
            size_t used = 0;
            char *block = malloc(len + (len == 0));
            assert(block);
            memcpy(block, p->octets + o.used, len);
            o.result = http1_read_body(&body, block, len, &used, &piece);
            for (size_t i = 0; o.result == HTTP1_DATA && i < piece.len; i++)
                o.sum = o.sum * 31 + (unsigned char)piece.at[i];
            o.content += piece.len;
            free(block);
            if (o.result != HTTP1_REFUSED)
                o.used += used;
        } while (o.result == HTTP1_DATA);
    } while (o.result == HTTP1_MORE && end < p->len);
    o.refuse = body.refuse;
    o.trailers = o.result == HTTP1_DONE ? trailers.field_count : 0;
    return o;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pieces split = pieces_of(data, size);
    struct pieces whole = split;
    whole.count = 0;
    struct outcome a = read_all(&whole);
    struct outcome b = read_all(&split);
    assert(a.result == b.result && a.refuse == b.refuse);
    assert((a.result == HTTP1_REFUSED) == (a.refuse >= 400));
    if (a.result == HTTP1_REFUSED)
        return 0;
    assert(a.content == b.content && a.sum == b.sum && a.trailers == b.trailers);
    assert(a.result != HTTP1_DONE || a.used == b.used);
    assert(a.content <= limits.body);
    return 0;
}
