/* daemon.c - see daemon.h. */
#include "daemon.h"

#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

const char *daemon_version(void)
{
    return HELPERS_VERSION;
}

bool daemon_arguments(const struct daemon_program *program, int argc, char **argv, int *code)
{
    *code = DAEMON_OK;
    if (argc < 2)
        return false;
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        fputs(program->help, stdout);
    } else if (strcmp(argv[1], "--version") == 0) {
        printf("%s %s\n", program->name, daemon_version());
    } else {
        log_error("%s: I do not know %s; see %s --help", program->name, argv[1], program->name);
        *code = DAEMON_USAGE;
    }
    return true;
}

/* -- settings -------------------------------------------------------------------------------- */

/* All of them, each within bounds in which the server is still one. */
static bool read_limits(struct server_limits *l, struct text *error)
{
    const uint64_t minute = 60000;
    const uint64_t day = 24 * (60 * minute);
    struct {
        const char *name;
        bool duration;
        uint64_t min;
        uint64_t max;
        uint64_t value;
    } settings[] = {
        {"SERVER_CONNECTIONS", false, 1, 100000, l->connections},
        {"SERVER_LINE_BYTES", false, 128, 32768, l->http.line},
        {"SERVER_HEAD_BYTES", false, 512, 32768, l->http.head},
        {"SERVER_FIELDS", false, 8, HTTP1_FIELDS_MAX, l->http.fields},
        {"SERVER_BODY_BYTES", false, 0, 1 << 30, l->http.body},
        {"SERVER_HEAD_TIMEOUT", true, 100, 10 * minute, l->head_ms},
        {"SERVER_BODY_TIMEOUT", true, 100, 10 * minute, l->body_ms},
        {"SERVER_ANSWER_TIMEOUT", true, 100, 10 * minute, l->answer_ms},
        {"SERVER_WRITE_TIMEOUT", true, 100, 10 * minute, l->write_ms},
        {"SERVER_IDLE_TIMEOUT", true, 100, day, l->idle_ms},
        {"SERVER_LINGER_TIMEOUT", true, 0, minute, l->linger_ms},
        {"SERVER_LIFETIME", true, 1000, day, l->life_ms},
        {"SERVER_DRAIN_TIMEOUT", true, 0, 10 * minute, l->drain_ms},
    };
    for (size_t i = 0; i < sizeof(settings) / sizeof(*settings); i++)
        if (!(settings[i].duration ? env_duration : env_number)(
                settings[i].name, settings[i].min, settings[i].max, &settings[i].value, error))
            return false;
    l->connections = (uint32_t)settings[0].value;
    l->http.line = (uint16_t)settings[1].value;
    l->http.head = (uint16_t)settings[2].value;
    l->http.fields = (uint16_t)settings[3].value;
    l->http.body = settings[4].value;
    l->head_ms = (uint32_t)settings[5].value;
    l->body_ms = (uint32_t)settings[6].value;
    l->answer_ms = (uint32_t)settings[7].value;
    l->write_ms = (uint32_t)settings[8].value;
    l->idle_ms = (uint32_t)settings[9].value;
    l->linger_ms = (uint32_t)settings[10].value;
    l->life_ms = (uint32_t)settings[11].value;
    l->drain_ms = (uint32_t)settings[12].value;
    return true;
}

static bool is_address(const char *name)
{
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    return uv_ip6_addr(name, 0, &v6) == 0 || uv_ip4_addr(name, 0, &v4) == 0;
}

/* -- /healthz and /metrics -------------------------------------------------------------------- */

/* Alive: the loop turns. What we depend on is not asked, or a database that is down would have
 * every replica restarted. */
static void answer_health(struct server_request *r)
{
    server_answer(r, 200, "text/plain", SLICE("ok\n"), NULL);
}

