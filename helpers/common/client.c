/* client.c - see client.h. */
#include "client.h"

#include <assert.h>

enum {
    HTTP_PORT = 80,
    INTERIM_MAX = 8, /* answers 1xx before the final one */
};

static const struct http1_limits limits = {
    .line = 8192,
    .head = 16384,
    .fields = HTTP1_FIELDS_MAX,
    .body = CLIENT_ANSWER_MAX,
};

const char *client_phase_name(enum client_phase phase)
{
    switch (phase) {
    case CLIENT_RESOLVE: return "resolve";
    case CLIENT_CONNECT: return "connect";
    case CLIENT_SEND: return "send";
    case CLIENT_ANSWER: return "answer";
    }
    return "";
}

const char *client_refuses(const struct url *url)
{
    if (!slice_is_nocase(url->scheme, SLICE("http")))
        return "does not begin with http://";
    if (url->authority.len + url->target.len > CLIENT_REQUEST_MAX / 2)
        return "is too long";
    return NULL;
}

uint16_t client_port(const struct url *url)
{
    return url->port ? url->port : HTTP_PORT;
}

void client_write_request(struct text *text, const struct url *url, const char *fields)
{
    text_add(text, SLICE("GET "));
    if (url->target.len == 0 || url->target.at[0] != '/')
        text_add(text, SLICE("/"));
    text_add(text, url->target);
    text_add(text, SLICE(" HTTP/1.1\r\nHost: ")); /* first: RFC 9110 §7.2 */
    text_add(text, url->authority);
    text_add(text, SLICE("\r\nConnection: close\r\n"));
    if (fields)
        text_add_string(text, fields);
    text_add(text, SLICE("\r\n"));
}

/* -- the answer ---------------------------------------------------------------------------- */

void client_answer_start(struct client_answer *a, bool head_only)
{
    a->response.status = 0;
    a->body = (struct slice){NULL, 0};
    a->head_at = a->seen = a->body_at = 0;
    a->interim = 0;
    a->head_only = head_only;
}

/* http1 names the status to refuse a request with; here two of them say: too long. */
static enum exchange_verdict refused(unsigned status)
{
    return status == 413 || status == 431 ? EXCHANGE_LONG : EXCHANGE_WRONG;
}

/* Read heads up to the final one (RFC 9110 §15.2). */
static enum exchange_verdict read_head(struct client_answer *a, char *buf, size_t len)
{
    for (;;) {
        switch (http1_read_response(buf + a->head_at, len - a->head_at, a->seen, HTTP1_GET, &limits,
                                    &a->response)) {
        case HTTP1_MORE: a->seen = len - a->head_at; return EXCHANGE_MORE;
        case HTTP1_DATA:
        case HTTP1_REFUSED: return refused(a->response.head.refuse);
        case HTTP1_DONE: break;
        }
        if (a->response.status >= 200)
            return EXCHANGE_DONE;
        /* We asked to switch to nothing: 101 is no answer to us. */
        if (a->response.status == 101 || ++a->interim > INTERIM_MAX)
            return EXCHANGE_WRONG;
        a->head_at += a->response.head.len;
        a->seen = 0;
    }
}

enum exchange_verdict client_answer_read(void *reader, char *buf, size_t len, bool end)
{
    struct client_answer *a = reader;

    if (a->body_at == 0) {
        enum exchange_verdict verdict = read_head(a, buf, len);
        if (verdict != EXCHANGE_DONE || a->head_only)
            return verdict;
        a->body_at = a->head_at + a->response.head.len;
        a->body_start = a->body_at;
        a->body = (struct slice){buf + a->body_start, 0};
        http1_body_start(&a->state, &a->response.head, &limits, &a->trailers);
    }

    /* The pieces of the body are moved together, over what framed them. */
    for (;;) {
        size_t used = 0;
        struct slice piece = {NULL, 0};
        enum http1_result result =
            http1_read_body(&a->state, buf + a->body_at, len - a->body_at, &used, &piece);
        a->body_at += used;
        switch (result) {
        case HTTP1_DATA:
            memmove(buf + a->body_start + a->body.len, piece.at, piece.len);
            a->body.len += piece.len;
            break;
        case HTTP1_DONE: return EXCHANGE_DONE;
        case HTTP1_REFUSED: return refused(a->state.refuse);
        case HTTP1_MORE:
            return end && http1_body_may_end(&a->state) ? EXCHANGE_DONE : EXCHANGE_MORE;
        }
    }
}

/* -- the request --------------------------------------------------------------------------- */

static void finish(struct client *c, int error, enum client_phase phase)
{
    c->error = error;
    c->phase = phase;
    c->total_ns = clock_ns() - c->started_ns;
    c->done(c, c->data);
}

