/* server_test.c - the server over real sockets, in the test's own loop: what is answered, what
 * becomes of slow, half-closed, too many and vanished peers, and every call that may fail failing
 * in turn. Time is the test's: uv_now jumps where it is told to. */
/* wrap: uv_now uv_timer_start uv_try_write uv_write uv_read_start uv_accept malloc_trim */
/* wrap: uv_tcp_bind uv_tcp_nodelay uv_listen uv_fileno */
/* wrap: malloc calloc realloc shutdown recv getrlimit time setsockopt */
#include "server.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* -- time, and calls that can be made to fail ---------------------------------------------------
 */

static uint64_t jumped;   /* what uv_now is ahead of libuv's clock */
static unsigned calls;    /* that may fail, so far */
static unsigned fail_at;  /* this one does; 0: none */
static bool fail_on;      /* and all that follow */
static int most_written;  /* octets uv_try_write takes at most; -1: all */
static time_t the_time;   /* 0: the real one */
static rlim_t most_files; /* 0: the real number */
static bool with_request; /* a peer is accepted with its request, as in real life */

static bool fails(void)
{
    calls++;
    return fail_at > 0 && (fail_on ? calls >= fail_at : calls == fail_at);
}

#define WRAP(type, name, parameters, arguments, failure)      \
    type __real_##name parameters;                            \
    type __wrap_##name parameters;                            \
    type __wrap_##name parameters                             \
    {                                                         \
        return fails() ? (failure) : __real_##name arguments; \
    }

WRAP(void *, malloc, (size_t n), (n), NULL)
WRAP(void *, calloc, (size_t n, size_t size), (n, size), NULL)
WRAP(void *, realloc, (void *p, size_t n), (p, n), NULL)
WRAP(int, uv_read_start, (uv_stream_t * s, uv_alloc_cb a, uv_read_cb r), (s, a, r), UV_ENOMEM)
WRAP(int, uv_write, (uv_write_t * w, uv_stream_t *s, const uv_buf_t *b, unsigned n, uv_write_cb cb),
     (w, s, b, n, cb), UV_ENOMEM)
WRAP(int, uv_tcp_bind, (uv_tcp_t * t, const struct sockaddr *a, unsigned flags), (t, a, flags),
     UV_EINVAL)
WRAP(int, uv_tcp_nodelay, (uv_tcp_t * t, int on), (t, on), UV_EINVAL)
WRAP(int, uv_listen, (uv_stream_t * s, int n, uv_connection_cb cb), (s, n, cb), UV_EADDRINUSE)
WRAP(int, uv_fileno, (const uv_handle_t *h, uv_os_fd_t *fd), (h, fd), UV_EBADF)
WRAP(int, shutdown, (int fd, int how), (fd, how), -1)
WRAP(ssize_t, recv, (int fd, void *at, size_t n, int flags), (fd, at, n, flags), -1)

int __real_uv_accept(uv_stream_t *listener, uv_stream_t *s);
int __wrap_uv_accept(uv_stream_t *listener, uv_stream_t *s);
int __wrap_uv_accept(uv_stream_t *listener, uv_stream_t *s)
{
    int r = __real_uv_accept(listener, s);
    return r == 0 && fails() ? UV_ENOMEM : r; /* libuv has it, but says no */
}

int __real_uv_try_write(uv_stream_t *s, const uv_buf_t *bufs, unsigned n);
int __wrap_uv_try_write(uv_stream_t *s, const uv_buf_t *bufs, unsigned n);
int __wrap_uv_try_write(uv_stream_t *s, const uv_buf_t *bufs, unsigned n)
{
    if (fails())
        return UV_EPIPE;
    if (most_written == 0)
        return UV_EAGAIN;
    if (most_written > 0) {
        uv_buf_t one = bufs[0];
        one.len = one.len < (size_t)most_written ? one.len : (size_t)most_written;
        return __real_uv_try_write(s, &one, 1);
    }
    return __real_uv_try_write(s, bufs, n);
}

uint64_t __real_uv_now(const uv_loop_t *l);
uint64_t __wrap_uv_now(const uv_loop_t *l);
uint64_t __wrap_uv_now(const uv_loop_t *l)
{
    return __real_uv_now(l) + jumped;
}

static unsigned trimmed;
int __wrap_malloc_trim(size_t pad);
int __wrap_malloc_trim(size_t pad)
{
    (void)pad;
    return (int)++trimmed;
}

/* The sweep comes every millisecond, so that nobody has to wait for it. */
int __real_uv_timer_start(uv_timer_t *t, uv_timer_cb cb, uint64_t in, uint64_t every);
int __wrap_uv_timer_start(uv_timer_t *t, uv_timer_cb cb, uint64_t in, uint64_t every);
int __wrap_uv_timer_start(uv_timer_t *t, uv_timer_cb cb, uint64_t in, uint64_t every)
{
    return __real_uv_timer_start(t, cb, in > 0, every > 0);
}

/* A peer is accepted as soon as it is there, so that nobody has to wait for one that says nothing:
 * as where the kernel does not know the option. */
int __real_setsockopt(int fd, int level, int name, const void *value, socklen_t len);
int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t len);
int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
    if (name == TCP_DEFER_ACCEPT && !with_request)
        return -1;
    return __real_setsockopt(fd, level, name, value, len);
}

time_t __real_time(time_t *t);
time_t __wrap_time(time_t *t);
time_t __wrap_time(time_t *t)
{
    return the_time ? the_time : __real_time(t);
}

int __real_getrlimit(int what, struct rlimit *l);
int __wrap_getrlimit(int what, struct rlimit *l);
int __wrap_getrlimit(int what, struct rlimit *l)
{
    int r = fails() ? -1 : __real_getrlimit(what, l);
    if (most_files)
        l->rlim_cur = most_files;
    return r;
}

/* -- the site -----------------------------------------------------------------------------------
 */

static uv_loop_t loop;
static struct server server;
static bool drained;

