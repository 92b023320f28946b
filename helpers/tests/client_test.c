/* client_test.c - answers of every kind, names of every kind, and each call failing in turn. */
/* wrap: uv_getaddrinfo uv_tcp_connect uv_read_start uv_write malloc */
#include "client.h"

#include <stdio.h>

int __real_uv_getaddrinfo(uv_loop_t *loop, uv_getaddrinfo_t *req, uv_getaddrinfo_cb cb,
                          const char *node, const char *service, const struct addrinfo *hints);
int __wrap_uv_getaddrinfo(uv_loop_t *loop, uv_getaddrinfo_t *req, uv_getaddrinfo_cb cb,
                          const char *node, const char *service, const struct addrinfo *hints);
int __real_uv_tcp_connect(uv_connect_t *req, uv_tcp_t *tcp, const struct sockaddr *to,
                          uv_connect_cb cb);
int __wrap_uv_tcp_connect(uv_connect_t *req, uv_tcp_t *tcp, const struct sockaddr *to,
                          uv_connect_cb cb);
int __real_uv_read_start(uv_stream_t *stream, uv_alloc_cb room, uv_read_cb read);
int __wrap_uv_read_start(uv_stream_t *stream, uv_alloc_cb room, uv_read_cb read);
int __real_uv_write(uv_write_t *req, uv_stream_t *stream, const uv_buf_t bufs[], unsigned count,
                    uv_write_cb cb);
int __wrap_uv_write(uv_write_t *req, uv_stream_t *stream, const uv_buf_t bufs[], unsigned count,
                    uv_write_cb cb);
void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);

#define FAKE_WRITE __real_uv_write
#define FAKE_READ_START __real_uv_read_start
#include "fake_service.h"

static uv_loop_t loop;
static bool counting;
static int calls, fail_at;

static bool fails(void)
{
    return counting && ++calls == fail_at;
}

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

int __wrap_uv_tcp_connect(uv_connect_t *req, uv_tcp_t *tcp, const struct sockaddr *to,
                          uv_connect_cb cb)
{
    return fails() ? UV_EMFILE : __real_uv_tcp_connect(req, tcp, to, cb);
}

int __wrap_uv_read_start(uv_stream_t *stream, uv_alloc_cb room, uv_read_cb read)
{
    return fails() ? UV_ENOMEM : __real_uv_read_start(stream, room, read);
}

int __wrap_uv_write(uv_write_t *req, uv_stream_t *stream, const uv_buf_t bufs[], unsigned count,
                    uv_write_cb cb)
{
    return fails() ? UV_ENOMEM : __real_uv_write(req, stream, bufs, count, cb);
}

/* What the resolver says: its list for `known`, or an error; or it is silent and answers only when
 * the test says so, as a thread does that cannot be called back. */
static struct {
    const char *known[4];
    int error;
    bool silent;
    uv_getaddrinfo_t *request;
    uv_getaddrinfo_cb answer;
    struct addrinfo list[4];
    struct sockaddr_in addresses[4];
    uv_timer_t timer;
} resolver;

static void on_resolver(uv_timer_t *timer)
{
    unsigned count = 0;
    uv_close((uv_handle_t *)timer, NULL);
    while (count < 4 && resolver.known[count]) {
        struct addrinfo *a = &resolver.list[count];
        assert(uv_ip4_addr(resolver.known[count], (int)(uintptr_t)timer->data,
                           &resolver.addresses[count]) == 0);
        *a = (struct addrinfo){.ai_addr = (struct sockaddr *)&resolver.addresses[count],
                               .ai_addrlen = sizeof(struct sockaddr_in)};
        if (count++ > 0)
            resolver.list[count - 2].ai_next = a;
    }
    resolver.answer(resolver.request, resolver.error, count > 0 ? resolver.list : NULL);
}

/* Our list is nobody's to free. */
void uv_freeaddrinfo(struct addrinfo *list)
{
    (void)list;
}

