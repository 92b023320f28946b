/* dbnames.h - from the hosts of a URL to the addresses to try, without waiting for anybody.
 *
 * The system's resolver blocks, so it runs in libuv's threads. At most half of them do lookups, and
 * one that waits for a silent name server cannot be called back: so there is one lookup at a time,
 * and whoever starts again meanwhile waits for the old one to come back. Nothing is remembered:
 * names change with every deploy. */
#ifndef DBNAMES_H
#define DBNAMES_H

#include <stdbool.h>
#include <uv.h>

#include "dbfault.h"
#include "dburl.h"

typedef void dbnames_call(void *data);

struct dbnames {
    /* The result. */
    struct dburl_target targets[DBURL_TARGETS_MAX];
    unsigned count;
    unsigned unresolved;  /* hosts without an address */
    struct dbfault fault; /* of the last of them */

    /* The rest is private. */
    uv_loop_t *loop;
    const struct dburl *url;
    dbnames_call *done;
    void *data;
    unsigned host; /* the one that is looked up */
    bool running;
    bool looking; /* the lookup is in a thread */
    bool late;    /* and nobody wants its result any more */
    uv_getaddrinfo_t lookup;
};

/* done(data) is called when all hosts have been looked up, or when a lookup that was given up has
 * come back while nothing runs. */
void dbnames_init(struct dbnames *n, uv_loop_t *loop, const struct dburl *url, dbnames_call *done,
                  void *data);

/* Look all hosts up. If nobody needs to be asked done is called from here. */
void dbnames_start(struct dbnames *n);

/* Time is up: what is known is known, and whose lookup is not back yet is unresolved. */
void dbnames_stop(struct dbnames *n, const struct dbfault *why);

/* Does dbnames_start still run? */
bool dbnames_running(const struct dbnames *n);

/* A lookup is in its thread. *n must not be freed; exit() waits for it, _exit() does not. */
bool dbnames_stuck(const struct dbnames *n);

/* Nobody will start again: call a lookup back that has not got a thread yet. */
void dbnames_cancel(struct dbnames *n);

#endif