static struct server_request *held[64];
static unsigned held_count;
static struct server_request *streaming; /* the last of them that is a stream */
static unsigned gone_count;
static char big[300000];

static void forget(struct server_request *r)
{
    if (r == streaming)
        streaming = NULL;
    for (unsigned i = 0; i < held_count; i++) {
        if (held[i] == r) {
            held[i] = held[--held_count];
            return;
        }
    }
    fprintf(stderr, "gone, but never held\n");
    abort();
}

static void on_gone(struct server_request *r, void *data)
{
    assert(data == held);
    gone_count++;
    forget(r);
}

static void keep(struct server_request *r)
{
    assert(held_count < 64);
    held[held_count++] = r;
}

static void answer_ping(struct server_request *r)
{
    assert(r->http);
    server_answer(r, 200, "text/plain", SLICE("pong\n"), NULL);
}

/* Says what the handler could see: the head must be whole, wherever the body came. */
static void answer_echo(struct server_request *r)
{
    struct slice value;
    assert(r->route_data == big);
    bool whole = http1_find(&r->http->head, SLICE("x-mark"), &value);
    server_answer(r, 200, "text/plain", whole ? value : SLICE("none"), "X-Extra: 1\r\n");
}

static void hold_it(struct server_request *r)
{
    server_hold(r, on_gone, held);
    keep(r);
}

static void stream_it(struct server_request *r)
{
    if (server_stream(r, "text/event-stream", on_gone, held)) {
        keep(r);
        streaming = r;
    }
}

static void answer_nothing(struct server_request *r)
{
    server_answer(r, 204, NULL, SLICE(""), NULL);
}

static void answer_big(struct server_request *r)
{
    server_answer(r, 200, "text/plain", (struct slice){big, sizeof(big)}, NULL);
}

/* Answers what is held as well: two connections in one turn. */
static void answer_all(struct server_request *r)
{
    while (held_count > 0) {
        struct server_request *other = held[--held_count];
        server_answer(other, 200, "text/plain", SLICE("released\n"), NULL);
    }
    server_answer(r, 200, "text/plain", SLICE("all\n"), NULL);
}

static void drain_now(struct server_request *r);

static const struct server_route routes[] = {
    {"/ping", SERVER_GET, answer_ping, NULL},
    {"/echo/*", SERVER_GET | SERVER_POST, answer_echo, big},
    {"/post", SERVER_POST, answer_echo, big},
    {"/hold", SERVER_GET, hold_it, NULL},
    {"/stream", SERVER_GET, stream_it, NULL},
    {"/nothing", SERVER_GET, answer_nothing, NULL},
    {"/big", SERVER_GET, answer_big, NULL},
    {"/all", SERVER_GET, answer_all, NULL},
    {"/drain", SERVER_GET, drain_now, NULL},
    {"/", SERVER_GET, answer_ping, NULL},
    {NULL, 0, NULL, NULL},
};

static void on_drained(void *data)
{
    assert(data == &server);
    drained = true;
}

static void drain_now(struct server_request *r)
{
    server_drain(&server, on_drained, &server);
    server_answer(r, 200, "text/plain", SLICE("bye\n"), NULL);
}

static bool start(const struct server_limits *limits)
{
    drained = false;
    held_count = gone_count = 0;
    streaming = NULL;
    assert(uv_loop_init(&loop) == 0);
    int r = server_init(&server, &loop, limits, routes);
    if (r == 0) {
        r = server_listen(&server, "127.0.0.1", 0);
        if (r == 0)
            return true;
        server_drain(&server, on_drained, &server);
        uv_run(&loop, UV_RUN_DEFAULT);
    }
    assert(uv_loop_close(&loop) == 0);
    return false;
}

/* Ends the server; everything must be given back. */
static void stop(void)
{
    server_drain(&server, on_drained, &server);
    server_drain(&server, NULL, NULL); /* changes nothing */
    for (unsigned i = 0; i < 2000 && !drained; i++) {
        uv_run(&loop, UV_RUN_NOWAIT);
        if (i == 1000)
            jumped += 1000000; /* patience ends */
        usleep(50);
    }
    uv_run(&loop, UV_RUN_DEFAULT);
    assert(drained && server.alive == 0 && server.counters.open == 0);
    assert(uv_loop_close(&loop) == 0);
    jumped = 0;
}

/* -- peers --------------------------------------------------------------------------------------
 */

struct peer {
    int fd;
    bool ended; /* the server has closed */
    size_t len;
    char got[400000];
};

static void peer_open(struct peer *p)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons(server_port(&server)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    p->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    p->ended = false;
    p->len = 0;
    assert(p->fd >= 0);
    /* It lies in the backlog until the loop turns. */
    assert(connect(p->fd, (struct sockaddr *)&to, sizeof(to)) == 0);
    assert(fcntl(p->fd, F_SETFL, O_NONBLOCK) == 0);
}

static void peer_send(struct peer *p, const char *octets)
{
    size_t len = strlen(octets);
    (void)!send(p->fd, octets, len, MSG_NOSIGNAL); /* it may be closed already */
}

static void turn(void)
{
    uv_run(&loop, UV_RUN_NOWAIT);
}

static void peer_read(struct peer *p)
{
    ssize_t n = __real_recv(p->fd, p->got + p->len, sizeof(p->got) - 1 - p->len, 0);
    if (n > 0)
        p->len += (size_t)n;
    if (n == 0 || (n < 0 && errno != EAGAIN))
        p->ended = true;
    p->got[p->len] = '\0';
}

static unsigned count(const char *text, const char *part)
{
    unsigned n = 0;
    for (const char *at = text; (at = strstr(at, part)); at += strlen(part))
        n++;
    return n;
}

/* Turn the loop until the peer has got that text so many times, or in vain for two seconds. */
static bool gets_times(struct peer *p, const char *text, unsigned times)
{
    for (unsigned i = 0; i < 2000; i++) {
        turn();
        peer_read(p);
        if (count(p->got, text) >= times)
            return true;
        if (p->ended)
            return false;
        if (i > 20)
            usleep(1000);
    }
    return false;
}