int __wrap_uv_getaddrinfo(uv_loop_t *on, uv_getaddrinfo_t *req, uv_getaddrinfo_cb cb,
                          const char *node, const char *service, const struct addrinfo *hints)
{
    assert(strcmp(node, "service") == 0 && hints->ai_socktype == SOCK_STREAM);
    if (fails())
        return UV_ENOMEM;
    req->type = UV_UNKNOWN_REQ; /* uv_cancel looks at it */
    resolver.request = req;
    resolver.answer = cb;
    uv_timer_init(on, &resolver.timer);
    resolver.timer.data = (void *)(uintptr_t)strtoul(service, NULL, 10);
    uv_timer_start(&resolver.timer, on_resolver, resolver.silent ? 300 : 1, 0);
    return 0;
}

static struct client client;
static struct fake_service service;
static unsigned done_calls;

static void on_done(struct client *c, void *data)
{
    assert(c == &client && data == &done_calls);
    done_calls++;
    fake_stop(&service);
}

static void ask(const char *host, const char *path, uint64_t timeout_ms)
{
    char text[256];
    struct url url;

    fake_start(&service, &loop, "127.0.0.1");
    snprintf(text, sizeof(text), "http://%s:%u%s", host, service.port, path);
    assert(!url_read(slice_of(text), &url));
    assert(!client_refuses(&url));
    done_calls = 0;
    client_start(&client, &loop, &url, "Accept: text/plain\r\n", timeout_ms, on_done, &done_calls);
    assert(done_calls == 0);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert(done_calls == 1);
    service.port = 0;
}

static void answered(const char *say, unsigned status, const char *body)
{
    for (int split = 0; split < 2; split++) {
        service.split = split;
        fake_answers(&service, say);
        ask("127.0.0.1", "/ping", 3000);
        if (client.error)
            fprintf(stderr, "%s: %s\n", say, uv_strerror(client.error));
        assert(client.error == 0 && client.phase == CLIENT_ANSWER);
        assert(client.answer.response.status == status);
        assert(slice_is(client.answer.body, slice_of(body)));
        assert(client.addresses == 1 && client.tried == 1 && client.total_ns > 0);
        assert(client.connect_ns > 0 && client.answer_ns > 0);
    }
    service.split = false;
}

static void failed(const char *say, int error)
{
    for (int split = 0; split < 2; split++) {
        service.split = split;
        fake_answers(&service, say);
        ask("127.0.0.1", "/ping", 3000);
        if (client.error != error)
            fprintf(stderr, "%s: %s\n", say ? say : "(nothing)", uv_strerror(client.error));
        assert(client.error == error && client.phase == CLIENT_ANSWER);
    }
    service.split = false;
}

/* What RFC 9112 and RFC 9110 ask of a client. */
static void answers(void)
{
    answered("HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\nDB is available\n", 200,
             "DB is available\n");
    answered("HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", 200, "");
    answered("HTTP/1.1 424 \r\nContent-Length: 2\r\n\r\nno", 424, "no");
    answered("HTTP/1.0 404 Not Found\r\n\r\nuntil close", 404, "until close");
    /* interim answers are skipped (RFC 9110 §15.2) */
    answered("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nLink: x\r\n\r\n"
             "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na",
             200, "a");
    /* no body after 204 and 304, whatever the fields say (§6.3) */
    answered("HTTP/1.1 204 None\r\n\r\n", 204, "");
    answered("HTTP/1.1 304 Same\r\nContent-Length: 7\r\n\r\n", 304, "");
    answered("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
             "5\r\nDB is\r\n1;x=y\r\n \r\n9\r\navailable\r\n0\r\nX: y\r\n\r\n",
             200, "DB is available");
    /* a folded line in a response is one line (§5.2) */
    answered("HTTP/1.1 200 OK\r\nX-Replica:\r\n a\r\nContent-Length: 1\r\n\r\na", 200, "a");
    /* octets after the answer are none (§9.2) */
    answered("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\naHTTP/1.1 500 No\r\n\r\n", 200, "a");
    /* redirects are reported */
    answered("HTTP/1.1 301 Moved\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
             301, "");
}

