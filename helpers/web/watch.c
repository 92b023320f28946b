/* watch.c - see watch.h. */
#include "watch.h"

#include <assert.h>
#include <stdlib.h>

struct watcher {
    struct server_request *request;
    struct watch *watch;
    struct watcher *next, *before;
};

static void on_timer(uv_timer_t *timer)
{
    struct watch *watch = timer->data;
    watch->tick(watch->data);
}

static void on_gone(struct server_request *request, void *data)
{
    struct watcher *w = data;
    struct watch *watch = w->watch;

    (void)request;
    *(w->before ? &w->before->next : &watch->first) = w->next;
    if (w->next)
        w->next->before = w->before;
    free(w);
    if (--watch->count == 0)
        uv_timer_stop(&watch->timer);
}

void watch_init(struct watch *watch, uv_loop_t *loop, uint64_t period_ms, void (*tick)(void *data),
                void *data)
{
    *watch = (struct watch){.period_ms = period_ms, .tick = tick, .data = data};
    uv_timer_init(loop, &watch->timer);
    watch->timer.data = watch;
}

bool watch_add(struct watch *watch, struct server_request *request, struct slice first)
{
    struct watcher *w = malloc(sizeof(*w));

    if (!w)
        return false;
    if (!server_stream(request, "text/event-stream", on_gone, w)) {
        free(w);
        return true; /* HEAD: it has seen all there is */
    }
    *w = (struct watcher){.request = request, .watch = watch, .next = watch->first};
    if (watch->first)
        watch->first->before = w;
    watch->first = w;
    if (watch->count++ == 0)
        uv_timer_start(&watch->timer, on_timer, 0, watch->period_ms);
    (void)!server_stream_send(request, first);
    return true;
}

void watch_tell(struct watch *watch, struct slice news)
{
    for (struct watcher *w = watch->first; w; w = w->next)
        (void)!server_stream_send(w->request, news);
}

void watch_close(struct watch *watch)
{
    assert(!watch->first);
    uv_close((uv_handle_t *)&watch->timer, NULL);
}
