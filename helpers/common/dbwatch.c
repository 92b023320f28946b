/* dbwatch.c - see dbwatch.h. */
#include "dbwatch.h"

#include <poll.h>

void dbwatch_init(struct dbwatch *w, uv_loop_t *loop, dbwatch_call *event, dbwatch_call *idle,
                  void *data)
{
    *w = (struct dbwatch){.loop = loop, .event = event, .idle = idle, .data = data, .current = -1};
}

bool dbwatch_is_idle(const struct dbwatch *w)
{
    return !w->open[0] && !w->open[1];
}

/* Any status means "look at it": a refused connection comes as UV_EBADF, and libpq knows more. */
static void on_poll(uv_poll_t *handle, int status, int events)
{
    struct dbwatch *w = handle->data;

    (void)status;
    (void)events;
    w->event(w->data);
}

static void on_closed(uv_handle_t *handle)
{
    struct dbwatch *w = handle->data;

    w->open[(uv_poll_t *)handle - w->polls] = false;
    /* If the start that had to wait for a handle fails now, so will the next one: let them try. */
    if (w->wanted && w->current < 0 && !dbwatch_start(w, w->socket, w->events))
        w->event(w->data);
    if (dbwatch_is_idle(w))
        w->idle(w->data);
}

static void dbwatch_close(struct dbwatch *w)
{
    if (w->current < 0)
        return;
    uv_poll_stop(&w->polls[w->current]);
    uv_close((uv_handle_t *)&w->polls[w->current], on_closed);
    w->current = -1;
}

bool dbwatch_start(struct dbwatch *w, int socket, int events)
{
    uv_poll_t *handle;
    int i;

    if (w->current >= 0 && w->socket != socket)
        dbwatch_close(w);
    w->socket = socket;
    w->events = events;
    w->wanted = true;
    if (w->current < 0) {
        i = w->open[0] ? 1 : 0;
        if (w->open[i])
            return true; /* both are closing: on_closed comes back here */
        handle = &w->polls[i];
        if (uv_poll_init(w->loop, handle, socket) != 0)
            return false;
        handle->data = w;
        w->open[i] = true;
        w->current = i;
    }
    /* Also when nothing seems to have changed: this makes libuv take the number anew. */
    return uv_poll_start(&w->polls[w->current], events, on_poll) == 0;
}

bool dbwatch_change(struct dbwatch *w, int events)
{
    return events == w->events || dbwatch_start(w, w->socket, events);
}

void dbwatch_stop(struct dbwatch *w)
{
    w->wanted = false;
    dbwatch_close(w);
}

bool dbwatch_ready(const struct dbwatch *w)
{
    int events = (w->events & UV_READABLE ? POLLIN : 0) | (w->events & UV_WRITABLE ? POLLOUT : 0);
    struct pollfd p = {.fd = w->socket, .events = (short)events};

    return w->wanted && poll(&p, 1, 0) > 0;
}
