/* watch.h - those who watch: streams of server-sent events, and a tick while there are any. */
#ifndef WATCH_H
#define WATCH_H

#include <stdint.h>
#include <uv.h>

#include "server.h"
#include "slice.h"
#include "util.h"

struct watcher;

struct watch {
    unsigned count; /* of watchers */

    /* The rest is private. */
    struct watcher *first;
    uint64_t period_ms;
    uv_timer_t timer;
    void (*tick)(void *data);
    void *data;
};

/* tick(data) is called at once when somebody begins to watch, and each period_ms from then on,
 * until nobody does. */
void watch_init(struct watch *watch, uv_loop_t *loop, uint64_t period_ms, void (*tick)(void *data),
                void *data);

/* Make request a watcher, who sees `first` now. False: no memory; the request is not touched. */
bool watch_add(struct watch *watch, struct server_request *request, struct slice first) MUST_CHECK;

/* Send something to all. Who is so slow that his queue is full misses it. */
void watch_tell(struct watch *watch, struct slice news);

/* Nobody watches any more: close the timer. */
void watch_close(struct watch *watch);

#endif
