/* checker - tells over HTTP whether its PostgreSQL database is available; see --help. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon.h"
#include "dbping.h"
#include "dburl.h"
#include "once.h"
#include "reply.h"
#include "server.h"
#include "util.h"

static const char help[] =
    "NAME\n"
    "    checker - tell whether a PostgreSQL database is available\n"
    "\n"
    "SYNOPSIS\n"
    "    checker                  serve HTTP\n"
    "    checker --once           ask once, print the answer, end\n"
    "    checker --wait DURATION  ask until it is available, at most so long (30s, 2m)\n"
    "    checker --help | --version\n"
    "\n"
    "DESCRIPTION\n"
    "    Keeps one connection to the database, however many ask, and asks it anew for each\n"
    "    request; requests that come together share one question. An answer is never older\n"
    "    than its request.\n"
    "\n"
    "ENDPOINTS\n"
    "    GET /ping     200  DB is available\n"
    "                  424  DB is not available. Error: PHASE: REASON\n"
    "                       PHASE is resolve, connect, auth, query or timeout;\n"
    "                       while DATABASE_URL is not set it is \"not configured\"\n"
    "                       X-Replica names who answers: DYNO, or the host name\n"
    "    GET /healthz  200  while the process lives; asks nobody\n"
    "    GET /metrics  200  metrics in Prometheus text format, each with its # HELP\n"
    "\n"
    "ENVIRONMENT\n"
    "    DATABASE_URL        "
    "postgres://USER:PASSWORD@HOST[:PORT][,HOST...]/DATABASE[?OPTION=VALUE&...]\n"
    "                        Every option of libpq 15 but service and GSSAPI: sslmode,\n"
    "                        sslrootcert, target_session_attrs, ...\n"
    "    PING_DEADLINE       from a request to its answer, whatever happens (2s)\n"
    "    RESOLVE_DEADLINE    to look the host names up (half of PING_DEADLINE)\n"
    "    CONNECT_DEADLINE    to connect and log in (PING_DEADLINE)\n"
    "    QUERY_DEADLINE      for the answer to one query; then it is asked once more on a new\n"
    "                        connection (half of PING_DEADLINE)\n" DAEMON_HELP "\n"
    "EXIT STATUS\n"
    "    Serving: 0 ended by SIGTERM or SIGINT, 1 cannot serve, 2 wrong arguments or settings.\n"
    "    --once, --wait, as pg_isready: 0 available; 1 the server rejects us (login, database,\n"
    "    starting up, too many connections); 2 no answer; 3 nothing to ask (DATABASE_URL is not\n"
    "    set, or wrong). Wrong arguments are 2.\n";

#define NAME_OCTETS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_"

/* One request that waits for its answer. */
struct asking {
    struct dbping_waiter waiter;
    struct server_request *request;
    struct asking *next; /* in the list of those that are free */
};

static struct {
    struct daemon daemon;
    bool configured;
    struct dburl url;
    struct dbping dbping;
    struct asking *free; /* as many as ever waited at once, to be used again */
    char fields[128];    /* of every answer */
} checker;

static struct asking *asking_take(void)
{
    struct asking *a = checker.free;

    if (a)
        checker.free = a->next;
    else
        a = malloc(sizeof *a);
    return a;
}

static void asking_give(struct asking *a)
{
    a->next = checker.free;
    checker.free = a;
}

static void answer(struct server_request *r, unsigned status, struct slice body)
{
    server_answer(r, status, "text/plain; charset=utf-8", body, checker.fields);
}

/* X-Replica says who answers, of several: Dokku's DYNO (web.2), or the host name. */
static void write_fields(void)
{
    struct text fields = {checker.fields, 0, sizeof checker.fields - 1, false};
    char host[65] = "";
    const char *name;

    (void)!gethostname(host, sizeof host - 1);
    name = env_string("DYNO", host);
    text_add_string(&fields, "Cache-Control: no-store\r\n");
    if (*name && strlen(name) <= 64 && name[strspn(name, NAME_OCTETS)] == '\0')
        text_add_format(&fields, "X-Replica: %s\r\n", name);
}

