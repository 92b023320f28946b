/* server.c - see server.h.
 *
 * A connection is in one phase; enter() is the only place where that changes, and it sets the
 * phase's deadline. All that can happen to a connection comes in through on_read, on_written,
 * sweep, and the calls of whoever holds its request; each ends in settle(), which writes what was
 * answered, and decides whether to read on, to say farewell, or to close.
 *
 * Octets are read into one block that all connections share. Only what cannot be dealt with at
 * once (half a head, a request behind one that is held) moves into a block of the connection's
 * own, which goes back to a small reserve as soon as it is empty. Answers are gathered in one
 * buffer likewise, and only what the kernel does not take is copied for the connection. */
#include "server.h"

#include <assert.h>
#include <malloc.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

#if defined(__GNUC__) && !defined(__clang__)
/* gcc 12's analyser loses sight of what only a list holds; the leak sanitizer does not. */
#pragma GCC diagnostic ignored "-Wanalyzer-malloc-leak"
#endif

enum {
    SWEEP_MS = 250,
    BACKLOG = 1024,
    /* So many connections are accepted before the others have their turn again. */
    ACCEPT_AT_ONCE = 64,
    /* The kernel keeps a connection to itself until it has something to read, and this long, in
     * seconds, at most (Linux, tcp(7)). */
    SILENT_S = 1,
    SPARE_BLOCKS = 16,
    /* When so many blocks and answers were freed, some 2 MB, the system gets their memory back. */
    TRIM_AFTER = 64,
    OUT_SIZE = 65536,
    /* What an answer's head needs at most, without `extra`. */
    HEAD_ROOM = 512,
    /* Descriptors that are not for connections: standard streams, the loop's own, those of libpq
     * and of the resolver, and some for a connection that is closed to make room. */
    RESERVED_DESCRIPTORS = 48,
};

const struct server_limits server_limits_default = {
    .http = {.line = 8192, .head = 16384, .fields = HTTP1_FIELDS_MAX, .body = 65536},
    .connections = 1000,
    .head_ms = 10000,
    .body_ms = 10000,
    .answer_ms = 10000,
    .write_ms = 10000,
    .idle_ms = 60000,
    .linger_ms = 2000,
    .life_ms = 3600000,
    .drain_ms = 8000, /* below the 10 s after which docker stop kills */
    .queue = 65536,
};

/* Octets that were read, [start, len) of them not yet dealt with, and what is known about them. */
struct server_block {
    struct server_block *next; /* of the spare ones */
    size_t start;
    size_t len;
    size_t capacity;
    size_t seen; /* octets from start on that the parser knows */
    struct http1_request request;
    struct http1_body body;
    struct http1_head trailers;
    char octets[];
};

struct server_connection {
    uv_tcp_t tcp; /* first: the handle is the connection */
    uv_write_t write;
    struct server *server;
    struct server_connection *before; /* in the list of its phase */
    struct server_connection *after;
    struct server_request request;
    const struct server_route *route;
    server_gone *gone;
    void *gone_data;
    struct server_block *block; /* NULL: nothing waits */
    char *flight;               /* octets the kernel has yet to take; NULL: none */
    struct text waiting;        /* octets to follow them */
    uint64_t born;
    uint64_t deadline;
    uint8_t phase;
    uint8_t minor;   /* of the request being answered */
    bool keep;       /* it may be followed by another */
    bool only_head;  /* its method is HEAD */
    bool held;       /* server_hold or server_stream was called */
    bool closing;    /* the last answer is given */
    bool linger;     /* the peer may still be sending: wait for its end before closing */
    bool peer_ended; /* it has closed its side */
    bool reading;
    bool busy;   /* its octets are being dealt with right now, further up the stack */
    bool broken; /* to be closed as soon as that is over */
};

static void settle(struct server_connection *c);

/* -- phases ---------------------------------------------------------------------------------- */

static void list_remove(struct server_list *list, struct server_connection *c)
{
    if (c->before)
        c->before->after = c->after;
    else
        list->first = c->after;
    if (c->after)
        c->after->before = c->before;
    else
        list->last = c->before;
}

static void list_append(struct server_list *list, struct server_connection *c)
{
    c->before = list->last;
    c->after = NULL;
    if (list->last)
        list->last->after = c;
    else
        list->first = c;
    list->last = c;
}

#define TO(phase) (1u << SERVER_##phase)
static const unsigned allowed[SERVER_PHASES] = {
    [SERVER_IDLE] = TO(HEAD) | TO(BODY) | TO(ASKED) | TO(WRITE) | TO(LINGER) | TO(CLOSED),
    [SERVER_HEAD] = TO(IDLE) | TO(BODY) | TO(ASKED) | TO(CLOSED),
    [SERVER_BODY] = TO(IDLE) | TO(ASKED) | TO(CLOSED),
    [SERVER_ASKED] = TO(IDLE) | TO(STREAM) | TO(CLOSED),
    [SERVER_STREAM] = TO(IDLE) | TO(CLOSED),
    [SERVER_WRITE] = TO(IDLE) | TO(CLOSED),
    [SERVER_LINGER] = TO(CLOSED),
    [SERVER_CLOSED] = 0,
};

/* The only place where the phase changes: each gets its own deadline. IDLE is also where a
 * connection is between its answer and what settle() makes of it. */
