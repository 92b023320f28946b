/* web - tells over HTTP, and on a page, whether the services it calls are available. */
#include <stdlib.h>
#include <unistd.h>

#include "ask.h"
#include "assets.h"
#include "daemon.h"
#include "page.h"
#include "report.h"
#include "target.h"

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
    "    GET /metrics        Prometheus text format\n"
    "\n"
    "    While a page is open there is one check a second, however many are open.\n"
    "\n"
    "ENVIRONMENT\n"
    "    CHECK_DB_URL        what /check_db calls (http://db-checker:5000/ping)\n"
    "    CHECK_<NAME>_URL    further targets; CHECK_USER_API_URL is /check/user-api\n"
    "    CHECK_TIMEOUT       from a request to its answer, whatever happens (2500ms)\n"
    "    APP_NAME            what the page calls this app (web)\n"
    "    PORT                where to listen (5000)\n"
    "    SERVER_*            limits of the HTTP server, see docs/helpers.md\n"
    "\n"
    "EXIT STATUS\n"
    "    Serving: 0 ended by SIGTERM or SIGINT, 1 cannot serve, 2 wrong arguments or settings.\n"
    "    --once: 0 all available, 1 one is not available, 2 wrong arguments or settings, 3 one\n"
    "    could not be checked.\n";

#define DEFAULT_URL "http://db-checker:5000/ping"

enum {
    TICK_MS = 1000,          /* between two checks while somebody looks at the page */
    PAGE_PATIENCE_MS = 1000, /* a page shows what is known by then */
    EXIT_UNAVAILABLE = 1,
    EXIT_NOT_CHECKED = 3,
};

/* Of struct ask: what the request wants. */
enum { WANTS_JSON = 1, IS_SECURE = 2 };

/* Somebody who looks at the page. */
struct watcher {
    struct server_request *request;
    struct watcher *next, *before;
};

static struct {
    struct daemon daemon;
    struct target targets[ASK_TARGETS_MAX];
    unsigned count;
    struct asks asks;
    uint64_t timeout_ms;
    const char *app;
    struct watcher *watchers;
    unsigned watcher_count;
    uv_timer_t tick;
    enum target_state logged[ASK_TARGETS_MAX];
    enum target_stop logged_stop[ASK_TARGETS_MAX];
} web;

#define NO_STORE "Cache-Control: no-store\r\n"
#define SECURITY                          \
    "X-Content-Type-Options: nosniff\r\n" \
    "Referrer-Policy: no-referrer\r\n"
#define PAGE_FIELDS                                                                          \
    NO_STORE SECURITY                                                                        \
        "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; " \
        "img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "          \
        "frame-ancestors 'none'\r\n"                                                         \
        "X-Frame-Options: DENY\r\n"                                                          \
        "Cross-Origin-Resource-Policy: same-origin\r\n"                                      \
        "Permissions-Policy: camera=(), geolocation=(), microphone=()\r\n"
/* Only where the proxy says that it speaks HTTPS: elsewhere browsers complain of the first, and
 * would keep to the second for two years. */
#define HTTPS_FIELDS                              \
    "Cross-Origin-Opener-Policy: same-origin\r\n" \
    "Strict-Transport-Security: max-age=63072000\r\n"
#define ASSET_FIELDS "Cache-Control: public, max-age=31536000, immutable\r\n" SECURITY

/* -- what a request wants -------------------------------------------------------------------- */

/* Is application/json among the media ranges of Accept? (RFC 9110 §12.5.1; weights are not
 * compared, but 0 is no.) */
