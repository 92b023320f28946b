/* site.c - see site.h. */
#include "site.h"

#include <assert.h>

#include "assets.h"
#include "page.h"
#include "report.h"

enum {
    TICK_MS = 1000,          /* between two checks while somebody looks at the page */
    PAGE_PATIENCE_MS = 1000, /* a page shows what is known by then */
};

/* Of struct ask: what the request wants. */
enum { WANTS_JSON = 1, IS_SECURE = 2 };

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

/* Cut off what stands before the next `separator`, without the spaces around it. */
static struct slice next_of(struct slice *list, char separator)
{
    const char *end = memchr(list->at, separator, list->len);
    struct slice s = {list->at, end ? (size_t)(end - list->at) : list->len};

    list->at += s.len + (end != NULL);
    list->len -= s.len + (end != NULL);
    while (s.len > 0 && (s.at[0] == ' ' || s.at[0] == '\t'))
        s = (struct slice){s.at + 1, s.len - 1};
    while (s.len > 0 && (s.at[s.len - 1] == ' ' || s.at[s.len - 1] == '\t'))
        s.len--;
    return s;
}

/* Is the weight among the parameters of a media range 0, 0.0, 0.00 or 0.000? (RFC 9110 §12.4.2) */
static bool is_refused(struct slice parameters)
{
    while (parameters.len > 0) {
        struct slice p = next_of(&parameters, ';');
        if (p.len < 3 || !slice_is_nocase((struct slice){p.at, 3}, SLICE("q=0")))
            continue;
        size_t at = p.len > 3 && p.at[3] == '.' ? 4 : 3;
        while (at < p.len && p.at[at] == '0')
            at++;
        return at == p.len;
    }
    return false;
}

/* Is application/json among the media ranges of Accept? (RFC 9110 §12.5.1; weights are not
 * compared, but 0 is no.) */