static void answer_metrics(struct server_request *r)
{
    const struct daemon *d = r->route_data;
    const char *name = d->program->name;
    static char page[32768];
    struct text out = TEXT_OVER(page);
    struct rusage use = {0};

    getrusage(RUSAGE_SELF, &use); /* cannot fail */
    text_add_format(&out,
                    "# HELP %s_build_info What this is.\n"
                    "# TYPE %s_build_info gauge\n"
                    "%s_build_info{version=\"%s\"} 1\n"
                    "# HELP process_start_time_seconds When this process began.\n"
                    "# TYPE process_start_time_seconds gauge\n"
                    "process_start_time_seconds %lld\n"
                    "# HELP process_cpu_seconds_total Processor time used.\n"
                    "# TYPE process_cpu_seconds_total counter\n"
                    "process_cpu_seconds_total %lld.%06ld\n",
                    name, name, name, daemon_version(), (long long)d->started,
                    (long long)use.ru_utime.tv_sec + use.ru_stime.tv_sec +
                        (use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1000000,
                    (long)((use.ru_utime.tv_usec + use.ru_stime.tv_usec) % 1000000));
    server_metrics(&d->server, name, &out);
    if (d->program->metrics)
        d->program->metrics(&out, d->program->data);
    server_answer(r, 200, "text/plain; version=0.0.4; charset=utf-8", text_slice(&out), NULL);
}

static void add_routes(struct daemon *d)
{
    size_t n = 0;
    for (; d->program->routes[n].path; n++) {
        assert(n < DAEMON_ROUTES_MAX);
        d->routes[n] = d->program->routes[n];
    }
    d->routes[n++] = (struct server_route){"/healthz", SERVER_GET, answer_health, d};
    d->routes[n++] = (struct server_route){"/metrics", SERVER_GET, answer_metrics, d};
    d->routes[n] = (struct server_route){NULL, 0, NULL, NULL};
}

/* -- life ------------------------------------------------------------------------------------ */

static void on_drained(void *data)
{
    struct daemon *d = data;
    uv_close((uv_handle_t *)&d->term, NULL);
    uv_close((uv_handle_t *)&d->interrupt, NULL);
    if (d->program->drained)
        d->program->drained(d->program->data);
}

void daemon_stop(struct daemon *d)
{
    if (d->stopping)
        return;
    d->stopping = true;
    if (d->program->stop)
        d->program->stop(d->program->data);
    server_drain(&d->server, on_drained, d);
}

static void on_signal(uv_signal_t *handle, int number)
{
    struct daemon *d = handle->data;
    if (!d->stopping)
        log_info("%s: %s, finishing %u connections", d->program->name,
                 number == SIGTERM ? "SIGTERM" : "SIGINT", (unsigned)d->server.counters.open);
    daemon_stop(d);
}

/* PID 1 ignores a signal that has no handler: without these a container is killed, late. */
static int catch_signal(struct daemon *d, uv_signal_t *handle, int number)
{
    int r = uv_signal_init(&d->loop, handle);
    handle->data = d;
    return r ? r : uv_signal_start(handle, on_signal, number);
}

static void nothing(void *data)
{
    (void)data;
}

/* Close what daemon_start has opened before something failed. */
static int undo(struct daemon *d, const char *what, int r)
{
    log_error("%s: cannot %s: %s", d->program->name, what, uv_strerror(r));
    if (d->server.loop)
        server_drain(&d->server, nothing, NULL);
    if (d->term.loop)
        uv_close((uv_handle_t *)&d->term, NULL);
    if (d->interrupt.loop)
        uv_close((uv_handle_t *)&d->interrupt, NULL);
    uv_run(&d->loop, UV_RUN_DEFAULT);
    uv_loop_close(&d->loop);
    return DAEMON_FAILED;
}

int daemon_start(struct daemon *d, const struct daemon_program *program)
{
    struct server_limits limits = server_limits_default;
    const char *address = env_string("SERVER_ADDRESS", NULL);
    char line[256];
    struct text error = TEXT_OVER(line);
    uint64_t port = 5000;
    int r;

    if (!env_number("PORT", 0, 65535, &port, &error) || !read_limits(&limits, &error)) {
        log_error("%s: %s", program->name, text_string(&error));
        return DAEMON_USAGE;
    }
    /* Our 503 is for a handler that has lost its way, never for one whose time is not up. */
    if (limits.answer_ms < program->deadline_ms + 1000)
        limits.answer_ms = (uint32_t)program->deadline_ms + 1000;
    if (address && !is_address(address)) {
        log_error("%s: SERVER_ADDRESS must be an IP address", program->name);
        return DAEMON_USAGE;
    }
    signal(SIGPIPE, SIG_IGN);
    /* A silent DNS server would hold a thread for 10 s. Now, while there is only one thread:
     * setenv must not run beside getenv. */
    setenv("RES_OPTIONS", "timeout:1 attempts:1", 0);

    *d = (struct daemon){.program = program, .started = (int64_t)time(NULL)};
    add_routes(d);
    r = uv_loop_init(&d->loop);
    if (r) {
        log_error("%s: cannot make an event loop: %s", program->name, uv_strerror(r));
        return DAEMON_FAILED;
    }
    r = catch_signal(d, &d->term, SIGTERM);
    if (r == 0)
        r = catch_signal(d, &d->interrupt, SIGINT);
    if (r)
        return undo(d, "catch signals", r);
    r = server_init(&d->server, &d->loop, &limits, d->routes);
    if (r)
        return undo(d, "make a server", r);
    r = server_listen(&d->server, address, (uint16_t)port);
    if (r) {
        text_add_format(&error, "listen on port %u", (unsigned)port);
        return undo(d, text_string(&error), r);
    }
    log_info("%s %s listens on port %u", program->name, daemon_version(), server_port(&d->server));
    return DAEMON_OK;
}

int daemon_run(struct daemon *d)
{
    daemon_harden(NULL);
    uv_run(&d->loop, UV_RUN_DEFAULT);
    /* Everything was closed, or the loop would still run; a handle left over is a mistake. */
    int r = uv_loop_close(&d->loop);
    if (r) {
        log_error("%s: cannot close the event loop: %s", d->program->name, uv_strerror(r));
        return DAEMON_FAILED;
    }
    log_info("%s: stopped", d->program->name);
    return DAEMON_OK;
}