static bool accepts_json(const struct http1_head *head)
{
    struct slice list;

    if (!http1_find(head, SLICE("Accept"), &list))
        return false;
    while (list.len > 0) {
        const char *comma = memchr(list.at, ',', list.len);
        struct slice range = {list.at, comma ? (size_t)(comma - list.at) : list.len};
        list.at += range.len + (comma ? 1 : 0);
        list.len -= range.len + (comma ? 1 : 0);

        while (range.len > 0 && (range.at[0] == ' ' || range.at[0] == '\t'))
            range = (struct slice){range.at + 1, range.len - 1};
        const char *parameters = memchr(range.at, ';', range.len);
        struct slice type = {range.at, parameters ? (size_t)(parameters - range.at) : range.len};
        while (type.len > 0 && (type.at[type.len - 1] == ' ' || type.at[type.len - 1] == '\t'))
            type.len--;
        if (slice_is_nocase(type, SLICE("application/json")))
            return !parameters || !memmem(parameters, range.len - type.len, "q=0", 3) ||
                   memmem(parameters, range.len - type.len, "q=0.", 4);
    }
    return false;
}

static bool is_secure(const struct http1_head *head)
{
    struct slice proto;
    return http1_find(head, SLICE("X-Forwarded-Proto"), &proto) &&
           slice_is_nocase(proto, SLICE("https"));
}

static unsigned flags_of(const struct server_request *r)
{
    return (accepts_json(&r->http->head) ? WANTS_JSON : 0) |
           (is_secure(&r->http->head) ? IS_SECURE : 0);
}

static const char *with_security(unsigned flags, const char *plain, const char *secure)
{
    return flags & IS_SECURE ? secure : plain;
}

/* -- checks ---------------------------------------------------------------------------------- */

static void add_line(const struct target *t, const struct target_result *result, bool named,
                     struct text *out)
{
    if (named)
        text_add_format(out, "%s: ", t->name);
    target_say(t, result, out);
    text_add_char(out, '\n');
}

static void answer_check(struct ask *ask)
{
    static char body[48 * 1024];
    struct text out = TEXT_OVER(body);
    bool json = ask->flags & WANTS_JSON;
    bool all = ask->count > 1;
    unsigned status = 200;

    if (json && all)
        text_add(&out, SLICE("{\"version\":1,\"targets\":["));
    for (unsigned i = ask->first; i < ask->first + ask->count; i++) {
        struct target_result result = ask_result(ask, i);
        unsigned its = report_status(result.state);
        if (its == 503 ? status == 200 : its > status && status != 500)
            status = its;
        if (json && i > ask->first)
            text_add_char(&out, ',');
        if (json)
            report_result(&web.targets[i], &result, &out);
        else
            add_line(&web.targets[i], &result, all, &out);
    }
    if (json)
        text_add_string(&out, all ? "]}\n" : "\n");
    server_answer(ask->request, status, json ? "application/json" : "text/plain; charset=utf-8",
                  text_slice(&out), NO_STORE SECURITY "Vary: Accept\r\n");
}

static void answer_no_memory(struct server_request *r)
{
    server_answer(r, 503, "text/plain; charset=utf-8", SLICE("out of memory\n"), NO_STORE);
}

static void wait_for(struct server_request *r, unsigned first, unsigned count, uint64_t patience_ms,
                     ask_answer *answer)
{
    if (!asks_add(&web.asks, r, first, count, patience_ms, answer, flags_of(r)))
        answer_no_memory(r);
}

static void handle_check_db(struct server_request *r)
{
    wait_for(r, 0, 1, web.timeout_ms, answer_check);
}

static void handle_check_all(struct server_request *r)
{
    wait_for(r, 0, web.count, web.timeout_ms, answer_check);
}

/* The target that the path names between prefix and suffix. */
static bool find_target(const struct server_request *r, struct slice prefix, struct slice suffix,
                        unsigned *found)
{
    struct slice name = http1_slice(&r->http->head, r->http->path);

    if (name.len < prefix.len + suffix.len ||
        !slice_is((struct slice){name.at + name.len - suffix.len, suffix.len}, suffix))
        return false;
    name.at += prefix.len;
    name.len -= prefix.len + suffix.len;
    for (unsigned i = 0; i < web.count; i++) {
        if (slice_is(name, slice_of(web.targets[i].name))) {
            *found = i;
            return true;
        }
    }
    return false;
}