static void wrong_answers(void)
{
    failed("HTTP/1.1 99 No\r\n\r\n", UV_EPROTO);
    failed("HTTP/1.1 600 No\r\n\r\n", UV_EPROTO);
    failed("HTTP/2.0 200 OK\r\n\r\n", UV_EPROTO);
    failed("SSH-2.0-OpenSSH\r\n", UV_EPROTO);
    failed("HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n", UV_EPROTO);
    failed("HTTP/1.1 100 A\r\n\r\nHTTP/1.1 100 A\r\n\r\nHTTP/1.1 100 A\r\n\r\n"
           "HTTP/1.1 100 A\r\n\r\nHTTP/1.1 100 A\r\n\r\nHTTP/1.1 100 A\r\n\r\n"
           "HTTP/1.1 100 A\r\n\r\nHTTP/1.1 100 A\r\n\r\nHTTP/1.1 100 A\r\n\r\n"
           "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
           UV_EPROTO);
    failed("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
           UV_EPROTO);
    failed("HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\na", UV_EPROTO);
    failed("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", UV_EPROTO);
    failed("HTTP/1.1 200 OK\r\nContent-Length: 999999999999\r\n\r\na", UV_EMSGSIZE);
    /* what breaks off is no answer (§8) */
    failed("HTTP/1.1 200 OK\r\nContent-Length: 17\r\n\r\nDB is available\n", UV_EOF);
    failed("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nDB is\r\n0\r\n", UV_EOF);
    failed("HTTP/1.1 200 OK\r\nContent-Le", UV_EOF);
    failed("HTTP/1.1 100 Continue\r\n\r\n", UV_EOF);
    failed(NULL, UV_EOF);
}

static void long_answers(void)
{
    static char text[CLIENT_ANSWER_MAX + 100];
    int head = snprintf(text, sizeof(text), "HTTP/1.1 200 OK\r\n\r\n");

    memset(text + head, 'x', sizeof(text) - (size_t)head - 1);
    text[CLIENT_ANSWER_MAX + 50] = '\0';
    fake_answers(&service, text);
    ask("127.0.0.1", "/", 3000);
    assert(client.error == UV_EMSGSIZE);
    text[CLIENT_ANSWER_MAX - 1] = '\0';
    fake_answers(&service, text);
    ask("127.0.0.1", "/", 3000);
    assert(client.error == 0);
    assert(client.answer.body.len == (size_t)(CLIENT_ANSWER_MAX - 1 - head));

    /* A head has its own bound. */
    memcpy(text, "HTTP/1.1 200 OK\r\nX: ", 20);
    text[20000] = '\0';
    fake_answers(&service, text);
    ask("127.0.0.1", "/", 3000);
    assert(client.error == UV_EMSGSIZE);
}

static void questions(void)
{
    fake_answers(&service, "HTTP/1.1 204 X\r\n\r\n");
    ask("127.0.0.1", "?a=b", 3000);
    char expected[256];
    uint16_t port = ntohs(client.address.v4.sin_port);
    snprintf(expected, sizeof(expected),
             "GET /?a=b HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nConnection: close\r\n"
             "Accept: text/plain\r\n\r\n",
             port);
    assert(slice_is((struct slice){service.question, service.question_len}, slice_of(expected)));
    ask("127.0.0.1", "", 3000);
    assert(slice_starts((struct slice){service.question, service.question_len},
                        SLICE("GET / HTTP/1.1\r\n")));
}