static void enter(struct server_connection *c, enum server_phase next)
{
    struct server *s = c->server;
    const struct server_limits *limits = &s->limits;
    uint64_t now = uv_now(s->loop);

    assert(allowed[c->phase] & (1u << next));
    s->counters.idle -= c->phase == SERVER_IDLE;
    s->counters.idle += next == SERVER_IDLE;
    s->counters.streams -= c->phase == SERVER_STREAM;
    s->counters.streams += next == SERVER_STREAM;
    list_remove(&s->phases[c->phase], c);
    list_append(&s->phases[next], c);
    c->phase = (uint8_t)next;
    switch (next) {
    case SERVER_IDLE: c->deadline = now + limits->idle_ms; break;
    case SERVER_HEAD: c->deadline = now + limits->head_ms; break;
    case SERVER_BODY: c->deadline = now + limits->body_ms; break;
    case SERVER_ASKED: c->deadline = now + limits->answer_ms; break;
    case SERVER_STREAM: c->deadline = c->born + limits->life_ms; break;
    case SERVER_WRITE: c->deadline = now + limits->write_ms; break;
    case SERVER_LINGER: c->deadline = now + limits->linger_ms; break;
    case SERVER_CLOSED:
    case SERVER_PHASES: break; /* nothing is owed */
    }
}

/* -- blocks ---------------------------------------------------------------------------------- */

static void block_empty(struct server_block *b)
{
    b->start = b->len = b->seen = 0;
}

static struct server_block *block_new(const struct server *s)
{
    /* A head whose body is still being read, and that body's trailers. */
    size_t capacity = 2 * (size_t)s->limits.http.head;
    struct server_block *b = malloc(sizeof(*b) + capacity);
    if (b) {
        b->next = NULL;
        b->capacity = capacity;
        block_empty(b);
    }
    return b;
}

static struct server_block *block_take(struct server *s)
{
    struct server_block *b = s->spare;
    if (!b)
        return block_new(s);
    s->spare = b->next;
    s->spare_count--;
    block_empty(b);
    return b;
}

/* Free a block or what was kept of an answer. */
static void give_back(struct server *s, void *memory)
{
    s->freed += memory != NULL;
    free(memory);
}

static void block_give(struct server *s, struct server_block *b)
{
    if (!b)
        return;
    if (s->spare_count == SPARE_BLOCKS) {
        give_back(s, b);
        return;
    }
    b->next = s->spare;
    s->spare = b;
    s->spare_count++;
}

/* Move the octets that wait to `to`, so that there is room behind them. */
static void block_pack(struct server_block *b, size_t to)
{
    if (b->start == to)
        return;
    memmove(b->octets + to, b->octets + b->start, b->len - b->start);
    b->len -= b->start - to;
    b->start = to;
}

/* Let the connection have what waits, from its first octet on, in a block of its own.
 * False: no memory. */
static bool block_own(struct server_connection *c)
{
    struct server_block *shared = c->server->shared;
    if (c->block) {
        block_pack(c->block, 0);
        return true;
    }
    struct server_block *b = block_take(c->server);
    if (!b)
        return false;
    b->len = shared->len - shared->start;
    b->seen = shared->seen;
    b->request = shared->request;
    memcpy(b->octets, shared->octets + shared->start, b->len);
    block_empty(shared);
    c->block = b;
    return true;
}

/* -- closing --------------------------------------------------------------------------------- */

static void drain_step(struct server *s);

static void on_closed(uv_handle_t *handle)
{
    struct server_connection *c = (struct server_connection *)handle;
    struct server *s = c->server;
    list_remove(&s->phases[SERVER_CLOSED], c);
    block_give(s, c->block);
    give_back(s, c->flight);
    give_back(s, c->waiting.at);
    free(c);
    s->alive--;
    drain_step(s);
}

/* Tell whoever holds the request that it is over. */
static void tell_gone(struct server_connection *c)
{
    server_gone *gone = c->gone;
    c->gone = NULL;
    c->held = false;
    if (gone)
        gone(&c->request, c->gone_data);
}

/* The end of a connection, whatever it is doing. */
static void close_now(struct server_connection *c)
{
    struct server *s = c->server;
    bool asked = c->held;
    if (c->phase == SERVER_CLOSED)
        return;
    if (c->busy) { /* somebody further up the stack is not done with it */
        c->broken = true;
        return;
    }
    assert(s->out_of != c); /* answers are gathered only while it is busy */
    enter(c, SERVER_CLOSED);
    s->counters.open--;
    uv_close((uv_handle_t *)&c->tcp, on_closed);
    if (asked) {
        s->counters.gone++;
        tell_gone(c);
    }
}

/* All is said. Closing a socket that has unread octets, or that gets more, resets the connection
 * and may destroy the answer on its way: so first close our side and wait for the peer's
 * (RFC 9112 §9.6). */
static void farewell(struct server_connection *c)
{
    uv_os_fd_t fd;
    if (!c->linger || c->peer_ended || uv_fileno((uv_handle_t *)&c->tcp, &fd) ||
        shutdown(fd, SHUT_WR)) {
        close_now(c);
        return;
    }
    enter(c, SERVER_LINGER);
}

/* -- writing --------------------------------------------------------------------------------- */

static void on_written(uv_write_t *write, int status);

/* Start to write what waits. False: the connection is lost. */
static bool launch(struct server_connection *c)
{
    uv_buf_t buf = uv_buf_init(c->waiting.at, (unsigned)c->waiting.len);
    c->flight = c->waiting.at;
    c->waiting = (struct text){NULL, 0, 0, false};
    if (c->phase == SERVER_STREAM)
        c->deadline = uv_now(c->server->loop) + c->server->limits.write_ms;
    return uv_write(&c->write, (uv_stream_t *)&c->tcp, &buf, 1, on_written) == 0;
}

