/* exchange.h - one conversation over TCP with one address: connect, say something, read until the
 * reader is content. It has two deadlines, to connect and in all, and neither moves. */
#ifndef EXCHANGE_H
#define EXCHANGE_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "slice.h"
#include "util.h"

enum exchange_phase { EXCHANGE_CONNECT, EXCHANGE_SEND, EXCHANGE_ANSWER };

enum exchange_verdict {
    EXCHANGE_MORE,  /* not complete: there must come more */
    EXCHANGE_DONE,  /* the answer is complete */
    EXCHANGE_WRONG, /* it can no longer become a valid one */
    EXCHANGE_LONG,  /* it is valid so far, but too long */
};

/* Look at the answer so far, buf[0..len): the octets of the calls before, and more. end: nothing
 * will follow, so EXCHANGE_MORE would mean that it broke off. */
typedef enum exchange_verdict exchange_read(void *reader, char *buf, size_t len, bool end);

struct exchange;
typedef void exchange_done(struct exchange *x, void *data);

/* What to do; copied at the start. */
struct exchange_plan {
    const struct sockaddr *to;
    struct slice say; /* must stay where it is until done; empty: listen only */
    char *buf;        /* where the answer goes, and its room: the longest answer */
    size_t capacity;
    uint64_t connect_ms; /* from the start */
    uint64_t total_ms;   /* from the start */
    exchange_read *read; /* NULL: to be connected is enough */
    void *reader;        /* its data */
    exchange_done *done;
    void *data;
};

struct exchange {
    /* The result, when done is called. */
    int error;                 /* 0; UV_ETIMEDOUT; UV_EOF: it broke off; UV_EPROTO and UV_EMSGSIZE:
                                  the reader found it wrong or too long; UV_ECANCELED; what
                                  connect says */
    enum exchange_phase phase; /* reached: where it failed, or EXCHANGE_ANSWER */
    size_t len;                /* octets in plan.buf */
    uint64_t connect_ns;       /* time from the start until it was connected, */
    uint64_t first_ns;         /* until the first octet of the answer, */
    uint64_t total_ns;         /* until the end; 0 where it did not come so far */

    /* The rest is private. */
    struct exchange_plan plan;
    uint64_t started_ns;
    uv_tcp_t tcp;
    uv_timer_t timer;
    uv_connect_t connect;
    uv_write_t write;
    bool late;
    bool ending;
    unsigned char open_handles;
};

/* Begin. done is called exactly once, later, never from in here; until then *x must stay where it
 * is. */
void exchange_start(struct exchange *x, uv_loop_t *loop, const struct exchange_plan *plan);

/* End it now: done is called soon, with UV_ECANCELED. */
void exchange_cancel(struct exchange *x);

#endif