static bool gets(struct peer *p, const char *text)
{
    return gets_times(p, text, 1);
}

static bool sees_end(struct peer *p)
{
    for (unsigned i = 0; i < 2000 && !p->ended; i++) {
        turn();
        peer_read(p);
        if (i > 20)
            usleep(1000);
    }
    return p->ended;
}

static void turns(unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        turn();
        usleep(500);
    }
}

/* Let that many milliseconds pass for the server, and two sweeps. */
static void pass(uint64_t ms)
{
    turns(4);
    jumped += ms;
    turns(6);
}

static void peer_close(struct peer *p)
{
    close(p->fd);
    turns(2);
}

#define GET(path) "GET " path " HTTP/1.1\r\nHost: h\r\n\r\n"
#define GET_CLOSE(path) "GET " path " HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"

static struct peer a;
static struct peer b;

/* -- what is answered ---------------------------------------------------------------------------
 */

static void test_keep_alive(void)
{
    assert(start(&server_limits_default));
    peer_open(&a);
    for (unsigned i = 1; i <= 3; i++) {
        peer_send(&a, GET("/ping"));
        assert(gets_times(&a, "\r\n\r\npong\n", i));
    }
    assert(count(a.got, "HTTP/1.1 200 OK\r\nDate: ") == 3);
    assert(count(a.got, "Content-Type: text/plain\r\nContent-Length: 5\r\n\r\n") == 3);
    assert(!strstr(a.got, "Connection:") && !a.ended);
    assert(server.counters.requests == 3 && server.counters.answers[2] == 3);
    assert(server.counters.open == 1 && server.counters.idle == 1);
    peer_send(&a, GET_CLOSE("/ping"));
    assert(gets_times(&a, "pong", 4) && strstr(a.got, "Connection: close\r\n"));
    assert(sees_end(&a));
    peer_close(&a);

    /* A head in two parts, nothing there. */
    peer_open(&a);
    peer_send(&a, "GET /no");
    turns(3);
    peer_send(&a, "ne HTTP/1.1\r\nHost: h\r\n\r\n" GET("/ping"));
    assert(gets(&a, "pong") && strstr(a.got, "HTTP/1.1 404 "));
    peer_close(&a);

    /* RFC 9112 §9.3: 1.0 */
    peer_open(&a);
    peer_send(&a, "GET /ping HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    assert(gets(&a, "Connection: keep-alive\r\n") && !a.ended);
    peer_send(&a, "GET /ping HTTP/1.0\r\n\r\n");
    assert(gets_times(&a, "pong", 2) && sees_end(&a));
    peer_close(&a);
    stop();
}

static void test_answers(void)
{
    static const struct {
        const char *request;
        const char *answer;
        bool closed;
    } cases[] = {
        {"HEAD /ping HTTP/1.1\r\nHost: h\r\n\r\n", "Content-Length: 5\r\n\r\n", false},
        {GET("/nothing"), "HTTP/1.1 204 No Content\r\nDate: ", false},
        {GET("/none"), "HTTP/1.1 404 Not Found\r\n", false},
        {GET("/ping/"), "HTTP/1.1 404 Not Found\r\n", false},
        {GET("/ping?x=y"), "HTTP/1.1 200 OK\r\n", false},
        {GET("/echo/a/b"), "X-Extra: 1\r\n\r\nnone", false},
        {"GET http://h HTTP/1.1\r\nHost: x\r\n\r\n", "pong", false},
        {"DELETE /ping HTTP/1.1\r\nHost: h\r\n\r\n", "Allow: GET, HEAD\r\n\r\n405 Method", false},
        {"TRACE /post HTTP/1.1\r\nHost: h\r\n\r\n", "Allow: POST\r\n", false},
        {"PUT /echo/ HTTP/1.1\r\nHost: h\r\n\r\n", "Allow: GET, HEAD, POST\r\n", false},
        {"OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", "HTTP/1.1 405 ", false},
        {"BREW /ping HTTP/1.1\r\nHost: h\r\n\r\n", "HTTP/1.1 501 ", true},
        {"CONNECT h:1 HTTP/1.1\r\nHost: h\r\n\r\n", "HTTP/1.1 501 ", true},
        {"GET /ping HTTP/1.1\r\n\r\n", "HTTP/1.1 400 ", true},
        {"GET http://h/ping HTTP/1.1\r\n\r\n", "HTTP/1.1 400 ", true},
        {"GET http://h/ping HTTP/1.1\r\nHost: a b\r\n\r\n", "HTTP/1.1 400 ", true},
        {"GET http://h/ping HTTP/1.1\r\nHost:\r\n\r\n", "pong", false},
        {"GET /ping HTTP/1.1\nHost: h\r\n\r\n", "\r\n\r\n400 Bad Request\n", true},
        {"HEAD /ping HTTP/1.1\nHost: h\r\n\r\n", "Content-Length: 16\r\n\r\n", true},
        {"GET /ping HTTP/3.0\r\nHost: h\r\n\r\n", "HTTP/1.1 505 ", true},
        {"GET /ping HTTP/1.1\r\nHost: h\r\nExpect: x\r\n\r\n", "HTTP/1.1 417 ", false},
        {"DELETE /ping HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx", "HTTP/1.1 405 ", true},
        {"POST /post HTTP/1.1\r\nHost: h\r\nContent-Length: 65537\r\n\r\n", "HTTP/1.1 413 ", true},
        {"POST /post HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
         "HTTP/1.1 501 ", true},
        {"POST /post HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nx", "HTTP/1.1 400 ",
         true},
    };
    assert(start(&server_limits_default));
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        peer_open(&a);
        peer_send(&a, cases[i].request);
        if (!gets(&a, cases[i].answer))
            fprintf(stderr, "%s: %s\n", cases[i].request, a.got);
        assert(strstr(a.got, cases[i].answer));
        assert(!!strstr(a.got, "Connection: close\r\n") == cases[i].closed);
        if (cases[i].closed) {
            assert(sees_end(&a));
        } else {
            unsigned before = count(a.got, "pong");
            assert(i > 0 || before == 0); /* HEAD */
            peer_send(&a, GET("/ping"));
            assert(gets_times(&a, "pong", before + 1));
        }
        peer_close(&a);
    }
    stop();
}