/* Keep octets that the kernel does not take now. False: no memory. */
static bool keep_waiting(struct server_connection *c, struct slice octets)
{
    if (octets.len > c->waiting.capacity - c->waiting.len) {
        size_t capacity = c->waiting.len + octets.len;
        char *at = realloc(c->waiting.at, capacity);
        if (!at)
            return false;
        c->waiting.at = at;
        c->waiting.capacity = capacity;
    }
    text_add(&c->waiting, octets);
    return true;
}

/* Write two pieces. What the kernel does not take is kept and written later; if that cannot be,
 * the connection is closed. */
static void send_pieces(struct server_connection *c, struct slice first, struct slice second)
{
    struct slice pieces[2] = {first, second};
    size_t taken = 0;
    bool ok = true;

    if (!c->flight) {
        uv_buf_t bufs[2] = {uv_buf_init((char *)(uintptr_t)first.at, (unsigned)first.len),
                            uv_buf_init((char *)(uintptr_t)second.at, (unsigned)second.len)};
        int n = uv_try_write((uv_stream_t *)&c->tcp, bufs, second.len > 0 ? 2 : 1);
        ok = n >= 0 || n == UV_EAGAIN;
        taken = n > 0 ? (size_t)n : 0;
    }
    c->server->counters.octets_out += first.len + second.len;
    if (ok && taken == first.len + second.len)
        return;
    for (size_t i = 0; ok && i < 2; i++) {
        size_t skip = taken < pieces[i].len ? taken : pieces[i].len;
        taken -= skip;
        ok = keep_waiting(c, (struct slice){pieces[i].at + skip, pieces[i].len - skip});
    }
    if (!ok || (!c->flight && !launch(c)))
        close_now(c);
}

/* Write the answers that are gathered. */
static void flush(struct server *s)
{
    struct server_connection *c = s->out_of;
    struct slice out = text_slice(&s->out);
    if (!c)
        return;
    s->out_of = NULL;
    text_clear(&s->out);
    if (!c->broken && c->phase != SERVER_CLOSED)
        send_pieces(c, out, (struct slice){"", 0});
}

/* The gathering place, for answers of c. */
static struct text *out_for(struct server_connection *c)
{
    struct server *s = c->server;
    if (s->out_of != c)
        flush(s);
    s->out_of = c;
    return &s->out;
}

static void out_add(struct server_connection *c, struct slice octets)
{
    struct text *out = out_for(c);
    if (octets.len <= out->capacity - out->len) {
        text_add(out, octets);
        return;
    }
    struct slice first = text_slice(out);
    c->server->out_of = NULL;
    text_clear(out);
    send_pieces(c, first, octets);
}

static void on_written(uv_write_t *write, int status)
{
    struct server_connection *c = (struct server_connection *)write->handle;
    give_back(c->server, c->flight);
    c->flight = NULL;
    if (status || (c->waiting.len > 0 && !launch(c))) {
        close_now(c);
        return;
    }
    settle(c);
}

/* -- answers --------------------------------------------------------------------------------- */

/* "Date: Sun, 06 Nov 1994 08:49:37 GMT" and CRLF (RFC 9110 §5.6.7), made once a second; the clock
 * is looked at once a turn. */
static struct slice date_line(struct server *s)
{
    static const char days[] = "SunMonTueWedThuFriSat";
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    struct text t = TEXT_OVER(s->date);
    int64_t now = s->date_fresh ? s->date_at : (int64_t)time(NULL);
    s->date_fresh = true;
    if (now != s->date_at) {
        struct clock_utc utc = clock_utc(now);
        text_add_format(&t, "Date: %.3s, %02u %.3s %04u %02u:%02u:%02u GMT\r\n",
                        days + 3ul * utc.weekday, utc.day, months + 3ul * (utc.month - 1), utc.year,
                        utc.hour, utc.minute, utc.second);
        s->date_at = now;
    }
    return (struct slice){s->date, 37};
}

/* Add what is known to fit: HEAD_ROOM is there. */
static inline void put(struct text *out, struct slice s)
{
    memcpy(out->at + out->len, s.at, s.len);
    out->len += s.len;
}

/* The head of an answer up to its last field, which the caller adds, with the empty line. */
static struct text *begin_answer(struct server_connection *c, unsigned status, const char *type)
{
    struct server *s = c->server;
    struct text *out = out_for(c);

    if (out->capacity - out->len < HEAD_ROOM) {
        flush(s);
        s->out_of = c;
    }
    if (s->draining || uv_now(s->loop) - c->born >= s->limits.life_ms) {
        c->linger = c->linger || c->keep; /* it does not know yet, and may ask again */
        c->keep = false;
    }
    s->counters.answers[status / 100]++;
    if (status == 200) {
        put(out, SLICE("HTTP/1.1 200 OK\r\n"));
    } else {
        put(out, SLICE("HTTP/1.1 "));
        text_add_number(out, status);
        put(out, SLICE(" "));
        put(out, http1_reason(status));
        put(out, SLICE("\r\n"));
    }
    put(out, date_line(s));
    if (type) {
        put(out, SLICE("Content-Type: "));
        text_add_string(out, type);
        put(out, SLICE("\r\n"));
    }
    if (!c->keep)
        put(out, SLICE("Connection: close\r\n"));
    else if (c->minor == 0)
        put(out, SLICE("Connection: keep-alive\r\n"));
    return out;
}