static void slow_services(void)
{
    /* Silent before, within and after the head: one deadline, which no progress moves. */
    const char *const begun[] = {NULL, "HTTP/1.1 200", "HTTP/1.1 200 OK\r\n\r\nand on"};

    service.hang = true;
    for (size_t i = 0; i < 3; i++) {
        fake_answers(&service, begun[i]);
        ask("127.0.0.1", "/", 60);
        assert(client.error == UV_ETIMEDOUT && client.phase == CLIENT_ANSWER);
        assert(client.total_ns >= 60 * 1000000ull);
    }
    /* What is complete is not waited for any longer. */
    fake_answers(&service, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na");
    ask("127.0.0.1", "/", 3000);
    assert(client.error == 0);
    service.hang = false;

    service.reset = true;
    fake_answers(&service, NULL);
    ask("127.0.0.1", "/", 3000);
    assert(client.error == UV_ECONNRESET && client.phase == CLIENT_ANSWER);
    service.reset = false;
}

static void names(void)
{
    fake_answers(&service, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");

    resolver.known[0] = "127.0.0.1";
    ask("service", "/", 3000);
    assert(client.error == 0 && client.resolve_ns > 0);

    /* Two that refuse: whichever comes first, the one that answers is found. */
    resolver.known[1] = "127.0.0.2";
    resolver.known[2] = "127.0.0.3";
    unsigned most = 0;
    for (int i = 0; i < 20; i++) {
        ask("service", "/", 3000);
        assert(client.error == 0 && client.addresses == 3);
        assert(client.address.v4.sin_addr.s_addr == htonl(INADDR_LOOPBACK));
        if (client.tried > most)
            most = client.tried;
    }
    assert(most > 1);

    /* All refuse. */
    resolver.known[0] = "127.0.0.4";
    ask("service", "/", 3000);
    assert(client.error == UV_ECONNREFUSED && client.phase == CLIENT_CONNECT && client.tried == 3);

    resolver.known[0] = resolver.known[1] = resolver.known[2] = NULL;
    ask("service", "/", 3000);
    assert(client.error == UV_EAI_NODATA && client.phase == CLIENT_RESOLVE && client.tried == 0);
    resolver.error = UV_EAI_NONAME;
    ask("service", "/", 3000);
    assert(client.error == UV_EAI_NONAME && client.phase == CLIENT_RESOLVE);
    resolver.error = 0;
}

/* The thread answers long after the deadline, when its lookup is gone. */
static void silent_name_server(void)
{
    resolver.silent = true;
    resolver.known[0] = "127.0.0.1";
    fake_answers(&service, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    ask("service", "/", 50);
    assert(client.error == UV_ETIMEDOUT && client.phase == CLIENT_RESOLVE);
    assert(client.total_ns < 300 * 1000000ull);
    resolver.silent = false;
    ask("service", "/", 3000);
    assert(client.error == 0);
}

static void fails_call_by_call(void)
{
    resolver.known[0] = "127.0.0.1";
    fake_answers(&service, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    for (fail_at = 1;; fail_at++) {
        calls = 0;
        counting = true;
        ask("service", "/", 3000);
        counting = false;
        if (calls < fail_at)
            break;
        assert(client.error == UV_ENOMEM || client.error == UV_EMFILE);
    }
    assert(client.error == 0 && fail_at == 6); /* of the five calls above each failed once */
    fail_at = 0;
}

static void cancel(uv_timer_t *timer)
{
    client_cancel(&client);
    uv_close((uv_handle_t *)timer, NULL);
}

static void cancels(void)
{
    uv_timer_t timer;

    service.hang = true;
    fake_answers(&service, NULL);
    for (int silent = 0; silent < 2; silent++) {
        resolver.silent = silent;
        uv_timer_init(&loop, &timer);
        uv_timer_start(&timer, cancel, 50, 0);
        ask("service", "/", 3000);
        assert(client.error == UV_ECANCELED);
        assert(client.phase == (silent ? CLIENT_RESOLVE : CLIENT_ANSWER));
    }
    service.hang = resolver.silent = false;
}

static void refusals(void)
{
    static char text[4096] = "http://a/";
    struct url url;

    assert(!url_read(SLICE("https://a/"), &url) && client_refuses(&url));
    memset(text + 9, 'x', sizeof(text) - 10);
    assert(!url_read(slice_of(text), &url) && client_refuses(&url));
}

static void reasons(void)
{
    const int errors[] = {UV_ECONNREFUSED, UV_EHOSTUNREACH, UV_ETIMEDOUT, UV_EOF,
                          UV_ECONNRESET,   UV_EPROTO,       UV_EMSGSIZE,  UV_ENOMEM,
                          UV_EAI_NONAME,   UV_EAI_AGAIN,    UV_EAI_FAIL};
    for (int phase = CLIENT_RESOLVE; phase <= CLIENT_ANSWER; phase++) {
        assert(*client_phase_name((enum client_phase)phase));
        for (size_t i = 0; i < sizeof(errors) / sizeof(*errors); i++)
            assert(*client_reason((enum client_phase)phase, errors[i]));
    }
    assert(strcmp(client_reason(CLIENT_RESOLVE, UV_ETIMEDOUT),
                  client_reason(CLIENT_ANSWER, UV_ETIMEDOUT)) != 0);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    assert(uv_loop_init(&loop) == 0);
    answers();
    wrong_answers();
    long_answers();
    questions();
    slow_services();
    names();
    silent_name_server();
    cancels();
    fails_call_by_call();
    refusals();
    reasons();
    assert(uv_loop_close(&loop) == 0); /* nothing is left open */
    return 0;
}
