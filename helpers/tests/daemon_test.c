/* daemon_test.c - arguments, settings, signals and the two places every daemon has, and what
 * happens when start-up fails half way. */
/* wrap: daemon_harden uv_loop_init uv_signal_init uv_signal_start server_init server_listen */
/* wrap: uv_loop_close */
#include "daemon.h"

#include <arpa/inet.h>
#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* -- calls that can be made to fail ---------------------------------------------------------------
 */

static unsigned calls;
static unsigned fail_at;
static unsigned hardened;

static bool fails(void)
{
    return ++calls == fail_at;
}

#define WRAP(name, parameters, arguments)                     \
    int __real_##name parameters;                             \
    int __wrap_##name parameters;                             \
    int __wrap_##name parameters                              \
    {                                                         \
        return fails() ? UV_EMFILE : __real_##name arguments; \
    }

WRAP(uv_loop_init, (uv_loop_t * l), (l))
WRAP(uv_signal_init, (uv_loop_t * l, uv_signal_t *s), (l, s))
WRAP(uv_signal_start, (uv_signal_t * s, uv_signal_cb cb, int n), (s, cb, n))
WRAP(server_init,
     (struct server * s, uv_loop_t *l, const struct server_limits *n, const struct server_route *r),
     (s, l, n, r))
WRAP(server_listen, (struct server * s, const char *a, uint16_t p), (s, a, p))
WRAP(uv_loop_close, (uv_loop_t * l), (l))

/* Not here: the sanitizers would have to live with it. See harden_test. */
void __wrap_daemon_harden(struct daemon_hardening *got);
void __wrap_daemon_harden(struct daemon_hardening *got)
{
    assert(!got);
    hardened++;
}

/* -- a program ------------------------------------------------------------------------------------
 */

static unsigned stopped;
static unsigned drained;

static void answer_hello(struct server_request *r)
{
    server_answer(r, 200, "text/plain", SLICE("hello\n"), NULL);
}

static void add_metrics(struct text *out, void *data)
{
    assert(data == &stopped);
    text_add_string(out, "test_own_metric 1\n");
}

static void on_stop(void *data)
{
    assert(data == &stopped && drained == 0);
    stopped++;
}

static void on_drained(void *data)
{
    assert(data == &stopped && stopped == 1);
    drained++;
}

static const struct server_route routes[] = {
    {"/hello", SERVER_GET, answer_hello, NULL},
    {NULL, 0, NULL, NULL},
};
static const struct daemon_program program = {
    .name = "test",
    .help = "usage: test\n",
    .routes = routes,
    .metrics = add_metrics,
    .stop = on_stop,
    .drained = on_drained,
    .data = &stopped,
};
static const struct daemon_program bare = {.name = "bare", .help = "", .routes = routes};

static struct daemon d;

static void test_arguments(void)
{
    static const struct {
        char option[16];
        bool ends;
        int code;
    } cases[] = {
        {"", false, DAEMON_OK},         {"--help", true, DAEMON_OK},    {"-h", true, DAEMON_OK},
        {"--version", true, DAEMON_OK}, {"--what", true, DAEMON_USAGE},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char name[] = "test";
        char option[16];
        char *argv[] = {name, option, NULL};
        int code = 7;
        memcpy(option, cases[i].option, sizeof(option));
        assert(daemon_arguments(&program, *option ? 2 : 1, argv, &code) == cases[i].ends);
        assert(code == cases[i].code);
    }
    assert(strlen(daemon_version()) > 0);
}

static void test_settings(void)
{
    static const struct {
        const char *name;
        const char *value;
    } wrong[] = {
        {"PORT", "70000"},           {"PORT", "http"},         {"SERVER_FIELDS", "101"},
        {"SERVER_CONNECTIONS", "0"}, {"SERVER_LIFETIME", "x"}, {"SERVER_HEAD_TIMEOUT", "1ms"},
        {"SERVER_ADDRESS", "here"},
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        setenv(wrong[i].name, wrong[i].value, 1);
        assert(daemon_start(&d, &program) == DAEMON_USAGE);
        unsetenv(wrong[i].name);
    }
}

/* Each limit is set by its own variable, and nothing else is. */
static void test_limits(void)
{
#define LIMIT(name, text, field, value)                              \
    {                                                                \
        "SERVER_" name, text, offsetof(struct server_limits, field), \
            sizeof(((struct server_limits *)0)->field), value        \
    }
    static const struct {
        const char *name;
        const char *text;
        size_t offset;
        size_t size;
        uint64_t value;
    } cases[] = {
        LIMIT("CONNECTIONS", "7", connections, 7),
        LIMIT("LINE_BYTES", "201", http.line, 201),
        LIMIT("HEAD_BYTES", "602", http.head, 602),
        LIMIT("FIELDS", "13", http.fields, 13),
        LIMIT("BODY_BYTES", "504", http.body, 504),
        LIMIT("HEAD_TIMEOUT", "5s", head_ms, 5000),
        LIMIT("BODY_TIMEOUT", "6s", body_ms, 6000),
        LIMIT("ANSWER_TIMEOUT", "7s", answer_ms, 7000),
        LIMIT("WRITE_TIMEOUT", "8s", write_ms, 8000),
        LIMIT("IDLE_TIMEOUT", "9m", idle_ms, 540000),
        LIMIT("LINGER_TIMEOUT", "0", linger_ms, 0),
        LIMIT("LIFETIME", "11h", life_ms, 39600000),
        LIMIT("DRAIN_TIMEOUT", "1200ms", drain_ms, 1200),
    };
#undef LIMIT
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct server_limits expected;
        char *octets = (char *)&expected;
        uint64_t value = cases[i].value; /* its low octets come first, as on every machine here */

        setenv("PORT", "0", 1);
        assert(daemon_start(&d, &bare) == DAEMON_OK);
        expected = d.server.limits;
        daemon_stop(&d);
        assert(daemon_run(&d) == DAEMON_OK);
        assert(memcmp(octets + cases[i].offset, &value, cases[i].size) != 0);
        memcpy(octets + cases[i].offset, &value, cases[i].size);

        setenv(cases[i].name, cases[i].text, 1);
        assert(daemon_start(&d, &bare) == DAEMON_OK);
        assert(memcmp((char *)&d.server.limits, octets, sizeof(expected)) == 0);
        daemon_stop(&d);
        assert(daemon_run(&d) == DAEMON_OK);
        unsetenv(cases[i].name);
    }
}