static void write_answer(struct server_connection *c, unsigned status, const char *type,
                         struct slice body, const char *extra)
{
    struct text *out = begin_answer(c, status, type);
    if (status != 204) { /* RFC 9110 §8.6 */
        put(out, SLICE("Content-Length: "));
        text_add_number(out, body.len);
        put(out, SLICE("\r\n"));
    }
    if (extra)
        out_add(c, slice_of(extra));
    out_add(c, SLICE("\r\n"));
    if (!c->only_head && body.len > 0)
        out_add(c, body);
    c->closing = !c->keep;
}

/* Answer with an error of our own, whose body is its reason. */
static void write_error(struct server_connection *c, unsigned status, const char *extra)
{
    char body[64];
    struct text t = TEXT_OVER(body);
    text_add_number(&t, status);
    text_add_char(&t, ' ');
    text_add(&t, http1_reason(status));
    text_add_char(&t, '\n');
    write_answer(c, status, "text/plain", text_slice(&t), extra);
}

/* Answer with an error and read no further: what follows cannot be trusted, or is not wanted. */
static void refuse(struct server_connection *c, unsigned status)
{
    c->keep = false;
    c->linger = true;
    write_error(c, status, NULL);
}

static struct server_connection *connection_of(struct server_request *r)
{
    return (struct server_connection *)(void *)((char *)r -
                                                offsetof(struct server_connection, request));
}

/* What is done to a connection from outside is done between these two: nothing closes it until
 * the end, and then it is settled. */
static bool begin_work(struct server_connection *c)
{
    bool outer = !c->busy;
    c->busy = true;
    return outer;
}

static void end_work(struct server_connection *c, bool outer)
{
    if (outer) {
        c->busy = false;
        settle(c);
    }
}

/* The request is no longer its holder's. */
static void release(struct server_connection *c)
{
    c->gone = NULL;
    c->held = false;
}

static void hold(struct server_connection *c, server_gone *gone, void *data)
{
    c->gone = gone;
    c->gone_data = data;
    c->held = true;
}

void server_answer(struct server_request *r, unsigned status, const char *type, struct slice body,
                   const char *extra)
{
    struct server_connection *c = connection_of(r);
    bool outer = begin_work(c);
    assert(c->phase == SERVER_ASKED && status >= 200 && status <= 599);
    release(c);
    enter(c, SERVER_IDLE);
    write_answer(c, status, type, body, extra);
    end_work(c, outer);
}

void server_hold(struct server_request *r, server_gone *gone, void *data)
{
    struct server_connection *c = connection_of(r);
    assert(c->phase == SERVER_ASKED && !c->held);
    hold(c, gone, data);
}

/* -- streams --------------------------------------------------------------------------------- */

bool server_stream(struct server_request *r, const char *type, server_gone *gone, void *data)
{
    struct server_connection *c = connection_of(r);
    bool outer = begin_work(c);
    bool wanted = !c->only_head;
    assert(c->phase == SERVER_ASKED);
    release(c);
    if (c->minor == 0)
        c->keep = false; /* only the end of the connection delimits it */
    struct text *out = begin_answer(c, 200, type);
    if (c->minor > 0)
        text_add(out, SLICE("Transfer-Encoding: chunked\r\n"));
    /* nginx gathers an answer before it passes it on, unless it is told not to. */
    text_add(out, SLICE("Cache-Control: no-store\r\nX-Accel-Buffering: no\r\n\r\n"));
    if (wanted) {
        hold(c, gone, data);
        enter(c, SERVER_STREAM);
    } else {
        c->closing = !c->keep;
        enter(c, SERVER_IDLE);
    }
    end_work(c, outer);
    return wanted;
}

bool server_stream_send(struct server_request *r, struct slice piece)
{
    struct server_connection *c = connection_of(r);
    char line[20];
    struct text size = TEXT_OVER(line);
    assert(c->phase == SERVER_STREAM);
    if (piece.len == 0) /* an empty chunk would be the end */
        return true;
    if (c->flight && c->waiting.len + piece.len + sizeof(line) > c->server->limits.queue)
        return false;
    bool outer = begin_work(c);
    if (c->minor > 0) {
        text_add_format(&size, "%zx\r\n", piece.len);
        out_add(c, text_slice(&size));
    }
    out_add(c, piece);
    if (c->minor > 0)
        out_add(c, SLICE("\r\n"));
    if (outer) {
        /* Not settled: if it fails now, gone is called by the next sweep, never from here. */
        flush(c->server);
        c->busy = false;
        if (c->broken)
            c->deadline = 0;
    }
    return true;
}

static void end_stream(struct server_connection *c)
{
    release(c);
    c->closing = !c->keep;
    if (c->minor > 0)
        out_add(c, SLICE("0\r\n\r\n"));
    enter(c, SERVER_IDLE);
}

void server_stream_end(struct server_request *r)
{
    struct server_connection *c = connection_of(r);
    bool outer = begin_work(c);
    assert(c->phase == SERVER_STREAM);
    end_stream(c);
    end_work(c, outer);
}

/* -- requests -------------------------------------------------------------------------------- */

static bool route_fits(const struct server_route *route, struct slice path)
{
    const char *wanted = route->path;
    size_t i = 0;
    while (i < path.len && wanted[i] == path.at[i])
        i++;
    return wanted[i] == '\0' ? i == path.len : wanted[i] == '*' && wanted[i + 1] == '\0';
}

/* RFC 9110 §15.5.6: a 405 names what is allowed. */
static const char *allow_line(unsigned methods)
{
    switch (methods & (SERVER_GET | SERVER_POST)) {
    case SERVER_POST: return "Allow: POST\r\n";
    case SERVER_GET | SERVER_POST: return "Allow: GET, HEAD, POST\r\n";
    default: return "Allow: GET, HEAD\r\n";
    }
}