static void answer_not_found(struct server_request *r)
{
    server_answer(r, 404, "text/plain; charset=utf-8", SLICE("there is no such target\n"),
                  NO_STORE SECURITY);
}

static void handle_check_one(struct server_request *r)
{
    unsigned i;
    if (find_target(r, SLICE("/check/"), SLICE(""), &i))
        wait_for(r, i, 1, web.timeout_ms, answer_check);
    else
        answer_not_found(r);
}

/* -- badges, history ------------------------------------------------------------------------- */

static void answer_badge(struct ask *ask)
{
    char body[2048];
    struct text out = TEXT_OVER(body);
    struct target_result result = ask_result(ask, ask->first);

    page_write_badge(&web.targets[ask->first], &result, &out);
    server_answer(ask->request, 200, "image/svg+xml", text_slice(&out),
                  NO_STORE SECURITY "Cross-Origin-Resource-Policy: cross-origin\r\n");
}

static void handle_badge(struct server_request *r)
{
    wait_for(r, 0, 1, web.timeout_ms, answer_badge);
}

static void handle_badge_one(struct server_request *r)
{
    unsigned i;
    if (find_target(r, SLICE("/badge/"), SLICE(".svg"), &i))
        wait_for(r, i, 1, web.timeout_ms, answer_badge);
    else
        answer_not_found(r);
}

static void handle_history(struct server_request *r)
{
    static char body[192 * 1024];
    struct text out = TEXT_OVER(body);

    report_history(web.targets, web.count, clock_ms(), &out);
    server_answer(r, 200, "application/json", text_slice(&out), NO_STORE SECURITY);
}

/* -- the page -------------------------------------------------------------------------------- */

static struct page_subject subject(void)
{
    return (struct page_subject){
        .app = web.app, .targets = web.targets, .count = web.count, .now_ms = clock_ms()};
}

static void answer_page(struct ask *ask)
{
    static struct page_view view;
    static char body[PAGE_MAX];
    struct text out = TEXT_OVER(body);
    struct page_subject s = subject();

    page_look(&view, &s);
    page_write(&view, &s, &out);
    server_answer(ask->request, 200, "text/html; charset=utf-8", text_slice(&out),
                  with_security(ask->flags, PAGE_FIELDS, PAGE_FIELDS HTTPS_FIELDS));
}

static void handle_page(struct server_request *r)
{
    uint64_t patience_ms =
        web.timeout_ms < PAGE_PATIENCE_MS ? web.timeout_ms : (uint64_t)PAGE_PATIENCE_MS;
    wait_for(r, 0, web.count, patience_ms, answer_page);
}

static void handle_css(struct server_request *r)
{
    server_answer(r, 200, "text/css; charset=utf-8", asset_page_css(), ASSET_FIELDS);
}

static void handle_js(struct server_request *r)
{
    server_answer(r, 200, "text/javascript; charset=utf-8", asset_page_js(), ASSET_FIELDS);
}

static void handle_icon(struct server_request *r)
{
    server_answer(r, 200, "image/svg+xml", asset_icon_svg(), ASSET_FIELDS);
}

/* -- those who watch ------------------------------------------------------------------------- */

static void check_all(void)
{
    for (unsigned i = 0; i < web.count; i++)
        if (!target_is_busy(&web.targets[i]))
            (void)!target_ask(&web.targets[i], &web.daemon.loop);
}

static void on_tick(uv_timer_t *timer)
{
    (void)timer;
    check_all();
}

/* What everybody who watches is shown now. */
static struct slice event(void)
{
    static struct page_view view;
    static char room[PAGE_EVENT_MAX];
    struct text out = TEXT_OVER(room);
    struct page_subject s = subject();

    page_look(&view, &s);
    page_write_event(&view, &out);
    return text_slice(&out);
}

static void tell_watchers(void)
{
    if (!web.watchers)
        return;
    struct slice news = event();
    for (struct watcher *w = web.watchers; w; w = w->next)
        (void)!server_stream_send(w->request,
                                  news); /* who is slow misses some, and sees the next */
}