static void on_answer(struct dbping_waiter *w, const struct dbfault *fault)
{
    struct asking *a = w->data;
    struct server_request *r = a->request;
    char body[REPLY_SIZE];
    struct text text = TEXT_OVER(body);

    asking_give(a);
    reply_add(&text, fault);
    answer(r, fault ? 424 : 200, text_slice(&text)); /* 424 Failed Dependency, RFC 4918 §11.4 */
}

static void on_gone(struct server_request *r, void *data)
{
    struct asking *a = data;

    (void)r;
    dbping_forget(&checker.dbping, &a->waiter);
    asking_give(a);
}

static void handle_ping(struct server_request *r)
{
    struct asking *a;

    if (!checker.configured) {
        answer(r, 424, SLICE(REPLY_NOT_CONFIGURED));
        return;
    }
    a = asking_take();
    if (!a) {
        answer(r, 503, SLICE("out of memory\n"));
        return;
    }
    a->request = r;
    a->waiter.data = a;
    server_hold(r, on_gone, a);
    dbping_ask(&checker.dbping, &a->waiter, on_answer);
}

static void metric(struct text *out, const char *name, const char *type, const char *what)
{
    text_add_format(out, "# HELP checker_%s %s\n# TYPE checker_%s %s\n", name, what, name, type);
}

static void counter(struct text *out, const char *name, const char *what, uint64_t value)
{
    metric(out, name, "counter", what);
    text_add_format(out, "checker_%s %llu\n", name, (unsigned long long)value);
}

static void metrics(struct text *out, void *data)
{
    const struct dbping_counters *c = &checker.dbping.counters;

    (void)data;
    metric(out, "database_up", "gauge", "1 if the database was available when last heard of.");
    text_add_format(out, "checker_database_up %d\n", c->up ? 1 : 0);
    metric(out, "pings_total", "counter", "Answers about the database, by result.");
    text_add_format(out, "checker_pings_total{result=\"available\"} %llu\n",
                    (unsigned long long)c->available);
    for (int i = 0; i < DBFAULT_PHASES; i++)
        text_add_format(out, "checker_pings_total{result=\"%s\"} %llu\n",
                        dbfault_phase_name((enum dbfault_phase)i),
                        (unsigned long long)c->faults[i]);
    counter(out, "database_attempts_total", "Attempts to connect.", c->attempts);
    counter(out, "database_connections_total", "Connections that came to be.", c->connections);
    counter(out, "database_lost_total", "Connections that broke or fell silent.", c->lost);
    counter(out, "database_queries_total", "Queries sent.", c->questions);
    counter(out, "database_retries_total", "Pings asked again on a new connection.", c->retries);
    metric(out, "database_last_query_seconds", "gauge", "Round trip of the last query.");
    text_add_format(out, "checker_database_last_query_seconds %.6f\n", (double)c->last_ns / 1e9);
}

static void on_change(void *data, const struct dbfault *fault)
{
    char where[REPLY_SIZE], why[REPLY_SIZE];
    struct text where_text = TEXT_OVER(where);
    struct text why_text = TEXT_OVER(why);

    (void)data;
    dburl_describe(&checker.url, &where_text);
    if (!fault) {
        log_info("database at %s is available", text_string(&where_text));
        return;
    }
    dbfault_print(fault, &why_text);
    log_error("database at %s is not available: %s", text_string(&where_text),
              text_string(&why_text));
}

static void on_closed(void *data)
{
    (void)data;
    dburl_free(&checker.url);
    while (checker.free) {
        struct asking *a = asking_take();
        free(a);
    }
}

static void drained(void *data)
{
    (void)data;
    if (!checker.configured)
        return;
    if (dbping_stuck(&checker.dbping))
        _exit(DAEMON_OK); /* nobody waits for an answer, and none is worth waiting for */
    dbping_close(&checker.dbping, on_closed);
}