/* What is wrong with a request that is well written: 0, or the status to answer. */
static unsigned judge(struct server_connection *c, const struct http1_request *req)
{
    struct slice path = http1_slice(&req->head, req->path);
    enum http1_method method = req->method == HTTP1_HEAD ? HTTP1_GET : req->method;

    if (!req->has_host && req->head.minor > 0)
        return 400; /* RFC 9112 §3.2, also in absolute-form: only the field counts */
    if (method == HTTP1_OTHER || method == HTTP1_CONNECT || req->head.coded)
        return 501; /* RFC 9110 §9.1, RFC 9112 §6.1 */
    if (req->expect == HTTP1_EXPECT_OTHER)
        return 417; /* RFC 9110 §10.1.1 */
    c->route = c->server->routes;
    if (slice_is(path, SLICE("*")))
        return 405; /* OPTIONS for the whole server: not offered either */
    if (path.len == 0)
        path = SLICE("/"); /* absolute-form without a path */
    while (c->route->path && !route_fits(c->route, path))
        c->route++;
    if (!c->route->path)
        return 404;
    return c->route->methods & (1u << method) ? 0 : 405;
}

/* The request is complete: ask the handler. */
static void ask(struct server_connection *c, struct server_block *b)
{
    enter(c, SERVER_ASKED);
    c->request.http = &b->request;
    c->request.route_data = c->route->data;
    c->route->handle(&c->request);
    c->request.http = NULL;
    assert(c->phase != SERVER_ASKED || c->held); /* a handler answers, holds or streams */
}

/* A head is complete; the block's start is still where it begins. */
static void begin_request(struct server_connection *c, struct server_block *b)
{
    const struct http1_head *h = &b->request.head;
    bool body = h->framing != HTTP1_NO_BODY;

    c->server->counters.requests++;
    c->minor = h->minor;
    c->keep = h->keep_alive;
    c->only_head = b->request.method == HTTP1_HEAD;
    unsigned status = judge(c, &b->request);
    /* The body stays where it is when nobody wants it. */
    if (status > 0 && (body || status == 400 || status == 501)) {
        refuse(c, status);
    } else if (status > 0) {
        write_error(c, status, status == 405 ? allow_line(c->route->methods) : NULL);
        b->start += h->len;
    } else if (!body) {
        b->start += h->len;
        ask(c, b);
        return;
    } else if (!block_own(c)) {
        refuse(c, 503);
    } else {
        b = c->block;
        b->request.head.base = b->octets;
        b->start = b->request.head.len;
        http1_body_start(&b->body, &b->request.head, &c->server->limits.http, &b->trailers);
        /* RFC 9110 §10.1.1: needless where the body has already begun to come. */
        if (b->request.expect == HTTP1_EXPECT_CONTINUE && b->start == b->len)
            out_add(c, SLICE("HTTP/1.1 100 Continue\r\n\r\n"));
        enter(c, SERVER_BODY);
        return;
    }
    if (c->phase != SERVER_IDLE)
        enter(c, SERVER_IDLE);
}

/* What the parser cannot read. */
static void malformed(struct server_connection *c, unsigned status)
{
    c->server->counters.malformed++;
    refuse(c, status);
    if (c->phase != SERVER_IDLE)
        enter(c, SERVER_IDLE);
}

/* Deal with the next part of what waits. False: more octets must come first. */
static bool step_head(struct server_connection *c, struct server_block *b)
{
    const struct http1_limits *limits = &c->server->limits.http;
    size_t len = b->len - b->start;
    switch (http1_read_request(b->octets + b->start, len, b->seen, limits, &b->request)) {
    case HTTP1_DONE:
        b->seen = 0;
        begin_request(c, b);
        return true;
    case HTTP1_REFUSED:
        c->minor = 1;
        c->only_head = b->request.method == HTTP1_HEAD;
        malformed(c, b->request.head.refuse);
        return true;
    case HTTP1_MORE:
    case HTTP1_DATA: break;
    }
    b->seen = len;
    if (c->phase == SERVER_IDLE)
        enter(c, SERVER_HEAD);
    return false;
}

static bool step_body(struct server_connection *c, struct server_block *b)
{
    struct slice dropped;
    size_t used;
    enum http1_result result =
        http1_read_body(&b->body, b->octets + b->start, b->len - b->start, &used, &dropped);
    b->start += used;
    switch (result) {
    case HTTP1_DATA: return true;
    case HTTP1_DONE: ask(c, b); return true;
    case HTTP1_REFUSED: malformed(c, b->body.refuse); return true;
    case HTTP1_MORE: break;
    }
    return false;
}

/* Deal with all that waits, as far as it goes. */
static void process(struct server_connection *c)
{
    struct server *s = c->server;
    bool more = true;

    c->busy = true;
    while (more && !c->broken && !c->closing && !c->flight) {
        struct server_block *b = c->block ? c->block : s->shared;
        if (c->phase == SERVER_BODY)
            more = step_body(c, b);
        else
            more = (c->phase == SERVER_IDLE || c->phase == SERVER_HEAD) && b->start < b->len &&
                   step_head(c, b);
    }
    c->busy = false;

    /* What is left must not stay in the shared block. */
    struct server_block *b = c->block ? c->block : s->shared;
    if (c->closing) {
        c->linger = c->linger || b->start < b->len;
        block_empty(b);
    } else if (b == s->shared && b->start < b->len && !block_own(c)) {
        c->broken = true;
    }
    block_empty(s->shared);
    if (c->block && c->block->start == c->block->len && c->phase != SERVER_BODY) {
        block_give(s, c->block);
        c->block = NULL;
    }
}