/* The client's deadline, as time from now. */
static uint64_t left_ms(const struct client *c)
{
    uint64_t passed = (clock_ns() - c->started_ns) / 1000000;
    return passed < c->timeout_ms ? c->timeout_ms - passed : 0;
}

static void try_next(struct client *c);

static enum client_phase phase_of(const struct exchange *x)
{
    switch (x->phase) {
    case EXCHANGE_CONNECT: return CLIENT_CONNECT;
    case EXCHANGE_SEND: return CLIENT_SEND;
    case EXCHANGE_ANSWER: return CLIENT_ANSWER;
    }
    return CLIENT_ANSWER;
}

enum client_phase client_phase_now(const struct client *c)
{
    return c->phase == CLIENT_RESOLVE ? CLIENT_RESOLVE : phase_of(&c->exchange);
}

static void on_exchanged(struct exchange *x, void *data)
{
    struct client *c = data;

    if (x->phase == EXCHANGE_CONNECT) {
        c->connect_ns += x->total_ns;
        if (c->next < c->lookup.count && x->error != UV_ECANCELED && left_ms(c) > 0) {
            try_next(c);
            return;
        }
    } else {
        c->connect_ns += x->connect_ns;
        c->answer_ns = x->total_ns - x->connect_ns;
    }
    finish(c, x->error, phase_of(x));
}

static void try_next(struct client *c)
{
    uint64_t left = left_ms(c);
    unsigned untried = c->lookup.count - c->next;

    c->address = c->lookup.addresses[c->next++];
    c->tried++;
    c->phase = CLIENT_CONNECT;
    client_answer_start(&c->answer, false);
    exchange_start(&c->exchange, c->loop,
                   &(struct exchange_plan){
                       .to = &c->address.any,
                       .say = text_slice(&c->request),
                       .buf = c->buf,
                       .capacity = sizeof(c->buf),
                       .connect_ms = left / untried, /* a silent one leaves time for the others */
                       .total_ms = left,
                       .read = client_answer_read,
                       .reader = &c->answer,
                       .done = on_exchanged,
                       .data = c,
                   });
}

/* The system sorts addresses by their likeness to our own (RFC 6724, rule 9), so the first one
 * would get every request: begin anywhere among those of its family. */
static void spread(struct lookup *l)
{
    unsigned alike = 1;
    while (alike < l->count && l->addresses[alike].any.sa_family == l->addresses[0].any.sa_family)
        alike++;
    unsigned first = (unsigned)(clock_ns() / 1000 % alike);

    union lookup_address sorted[LOOKUP_ADDRESSES_MAX];
    memcpy(sorted, l->addresses, sizeof(sorted));
    for (unsigned i = 0; i < alike; i++)
        l->addresses[i] = sorted[(first + i) % alike];
}

static void on_found(struct lookup *l, void *data)
{
    struct client *c = data;

    c->resolve_ns = clock_ns() - c->started_ns;
    c->addresses = l->count;
    if (l->error) {
        finish(c, l->error, CLIENT_RESOLVE);
        return;
    }
    spread(l);
    try_next(c);
}

void client_start(struct client *c, uv_loop_t *loop, const struct url *url, const char *fields,
                  uint64_t timeout_ms, client_done *done, void *data)
{
    c->loop = loop;
    c->addresses = c->tried = c->next = 0;
    c->resolve_ns = c->connect_ns = c->answer_ns = c->total_ns = 0;
    c->started_ns = clock_ns();
    c->timeout_ms = timeout_ms;
    c->phase = CLIENT_RESOLVE;
    c->done = done;
    c->data = data;
    client_answer_start(&c->answer, false);
    c->request = TEXT_OVER(c->request_text);
    client_write_request(&c->request, url, fields);
    assert(!c->request.full);
    uv_update_time(loop);
    lookup_start(&c->lookup, loop, url->host, client_port(url), timeout_ms, on_found, c);
}

void client_cancel(struct client *c)
{
    if (c->phase == CLIENT_RESOLVE)
        lookup_cancel(&c->lookup);
    else
        exchange_cancel(&c->exchange);
}

const char *client_reason(enum client_phase phase, int error)
{
    if (phase == CLIENT_RESOLVE)
        return lookup_reason(error);

    switch (error) {
    case UV_ECONNREFUSED: return "refuses the connection";
    case UV_EHOSTUNREACH:
    case UV_ENETUNREACH: return "cannot be reached";
    case UV_ETIMEDOUT:
        return phase == CLIENT_CONNECT ? "does not accept the connection in time"
                                       : "does not answer in time";
    case UV_EOF: return "closes the connection before its answer is complete";
    case UV_ECONNRESET: return "breaks the connection off";
    case UV_EPROTO: return "gives an answer that is not valid HTTP";
    case UV_EMSGSIZE: return "gives an answer that is too long";
    default: return uv_strerror(error);
    }
}
