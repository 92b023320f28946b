/* exchange.c - see exchange.h. */
#include "exchange.h"

static void on_closed(uv_handle_t *handle)
{
    struct exchange *x = handle->data;
    if (--x->open_handles == 0)
        x->plan.done(x, x->plan.data);
}

/* The one way out. */
static void end(struct exchange *x, int error)
{
    if (x->ending)
        return;
    x->ending = true;
    x->error = error;
    x->total_ns = clock_ns() - x->started_ns;
    uv_close((uv_handle_t *)&x->tcp, on_closed);
    uv_close((uv_handle_t *)&x->timer, on_closed);
}

static void on_time(uv_timer_t *timer)
{
    struct exchange *x = timer->data;

    /* libuv runs timers before it looks at sockets: what came in time may lie there unread. */
    if (!x->late) {
        x->late = true;
        uv_timer_start(timer, on_time, 1, 0);
        return;
    }
    end(x, UV_ETIMEDOUT);
}

static void on_room(uv_handle_t *handle, size_t wanted, uv_buf_t *room)
{
    struct exchange *x = handle->data;
    (void)wanted;
    *room = uv_buf_init(x->plan.buf + x->len, (unsigned)(x->plan.capacity - x->len));
}

static void on_octets(uv_stream_t *stream, ssize_t count, const uv_buf_t *room)
{
    struct exchange *x = stream->data;
    bool at_end = count == UV_EOF;
    (void)room;

    if (count < 0 && !at_end) {
        /* No room left is our own doing: the answer fills it and is not complete. */
        end(x, count == UV_ENOBUFS ? UV_EMSGSIZE : (int)count);
        return;
    }
    if (count > 0) {
        if (x->len == 0)
            x->first_ns = clock_ns() - x->started_ns;
        x->len += (size_t)count;
    } else if (!at_end) {
        return; /* nothing came after all */
    }

    switch (x->plan.read(x->plan.reader, x->plan.buf, x->len, at_end)) {
    case EXCHANGE_DONE: end(x, 0); break;
    case EXCHANGE_WRONG: end(x, UV_EPROTO); break;
    case EXCHANGE_LONG: end(x, UV_EMSGSIZE); break;
    case EXCHANGE_MORE:
        if (at_end)
            end(x, UV_EOF);
        break;
    }
}

static void on_written(uv_write_t *write, int status)
{
    struct exchange *x = write->data;

    /* A failure to send is left to the reader: the peer may have answered before it closed. */
    if (status == 0 && !x->ending)
        x->phase = EXCHANGE_ANSWER;
}

static void on_connected(uv_connect_t *connect, int status)
{
    struct exchange *x = connect->data;

    if (status != 0) {
        end(x, status);
        return;
    }
    if (x->ending)
        return;

    x->connect_ns = clock_ns() - x->started_ns;
    if (!x->plan.read) {
        end(x, 0);
        return;
    }

    uint64_t passed_ms = x->connect_ns / 1000000;
    x->late = false;
    uv_timer_start(&x->timer, on_time,
                   x->plan.total_ms > passed_ms ? x->plan.total_ms - passed_ms : 0, 0);

    x->phase = x->plan.say.len > 0 ? EXCHANGE_SEND : EXCHANGE_ANSWER;
    int error = uv_read_start((uv_stream_t *)&x->tcp, on_room, on_octets);
    if (!error && x->plan.say.len > 0) {
        uv_buf_t say = {(char *)(uintptr_t)x->plan.say.at, x->plan.say.len}; /* only read */
        x->write.data = x;
        error = uv_write(&x->write, (uv_stream_t *)&x->tcp, &say, 1, on_written);
    }
    if (error)
        end(x, error);
}

void exchange_start(struct exchange *x, uv_loop_t *loop, const struct exchange_plan *plan)
{
    x->error = 0;
    x->phase = EXCHANGE_CONNECT;
    x->len = 0;
    x->connect_ns = x->first_ns = x->total_ns = 0;
    x->plan = *plan;
    x->started_ns = clock_ns();
    x->late = x->ending = false;
    x->open_handles = 2;
    uv_tcp_init(loop, &x->tcp); /* neither can fail: the socket comes with connect */
    uv_timer_init(loop, &x->timer);
    x->tcp.data = x->timer.data = x->connect.data = x;

    /* The loop's clock stands still while it works; deadlines count from now. */
    uv_update_time(loop);
    uint64_t first_ms = plan->connect_ms < plan->total_ms ? plan->connect_ms : plan->total_ms;
    uv_timer_start(&x->timer, on_time, first_ms, 0);

    int error = uv_tcp_connect(&x->connect, &x->tcp, plan->to, on_connected);
    if (error)
        end(x, error);
}

void exchange_cancel(struct exchange *x)
{
    end(x, UV_ECANCELED);
}