/* -- reading --------------------------------------------------------------------------------- */

static void on_room(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct server_connection *c = (struct server_connection *)handle;
    struct server_block *b = c->block ? c->block : c->server->shared;
    (void)suggested;
    if (c->block)
        block_pack(b, c->phase == SERVER_BODY ? b->request.head.len : 0);
    *buf = uv_buf_init(b->octets + b->len, (unsigned)(b->capacity - b->len));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct server_connection *c = (struct server_connection *)stream;
    (void)buf;
    if (n == 0) /* EAGAIN */
        return;
    if (n == UV_EOF) {
        c->peer_ended = true;
        c->reading = false; /* libuv has seen to it */
        /* A peer that has closed its side may still wait for its answer; but whoever is half way
         * through a request, or reads a stream, has left. */
        if (c->phase == SERVER_ASKED || c->phase == SERVER_WRITE)
            return;
    }
    if (n < 0) {
        close_now(c);
        return;
    }
    c->server->counters.octets_in += (uint64_t)n;
    if (c->phase == SERVER_LINGER) /* too late */
        return;
    if (c->block)
        c->block->len += (size_t)n;
    else
        c->server->shared->len += (size_t)n;
    process(c);
    settle(c);
}

/* Read while there is somewhere to put it. */
static void set_reading(struct server_connection *c)
{
    bool room = !c->block || c->block->len - c->block->start < c->server->limits.http.head;
    bool wanted = !c->peer_ended && (room || c->phase == SERVER_BODY);
    if (wanted && !c->reading)
        c->reading = uv_read_start((uv_stream_t *)&c->tcp, on_room, on_read) == 0;
    else if (!wanted && c->reading) {
        uv_read_stop((uv_stream_t *)&c->tcp);
        c->reading = false;
    }
    if (wanted && !c->reading)
        close_now(c);
}

/* After anything has happened to a connection: write what was answered, and see what comes next. */
static void settle(struct server_connection *c)
{
    struct server *s = c->server;
    assert(!c->busy);
    for (;;) {
        if (s->out_of == c)
            flush(s);
        if (c->phase == SERVER_CLOSED)
            return;
        if (c->broken) {
            close_now(c);
            return;
        }
        if (c->phase == SERVER_WRITE && !c->flight)
            enter(c, SERVER_IDLE);
        if (c->phase == SERVER_STREAM && !c->flight)
            c->deadline = c->born + s->limits.life_ms;
        if (c->peer_ended && (c->phase == SERVER_HEAD || c->phase == SERVER_BODY)) {
            close_now(c); /* the rest will never come */
            return;
        }
        if (c->phase != SERVER_IDLE)
            break;
        if (c->flight) {
            enter(c, SERVER_WRITE);
            break;
        }
        if (c->closing) {
            farewell(c);
            break;
        }
        if (!c->block) {
            /* Nothing was asked, nothing is owed. */
            if (c->peer_ended || s->draining) {
                close_now(c);
                return;
            }
            break;
        }
        process(c);
    }
    if (c->phase != SERVER_CLOSED)
        set_reading(c);
}

/* -- accepting ------------------------------------------------------------------------------- */

static void on_refused_closed(uv_handle_t *handle)
{
    struct server *s = handle->data;
    s->refusing = false;
    drain_step(s);
}

/* There is no memory for a connection: take it from the kernel all the same, or libuv would wait
 * for that for ever, and close it. */
static void refuse_blindly(struct server *s)
{
    s->refusing = true;
    s->counters.refused_connections++;
    uv_tcp_init(s->loop, &s->refused); /* fails only where a socket is made at once */
    s->refused.data = s;
    (void)!uv_accept((uv_stream_t *)&s->listener, (uv_stream_t *)&s->refused);
    uv_close((uv_handle_t *)&s->refused, on_refused_closed);
}

/* What has come by now, into the shared block; 0 or less: nothing. */
static ssize_t receive(struct server_connection *c)
{
    struct server_block *shared = c->server->shared;
    uv_os_fd_t fd;
    if (uv_fileno((uv_handle_t *)&c->tcp, &fd))
        return 0;
    return recv(fd, shared->octets, shared->capacity, MSG_DONTWAIT);
}

/* Most peers have sent their request by the time they are accepted. Whoever is answered and closed
 * at once never comes to the poller, which saves a third of the system calls. */
static void read_at_once(struct server_connection *c)
{
    ssize_t n = receive(c);
    if (n <= 0) /* nothing yet; an end or an error will come again */
        return;
    c->server->counters.octets_in += (uint64_t)n;
    c->server->shared->len = (size_t)n;
    process(c);
}

static void on_sweep(uv_timer_t *timer);

static void accept_one(struct server *s)
{
    struct server_connection *c = calloc(1, sizeof(*c));
    if (!c) {
        refuse_blindly(s);
        return;
    }
    c->server = s;
    c->minor = 1;
    c->phase = SERVER_IDLE;
    c->born = uv_now(s->loop);
    c->deadline = c->born + s->limits.idle_ms;
    uv_tcp_init(s->loop, &c->tcp);
    s->alive++;
    s->counters.open++;
    s->counters.idle++;
    list_append(&s->phases[SERVER_IDLE], c);
    if (uv_accept((uv_stream_t *)&s->listener, (uv_stream_t *)&c->tcp)) {
        close_now(c);
        return;
    }
    s->counters.accepted++;
    if (!uv_is_active((uv_handle_t *)&s->sweep)) {
        s->swept_at = c->born;
        uv_timer_start(&s->sweep, on_sweep, SWEEP_MS, SWEEP_MS);
    }
    if (s->counters.open > s->limits.connections) {
        struct server_connection *oldest = s->phases[SERVER_IDLE].first;
        if (oldest == c) {
            s->counters.refused_connections++;
            c->busy = true;
            refuse(c, 503);
            c->linger = false; /* it must not cost more than this; */
            (void)receive(c);  /* but what it sent would reset it before it reads that */
            c->busy = false;
            settle(c);
            return;
        }
        close_now(oldest);
    }
    read_at_once(c);
    settle(c);
}

