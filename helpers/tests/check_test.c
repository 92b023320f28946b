/* check_test.c - what probe check writes, for each way in which a target can be well or not. */
/* wrap: calloc uv_loop_init */
#include "../probe/check.h"

#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fake_service.h"

void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
int __real_uv_loop_init(uv_loop_t *loop);
int __wrap_uv_loop_init(uv_loop_t *loop);

static int calls, fail_at;

void *__wrap_calloc(size_t count, size_t size)
{
    return ++calls == fail_at ? NULL : __real_calloc(count, size);
}

int __wrap_uv_loop_init(uv_loop_t *loop)
{
    return ++calls == fail_at ? UV_EMFILE : __real_uv_loop_init(loop);
}

static char written[64 * 1024];
static size_t written_len;
static unsigned lines;

static void write_line(struct slice line)
{
    assert(written_len + line.len < sizeof(written));
    memcpy(written + written_len, line.at, line.len);
    written_len += line.len;
    written[written_len] = '\0';
    lines++;
}

static int check(char *const *targets, size_t count, uint64_t timeout_ms, unsigned requests)
{
    const struct check_limits limits = {timeout_ms, requests};
    written_len = lines = 0;
    written[0] = '\0';
    return check_all(targets, count, &limits, write_line);
}

static void wrote(const char *part)
{
    if (!strstr(written, part))
        fprintf(stderr, "not in what was written: %s\n%s\n", part, written);
    assert(strstr(written, part));
}

static unsigned long number_after(const char *part)
{
    wrote(part);
    return strtoul(strstr(written, part) + strlen(part), NULL, 10);
}

/* A service in a process of its own: check_all has its own loop. */
static pid_t serve(const char *say, bool first, bool hang, uint16_t *port)
{
    int ends[2];
    assert(pipe(ends) == 0);
    pid_t child = fork();
    assert(child >= 0);
    if (child == 0) {
        uv_loop_t loop;
        static struct fake_service service;
        assert(uv_loop_init(&loop) == 0);
        fake_answers(&service, say);
        service.first = first;
        service.hang = hang;
        fake_start(&service, &loop, "127.0.0.1");
        assert(write(ends[1], &service.port, sizeof(service.port)) == sizeof(service.port));
        uv_run(&loop, UV_RUN_DEFAULT);
        _exit(0);
    }
    assert(read(ends[0], port, sizeof(*port)) == sizeof(*port));
    close(ends[0]);
    close(ends[1]);
    return child;
}

/* Another that takes delay_ms for an answer, answers so often, and then only hangs up. */
static pid_t serve_slowly(unsigned delay_ms, unsigned answers, uint16_t *port)
{
    static const char answer[] = "HTTP/1.1 200 OK\r\n\r\n";
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(at);
    int listener = socket(AF_INET, SOCK_STREAM, 0);

    assert(bind(listener, (struct sockaddr *)&at, len) == 0 && listen(listener, 16) == 0);
    assert(getsockname(listener, (struct sockaddr *)&at, &len) == 0);
    *port = ntohs(at.sin_port);
    pid_t child = fork();
    assert(child >= 0);
    while (child == 0) {
        char question[512];
        int call = accept(listener, NULL, NULL);
        assert(call >= 0 && read(call, question, sizeof(question)) > 0);
        usleep(delay_ms * 1000);
        if (answers > 0 && answers--)
            assert(write(call, answer, sizeof(answer) - 1) == sizeof(answer) - 1);
        close(call);
    }
    close(listener);
    return child;
}

static void stop(pid_t child)
{
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
}

