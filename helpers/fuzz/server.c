/* server.c - fuzz a whole connection: octets, where they are cut, and how long handlers take.
 *
 * The octets go to the server in pieces; handlers answer at once, or after the next piece, as the
 * input says. What comes back must be a row of complete responses, and the same for every way to
 * cut the same octets.
 *
 * The connection is a socket pair that uv_accept is made to find: thousands of real ones a second
 * would use up the machine's ports, and its memory of connections. */
/* wrap: uv_accept */
#include <assert.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "pieces.h"
#include "server.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

static uv_loop_t loop;
static struct server server;
static struct server_request *held;
static bool late; /* handlers hold first */

static void on_gone(struct server_request *r, void *data)
{
    (void)data;
    assert(r == held);
    held = NULL;
}

static void answer(struct server_request *r)
{
    if (late) {
        assert(!held);
        server_hold(r, on_gone, NULL);
        held = r;
    } else {
        server_answer(r, 200, "text/plain", SLICE("ok\n"), NULL);
    }
}

static const struct server_route routes[] = {
    {"/*", SERVER_GET | SERVER_POST, answer, NULL},
    {NULL, 0, NULL, NULL},
};

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    struct server_limits limits = server_limits_default;
    (void)argc;
    (void)argv;
    signal(SIGPIPE, SIG_IGN);
    limits.http.line = 200;
    limits.http.head = 600;
    limits.http.body = 2000;
    assert(uv_loop_init(&loop) == 0);
    assert(server_init(&server, &loop, &limits, routes) == 0);
    assert(server_listen(&server, "127.0.0.1", 0) == 0);
    return 0;
}

static int accepted; /* our end's peer */

int __wrap_uv_accept(uv_stream_t *listener, uv_stream_t *client);
int __wrap_uv_accept(uv_stream_t *listener, uv_stream_t *client)
{
    (void)listener;
    return uv_tcp_open((uv_tcp_t *)client, accepted);
}

/* A connection that has just come. */
static int connect_us(void)
{
    int ends[2];
    assert(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    accepted = ends[0];
    server.listener.connection_cb((uv_stream_t *)&server.listener, 0);
    return ends[1];
}

struct answers {
    size_t len;
    char octets[1 << 16];
};

/* Without the dates, which change while we look. */
static void mask_dates(struct answers *a)
{
    char *at = a->octets;
    while ((at = memmem(at, (size_t)(a->octets + a->len - at), "Date: ", 6))) {
        size_t rest = (size_t)(a->octets + a->len - at);
        memset(at + 6, '-', rest < 35 ? rest - 6 : 29);
        at += 6;
    }
}

static void turn(void)
{
    for (unsigned i = 0; i < 3; i++)
        uv_run(&loop, UV_RUN_NOWAIT);
}

/* One connection: what is sent, and all that comes back. */
static void converse(struct pieces *p, bool hold, struct answers *a)
{
    int fd;
    size_t sent = 0;
    bool reset = false;
    late = hold;
    a->len = 0;
    fd = connect_us();
    do {
        size_t end = pieces_next(p, sent);
        if (send(fd, p->octets + sent, end - sent, MSG_NOSIGNAL) < 0)
            reset = true;
        sent = end;
        turn();
        while (held) {
            struct server_request *r = held;
            held = NULL;
            server_answer(r, 200, "text/plain", SLICE("ok\n"), NULL);
            turn();
        }
    } while (sent < p->len && !reset);
    shutdown(fd, SHUT_WR);
    for (unsigned i = 0; i < 1000; i++) {
        turn();
        while (held) {
            struct server_request *r = held;
            held = NULL;
            server_answer(r, 200, "text/plain", SLICE("ok\n"), NULL);
        }
        ssize_t n = recv(fd, a->octets + a->len, sizeof(a->octets) - a->len, MSG_DONTWAIT);
        if (n > 0)
            a->len += (size_t)n;
        if (n == 0 || (n < 0 && i > 10 && server.alive == 0))
            break;
    }
    close(fd);
    for (unsigned i = 0; i < 1000 && server.alive > 0; i++)
        turn();
    assert(server.alive == 0 && !held);
    mask_dates(a);
}

/* A row of complete responses and nothing else. */
static void check_answers(struct answers *a)
{
    static struct http1_response res;
    size_t at = 0;
    while (at < a->len) {
        assert(http1_read_response(a->octets + at, a->len - at, 0, HTTP1_GET, &http1_limits_default,
                                   &res) == HTTP1_DONE);
        at += res.head.len;
        if (res.status != 100 && res.head.framing == HTTP1_LENGTH && at < a->len &&
            memcmp(a->octets + at, "HTTP/", 5) != 0) /* else it was HEAD */
            at += res.head.content_length;
        assert(at <= a->len);
        assert(res.head.keep_alive || at == a->len);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct answers one;
    static struct answers two;
    if (size < 1 || size > 8192)
        return 0;
    struct pieces split = pieces_of(data + 1, size - 1);
    struct pieces whole = split;
    whole.count = 0;
    converse(&whole, false, &one);
    check_answers(&one);
    converse(&split, *data & 1, &two);
    check_answers(&two);
    /* Where the server hung up in the middle, how much was still answered is a matter of time; and
     * 100 is sent only to those who have not begun with the body. */
    if (!memmem(two.octets, two.len, "100 Continue", 12) &&
        !memmem(one.octets, one.len, "100 Continue", 12))
        assert(one.len == two.len && memcmp(one.octets, two.octets, one.len) == 0);
    return 0;
}
