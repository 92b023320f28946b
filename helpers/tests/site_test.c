/* site_test.c - the site behind a real server, its targets behind real sockets. */
/* wrap: malloc */
#include "site.h"

#include <stdio.h>

#include "exchange.h"
#include "fake_service.h"

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);

static bool no_memory;

void *__wrap_malloc(size_t size)
{
    return no_memory ? NULL : __real_malloc(size);
}

static uv_loop_t loop;
static struct server server;
static struct server_route routes[SITE_ROUTES];
static struct site site;
static struct settings settings;
static struct fake_service service;
static char url[64], api_url[64];

static const char available[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
static const char unavailable[] = "HTTP/1.1 424 X\r\nContent-Length: 12\r\n\r\nconnect: no\n";
static const char broken[] = "nonsense\r\n\r\n";

/* -- one who asks ---------------------------------------------------------------------------- */

static struct exchange exchange;
static char question[1024], answer[256 * 1024];
static const char *enough; /* what ends the reading before the server does */
static bool asked;

static enum exchange_verdict read_answer(void *reader, char *buf, size_t len, bool end)
{
    (void)reader;
    (void)end;
    buf[len] = '\0';
    return enough && strstr(buf, enough) ? EXCHANGE_DONE : EXCHANGE_MORE;
}

static void on_answered(struct exchange *x, void *data)
{
    (void)data;
    answer[x->len] = '\0';
    asked = true;
}

static void ask(const char *method, const char *path, const char *fields)
{
    struct sockaddr_in to;

    assert(uv_ip4_addr("127.0.0.1", server_port(&server), &to) == 0);
    snprintf(question, sizeof(question), "%s %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n%s\r\n",
             method, path, fields);
    struct exchange_plan plan = {.to = (struct sockaddr *)&to,
                                 .say = slice_of(question),
                                 .buf = answer,
                                 .capacity = sizeof(answer) - 1,
                                 .connect_ms = 5000,
                                 .total_ms = 5000,
                                 .read = read_answer,
                                 .done = on_answered};
    asked = false;
    exchange_start(&exchange, &loop, &plan);
    while (!asked)
        uv_run(&loop, UV_RUN_ONCE);
}

static void shows(const char *part)
{
    if (!strstr(answer, part))
        fprintf(stderr, "%s\nhas no: %s\nbut: %.2000s\n", question, part, answer);
    assert(strstr(answer, part));
}

static void get(const char *path, unsigned status, const char *part)
{
    char line[32];
    ask("GET", path, "");
    snprintf(line, sizeof(line), "HTTP/1.1 %u ", status);
    if (strncmp(answer, line, strlen(line)) != 0)
        fprintf(stderr, "%s: %.200s\n", path, answer);
    assert(strncmp(answer, line, strlen(line)) == 0);
    shows(part);
}

/* -- the cases ------------------------------------------------------------------------------- */

static void checks(void)
{
    fake_answers(&service, available);
    get("/check_db", 200, "\r\n\r\nDB is available\n");
    get("/check/db", 200, "\r\n\r\nDB is available\n");
    get("/check/api", 200, "\r\n\r\napi is available\n");
    get("/check/nobody", 404, "no such target");
    get("/check", 200, "\r\n\r\ndb: DB is available\napi: api is available\n");
    fake_answers(&service, unavailable);
    get("/check_db", 503, "DB is not available. Error: connect: no\n");
    get("/check", 503, "db: DB is not available");
    fake_answers(&service, broken);
    get("/check_db", 500, "could not check if DB is available: 127.0.0.1:");
    get("/check", 500, "api: could not check if api is available");
    fake_answers(&service, available);
}

/* Of 200, 503 and 500 in any order, the answer for all has the worst. */
static void worst_of_all(void)
{
    fake_answers(&service, unavailable);
    settings.targets[1].url.port = 1;
    get("/check", 500, "db: DB is not available");
    settings.targets[1].url.port = service.port;
    fake_answers(&service, available);
    settings.targets[1].url.port = 1;
    get("/check", 500, "db: DB is available");
    settings.targets[1].url.port = service.port;
}

static void accepts(void)
{
    static const struct {
        const char *accept;
        bool json;
    } cases[] = {{"application/json", true},
                 {"Application/JSON ; q=0.5", true},
                 {"text/html,\tapplication/json", true},
                 {"text/html, application/json;q=0.001", true},
                 {"application/json;version=1;q=0.5", true},
                 {"application/json; q=1.0, text/html;q=0", true},
                 {"text/html;q=0,application/json", true},
                 {"application/json;q=0", false},
                 {"application/json ; Q=0 , text/html", false},
                 {"application/json;q=0.", false},
                 {"application/json;q=0.0", false},
                 {"application/json;q=0.00", false},
                 {"application/json;version=1; q=0.000", false},
                 {"application/json-patch", false},
                 {"text/html", false},
                 {"*/*", false},
                 {",,", false},
                 {"", false}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char fields[128];
        snprintf(fields, sizeof(fields), "Accept: %s\r\n", cases[i].accept);
        ask("GET", "/check_db", fields);
        shows(cases[i].json ? "Content-Type: application/json\r\n" : "Content-Type: text/plain");
        shows("Vary: Accept\r\n");
    }
    ask("GET", "/check", "Accept: application/json\r\n");
    shows("{\"version\":1,\"targets\":[{\"name\":\"db\"");
    shows(",{\"name\":\"api\"");
}

static void pages(void)
{
    get("/", 200, "<title>DB is available</title>");
    shows("Content-Security-Policy: default-src 'none'");
    assert(!strstr(answer, "Strict-Transport-Security"));
    ask("GET", "/", "X-Forwarded-Proto: https\r\n");
    shows("Strict-Transport-Security");
    get("/page.css?1", 200, "Content-Type: text/css");
    get("/page.js", 200, "Content-Type: text/javascript");
    get("/icon.svg", 200, "Content-Type: image/svg+xml");
    get("/badge.svg", 200, "DB: available");
    get("/badge/api.svg", 200, "api: available");
    get("/badge/api", 404, "no such target");
    get("/badge/x", 404, "no such target");
    get("/badge/nobody.svg", 404, "no such target");
    get("/history", 200, "{\"version\":1,\"targets\":[{\"name\":\"db\"");
}

/* The page waits a second for a silent service, then shows what is known. */
static void patience(void)
{
    service.hang = true;
    fake_answers(&service, NULL);
    get("/", 200, "<title>DB is available</title>");
    get("/check_db", 500, "does not answer in time");
    service.hang = false;
    fake_answers(&service, available);
}

static void watching(void)
{
    enough = "\n\ndata: ";
    unsigned before = service.asked;
    enough = "\"hop2\":\"bad\"";
    fake_answers(&service, unavailable);
    ask("GET", "/events", "");
    shows("Content-Type: text/event-stream\r\n");
    shows("retry: 1000\ndata: {\"title\":");
    assert(service.asked >= before + 2); /* both targets, by the tick */
    enough = NULL;
    fake_answers(&service, available);

    ask("HEAD", "/events", "");
    shows("Content-Type: text/event-stream\r\n");

    /* Nobody watches any more: nobody checks. */
    while (site.watch.count > 0)
        uv_run(&loop, UV_RUN_ONCE);
    assert(!uv_is_active((uv_handle_t *)&site.watch.timer));
}

static void metrics(void)
{
    char room[4096];
    struct text out = TEXT_OVER(room);
    site_metrics(&site, &out);
    text_string(&out);
    assert(strstr(room, "web_watchers 0\n") && strstr(room, "web_target_available{target=\"db\"}"));
}

static void without_memory(void)
{
    static char path[] = "/check_db";
    struct asks *asks = &site.asks;
    struct ask *kept = asks->free;

    /* The server has what it needs; those who wait have it from the last time, unless it is gone.
     */
    get(path, 200, "available");
    asks->free = NULL;
    no_memory = true;
    get(path, 503, "out of memory");
    get("/events", 503, "out of memory");
    no_memory = false;
    asks->free = kept;
}

static void on_drained(void *data)
{
    (void)data;
    site_close(&site);
}

int main(void)
{
    char *environment[] = {api_url, NULL};
    char line[256];
    struct text error = TEXT_OVER(line);

    signal(SIGPIPE, SIG_IGN);
    assert(uv_loop_init(&loop) == 0);
    fake_start(&service, &loop, "127.0.0.1");
    snprintf(url, sizeof(url), "http://127.0.0.1:%u/ping", service.port);
    snprintf(api_url, sizeof(api_url), "CHECK_API_URL=http://127.0.0.1:%u/", service.port);
    setenv("CHECK_DB_URL", url, 1);
    setenv("CHECK_TIMEOUT", "1500ms", 1);
    assert(settings_read(&settings, environment, site_on_checked, &site, &error));

    site_routes(&site, routes);
    assert(server_init(&server, &loop, &server_limits_default, routes) == 0);
    assert(server_listen(&server, "127.0.0.1", 0) == 0);
    site_init(&site, &loop, &settings);

    checks();
    worst_of_all();
    accepts();
    pages();
    patience();
    watching();
    metrics();
    without_memory();

    (void)!target_ask(&settings.targets[0], &loop); /* in flight at the end */
    fake_stop(&service);
    server_drain(&server, on_drained, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert(uv_loop_close(&loop) == 0); /* nothing is left open */
    return 0;
}
