/* web - tells over HTTP, and on a page, whether the services it calls are available. */
#include <stdlib.h>
#include <unistd.h>

#include "daemon.h"
#include "report.h"
#include "settings.h"
#include "site.h"

static const char help[] =
    "NAME\n"
    "    web - tell whether a service is available, over HTTP and on a page\n"
    "\n"
    "SYNOPSIS\n"
    "    web                      serve HTTP\n"
    "    web --once               check every target once, print the answers, end\n"
    "    web --help | --version\n"
    "\n"
    "DESCRIPTION\n"
    "    Calls CHECK_DB_URL, usually the checker's /ping, and says what that means. Each check\n"
    "    looks the name up anew and opens a new connection; where an address refuses, the next\n"
    "    one is tried. An answer is never older than its request; requests that come together\n"
    "    share one check. What is checked is said by the environment alone, never by a request.\n"
    "\n"
    "ENDPOINTS\n"
    "    GET /check_db       200  DB is available\n"
    "                        503  DB is not available. Error: REASON  (the target answered 424)\n"
    "                        500  could not check if DB is available: REASON\n"
    "    GET /check/NAME     the same about the target of CHECK_<NAME>_URL\n"
    "    GET /check          all of them, a line each; the status is the worst of theirs\n"
    "                        Those three answer with phases and times in JSON to a request that\n"
    "                        accepts application/json.\n"
    "    GET /               a page: the way of a question, live\n"
    "    GET /events         the same as server-sent events\n"
    "    GET /history        JSON: uptime and p50, p95, p99 over 1 h and 24 h; the last checks\n"
    "    GET /badge.svg      a badge for DB; /badge/NAME.svg for another target\n"
    "    GET /healthz        200 while the process lives; asks nobody\n"
    "    GET /metrics        metrics in Prometheus text format, each with its # HELP\n"
    "\n"
    "    While a page is open there is one check a second, however many are open.\n"
    "\n"
    "ENVIRONMENT\n"
    "    CHECK_DB_URL        what /check_db calls (http://db-checker:5000/ping)\n"
    "    CHECK_<NAME>_URL    further targets; CHECK_USER_API_URL is /check/user-api\n"
    "    CHECK_TIMEOUT       from a request to its answer, whatever happens (2500ms)\n"
    "    APP_NAME            what the page calls this app (web)\n" DAEMON_HELP "\n"
    "EXIT STATUS\n"
    "    Serving: 0 ended by SIGTERM or SIGINT, 1 cannot serve, 2 wrong arguments or settings.\n"
    "    --once: 0 all available, 1 one is not available, 2 wrong arguments or settings, 3 one\n"
    "    could not be checked.\n";

enum { EXIT_UNAVAILABLE = 1, EXIT_NOT_CHECKED = 3 };

static struct settings settings;

static bool read_settings(target_changed *changed, void *data)
{
    char line[256];
    struct text error = TEXT_OVER(line);

    if (settings_read(&settings, environ, changed, data, &error))
        return true;
    log_error("web: %s", text_string(&error));
    return false;
}

/* -- once ------------------------------------------------------------------------------------ */

static void on_checked_once(struct target *t, void *data)
{
    (void)t;
    (void)data;
}

static int print_results(void)
{
    int code = DAEMON_OK;

    for (unsigned i = 0; i < settings.count; i++) {
        const struct target *t = &settings.targets[i];
        char room[TARGET_NAME_MAX + TARGET_REASON_MAX + 64] = "";
        struct text line = TEXT_OVER(room);
        report_line(t, &t->last, settings.count > 1, &line);
        (void)!write(STDOUT_FILENO, line.at, line.len);
        if (t->last.state == TARGET_FAILED)
            code = EXIT_NOT_CHECKED;
        else if (t->last.state == TARGET_UNAVAILABLE && code == DAEMON_OK)
            code = EXIT_UNAVAILABLE;
    }
    return code;
}

static int run_once(void)
{
    uv_loop_t loop;

    if (!read_settings(on_checked_once, NULL))
        return DAEMON_USAGE;
    (void)setenv("RES_OPTIONS", "timeout:1 attempts:1", 0);
    int r = uv_loop_init(&loop);
    if (r) {
        log_error("web: cannot make an event loop: %s", uv_strerror(r));
        return EXIT_NOT_CHECKED;
    }
    daemon_harden(NULL);
    for (unsigned i = 0; i < settings.count; i++)
        (void)!target_ask(&settings.targets[i], &loop);
    uv_run(&loop, UV_RUN_DEFAULT);
    uv_loop_close(&loop);
    return print_results();
}

/* -- the daemon ------------------------------------------------------------------------------ */

static void write_metrics(struct text *out, void *data)
{
    site_metrics(data, out);
}

static void on_drained(void *data)
{
    site_close(data);
}

int main(int argc, char **argv)
{
    static struct daemon daemon;
    static struct site site;
    static struct server_route routes[SITE_ROUTES];
    static struct daemon_program program = {
        .name = "web",
        .help = help,
        .routes = routes,
        .metrics = write_metrics,
        .drained = on_drained,
        .data = &site,
    };
    int code;

    if (argc == 2 && strcmp(argv[1], "--once") == 0)
        return run_once();
    if (daemon_arguments(&program, argc, argv, &code))
        return code;
    if (!read_settings(site_on_checked, &site))
        return DAEMON_USAGE;

    site_routes(&site, routes);
    program.deadline_ms = settings.timeout_ms;
    code = daemon_start(&daemon, &program);
    if (code != DAEMON_OK)
        return code;
    site_init(&site, &daemon.loop, &settings);
    return daemon_run(&daemon);
}