static bool read_limits(struct dbping_limits *limits, struct text *error)
{
    const uint64_t least = 10;
    const uint64_t most = 60000;
    uint64_t total = limits->total_ms;
    uint64_t resolve, connect, query;

    if (!env_duration("PING_DEADLINE", least, most, &total, error))
        return false;
    resolve = total / 2;
    connect = total;
    query = total / 2;
    if (!env_duration("RESOLVE_DEADLINE", least, most, &resolve, error) ||
        !env_duration("CONNECT_DEADLINE", least, most, &connect, error) ||
        !env_duration("QUERY_DEADLINE", least, most, &query, error))
        return false;
    limits->total_ms = (uint32_t)total;
    limits->resolve_ms = (uint32_t)resolve;
    limits->connect_ms = (uint32_t)connect;
    limits->ask_ms = (uint32_t)query;
    return true;
}

/* --once and --wait. False: the arguments are none of these. */
static bool once_asked(int argc, char **argv, uint64_t *wait_ms)
{
    const uint64_t most = 86400000; /* a day */

    *wait_ms = 0;
    if (argc == 2 && strcmp(argv[1], "--once") == 0)
        return true;
    if (argc == 2 && strncmp(argv[1], "--wait=", 7) == 0)
        return duration_read(slice_of(argv[1] + 7), most, wait_ms);
    return argc == 3 && strcmp(argv[1], "--wait") == 0 &&
           duration_read(slice_of(argv[2]), most, wait_ms);
}

static const struct server_route routes[] = {
    {"/ping", SERVER_GET, handle_ping, NULL},
    {NULL, 0, NULL, NULL},
};

static struct daemon_program program = {
    .name = "checker",
    .help = help,
    .routes = routes,
    .metrics = metrics,
    .drained = drained,
};

/* Ask once, or until it is there, and say with what code to exit. */
static int run_once(const struct dbping_limits *limits, uint64_t wait_ms)
{
    int code;

    if (!checker.configured) {
        (void)fputs(REPLY_NOT_CONFIGURED, stdout);
        return ONCE_NOT_ASKED;
    }
    daemon_harden(NULL);
    code = once_run(&checker.url, limits, wait_ms);
    dburl_free(&checker.url);
    return code;
}

static int serve(const struct dbping_limits *limits)
{
    int code;
    int error;

    write_fields();
    program.deadline_ms = limits->total_ms;
    code = daemon_start(&checker.daemon, &program);
    if (code != DAEMON_OK) {
        dburl_free(&checker.url);
        return code;
    }
    if (!checker.configured) {
        log_error("DATABASE_URL is not set; /ping says so until the app is linked: "
                  "dokku postgres:link <database> <this app>");
        return daemon_run(&checker.daemon);
    }
    error =
        dbping_init(&checker.dbping, &checker.daemon.loop, &checker.url, limits, on_change, NULL);
    if (error != 0) {
        log_error("cannot watch the database: %s", uv_strerror(error));
        return DAEMON_FAILED;
    }
    return daemon_run(&checker.daemon);
}

int main(int argc, char **argv)
{
    struct dbping_limits limits = dbping_limits_default;
    const char *url = env_string("DATABASE_URL", NULL);
    char reason[REPLY_SIZE];
    struct text error = TEXT_OVER(reason);
    uint64_t wait_ms;
    bool once = once_asked(argc, argv, &wait_ms);
    int code;

    if (!once && daemon_arguments(&program, argc, argv, &code))
        return code;
    if (!read_limits(&limits, &error)) {
        log_error("%s", text_string(&error));
        return once ? ONCE_NOT_ASKED : DAEMON_USAGE;
    }
    if (url && !dburl_read(&checker.url, url, &error)) {
        log_error("DATABASE_URL cannot be used: %s", text_string(&error));
        return once ? ONCE_NOT_ASKED : DAEMON_USAGE;
    }
    checker.configured = url != NULL;
    return once ? run_once(&limits, wait_ms) : serve(&limits);
}
