/* dbwatch.h - wait for a socket that belongs to libpq, which may exchange it at any call: for the
 * next host, or to try again without TLS; mostly the new one has the number of the old. */
#ifndef DBWATCH_H
#define DBWATCH_H

#include <stdbool.h>
#include <uv.h>

#include "util.h"

typedef void dbwatch_call(void *data);

/* All is private. */
struct dbwatch {
    uv_loop_t *loop;
    dbwatch_call *event;
    dbwatch_call *idle;
    void *data;
    /* A handle that is being closed cannot be used until its callback, so there are two. */
    uv_poll_t polls[2];
    bool open[2];
    int current; /* the one in use, or -1 */
    int socket;
    int events;
    bool wanted; /* between start and stop */
};

/* event(data): something has happened to the socket; only libpq knows what. idle(data): no handle
 * is open any more, after dbwatch_stop. */
void dbwatch_init(struct dbwatch *w, uv_loop_t *loop, dbwatch_call *event, dbwatch_call *idle,
                  void *data);

/* Wait for events (UV_READABLE, UV_WRITABLE) of a socket that may be another than before. False:
 * it cannot be watched. */
bool dbwatch_start(struct dbwatch *w, int socket, int events) MUST_CHECK;

/* Wait for other events of the same socket. Costs nothing if they are the same. */
bool dbwatch_change(struct dbwatch *w, int events) MUST_CHECK;

/* To be called before the socket is closed: afterwards its number may be another's. */
void dbwatch_stop(struct dbwatch *w);

/* Has something happened that the loop has not told yet? */
bool dbwatch_ready(const struct dbwatch *w) MUST_CHECK;

/* Nothing is open, so *w may be freed. */
bool dbwatch_is_idle(const struct dbwatch *w);

#endif