/* The date of RFC 9110 §5.6.7, and some that calendars get wrong. */
static void test_dates(void)
{
    static const struct {
        time_t at;
        const char *date;
    } cases[] = {
        {784111777, "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"},
        {951782399, "Date: Mon, 28 Feb 2000 23:59:59 GMT\r\n"},
        {951782400, "Date: Tue, 29 Feb 2000 00:00:00 GMT\r\n"},
        {978307199, "Date: Sun, 31 Dec 2000 23:59:59 GMT\r\n"},
        {1, "Date: Thu, 01 Jan 1970 00:00:01 GMT\r\n"},
        {4107542400, "Date: Mon, 01 Mar 2100 00:00:00 GMT\r\n"},
        {1709210096, "Date: Thu, 29 Feb 2024 12:34:56 GMT\r\n"},
    };
    assert(start(&server_limits_default));
    peer_open(&a);
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        the_time = cases[i].at;
        peer_send(&a, GET("/ping"));
        if (!gets(&a, cases[i].date))
            fprintf(stderr, "%s: %s\n", cases[i].date, a.got);
        assert(strstr(a.got, cases[i].date));
    }
    the_time = 0;
    peer_close(&a);
    stop();
}

static void test_bodies(void)
{
#define POST "POST /post HTTP/1.1\r\nHost: h\r\nX-Mark: whole\r\n"
    static const char chunked[] = POST "Transfer-Encoding: chunked\r\n\r\n"
                                       "3\r\nabc\r\n0\r\nX-Mark: trailer\r\n\r\n" GET("/ping");
    assert(start(&server_limits_default));
    peer_open(&a);
    peer_send(&a, POST "Content-Length: 3\r\n\r\nabc" GET("/ping"));
    assert(gets(&a, "whole") && gets(&a, "pong"));
    a.len = 0;
    peer_send(&a, chunked);
    assert(gets(&a, "whole") && gets(&a, "pong"));
    a.len = 0;
    /* octet by octet, and the trailers do not hide the fields */
    for (size_t i = 0; i < sizeof(chunked) - 1; i++) {
        char octet[2] = {chunked[i], '\0'};
        peer_send(&a, octet);
        turn();
    }
    assert(gets(&a, "whole") && gets(&a, "pong"));
    a.len = 0;
    /* more than a block, in pieces */
    peer_send(&a, POST "Content-Length: 60000\r\n\r\n");
    memset(big, 'x', sizeof(big));
    for (unsigned i = 0; i < 60; i++) {
        assert(send(a.fd, big, 1000, 0) == 1000);
        turns(1);
    }
    assert(gets(&a, "whole"));
    a.len = 0;
    /* RFC 9110 §10.1.1 */
    peer_send(&a, POST "Expect: 100-continue\r\nContent-Length: 3\r\n\r\n");
    assert(gets(&a, "HTTP/1.1 100 Continue\r\n\r\n") && !strstr(a.got, "200"));
    peer_send(&a, "abc");
    assert(gets(&a, "whole"));
    a.len = 0;
    peer_send(&a, POST "Expect: 100-continue\r\nContent-Length: 3\r\n\r\nabc");
    assert(gets(&a, "whole") && !strstr(a.got, "100 Continue"));
    peer_close(&a);
    peer_open(&a);
    peer_send(&a, "POST /none HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n"
                  "Content-Length: 3\r\n\r\n");
    assert(gets(&a, "HTTP/1.1 404 ") && !strstr(a.got, "100 Continue") && sees_end(&a));
    peer_close(&a);
    stop();
}

static void test_pipelining(void)
{
    assert(start(&server_limits_default));
    peer_open(&a);
    peer_send(&a, GET("/ping") GET("/echo/") GET("/none") GET_CLOSE("/ping") GET("/ping"));
    assert(sees_end(&a));
    assert(count(a.got, "HTTP/1.1 ") == 4 && count(a.got, "pong") == 2);
    assert(strstr(a.got, "pong") < strstr(a.got, "none") && strstr(a.got, "404"));
    peer_close(&a);

    /* Behind a request that is held, all wait. */
    peer_open(&a);
    peer_send(&a, GET("/hold") GET("/ping") GET("/hold") GET("/ping"));
    turns(3);
    peer_read(&a);
    assert(a.len == 0 && held_count == 1);
    held_count = 0;
    server_answer(held[0], 200, "text/plain", SLICE("first\n"), NULL);
    assert(gets(&a, "pong") && held_count == 1 && count(a.got, "HTTP/1.1 ") == 2);
    held_count = 0;
    server_answer(held[0], 200, "text/plain", SLICE("third\n"), NULL);
    assert(gets_times(&a, "pong", 2) && strstr(a.got, "first") < strstr(a.got, "third"));

    /* A flood behind it fills no more than a block, and is answered in the end. */
    a.len = 0;
    peer_send(&a, GET("/hold"));
    unsigned sent = 0;
    for (unsigned i = 0; i < 20000; i++) {
        if (send(a.fd, GET("/ping"), strlen(GET("/ping")), MSG_NOSIGNAL) !=
            (ssize_t)strlen(GET("/ping")))
            break;
        sent++;
        if (i % 1000 == 0)
            turns(1);
    }
    turns(5);
    assert(held_count == 1 && server.counters.octets_in < 200000);
    held_count = 0;
    server_answer(held[0], 200, "text/plain", SLICE("at last\n"), NULL);
    assert(gets(&a, "at last"));
    for (unsigned got = 0; got < sent;) {
        got += count(a.got, "pong\n");
        a.len = 0;
        a.got[0] = '\0';
        turn();
        peer_read(&a);
        if (a.ended)
            break;
        if (got + count(a.got, "pong\n") >= sent - 2) /* one may lie across two reads */
            break;
    }
    peer_close(&a);

    /* Two connections in one turn. */
    peer_open(&a);
    peer_open(&b);
    peer_send(&b, GET("/hold"));
    turns(2);
    peer_send(&a, GET("/ping") GET("/all") GET("/ping"));
    assert(gets_times(&a, "pong", 2) && strstr(a.got, "all") && gets(&b, "released"));
    peer_close(&a);
    peer_close(&b);
    stop();
}

