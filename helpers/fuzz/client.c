/* client.c - fuzz whole answers as the client reads them, interim ones and bodies included: whole
 * and in pieces, the same must come of it. The first octet says whether the head is enough. */
#include "client.h"

#include <assert.h>

#include "pieces.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct outcome {
    enum exchange_verdict verdict;
    unsigned status;
    size_t len;
    uint32_t sum;
};

/* The buffer stays where it is, and octets are added to it, as exchange does. */
static struct outcome read_all(struct pieces *p, bool head_only)
{
    static char buf[8192];
    static struct client_answer answer;
    struct outcome o = {.verdict = EXCHANGE_MORE};
    size_t end = 0;

    client_answer_start(&answer, head_only);
    do {
        size_t from = end;
        end = pieces_next(p, from);
        memcpy(buf + from, p->octets + from, end - from);
        o.verdict = client_answer_read(&answer, buf, end, false);
        if (o.verdict == EXCHANGE_MORE && end == p->len)
            o.verdict = client_answer_read(&answer, buf, end, true);
    } while (o.verdict == EXCHANGE_MORE && end < p->len);

    if (o.verdict == EXCHANGE_DONE) {
        o.status = answer.response.status;
        o.len = answer.body.len;
        assert(o.len <= p->len);
        for (size_t i = 0; i < o.len; i++)
            o.sum = o.sum * 31 + (unsigned char)answer.body.at[i];
    }
    return o;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > 8192)
        return 0;
    struct pieces split = pieces_of(data + 1, size - 1);
    struct pieces whole = split;
    whole.count = 0;
    struct outcome a = read_all(&whole, *data % 2);
    struct outcome b = read_all(&split, *data % 2);
    assert((a.verdict == EXCHANGE_DONE) == (b.verdict == EXCHANGE_DONE));
    assert(a.status == b.status && a.len == b.len && a.sum == b.sum);
    assert(a.verdict != EXCHANGE_DONE || (a.status >= 200 && a.status <= 599));
    return 0;
}
