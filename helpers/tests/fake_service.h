/* fake_service.h - a service on the test's own loop that says what it is told to, octet by octet
 * where it is told so, and then closes, or says no more. */
#ifndef FAKE_SERVICE_H
#define FAKE_SERVICE_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

/* A test that lets these fail for others says here how they are called still. */
#ifndef FAKE_WRITE
#define FAKE_WRITE uv_write
#define FAKE_READ_START uv_read_start
#endif

struct fake_service {
    const char *say; /* after the first octets of a question; NULL: nothing */
    size_t len;
    bool first;     /* speak without waiting for a question */
    bool split;     /* each octet in a packet of its own */
    bool hang;      /* do not close when all is said */
    bool reset;     /* close with RST */
    unsigned asked; /* connections that were accepted */
    char question[4096];
    size_t question_len;

    uint16_t port;
    uv_tcp_t listener;
};

struct fake_call {
    uv_tcp_t tcp;
    struct fake_service *service;
    size_t said;
    bool speaking;
    uv_write_t write;
    char room[4096];
};

static void fake_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void fake_close(struct fake_call *c)
{
    if (uv_is_closing((uv_handle_t *)&c->tcp))
        return;
    if (!c->service->reset || uv_tcp_close_reset(&c->tcp, fake_closed) != 0)
        uv_close((uv_handle_t *)&c->tcp, fake_closed);
}

static void fake_say(struct fake_call *c);

static void fake_said(uv_write_t *write, int status)
{
    if (status == 0)
        fake_say(write->data);
}

static void fake_say(struct fake_call *c)
{
    struct fake_service *s = c->service;
    size_t left = s->len - c->said;

    c->speaking = true;
    if (left == 0 || !s->say) {
        if (!s->hang)
            fake_close(c);
        return;
    }
    uv_buf_t buf = {(char *)(uintptr_t)(s->say + c->said), s->split ? 1 : left};
    c->said += buf.len;
    c->write.data = c;
    assert(FAKE_WRITE(&c->write, (uv_stream_t *)&c->tcp, &buf, 1, fake_said) == 0);
}

static void fake_room(uv_handle_t *handle, size_t wanted, uv_buf_t *buf)
{
    struct fake_call *c = handle->data;
    (void)wanted;
    *buf = uv_buf_init(c->room, sizeof(c->room));
}

static void fake_read(uv_stream_t *stream, ssize_t len, const uv_buf_t *buf)
{
    struct fake_call *c = stream->data;
    struct fake_service *s = c->service;

    if (len < 0) {
        fake_close(c);
        return;
    }
    if (len > 0 && s->question_len + (size_t)len <= sizeof(s->question)) {
        memcpy(s->question + s->question_len, buf->base, (size_t)len);
        s->question_len += (size_t)len;
    }
    if (len > 0 && !c->speaking)
        fake_say(c);
}

static void fake_accept(uv_stream_t *listener, int status)
{
    struct fake_service *s = listener->data;
    struct fake_call *c = calloc(1, sizeof(*c));

    assert(status == 0 && c);
    c->service = s;
    uv_tcp_init(listener->loop, &c->tcp);
    c->tcp.data = c;
    assert(uv_accept(listener, (uv_stream_t *)&c->tcp) == 0);
    uv_tcp_nodelay(&c->tcp, 1);
    s->asked++;
    s->question_len = 0;
    FAKE_READ_START((uv_stream_t *)&c->tcp, fake_room, fake_read);
    if (s->first)
        fake_say(c);
}

/* Listen on a free port, or on s->port, of an address. */
static void fake_start(struct fake_service *s, uv_loop_t *loop, const char *address)
{
    struct sockaddr_in at;
    int len = sizeof(at);

    assert(uv_ip4_addr(address, s->port, &at) == 0);
    uv_tcp_init(loop, &s->listener);
    s->listener.data = s;
    assert(uv_tcp_bind(&s->listener, (struct sockaddr *)&at, 0) == 0);
    assert(uv_listen((uv_stream_t *)&s->listener, 16, fake_accept) == 0);
    assert(uv_tcp_getsockname(&s->listener, (struct sockaddr *)&at, &len) == 0);
    s->port = ntohs(at.sin_port);
}

static void fake_answers(struct fake_service *s, const char *say)
{
    s->say = say;
    s->len = say ? strlen(say) : 0;
}

static inline void fake_stop(struct fake_service *s)
{
    uv_close((uv_handle_t *)&s->listener, NULL);
}

#endif