static bool accepts_json(const struct http1_head *head)
{
    struct slice list;

    if (!http1_find(head, SLICE("Accept"), &list))
        return false;
    while (list.len > 0) {
        struct slice range = next_of(&list, ',');
        if (slice_is_nocase(next_of(&range, ';'), SLICE("application/json")))
            return !is_refused(range);
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

/* Not to know is worse than to know the worst. */
static unsigned worse(unsigned a, unsigned b)
{
    if (a == 500 || b == 500)
        return 500;
    return a > b ? a : b;
}

static void answer_check(struct ask *ask)
{
    static char body[48 * 1024];
    const struct target *targets = ask->asks->targets;
    struct text out = TEXT_OVER(body);
    bool json = ask->flags & WANTS_JSON;
    bool all = ask->count > 1;
    unsigned status = 200;

    if (json && all)
        text_add(&out, SLICE("{\"version\":1,\"targets\":["));
    for (unsigned i = ask->first; i < ask->first + ask->count; i++) {
        struct target_result result = ask_result(ask, i);
        status = worse(status, report_status(result.state));
        if (json && i > ask->first)
            text_add_char(&out, ',');
        if (json)
            report_result(&targets[i], &result, &out);
        else
            report_line(&targets[i], &result, all, &out);
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

/* Answer when so many targets from first on are checked anew, or the patience is at its end. */
static void wait_for(struct server_request *r, unsigned first, unsigned count, ask_answer *answer,
                     uint64_t patience_ms)
{
    struct site *site = r->route_data;
    if (patience_ms > site->settings->timeout_ms)
        patience_ms = site->settings->timeout_ms;
    if (!asks_add(&site->asks, r, first, count, patience_ms, answer, flags_of(r)))
        answer_no_memory(r);
}

static unsigned count_of(const struct server_request *r)
{
    const struct site *site = r->route_data;
    return site->settings->count;
}

static void handle_check_db(struct server_request *r)
{
    wait_for(r, 0, 1, answer_check, UINT64_MAX);
}

static void handle_check_all(struct server_request *r)
{
    wait_for(r, 0, count_of(r), answer_check, UINT64_MAX);
}

/* The target that the path names between prefix and suffix. */
static bool find_target(const struct server_request *r, struct slice prefix, struct slice suffix,
                        unsigned *found)
{
    const struct settings *settings = ((const struct site *)r->route_data)->settings;
    struct slice name = http1_slice(&r->http->head, r->http->path);

    if (name.len < prefix.len + suffix.len ||
        !slice_is((struct slice){name.at + name.len - suffix.len, suffix.len}, suffix))
        return false;
    name.at += prefix.len;
    name.len -= prefix.len + suffix.len;
    for (unsigned i = 0; i < settings->count; i++) {
        if (slice_is(name, slice_of(settings->targets[i].name))) {
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
        wait_for(r, i, 1, answer_check, UINT64_MAX);
    else
        answer_not_found(r);
}

/* -- badges, history ------------------------------------------------------------------------- */

static void answer_badge(struct ask *ask)
{
    char body[2048];
    struct text out = TEXT_OVER(body);
    struct target_result result = ask_result(ask, ask->first);

    page_write_badge(&ask->asks->targets[ask->first], &result, &out);
    server_answer(ask->request, 200, "image/svg+xml", text_slice(&out),
                  NO_STORE SECURITY "Cross-Origin-Resource-Policy: cross-origin\r\n");
}

static void handle_badge(struct server_request *r)
{
    wait_for(r, 0, 1, answer_badge, UINT64_MAX);
}

static void handle_badge_one(struct server_request *r)
{
    unsigned i;
    if (find_target(r, SLICE("/badge/"), SLICE(".svg"), &i))
        wait_for(r, i, 1, answer_badge, UINT64_MAX);
    else
        answer_not_found(r);
}

static void handle_history(struct server_request *r)
{
    static char body[192 * 1024];
    const struct settings *settings = ((const struct site *)r->route_data)->settings;
    struct text out = TEXT_OVER(body);

    report_history(settings->targets, settings->count, clock_ms(), &out);
    server_answer(r, 200, "application/json", text_slice(&out), NO_STORE SECURITY);
}

/* -- the page -------------------------------------------------------------------------------- */

static struct page_subject subject_of(const struct site *site)
{
    return (struct page_subject){.app = site->settings->app,
                                 .targets = site->settings->targets,
                                 .count = site->settings->count,
                                 .now_ms = clock_ms()};
}

/* What everybody who watches is shown now. */
static struct slice event(const struct site *site)
{
    static struct page_view view;
    static char room[PAGE_EVENT_MAX];
    struct text out = TEXT_OVER(room);
    struct page_subject subject = subject_of(site);

    page_look(&view, &subject);
    page_write_event(&view, &out);
    return text_slice(&out);
}

static void answer_page(struct ask *ask)
{
    static struct page_view view;
    static char body[PAGE_MAX];
    struct text out = TEXT_OVER(body);
    struct page_subject subject = subject_of(ask->asks->data);

    page_look(&view, &subject);
    page_write(&view, &subject, &out);
    server_answer(ask->request, 200, "text/html; charset=utf-8", text_slice(&out),
                  with_security(ask->flags, PAGE_FIELDS, PAGE_FIELDS HTTPS_FIELDS));
}

static void handle_page(struct server_request *r)
{
    wait_for(r, 0, count_of(r), answer_page, PAGE_PATIENCE_MS);
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

static void handle_events(struct server_request *r)
{
    struct site *site = r->route_data;
    if (!watch_add(&site->watch, r, event(site)))
        answer_no_memory(r);
}

/* One check of each target at a time, however many watch. */
static void on_tick(void *data)
{
    struct site *site = data;
    for (unsigned i = 0; i < site->settings->count; i++)
        if (!target_is_busy(&site->settings->targets[i]))
            (void)!target_ask(&site->settings->targets[i], site->loop);
}

/* -- news of targets ------------------------------------------------------------------------- */

static void log_change(struct site *site, const struct target *t)
{
    unsigned i = (unsigned)(t - site->settings->targets);
    char room[TARGET_NAME_MAX + TARGET_REASON_MAX + 64];
    struct text says = TEXT_OVER(room);

    if (site->logged[i] == t->last.state && site->logged_stop[i] == t->last.stop)
        return;
    site->logged[i] = t->last.state;
    site->logged_stop[i] = t->last.stop;
    target_say(t, &t->last, &says);
    if (t->last.state == TARGET_AVAILABLE)
        log_info("%s", text_string(&says));
    else
        log_error("%s", text_string(&says));
}

void site_on_checked(struct target *t, void *data)
{
    struct site *site = data;

    log_change(site, t);
    asks_settle(&site->asks);
    if (site->watch.count > 0)
        watch_tell(&site->watch, event(site));
}

/* -- the whole ------------------------------------------------------------------------------- */

void site_routes(struct site *site, struct server_route routes[SITE_ROUTES])
{
    static const struct {
        const char *path;
        server_handler *handle;
    } places[] = {
        {"/", handle_page},           {"/check_db", handle_check_db},
        {"/check", handle_check_all}, {"/check/*", handle_check_one},
        {"/events", handle_events},   {"/history", handle_history},
        {"/badge.svg", handle_badge}, {"/badge/*", handle_badge_one},
        {"/page.css", handle_css},    {"/page.js", handle_js},
        {"/icon.svg", handle_icon},   {NULL, NULL},
    };
    static_assert(sizeof(places) / sizeof(*places) == SITE_ROUTES, "one route for each place");

    for (unsigned i = 0; i < SITE_ROUTES; i++)
        routes[i] = (struct server_route){places[i].path, SERVER_GET, places[i].handle, site};
}

void site_init(struct site *site, uv_loop_t *loop, struct settings *settings)
{
    *site = (struct site){.settings = settings, .loop = loop};
    asks_init(&site->asks, loop, settings->targets, site);
    watch_init(&site->watch, loop, TICK_MS, on_tick, site);
}

void site_metrics(const struct site *site, struct text *out)
{
    report_metrics(site->settings->targets, site->settings->count, out);
    text_add_format(out,
                    "# HELP web_watchers Pages that are open.\n"
                    "# TYPE web_watchers gauge\n"
                    "web_watchers %u\n",
                    site->watch.count);
}

void site_close(struct site *site)
{
    for (unsigned i = 0; i < site->settings->count; i++)
        target_stop(&site->settings->targets[i]);
    asks_close(&site->asks);
    watch_close(&site->watch);
}
