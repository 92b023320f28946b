/* http1_response.c - fuzz response heads and the bodies behind them: whole and in pieces, the same
 * must come of it. The first octet says what was asked. */
#include <assert.h>
#include <stdlib.h>

#include "http1.h"
#include "pieces.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct http1_limits limits = {.line = 200, .head = 1000, .fields = 10, .body = 1000};

struct outcome {
    enum http1_result result;
    size_t used;
    unsigned status;
    enum http1_framing framing;
    bool keep_alive;
    size_t content; /* octets, */
    uint32_t sum;   /* and what they are */
    unsigned fields;
    unsigned trailers;
};

/* Read as a client does: octets come at the end of a buffer that is moved each time. */
static struct outcome read_all(struct pieces *p, enum http1_method asked)
{
    static struct http1_response res;
    static struct http1_head trailers;
    struct http1_body body;
    struct outcome o = {.result = HTTP1_MORE};
    bool in_body = false;
    char *buf = NULL;
    size_t len = 0;  /* octets in the buffer */
    size_t from = 0; /* of the input */
    size_t seen = 0;
    trailers.field_count = 0;

    do {
        size_t end = pieces_next(p, from);
        char *moved = malloc(len + (end - from) + 1);
        assert(moved);
        if (len > 0)
            memcpy(moved, buf, len);
        memcpy(moved + len, p->octets + from, end - from);
        free(buf);
        buf = moved;
        len += end - from;
        from = end;
        size_t start = 0;
        if (!in_body) {
            o.result = http1_read_response(buf, len, seen, asked, &limits, &res);
            seen = len;
            if (o.result != HTTP1_DONE)
                continue;
            o.used = start = res.head.len;
            o.status = res.status;
            o.framing = res.head.framing;
            o.keep_alive = res.head.keep_alive;
            o.fields = res.head.field_count;
            in_body = true;
            http1_body_start(&body, &res.head, &limits, &trailers);
        }
        do {
            struct slice piece = {NULL, 0};
            size_t used;
            o.result = http1_read_body(&body, buf + start, len - start, &used, &piece);
            if (o.result == HTTP1_REFUSED)
                break;
            assert(used <= len - start);
            start += used;
            o.used += used;
            if (o.result == HTTP1_DATA) {
                assert(piece.len > 0 && piece.at >= buf && piece.at + piece.len <= buf + start);
                o.content += piece.len;
                for (size_t i = 0; i < piece.len; i++)
                    o.sum = o.sum * 31 + (unsigned char)piece.at[i];
            }
        } while (o.result == HTTP1_DATA);
        assert(o.result != HTTP1_MORE || len - start <= limits.head);
        memmove(buf, buf + start, len - start);
        len -= start;
    } while (o.result == HTTP1_MORE && from < p->len);
    if (o.result == HTTP1_DONE)
        o.trailers = trailers.field_count;
    free(buf);
    return o;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    enum http1_method asked = *data % 2 ? HTTP1_HEAD : HTTP1_GET;
    struct pieces split = pieces_of(data + 1, size - 1);
    struct pieces whole = split;
    whole.count = 0;
    struct outcome a = read_all(&whole, asked);
    struct outcome b = read_all(&split, asked);
    assert(a.result == b.result);
    if (a.result == HTTP1_REFUSED)
        return 0;
    assert(a.used == b.used && a.status == b.status && a.framing == b.framing);
    assert(a.keep_alive == b.keep_alive && a.content == b.content && a.sum == b.sum);
    assert(a.fields == b.fields && a.trailers == b.trailers && a.content <= limits.body);
    assert(a.result != HTTP1_DONE || (a.status >= 100 && a.status <= 599));
    return 0;
}