static void on_watcher_gone(struct server_request *r, void *data)
{
    struct watcher *w = data;

    (void)r;
    *(w->before ? &w->before->next : &web.watchers) = w->next;
    if (w->next)
        w->next->before = w->before;
    free(w);
    web.watcher_count--;
    if (!web.watchers)
        uv_timer_stop(&web.tick);
}

static void handle_events(struct server_request *r)
{
    struct watcher *w = malloc(sizeof(*w));

    if (!w) {
        answer_no_memory(r);
        return;
    }
    if (!server_stream(r, "text/event-stream", on_watcher_gone, w)) {
        free(w);
        return;
    }
    *w = (struct watcher){.request = r, .next = web.watchers};
    if (web.watchers)
        web.watchers->before = w;
    else
        uv_timer_start(&web.tick, on_tick, 0, TICK_MS);
    web.watchers = w;
    web.watcher_count++;
    (void)!server_stream_send(r, event());
}

/* -- news of targets ------------------------------------------------------------------------- */

static void log_change(const struct target *t)
{
    unsigned i = (unsigned)(t - web.targets);
    char room[TARGET_NAME_MAX + TARGET_REASON_MAX + 64];
    struct text says = TEXT_OVER(room);

    if (web.logged[i] == t->last.state && web.logged_stop[i] == t->last.stop)
        return;
    web.logged[i] = t->last.state;
    web.logged_stop[i] = t->last.stop;
    target_say(t, &t->last, &says);
    if (t->last.state == TARGET_AVAILABLE)
        log_info("%s", text_string(&says));
    else
        log_error("%s", text_string(&says));
}

static void on_checked(struct target *t, void *data)
{
    (void)data;
    log_change(t);
    asks_settle(&web.asks);
    tell_watchers();
}

/* -- settings -------------------------------------------------------------------------------- */

/* The name in CHECK_<NAME>_URL as it stands in paths; false: the variable is none of ours. */
static bool read_name(const char *variable, char *name)
{
    struct slice rest = {variable, strcspn(variable, "=")};

    if (!slice_starts(rest, SLICE("CHECK_")) || rest.len < sizeof("CHECK__URL") ||
        !slice_is((struct slice){rest.at + rest.len - 4, 4}, SLICE("_URL")))
        return false;
    rest = (struct slice){rest.at + 6, rest.len - 10};
    if (rest.len >= TARGET_NAME_MAX)
        return false;
    for (size_t i = 0; i < rest.len; i++) {
        char c = rest.at[i];
        if (c >= 'A' && c <= 'Z')
            name[i] = (char)(c - 'A' + 'a');
        else if (c == '_')
            name[i] = '-';
        else if (c >= '0' && c <= '9')
            name[i] = c;
        else
            return false;
    }
    name[rest.len] = '\0';
    return true;
}

static bool add_target(struct slice name, struct slice title, const char *url,
                       target_changed *changed)
{
    if (web.count == ASK_TARGETS_MAX) {
        log_error("web: there are more than %d targets", ASK_TARGETS_MAX);
        return false;
    }
    /* A check ends a little before the patience of who asked for it. */
    const char *wrong = target_init(&web.targets[web.count], name, title, url,
                                    web.timeout_ms - web.timeout_ms / 25, changed, NULL);
    if (wrong) {
        log_error("web: the URL of the target \"%.*s\" %s", (int)name.len, name.at, wrong);
        return false;
    }
    web.count++;
    return true;
}

static bool read_settings(target_changed *changed)
{
    char line[256];
    char name[TARGET_NAME_MAX];
    struct text error = TEXT_OVER(line);

    web.timeout_ms = 2500;
    web.app = env_string("APP_NAME", "web");
    if (!env_duration("CHECK_TIMEOUT", 100, 60000, &web.timeout_ms, &error)) {
        log_error("web: %s", text_string(&error));
        return false;
    }
    if (!add_target(SLICE("db"), SLICE("DB"), env_string("CHECK_DB_URL", DEFAULT_URL), changed))
        return false;
    for (char **variable = environ; *variable; variable++) {
        const char *url = *variable + strcspn(*variable, "=") + 1;
        if (!read_name(*variable, name) || strcmp(name, "db") == 0 || !*url)
            continue;
        if (!add_target(slice_of(name), slice_of(name), url, changed))
            return false;
    }
    return true;
}