/* -- answers that come later --------------------------------------------------------------------
 */

static void test_gone(void)
{
    assert(start(&server_limits_default));
    /* A peer that has closed its side still gets its answer. */
    peer_open(&a);
    peer_send(&a, GET("/hold"));
    turns(2);
    shutdown(a.fd, SHUT_WR);
    turns(2);
    assert(held_count == 1 && gone_count == 0);
    held_count = 0;
    server_answer(held[0], 200, "text/plain", SLICE("late\n"), NULL);
    assert(gets(&a, "late") && sees_end(&a));
    peer_close(&a);

    /* So do those behind it; but a half one is not worth waiting for. */
    peer_open(&a);
    peer_send(&a, GET("/hold") GET("/ping") "GET /pi");
    turns(2);
    shutdown(a.fd, SHUT_WR);
    turns(2);
    held_count = 0;
    server_answer(held[0], 200, "text/plain", SLICE("late\n"), NULL);
    assert(gets(&a, "pong") && sees_end(&a) && count(a.got, "HTTP/1.1 ") == 2);
    peer_close(&a);

    /* One that has reset the connection is gone. */
    peer_open(&a);
    peer_send(&a, GET("/hold"));
    turns(2);
    struct linger hard = {1, 0};
    setsockopt(a.fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
    peer_close(&a);
    turns(3);
    assert(held_count == 0 && gone_count == 1 && server.counters.gone == 1);

    /* So is one in the middle of a request. */
    peer_open(&a);
    peer_send(&a, "GET /pi");
    turns(2);
    shutdown(a.fd, SHUT_WR);
    assert(sees_end(&a) && a.len == 0);
    peer_close(&a);
    peer_open(&a);
    shutdown(a.fd, SHUT_WR);
    assert(sees_end(&a) && a.len == 0);
    peer_close(&a);
    stop();
}

static void test_streams(void)
{
    struct server_limits limits = server_limits_default;
    limits.queue = 20000;
    assert(start(&limits));
    peer_open(&a);
    peer_send(&a, GET("/stream") GET("/ping"));
    assert(gets(&a, "Transfer-Encoding: chunked\r\n") && held_count == 1);
    assert(strstr(a.got, "text/event-stream") && !strstr(a.got, "Content-Length"));
    assert(server.counters.streams == 1);
    assert(server_stream_send(held[0], SLICE("data: 1\n\n")));
    assert(server_stream_send(held[0], SLICE("")));
    assert(gets(&a, "\r\n9\r\ndata: 1\n\n\r\n") && !strstr(a.got, "pong"));
    held_count = 0;
    server_stream_end(held[0]);
    assert(gets(&a, "0\r\n\r\n") && gets(&a, "pong") && server.counters.streams == 0);

    /* HEAD has only the head of it. */
    a.len = 0;
    peer_send(&a, "HEAD /stream HTTP/1.1\r\nHost: h\r\n\r\n" GET("/ping"));
    assert(gets(&a, "pong") && strstr(a.got, "chunked\r\n") && held_count == 0);

    /* The peer that leaves. */
    peer_send(&a, GET("/stream"));
    turns(2);
    peer_close(&a);
    turns(2);
    assert(held_count == 0 && gone_count == 1);

    /* 1.0 knows no chunks. */
    peer_open(&a);
    peer_send(&a, "GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    assert(gets(&a, "Connection: close\r\n") && !strstr(a.got, "chunked"));
    assert(server_stream_send(held[0], SLICE("data: 2\n\n")));
    assert(gets(&a, "\r\n\r\ndata: 2\n\n"));
    held_count = 0;
    server_stream_end(held[0]);
    assert(sees_end(&a));
    peer_close(&a);

    /* A peer that does not read fills its queue, no more, and is closed in the end. */
    peer_open(&a);
    peer_send(&a, GET("/stream"));
    turns(2);
    unsigned sent = 0;
    while (sent < 100000 && server_stream_send(held[0], (struct slice){big, 1000}))
        sent++;
    assert(sent > 20 && sent < 100000);
    assert(!server_stream_send(held[0], (struct slice){big, 1000}));
    turns(2);
    /* It reads again, and there is room. */
    for (unsigned i = 0; i < 50; i++) {
        turns(1);
        peer_read(&a);
        a.len = 0;
    }
    /* What is on its way arrives late on a busy machine; then the peer has room, and its time anew.
     */
    for (unsigned i = 0; i < 20 && gone_count < 2; i++) {
        while (server_stream_send(held[0], (struct slice){big, 1000}))
            ;
        pass(limits.write_ms + 1000);
    }
    assert(held_count == 0 && gone_count == 2 && server.counters.timeouts == 1);
    peer_close(&a);

    /* The end of its life is a clean one. */
    peer_open(&a);
    peer_send(&a, GET("/stream"));
    assert(gets(&a, "chunked") && held_count == 1);
    pass(limits.write_ms + 1000);
    assert(held_count == 1);
    pass(limits.life_ms);
    assert(held_count == 0 && gone_count == 3 && gets(&a, "0\r\n\r\n"));
    peer_close(&a);
    stop();
}

/* -- deadlines ----------------------------------------------------------------------------------
 */

static void test_deadlines(void)
{
    struct server_limits limits = server_limits_default;
    assert(start(&limits));

    /* Half a head, octet by octet: progress moves nothing. */
    peer_open(&a);
    peer_send(&a, "GET /ping HTTP/1.1\r\nHost: h\r\n");
    for (unsigned i = 0; i < 9; i++) {
        pass(limits.head_ms / 10);
        peer_send(&a, "X: y\r\n");
    }
    peer_read(&a);
    assert(!a.ended && a.len == 0);
    pass(limits.head_ms / 10 + 100);
    assert(gets(&a, "HTTP/1.1 408 Request Timeout\r\n") && sees_end(&a));
    peer_close(&a);

    /* Half a body. */
    peer_open(&a);
    peer_send(&a, "POST /post HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\na");
    pass(limits.body_ms - 1000);
    peer_read(&a);
    assert(!a.ended);
    pass(2000);
    assert(gets(&a, "HTTP/1.1 408 ") && sees_end(&a));
    assert(strstr(a.got, "\r\n\r\n408 Request Timeout\n"));
    peer_close(&a);

    /* HEAD gets no content (RFC 9110 §9.3.2), in whatever half it was. */
    static const char *const halves[] = {
        "HEAD /ping HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\na",
        "HEAD /ping HTTP/1.1\r\nHost: h\r\n",
        "HEAD /pi",
    };
    for (size_t i = 0; i < sizeof(halves) / sizeof(*halves); i++) {
        peer_open(&a);
        peer_send(&a, halves[i]);
        pass(limits.body_ms + limits.head_ms);
        assert(gets(&a, "HTTP/1.1 408 ") && sees_end(&a) &&
               !strstr(a.got, "408 Request Timeout\n"));
        peer_close(&a);
    }
    server.counters.timeouts = 2;

    /* A handler that never answers. */
    peer_open(&a);
    peer_send(&a, GET("/hold"));
    pass(limits.answer_ms + 1000);
    assert(gets(&a, "HTTP/1.1 503 ") && held_count == 0 && gone_count == 1);
    peer_send(&a, GET("/ping"));
    assert(gets(&a, "pong"));
    assert(server.counters.timeouts == 3);

    /* Idle: closed without a word. */
    a.len = 0;
    pass(limits.idle_ms + 1000);
    assert(sees_end(&a) && a.len == 0 && server.counters.timeouts == 3);
    peer_close(&a);

    /* A peer that never takes its answer. */
    peer_open(&a);
    most_written = 0;
    peer_send(&a, "GET /big HTTP/1.1\r\nHost: h\r\n\r\n");
    for (unsigned i = 0; i < 20; i++) /* the kernel takes some megabytes */
        peer_send(&a, GET("/big") GET("/big") GET("/big"));
    turns(20);
    most_written = -1;
    pass(limits.write_ms + 1000);
    assert(server.counters.open == 0 && server.counters.timeouts == 4);
    peer_close(&a);

    /* One that is told to go and does not: lingers, not for ever. */
    peer_open(&a);
    peer_send(&a, "BAD\r\n\r\n");
    assert(gets(&a, "400") && sees_end(&a) && server.counters.open == 1);
    peer_send(&a, "more, which nobody reads");
    turns(2);
    pass(limits.linger_ms + 1000);
    assert(server.counters.open == 0);
    peer_close(&a);

    /* In all: the last answer says close. */
    peer_open(&a);
    peer_send(&a, GET("/ping"));
    assert(gets(&a, "pong"));
    for (unsigned i = 0; i < limits.life_ms / limits.idle_ms + 3; i++) {
        a.len = 0;
        pass(limits.idle_ms - 1000);
        peer_send(&a, GET("/ping"));
        assert(gets(&a, "pong"));
        if (a.ended || strstr(a.got, "Connection: close"))
            break;
    }
    assert(strstr(a.got, "Connection: close\r\n") && sees_end(&a));
    peer_close(&a);
    stop();
}

static void test_endless_head(void)
{
    struct server_limits limits = server_limits_default;
    assert(start(&limits));
    peer_open(&a);
    peer_send(&a, "GET /ping HTTP/1.1\r\n");
    for (unsigned i = 0; i < 200 && !a.ended && a.len == 0; i++) {
        for (unsigned j = 0; j < 3; j++)
            peer_send(&a, "X-Y: 0123456789012345678901234567890123456789"
                          "0123456789012345678901234567890123456789\r\n");
        turn();
        peer_read(&a);
    }
    assert(gets(&a, "HTTP/1.1 431 ") && sees_end(&a));
    peer_close(&a);
    peer_open(&a);
    peer_send(&a, "GET /");
    for (unsigned i = 0; i < 200 && !a.ended && a.len == 0; i++) {
        peer_send(&a, "0123456789012345678901234567890123456789012345678901234567890123456789");
        turn();
        peer_read(&a);
    }
    assert(gets(&a, "HTTP/1.1 414 "));
    peer_close(&a);
    stop();
}

/* -- too many -----------------------------------------------------------------------------------
 */

/* Memory goes back to the system at a sweep, when many had to wait with half a head, and not for
 * a few. */
static void test_memory_is_given_back(void)
{
    static struct peer halves[100];
    struct server_limits limits = server_limits_default;
    assert(start(&limits));
    for (unsigned count = 50; count <= 100; count += 50) {
        trimmed = 0;
        for (unsigned i = 0; i < count; i++) {
            peer_open(&halves[i]);
            peer_send(&halves[i], "GET /ping HTTP/1.1\r\n");
            turns(1);
        }
        assert(trimmed == 0);
        for (unsigned i = 0; i < count; i++)
            peer_close(&halves[i]);
        pass(1000);
        assert(server.counters.open == 0 && trimmed == (count > 80));
    }
    stop();
}

static void test_too_many(void)
{
    static struct peer many[5];
    struct server_limits limits = server_limits_default;
    limits.connections = 3;
    assert(start(&limits));
    for (unsigned i = 0; i < 3; i++) {
        peer_open(&many[i]);
        peer_send(&many[i], GET("/hold"));
        turns(2);
    }
    assert(held_count == 3);
    peer_open(&many[3]);
    peer_send(&many[3], GET("/ping"));
    assert(gets(&many[3], "HTTP/1.1 503 ") && sees_end(&many[3]));
    assert(server.counters.refused_connections == 1 && server.counters.open == 3);
    peer_close(&many[3]);

    /* An idle one makes room. */
    server_answer(held[0], 200, "text/plain", SLICE("x"), NULL);
    held[0] = held[--held_count];
    turns(2);
    assert(server.counters.idle == 1);
    peer_open(&many[3]);
    peer_send(&many[3], GET("/ping"));
    assert(gets(&many[3], "pong") && sees_end(&many[0]) && server.counters.open == 3);
    for (unsigned i = 0; i < 4; i++)
        peer_close(&many[i]);
    stop();

    /* More halves of heads than there are blocks in reserve. */
    static struct peer halves[20];
    limits.connections = 20;
    assert(start(&limits));
    for (unsigned i = 0; i < 20; i++) {
        peer_open(&halves[i]);
        peer_send(&halves[i], "GET /ping HTTP/1.1\r\n");
        turns(1);
    }
    for (unsigned i = 0; i < 20; i++) {
        peer_send(&halves[i], "Host: h\r\n\r\n");
        assert(gets(&halves[i], "pong"));
        peer_close(&halves[i]);
    }
    stop();

    /* Descriptors bound it, whatever is wished. */
    most_files = 51;
    limits.connections = 1000;
    assert(start(&limits) && server.limits.connections == 3);
    stop();
    most_files = 10;
    assert(start(&limits) && server.limits.connections == 1);
    stop();
    most_files = 0;
}

/* Those who are served already have their turn while a crowd comes. */
static void test_crowd(void)
{
    static struct peer crowd[200];
    assert(start(&server_limits_default));
    peer_open(&a);
    peer_send(&a, GET("/ping"));
    assert(gets(&a, "pong"));
    for (unsigned i = 0; i < 200; i++) {
        peer_open(&crowd[i]);
        peer_send(&crowd[i], GET_CLOSE("/ping"));
    }
    peer_send(&a, GET("/ping"));
    for (unsigned i = 0; i < 2; i++) /* whichever the kernel named first */
        turn();
    peer_read(&a);
    assert(count(a.got, "pong") == 2);
    assert(server.counters.accepted < 200 && server.alive < 200);
    for (unsigned i = 0; i < 200; i++) {
        assert(gets(&crowd[i], "pong") && sees_end(&crowd[i]));
        close(crowd[i].fd);
    }
    peer_close(&a);
    stop();
}

/* Who says nothing is not heard of at first, and comes under the limits all the same. */
static void test_silent_peer(void)
{
    struct server_limits limits = server_limits_default;
    with_request = true;
    assert(start(&limits));
    peer_open(&a);
    turns(10);
    assert(server.counters.accepted == 0);
    peer_open(&b);
    peer_send(&b, GET("/ping"));
    assert(gets(&b, "pong") && server.counters.accepted == 1);
    for (unsigned i = 0; i < 10000 && server.counters.accepted == 1; i++)
        turns(1);
    assert(server.counters.accepted == 2 && server.counters.idle == 2);
    peer_send(&a, GET("/ping"));
    assert(gets(&a, "pong"));
    peer_close(&b);
    pass(limits.idle_ms + 1);
    assert(sees_end(&a));
    peer_close(&a);
    stop();
    with_request = false;
}

/* -- slow sockets -------------------------------------------------------------------------------
 */

/* The kernel takes only a few octets at once: all arrives all the same, and in order. */
static void test_partial_writes(void)
{
    for (int n = 0; n < 200; n += 66) {
        most_written = n;
        assert(start(&server_limits_default));
        peer_open(&a);
        peer_send(&a, GET("/ping") GET("/big") GET("/hold") GET("/ping"));
        assert(gets_times(&a, "HTTP/1.1 200", 2));
        for (unsigned i = 0; i < 1000 && held_count == 0; i++) {
            turns(1);
            peer_read(&a);
        }
        assert(held_count == 1);
        held_count = 0;
        server_answer(held[0], 200, "text/plain", SLICE("held\n"), NULL);
        assert(gets_times(&a, "pong\n", 2));
        assert(strstr(a.got, "held") && count(a.got, "HTTP/1.1 200") == 4);
        a.len = 0;
        peer_send(&a, GET("/stream"));
        for (unsigned i = 0; i < 1000 && held_count == 0; i++)
            turns(1);
        for (unsigned i = 0; i < 5; i++)
            assert(server_stream_send(held[0], SLICE("data: x\n\n")));
        held_count = 0;
        server_stream_end(held[0]);
        assert(gets(&a, "0\r\n\r\n") && count(a.got, "9\r\ndata: x\n\n\r\n") == 5);
        peer_close(&a);
        stop();
        most_written = -1;
    }
}

/* Many answers in one turn: more than the gathering place holds. */
static void test_many_answers(void)
{
    assert(start(&server_limits_default));
    peer_open(&a);
    for (unsigned round = 0; round < 4; round++) {
        for (unsigned i = 0; i < 300; i++)
            peer_send(&a, GET("/echo/01234567890123456789"));
        turns(1);
        peer_read(&a);
    }
    assert(gets_times(&a, "none", 1200));
    peer_close(&a);
    stop();
}

/* -- draining -----------------------------------------------------------------------------------
 */

static void test_drain(void)
{
    static struct peer c;
    assert(start(&server_limits_default));
    peer_open(&a); /* idle */
    peer_send(&a, GET("/ping"));
    assert(gets(&a, "pong"));
    peer_open(&b); /* asked */
    peer_send(&b, GET("/hold"));
    turns(2);
    peer_open(&c); /* streaming */
    peer_send(&c, GET("/stream"));
    assert(gets(&c, "chunked") && held_count == 2);
    server_drain(&server, on_drained, &server);
    assert(sees_end(&a) && gets(&c, "0\r\n\r\n") && held_count == 1 && gone_count == 1);
    assert(!drained);
    held_count = 0;
    server_answer(held[0], 200, "text/plain", SLICE("last\n"), NULL);
    assert(gets(&b, "last") && strstr(b.got, "Connection: close\r\n") && sees_end(&b));
    /* new ones find nobody */
    assert(server_port(&server) == 0);
    peer_close(&a);
    peer_close(&b);
    peer_close(&c);
    stop();

    /* A request that was sent before the drain is answered. */
    assert(start(&server_limits_default));
    peer_open(&a);
    peer_send(&a, GET("/ping"));
    assert(gets(&a, "pong"));
    peer_send(&a, GET("/ping"));
    server_drain(&server, on_drained, &server);
    assert(gets_times(&a, "pong", 2) && sees_end(&a));
    peer_close(&a);
    stop();

    /* From within a handler, and with requests behind it. */
    assert(start(&server_limits_default));
    peer_open(&a);
    peer_send(&a, GET("/ping") GET("/drain") GET("/ping"));
    assert(gets(&a, "bye") && sees_end(&a) && count(a.got, "pong") == 1);
    peer_close(&a);
    stop();

    /* Patience ends. */
    assert(start(&server_limits_default));
    peer_open(&a);
    peer_send(&a, GET("/hold"));
    turns(2);
    server_drain(&server, on_drained, &server);
    turns(5);
    assert(!drained && held_count == 1);
    pass(server_limits_default.drain_ms);
    assert(drained && held_count == 0 && gone_count == 1);
    peer_close(&a);
    stop();
}

static void test_listen(void)
{
    static struct server other;
    uv_loop_t second;
    assert(start(&server_limits_default));
    assert(uv_loop_init(&second) == 0);
    assert(server_init(&other, &second, &server_limits_default, routes) == 0);
    assert(server_port(&other) == 0);
    assert(server_listen(&other, "not an address", 1) == UV_EINVAL);
    assert(server_listen(&other, "127.0.0.1", server_port(&server)) == UV_EADDRINUSE);
    drained = false;
    server_drain(&other, on_drained, &server);
    uv_run(&second, UV_RUN_DEFAULT);
    assert(drained && uv_loop_close(&second) == 0);
    drained = false;
    stop();

    /* Every address, IPv6 or not. */
    assert(uv_loop_init(&second) == 0);
    assert(server_init(&other, &second, &server_limits_default, routes) == 0);
    calls = 0;
    fail_at = 1; /* as a kernel without IPv6: the first bind fails */
    assert(server_listen(&other, NULL, 0) == 0 && server_port(&other) > 0);
    fail_at = 0;
    server_drain(&other, on_drained, &server);
    uv_run(&second, UV_RUN_DEFAULT);
    assert(uv_loop_close(&second) == 0);
    assert(uv_loop_init(&second) == 0);
    assert(server_init(&other, &second, &server_limits_default, routes) == 0);
    assert(server_listen(&other, NULL, 0) == 0 && server_port(&other) > 0);
    server_drain(&other, on_drained, &server);
    uv_run(&second, UV_RUN_DEFAULT);
    assert(uv_loop_close(&second) == 0);
}

static void test_metrics(void)
{
    static char room[8192];
    struct text out = TEXT_OVER(room);
    assert(start(&server_limits_default));
    peer_open(&a);
    peer_send(&a, GET("/ping") GET("/none"));
    assert(gets(&a, "404"));
    server_metrics(&server, "web", &out);
    text_string(&out);
    assert(strstr(room, "# TYPE web_http_requests_total counter\nweb_http_requests_total 2\n"));
    assert(strstr(room, "\nweb_http_answers_total{status=\"4xx\"} 1\n"));
    assert(strstr(room, "\nweb_http_connections_open 1\n") && !out.full);
    peer_close(&a);
    stop();
}

/* -- everything that may fail -------------------------------------------------------------------
 */

/* A bit of everything; what comes of it does not matter, as long as all is given back. */
static void scenario(void)
{
    static struct peer c;
    if (!start(&server_limits_default))
        return;
    peer_open(&a);
    peer_open(&b);
    peer_open(&c);
    peer_send(&a, GET("/ping") GET("/big") GET("/hold") GET("/pi"));
    peer_send(&b, GET("/stream"));
    peer_send(&c, "POST /post HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nabc");
    turns(3);
    peer_read(&a);
    for (unsigned i = 0; streaming && i < 3; i++)
        (void)!server_stream_send(streaming, (struct slice){big, 20000});
    turns(2);
    peer_read(&b);
    peer_send(&c, "defghi" GET_CLOSE("/ping") "more");
    peer_send(&a, "ng");
    turns(3);
    peer_read(&a);
    peer_read(&c);
    peer_send(&b, GET("/all"));
    pass(server_limits_default.answer_ms + 1000);
    pass(server_limits_default.write_ms + 1000);
    peer_close(&a);
    peer_close(&b);
    peer_close(&c);
    peer_open(&a);
    turns(1);
    peer_close(&a);
    stop();
    assert(held_count == 0);
}

static void test_failures(void)
{
    for (int slow = 0; slow < 2; slow++) {
        for (int on = 0; on < 2; on++) {
            fail_on = on;
            most_written = slow ? 100 : -1;
            for (unsigned at = 1;; at++) {
                calls = 0;
                fail_at = at;
                scenario();
                fail_at = 0;
                if (calls < at)
                    break;
                assert(at < 2000);
            }
        }
    }
    fail_on = false;
    most_written = -1;
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    most_written = -1;
    memset(big, 'x', sizeof(big));
    test_keep_alive();
    test_answers();
    test_dates();
    test_bodies();
    test_pipelining();
    test_gone();
    test_streams();
    test_deadlines();
    test_endless_head();
    test_memory_is_given_back();
    test_too_many();
    test_crowd();
    test_silent_peer();
    test_partial_writes();
    test_many_answers();
    test_drain();
    test_listen();
    test_metrics();
    test_failures();
    return 0;
}