/* It listens where it is told to, and nowhere else. */
static void test_address(void)
{
    struct sockaddr_storage at;
    int len = sizeof(at);

    setenv("PORT", "0", 1);
    setenv("SERVER_ADDRESS", "127.0.0.2", 1);
    assert(daemon_start(&d, &bare) == DAEMON_OK);
    assert(uv_tcp_getsockname(&d.server.listener, (struct sockaddr *)&at, &len) == 0);
    assert(((struct sockaddr_in *)&at)->sin_addr.s_addr == htonl(0x7f000002));
    daemon_stop(&d);
    assert(daemon_run(&d) == DAEMON_OK);
    unsetenv("SERVER_ADDRESS");
}

/* -- its life -------------------------------------------------------------------------------------
 */

/* What a child sees of it, which then stops us. */
static void ask(uint16_t port, const char *path, const char *wanted)
{
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    static char got[65536];
    size_t len = 0;
    ssize_t n;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert(connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0);
    dprintf(fd, "GET %s HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", path);
    while ((n = read(fd, got + len, sizeof(got) - 1 - len)) > 0)
        len += (size_t)n;
    got[len] = '\0';
    if (!strstr(got, wanted))
        fprintf(stderr, "%s\n", got);
    assert(strstr(got, wanted));
    close(fd);
}

static void run(const struct daemon_program *p, int number)
{
    stopped = drained = hardened = 0;
    setenv("PORT", "0", 1);
    setenv("SERVER_DRAIN_TIMEOUT", "2s", 1);
    unsetenv("RES_OPTIONS");
    assert(daemon_start(&d, p) == DAEMON_OK);
    assert(d.server.limits.drain_ms == 2000);
    assert(strcmp(env_string("RES_OPTIONS", ""), "timeout:1 attempts:1") == 0);
    uint16_t port = server_port(&d.server);
    pid_t child = fork();
    if (child == 0) {
        ask(port, "/hello", "hello\n");
        ask(port, "/healthz", "ok\n");
        ask(port, "/metrics", "_build_info{version=\"");
        ask(port, "/metrics", p->metrics ? "\ntest_own_metric 1\n" : "process_cpu_seconds_total ");
        kill(getppid(), number);
        _exit(0);
    }
    assert(daemon_run(&d) == DAEMON_OK);
    int status;
    assert(waitpid(child, &status, 0) == child && status == 0);
    assert(hardened == 1 && stopped == (p->stop != NULL) && drained == (p->drained != NULL));
    unsetenv("SERVER_DRAIN_TIMEOUT");
}

/* Whatever is set, the server does not answer for a handler whose own time is not up. */
static void test_deadline(void)
{
    static const struct {
        const char *setting;
        uint64_t deadline_ms;
        uint32_t answer_ms;
    } cases[] = {{"", 2000, 10000}, {"", 60000, 61000}, {"1s", 5000, 6000}, {"7s", 5000, 7000}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct daemon_program patient = bare;
        patient.deadline_ms = cases[i].deadline_ms;
        setenv("SERVER_ANSWER_TIMEOUT", cases[i].setting, 1);
        assert(daemon_start(&d, &patient) == DAEMON_OK);
        assert(d.server.limits.answer_ms == cases[i].answer_ms);
        daemon_stop(&d);
        assert(daemon_run(&d) == DAEMON_OK);
    }
    unsetenv("SERVER_ANSWER_TIMEOUT");
}

static void test_stop_twice(void)
{
    assert(daemon_start(&d, &bare) == DAEMON_OK);
    daemon_stop(&d);
    daemon_stop(&d);
    assert(daemon_run(&d) == DAEMON_OK);
}

static void test_failures(void)
{
    for (fail_at = 1;; fail_at++) {
        calls = 0;
        stopped = drained = 0;
        int code = daemon_start(&d, &program);
        if (code == DAEMON_OK) {
            /* The last is a handle that somebody forgot to close. */
            daemon_stop(&d);
            code = daemon_run(&d);
            if (calls < fail_at) {
                assert(code == DAEMON_OK);
                break;
            }
            assert(__real_uv_loop_close(&d.loop) == 0);
        }
        assert(code == DAEMON_FAILED);
    }
    assert(fail_at > 7);
    fail_at = 0;

    /* A port that is taken, for real. */
    static struct daemon other;
    assert(daemon_start(&d, &bare) == DAEMON_OK);
    char port[8];
    snprintf(port, sizeof(port), "%u", server_port(&d.server));
    setenv("PORT", port, 1);
    assert(daemon_start(&other, &bare) == DAEMON_FAILED);
    daemon_stop(&d);
    assert(daemon_run(&d) == DAEMON_OK);
}

int main(void)
{
    test_arguments();
    test_settings();
    test_limits();
    test_address();
    run(&program, SIGTERM);
    run(&bare, SIGINT);
    test_deadline();
    test_stop_twice();
    test_failures();
    return 0;
}
