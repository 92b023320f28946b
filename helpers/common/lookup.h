/* lookup.h - find the addresses of a name, in time.
 *
 * The system's resolver blocks, so libuv asks it in a thread; a thread that waits for a silent
 * name server cannot be called back. A lookup is over at its deadline all the same: the thread's
 * late answer then meets nobody and is dropped.
 *
 * A thread that waits for a silent server is one thread less: programs set RES_OPTIONS to
 * "timeout:1 attempts:1" before their first lookup, where the environment does not say otherwise.
 *
 * Nothing is remembered from one lookup to the next: names change with every deploy. */
#ifndef LOOKUP_H
#define LOOKUP_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "slice.h"
#include "util.h"

enum {
    LOOKUP_ADDRESSES_MAX = 64,
    LOOKUP_TEXT_MAX = 46, /* of an address, with its NUL */
};

/* An address to connect to, IPv4 or IPv6, with its port. */
union lookup_address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

struct lookup;
typedef void lookup_done(struct lookup *l, void *data);

struct lookup {
    /* The result, when done is called. */
    int error; /* 0, or what libuv calls it: UV_EAI_NONAME, UV_ETIMEDOUT, UV_ECANCELED... */
    unsigned count;
    union lookup_address addresses[LOOKUP_ADDRESSES_MAX]; /* in the order to try them */

    /* The rest is private. */
    struct lookup_job *job;
    uv_timer_t timer;
    bool ending;
    lookup_done *done;
    void *data;
};

/* Look host up. done is called exactly once, later, never from in here; until then *l must stay
 * where it is. */
void lookup_start(struct lookup *l, uv_loop_t *loop, struct slice host, uint16_t port,
                  uint64_t timeout_ms, lookup_done *done, void *data);

/* End it now: done is called soon, with UV_ECANCELED. */
void lookup_cancel(struct lookup *l);

/* What an error of a lookup means, as the end of a sentence about the name. */
const char *lookup_reason(int error);

/* The address as text, without its port; text has room for LOOKUP_TEXT_MAX. */
const char *lookup_text(const union lookup_address *address, char *text);

#endif