/* libuv asks for as long as connections come; while more come than can be served, nobody else would
 * ever be. One that is not accepted makes it wait. */
static void on_connection(uv_stream_t *listener, int status)
{
    struct server *s = listener->data;
    if (status)
        return;
    if (s->accepted_now == ACCEPT_AT_ONCE || s->refusing) {
        s->accept_later = true;
        return;
    }
    s->accepted_now++;
    accept_one(s);
}

static void on_turn(uv_prepare_t *turn)
{
    struct server *s = turn->data;
    s->accepted_now = 0;
    s->date_fresh = false;
    if (s->accept_later) { /* one that was refused has been closed by now */
        s->accept_later = false;
        accept_one(s);
    }
}

/* -- deadlines ------------------------------------------------------------------------------- */

static void expire(struct server_connection *c)
{
    struct server *s = c->server;
    bool slow = c->flight || c->broken;

    s->counters.timeouts += c->phase != SERVER_IDLE && c->phase != SERVER_LINGER &&
                            !(c->phase == SERVER_STREAM && !slow);
    switch ((enum server_phase)c->phase) {
    case SERVER_HEAD: /* half a head may have named its method */
        c->only_head = c->block->request.method == HTTP1_HEAD;
        __attribute__((fallthrough));
    case SERVER_BODY:
        c->busy = true;
        refuse(c, 408); /* RFC 9110 §15.5.9 */
        enter(c, SERVER_IDLE);
        c->busy = false;
        settle(c);
        return;
    case SERVER_ASKED:
        c->busy = true;
        enter(c, SERVER_IDLE);
        tell_gone(c);
        write_error(c, 503, NULL);
        c->busy = false;
        settle(c);
        return;
    case SERVER_STREAM:
        if (slow)
            break;
        c->busy = true;
        tell_gone(c);
        end_stream(c);
        c->busy = false;
        settle(c);
        return;
    case SERVER_IDLE:
    case SERVER_WRITE:
    case SERVER_LINGER:
    case SERVER_CLOSED:
    case SERVER_PHASES: break;
    }
    c->broken = false;
    close_now(c);
}

/* The next connection of a phase whose deadline had passed at that time. */
static struct server_connection *late(const struct server *s, enum server_phase phase, uint64_t at)
{
    struct server_connection *c = s->phases[phase].first;
    /* A stream's deadline changes while it waits in its list; all others come in order. */
    while (phase == SERVER_STREAM && c && c->deadline > at)
        c = c->after;
    return c && c->deadline <= at ? c : NULL;
}

/* Timers run before sockets are looked at: what a peer sent in time may lie there unread. So a
 * deadline counts as missed when it had passed at the sweep before this one. */
static void on_sweep(uv_timer_t *timer)
{
    struct server *s = timer->data;
    uint64_t at = s->swept_at;
    struct server_connection *c;

    s->swept_at = uv_now(s->loop);
    for (enum server_phase phase = SERVER_IDLE; phase < SERVER_CLOSED; phase++) {
        while ((c = late(s, phase, at)))
            expire(c);
        if (s->draining && s->swept_at >= s->drain_at)
            while ((c = s->phases[phase].first))
                close_now(c);
    }
    if (s->freed >= TRIM_AFTER) { /* malloc keeps what lies below a block that is in use */
        s->freed = 0;
        malloc_trim(0);
    }
    if (s->alive == 0) /* connections that were closed just now have yet to free theirs */
        uv_timer_stop(timer);
}

/* -- life ------------------------------------------------------------------------------------ */

int server_init(struct server *s, uv_loop_t *loop, const struct server_limits *limits,
                const struct server_route *routes)
{
    struct rlimit files;

    *s = (struct server){.loop = loop, .limits = *limits, .routes = routes, .date_at = -1};
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        rlim_t most =
            files.rlim_cur > RESERVED_DESCRIPTORS + 1 ? files.rlim_cur - RESERVED_DESCRIPTORS : 1;
        if (s->limits.connections > most)
            s->limits.connections = (uint32_t)most;
    }
    s->shared = block_new(s);
    s->out = (struct text){malloc(OUT_SIZE), 0, OUT_SIZE, false};
    if (!s->shared || !s->out.at) {
        free(s->shared);
        free(s->out.at);
        return UV_ENOMEM;
    }
    /* Neither can fail: they make no socket and no descriptor. */
    (void)uv_tcp_init(loop, &s->listener);
    (void)uv_timer_init(loop, &s->sweep);
    (void)uv_prepare_init(loop, &s->turn);
    s->listener.data = s;
    s->sweep.data = s;
    s->turn.data = s;
    s->open_handles = 3;
    return 0;
}

/* Most connections are then accepted with their request, in one turn of the loop. A kernel or a
 * sandbox that does not know the option costs a turn more, no answer. */