/* -- once ------------------------------------------------------------------------------------ */

static void on_checked_once(struct target *t, void *data)
{
    (void)t;
    (void)data;
}

static int run_once(void)
{
    char room[TARGET_NAME_MAX + TARGET_REASON_MAX + 64] = "";
    uv_loop_t loop;
    int code = DAEMON_OK;

    if (!read_settings(on_checked_once))
        return DAEMON_USAGE;
    (void)setenv("RES_OPTIONS", "timeout:1 attempts:1", 0);
    int r = uv_loop_init(&loop);
    if (r) {
        log_error("web: cannot make an event loop: %s", uv_strerror(r));
        return EXIT_NOT_CHECKED;
    }
    for (unsigned i = 0; i < web.count; i++)
        (void)!target_ask(&web.targets[i], &loop);
    uv_run(&loop, UV_RUN_DEFAULT);
    uv_loop_close(&loop);

    for (unsigned i = 0; i < web.count; i++) {
        struct text says = TEXT_OVER(room);
        add_line(&web.targets[i], &web.targets[i].last, web.count > 1, &says);
        (void)!write(STDOUT_FILENO, says.at, says.len);
        if (web.targets[i].last.state == TARGET_FAILED)
            code = EXIT_NOT_CHECKED;
        else if (web.targets[i].last.state == TARGET_UNAVAILABLE && code == DAEMON_OK)
            code = EXIT_UNAVAILABLE;
    }
    return code;
}

/* -- the daemon ------------------------------------------------------------------------------ */

static void write_metrics(struct text *out, void *data)
{
    (void)data;
    report_metrics(web.targets, web.count, out);
    text_add_format(out,
                    "# HELP web_watchers Pages that are open.\n"
                    "# TYPE web_watchers gauge\n"
                    "web_watchers %u\n",
                    web.watcher_count);
}

static void on_drained(void *data)
{
    (void)data;
    for (unsigned i = 0; i < web.count; i++)
        target_stop(&web.targets[i]);
    asks_close(&web.asks);
    uv_close((uv_handle_t *)&web.tick, NULL);
}

static const struct server_route routes[] = {
    {"/", SERVER_GET, handle_page, NULL},
    {"/check_db", SERVER_GET, handle_check_db, NULL},
    {"/check", SERVER_GET, handle_check_all, NULL},
    {"/check/*", SERVER_GET, handle_check_one, NULL},
    {"/events", SERVER_GET, handle_events, NULL},
    {"/history", SERVER_GET, handle_history, NULL},
    {"/badge.svg", SERVER_GET, handle_badge, NULL},
    {"/badge/*", SERVER_GET, handle_badge_one, NULL},
    {"/page.css", SERVER_GET, handle_css, NULL},
    {"/page.js", SERVER_GET, handle_js, NULL},
    {"/icon.svg", SERVER_GET, handle_icon, NULL},
    {NULL, 0, NULL, NULL},
};

static const struct daemon_program program = {
    .name = "web",
    .help = help,
    .routes = routes,
    .metrics = write_metrics,
    .drained = on_drained,
};

int main(int argc, char **argv)
{
    int code;

    if (argc == 2 && strcmp(argv[1], "--once") == 0)
        return run_once();
    if (daemon_arguments(&program, argc, argv, &code))
        return code;
    if (!read_settings(on_checked))
        return DAEMON_USAGE;

    code = daemon_start(&web.daemon, &program);
    if (code != DAEMON_OK)
        return code;
    asks_init(&web.asks, &web.daemon.loop, web.targets);
    uv_timer_init(&web.daemon.loop, &web.tick);
    return daemon_run(&web.daemon);
}