static void one_by_one(void)
{
    static const struct {
        const char *scheme, *say;
        bool first, hang;
        int result;
        const char *part;
    } cases[] = {
        {"http", "HTTP/1.1 503 No\r\nContent-Length: 100\r\n\r\n", false, true, 0,
         "\"ok\":true,\"phase\":\"answer\""},
        {"http", "HTTP/1.1 503 No\r\n\r\n", false, false, 0, "\"status\":503,\"error\":null"},
        {"http", "220 smtp\r\n", true, false, 1,
         "\"error\":\"gives an answer that is not valid HTTP\""},
        {"http", NULL, false, false, 1, "\"error\":\"closes the connection before"},
        {"http", NULL, false, true, 1, "\"error\":\"does not answer in time\""},
        {"tcp", NULL, false, true, 0, "\"ok\":true,\"phase\":\"connect\""},
        {"redis", "+PONG\r\n", false, true, 0, "\"ok\":true,\"phase\":\"answer\""},
        {"redis", "-ERR\r\n", false, true, 1, "this kind of server does not give"},
        {"nats", "INFO {}\r\n", true, true, 0, "\"ok\":true"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char target[64];
        char *targets[] = {target};
        uint16_t port;
        pid_t child = serve(cases[i].say, cases[i].first, cases[i].hang, &port);
        snprintf(target, sizeof(target), "%s://127.0.0.1:%u/x", cases[i].scheme, port);
        int result = check(targets, 1, 300, 0);
        stop(child);
        wrote(cases[i].part);
        assert(result == cases[i].result && lines == 1);
        assert(!strstr(written, "spread"));
    }
}

static void side_by_side(void)
{
    char refusing[] = "http://127.0.0.1:1/a", unknown[] = "tcp://nosuchname.invalid:5";
    char target[64];
    char *targets[] = {refusing, target, unknown, target};
    uint16_t port;
    pid_t child = serve("HTTP/1.1 200 OK\r\n\r\n", false, false, &port);

    snprintf(target, sizeof(target), "http://127.0.0.1:%u/", port);
    assert(check(targets, 4, 2000, 7) == 1);
    stop(child);
    assert(lines == 4);
    wrote("{\"target\":\"http://127.0.0.1:1/a\",\"host\":\"127.0.0.1\",\"port\":1,"
          "\"resolve\":{\"ok\":true,\"ms\":");
    wrote(
        "\"addresses\":[\"127.0.0.1\"]},\"addresses\":[{\"address\":\"127.0.0.1\",\"ok\":false,"
        "\"phase\":\"connect\",\"connect_ms\":null,\"first_byte_ms\":null,\"status\":null,"
        "\"error\":\"refuses the connection\"}],\"spread\":{},\"requests\":7,\"unanswered\":7}\n");
    wrote("\"spread\":{\"127.0.0.1\":7},\"requests\":7,\"unanswered\":0}\n");
    wrote("\"host\":\"nosuchname.invalid\",\"port\":5,\"resolve\":{\"ok\":false,");
}

/* Each request has a deadline of its own: a slow service is not a dead one. */
static void spread_is_slow(void)
{
    char target[64];
    char *targets[] = {target};
    uint16_t port;
    pid_t child = serve_slowly(25, UINT32_MAX, &port);

    snprintf(target, sizeof(target), "http://127.0.0.1:%u/", port);
    assert(check(targets, 1, 400, 30) == 0);
    stop(child);
    wrote("\"ok\":true,\"phase\":\"answer\"");
    wrote("\"spread\":{\"127.0.0.1\":30},\"requests\":30,\"unanswered\":0}");
}

/* What the spread meets is its own: the address was found well before. */
static void spread_fails(void)
{
    char target[64];
    char *targets[] = {target};
    uint16_t port;
    pid_t child = serve_slowly(0, 3, &port);

    snprintf(target, sizeof(target), "http://127.0.0.1:%u/", port);
    assert(check(targets, 1, 2000, 10) == 1);
    stop(child);
    wrote("\"ok\":true,\"phase\":\"answer\"");
    wrote("\"status\":200,\"error\":null");
    wrote("\"spread\":{\"127.0.0.1\":2},\"requests\":10,\"unanswered\":8}");
}

/* A hung service is not waited for again and again, and what was never asked is not unanswered. */
static void is_bounded(void)
{
    char target[64];
    char *targets[] = {target};
    uint16_t port;
    pid_t child = serve(NULL, false, true, &port);
    uint64_t before = clock_ms();

    snprintf(target, sizeof(target), "http://127.0.0.1:%u/", port);
    assert(check(targets, 1, 100, 50) == 1);
    assert(clock_ms() - before < 5000);
    stop(child);
    unsigned long asked = number_after("\"requests\":");
    unsigned long unanswered = number_after("\"unanswered\":");
    assert(asked > 0 && asked <= 6 && unanswered == asked);
}

static void fails_call_by_call(void)
{
    char target[] = "tcp://127.0.0.1:1";
    char *targets[] = {target};

    calls = 0;
    fail_at = 1;
    assert(check(targets, 1, 100, 0) == UV_ENOMEM && lines == 0);
    calls = 0;
    fail_at = 2;
    assert(check(targets, 1, 100, 0) == UV_EMFILE && lines == 0);
    calls = 0;
    fail_at = 3;
    assert(check(targets, 1, 100, 0) == 1 && lines == 1);
    wrote("not enough memory");
    fail_at = 0;
}

static void refusals(void)
{
    static char text[4096] = "tcp://a:5/";
    assert(check_refuses("db-checker"));
    assert(check_refuses("https://a/"));
    assert(check_refuses("tcp://a"));
    assert(check_refuses("redis://:password@a"));
    memset(text + 10, 'x', sizeof(text) - 11);
    assert(check_refuses(text));
    memcpy(text, "http://a:5", 10);
    assert(check_refuses(text));
    assert(!check_refuses("redis://a"));
    assert(!check_refuses("http://a"));
    assert(!check_refuses("tcp://a:1"));
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    one_by_one();
    side_by_side();
    spread_is_slow();
    spread_fails();
    is_bounded();
    fails_call_by_call();
    refusals();
    return 0;
}