static void accept_with_request(struct server *s)
{
    int seconds = SILENT_S;
    uv_os_fd_t fd;
    if (uv_fileno((uv_handle_t *)&s->listener, &fd) == 0)
        (void)setsockopt(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &seconds, sizeof(seconds));
}

static int listen_on(struct server *s, const struct sockaddr *address)
{
    int r = uv_tcp_bind(&s->listener, address, 0);
    /* Accepted sockets inherit it: that saves a system call for each. */
    if (r == 0)
        r = uv_tcp_nodelay(&s->listener, 1);
    if (r == 0) {
        accept_with_request(s);
        r = uv_listen((uv_stream_t *)&s->listener, BACKLOG, on_connection);
    }
    s->listening = r == 0;
    if (r == 0)
        (void)uv_prepare_start(&s->turn, on_turn); /* fails only without a function */
    return r;
}

int server_listen(struct server *s, const char *address, uint16_t port)
{
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    bool any = !address;
    int r;

    if (uv_ip6_addr(any ? "::" : address, port, &v6) == 0) {
        r = listen_on(s, (const struct sockaddr *)&v6);
        /* A kernel without IPv6. */
        if (!any || (r != UV_EAFNOSUPPORT && r != UV_EADDRNOTAVAIL && r != UV_EINVAL))
            return r;
    }
    r = uv_ip4_addr(any ? "0.0.0.0" : address, port, &v4);
    return r ? r : listen_on(s, (const struct sockaddr *)&v4);
}

uint16_t server_port(const struct server *s)
{
    struct sockaddr_storage name;
    int len = sizeof(name);
    if (!s->listening || uv_tcp_getsockname(&s->listener, (struct sockaddr *)&name, &len))
        return 0;
    /* The port lies in the same place in both families. */
    return ntohs(((struct sockaddr_in *)&name)->sin_port);
}

static void on_own_closed(uv_handle_t *handle)
{
    struct server *s = handle->data;
    struct server_block *b;
    if (--s->open_handles > 0)
        return;
    while ((b = s->spare)) {
        s->spare = b->next;
        free(b);
    }
    free(s->shared);
    free(s->out.at);
    s->drained(s->drained_data);
}

/* The timer and the turn are the last to go. */
static void drain_step(struct server *s)
{
    if (!s->draining || s->alive > 0 || s->refusing || uv_is_closing((uv_handle_t *)&s->sweep))
        return;
    uv_close((uv_handle_t *)&s->turn, on_own_closed);
    uv_close((uv_handle_t *)&s->sweep, on_own_closed);
}

/* Has the peer sent something that we have not read yet? */
static bool has_unread(struct server_connection *c)
{
    uv_os_fd_t fd;
    char octet;
    return uv_fileno((uv_handle_t *)&c->tcp, &fd) == 0 &&
           recv(fd, &octet, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

void server_drain(struct server *s, server_drained *drained, void *data)
{
    struct server_connection *c;
    struct server_connection *next;

    if (s->draining)
        return;
    s->draining = true;
    s->listening = false;
    s->drained = drained;
    s->drained_data = data;
    s->drain_at = uv_now(s->loop) + s->limits.drain_ms;
    s->accept_later = false; /* it goes with the listener */
    uv_close((uv_handle_t *)&s->listener, on_own_closed);
    for (c = s->phases[SERVER_IDLE].first; c; c = next) {
        next = c->after;
        if (!c->busy && !has_unread(c)) /* else it is answered first */
            close_now(c);
    }
    while ((c = s->phases[SERVER_STREAM].first)) {
        bool outer = begin_work(c);
        tell_gone(c);
        end_stream(c);
        end_work(c, outer);
    }
    drain_step(s);
}

/* -- metrics --------------------------------------------------------------------------------- */

static void metric(struct text *out, const char *prefix, const char *name, const char *type,
                   const char *help, uint64_t value)
{
    text_add_format(out, "# HELP %s_http_%s %s\n# TYPE %s_http_%s %s\n%s_http_%s %llu\n", prefix,
                    name, help, prefix, name, type, prefix, name, (unsigned long long)value);
}

void server_metrics(const struct server *s, const char *prefix, struct text *out)
{
    const struct server_counters *n = &s->counters;
    metric(out, prefix, "connections_total", "counter", "Connections accepted.", n->accepted);
    metric(out, prefix, "connections_refused_total", "counter",
           "Connections closed because there were too many.", n->refused_connections);
    metric(out, prefix, "connections_open", "gauge", "Connections open now.", n->open);
    metric(out, prefix, "connections_idle", "gauge", "Connections between two requests.", n->idle);
    metric(out, prefix, "streams_open", "gauge", "Streams open now.", n->streams);
    metric(out, prefix, "requests_total", "counter", "Requests read.", n->requests);
    metric(out, prefix, "requests_malformed_total", "counter", "Requests refused by the parser.",
           n->malformed);
    metric(out, prefix, "timeouts_total", "counter", "Deadlines missed by peers or handlers.",
           n->timeouts);
    metric(out, prefix, "gone_total", "counter", "Peers that left before their answer.", n->gone);
    metric(out, prefix, "received_bytes_total", "counter", "Octets read.", n->octets_in);
    metric(out, prefix, "sent_bytes_total", "counter", "Octets written.", n->octets_out);
    text_add_format(out,
                    "# HELP %s_http_answers_total Answers by class of status.\n"
                    "# TYPE %s_http_answers_total counter\n",
                    prefix, prefix);
    for (unsigned class = 2; class <= 5; class ++)
        text_add_format(out, "%s_http_answers_total{status=\"%uxx\"} %llu\n", prefix, class,
                        (unsigned long long)n->answers[class]);
}
