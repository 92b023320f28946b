/* page_test.c - the page, its events, the badge and the reports, for every state; nothing that a
 * stranger said stands there as markup. */
#include "../web/page.h"
#include "../web/report.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "../web/assets.h"

static struct target targets[2];
static struct page_view view;
static struct page_subject subject = {
    .app = "web<&>", .targets = targets, .count = 2, .now_ms = 1000000};
static char room[PAGE_MAX + 1];

static void on_changed(struct target *t, void *data)
{
    (void)t;
    (void)data;
}

static const char *page(void)
{
    struct text out = {room, 0, PAGE_MAX, false};
    page_look(&view, &subject);
    page_write(&view, &subject, &out);
    assert(!view.room.full && !out.full);
    assert(view.text_count < PAGE_TEXTS_MAX && view.state_count < PAGE_STATES_MAX);
    return text_string(&out);
}

static void shows(const char *part)
{
    const char *written = page();
    if (!strstr(written, part))
        fprintf(stderr, "not on the page: %s\n%s\n", part, written);
    assert(strstr(written, part));
}

static void set(enum target_state state, enum target_stop stop, const char *reason)
{
    targets[0].last = (struct target_result){.state = state,
                                             .stop = stop,
                                             .resolve_ns = 300000,
                                             .connect_ns = 200000,
                                             .answer_ns = 1700000,
                                             .total_ns = 2200000,
                                             .at_s = 1700000000,
                                             .has_address = stop != TARGET_RESOLVE};
    targets[0].last.address.v4.sin_family = AF_INET;
    targets[0].last.address.v4.sin_addr.s_addr = htonl(0x64780003);
    snprintf(targets[0].last.reason, TARGET_REASON_MAX, "%s", reason);
}

/* A state and a text, as the page and its script find them. */
static void states(void)
{
    set(TARGET_UNKNOWN, TARGET_NOWHERE, "");
    targets[0].last.at_s = 0;
    shows("Checking DB</h1>");
    shows("data-state=\"unknown\" data-is=\"hop1\"");
    shows("none yet");

    set(TARGET_AVAILABLE, TARGET_NOWHERE, "");
    shows("<title>DB is available</title>");
    shows("data-state=\"available\" data-is=\"state\"");
    shows("data-state=\"ok\" data-is=\"hop2\"");
    shows("<span data-text=\"hop1_says\">0.50 ms</span>");
    shows("<span data-text=\"hop2_says\">1.7 ms</span>");
    shows("<dd data-text=\"took\">2.2 ms</dd>");
    shows("<dd data-text=\"address\">100.120.0.3</dd>");
    shows("22:13:20 UTC");
    shows("data-state=\"none\" data-is=\"advice_state\"");
    snprintf(targets[0].last.replica, TARGET_REPLICA_MAX, "db-checker.web.2");
    shows("db-checker.web.2 (100.120.0.3)");

    set(TARGET_UNAVAILABLE, TARGET_DATABASE, "connect: refused");
    shows("DB is not available</h1>");
    shows("db-checker says: connect: refused");
    shows("data-state=\"ok\" data-is=\"hop1\"");
    shows("data-state=\"bad\" data-is=\"hop2\"");
    shows("data-text=\"hop2_says\">no connection<");

    set(TARGET_FAILED, TARGET_RESOLVE, "could not resolve db-checker: no such host");
    shows("Could not check if DB is available</h1>");
    shows("data-state=\"bad\" data-is=\"hop1\"");
    shows("data-state=\"unknown\" data-is=\"hop2\"");
    shows("data-text=\"replica\">not found<");
    shows("dokku interservice:link web&lt;&amp;&gt; db-checker");
}

static void advice(void)
{
    static const struct {
        enum target_stop stop;
        const char *reason, *part;
    } cases[] = {
        {TARGET_CONNECT, "x", "accepts connections on port 5000"},
        {TARGET_ANSWER, "x", "does not answer as it should"},
        {TARGET_STATUS, "x", "Is it the right app and path?"},
        {TARGET_DATABASE, "resolve: x", "Its name is not known"},
        {TARGET_DATABASE, "connect: x", "It does not accept connections."},
        {TARGET_DATABASE, "auth: x", "It refuses the login"},
        {TARGET_DATABASE, "query: x", "does not answer in time"},
        {TARGET_DATABASE, "not configured: x", "dokku postgres:link"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        set(cases[i].stop == TARGET_DATABASE ? TARGET_UNAVAILABLE : TARGET_FAILED, cases[i].stop,
            cases[i].reason);
        shows(cases[i].part);
        shows("data-state=\"bad\" data-is=\"advice_state\"");
    }
}

static void strangers_are_quoted(void)
{
    set(TARGET_UNAVAILABLE, TARGET_DATABASE, "<script>alert('\"&')</script>");
    shows("&lt;script&gt;alert(&#39;&quot;&amp;&#39;)&lt;/script&gt;");
    assert(!strstr(page(), "<script>"));
    assert(!strstr(page(), "{{") && !strstr(page(), "}}"));

    struct text out = TEXT_OVER(room);
    page_write_event(&view, &out);
    const char *event = text_string(&out);
    assert(!out.full && strncmp(event, "retry: 1000\ndata: {", 19) == 0);
    /* one line of data, and an empty line at the end */
    assert(strchr(strchr(event, '\n') + 1, '\n') == event + out.len - 2);
    assert(strstr(event, "alert('\\\"&')"));
}

static void bars(void)
{
    set(TARGET_AVAILABLE, TARGET_NOWHERE, "");
    for (unsigned i = 0; i < 70; i++)
        history_add(&targets[0].history, 1000000,
                    (struct history_check){.available = i != 65, .took_ns = (i + 1) * 1000000ull});
    shows("<rect x=\"220\" y=\"0\" width=\"3\" height=\"48\" class=\"bad\"/>");
    shows("59 of 60 available, slowest 70 ms");
    shows("<td data-text=\"h_checks\">70</td>");
    shows("<td data-text=\"h_uptime\">98.57 %</td>");
    for (unsigned i = 0; i < HISTORY_LAST; i++)
        assert(view.bars[i].height >= 3 && view.bars[i].height <= 48);
    assert(view.bars[0].height < view.bars[59].height);
}

static void times(void)
{
    static const struct {
        uint64_t ns;
        const char *text;
    } cases[] = {
        {420000, "0.42 ms"}, {9940000, "9.9 ms"}, {123400000, "123 ms"}, {2400000000, "2.4 s"}};
    for (size_t i = 0; i < 4; i++) {
        char part[64];
        targets[0].last.total_ns = cases[i].ns;
        snprintf(part, sizeof(part), "<dd data-text=\"took\">%s</dd>", cases[i].text);
        shows(part);
    }
}

static void others(void)
{
    targets[1].last.state = TARGET_AVAILABLE;
    shows("<li data-target=\"user-api\" data-state=\"available\"><a href=\"check/user-api\">");
    subject.count = 1;
    assert(!strstr(page(), "Also checked"));
    subject.count = 2;
}

/* A target may be called like anything on the page, and stands for nothing but itself. */
static void names_of_others(void)
{
    static const char *const names[] = {"state",   "title",    "headline",
                                        "address", "commands", "hop1"};
    char kept[TARGET_NAME_MAX];

    memcpy(kept, targets[1].name, sizeof(kept));
    set(TARGET_UNAVAILABLE, TARGET_DATABASE, "connect: refused");
    targets[1].last.state = TARGET_AVAILABLE;
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        char part[128];
        snprintf(targets[1].name, sizeof(targets[1].name), "%s", names[i]);
        shows("data-state=\"unavailable\" data-is=\"state\"");
        shows("<title>DB is not available</title>");

        struct text out = TEXT_OVER(room);
        page_write_event(&view, &out);
        assert(strstr(text_string(&out), "\"text\":{\"headline\":\"DB is not available\","));
        assert(strstr(room, "\"state\":{\"state\":\"unavailable\","));
        assert(!strstr(strstr(room, "\"targets\":") + 10, "DB is not available"));
        snprintf(part, sizeof(part), ",\"targets\":{\"%s\":{\"state\":\"available\",", names[i]);
        assert(strstr(room, part));
    }
    memcpy(targets[1].name, kept, sizeof(kept));
}

static void badges(void)
{
    static const char *const says[TARGET_STATES] = {"unknown", "available", "not available",
                                                    "not checked"};
    for (int state = 0; state < TARGET_STATES; state++) {
        struct target_result result = {.state = (enum target_state)state};
        struct text out = TEXT_OVER(room);
        char part[64];
        page_write_badge(&targets[0], &result, &out);
        snprintf(part, sizeof(part), "<title>DB: %s</title>", says[state]);
        assert(strstr(text_string(&out), part));
    }
}

static void reports(void)
{
    set(TARGET_UNAVAILABLE, TARGET_DATABASE, "connect: \"x\"");
    struct text out = TEXT_OVER(room);
    report_result(&targets[0], &targets[0].last, &out);
    assert(strcmp(text_string(&out),
                  "{\"name\":\"db\",\"state\":\"unavailable\","
                  "\"message\":\"DB is not available. Error: connect: \\\"x\\\"\","
                  "\"failed_phase\":\"database\",\"reason\":\"connect: \\\"x\\\"\","
                  "\"service\":\"db-checker:5000\",\"address\":\"100.120.0.3\",\"replica\":null,"
                  "\"answer_status\":null,\"checked_at\":\"2023-11-14T22:13:20Z\","
                  "\"phases\":{\"resolve_ms\":0.300,\"connect_ms\":0.200,\"answer_ms\":1.700},"
                  "\"total_ms\":2.200}") == 0);

    out = TEXT_OVER(room);
    report_history(targets, 2, 1000000, &out);
    assert(!out.full);
    assert(strstr(text_string(&out), "{\"name\":\"user-api\",\"state\":\"available\","
                                     "\"windows\":{\"1h\":{\"checks\":0,\"available\":0,"
                                     "\"uptime\":null,\"p50_ms\":null,"));
    assert(strstr(room, "\"uptime\":0.985714"));
    assert(strstr(room, "{\"available\":true,\"ms\":70.000}]}"));

    targets[0].counts[TARGET_FAILED] = 3;
    out = TEXT_OVER(room);
    report_metrics(targets, 2, &out);
    assert(strstr(text_string(&out), "web_target_available{target=\"db\"} 0\n"));
    assert(strstr(room, "web_checks_total{target=\"db\",result=\"failed\"} 3\n"));

    assert(report_status(TARGET_AVAILABLE) == 200);
    assert(report_status(TARGET_UNAVAILABLE) == 503);
    assert(report_status(TARGET_FAILED) == 500);
    assert(report_status(TARGET_UNKNOWN) == 500);
}

int main(void)
{
    assert(!target_init(&targets[0], SLICE("db"), SLICE("DB"), "http://db-checker:5000/ping", 1,
                        on_changed, NULL));
    assert(!target_init(&targets[1], SLICE("user-api"), SLICE("user-api"), "http://user-api/", 1,
                        on_changed, NULL));
    states();
    advice();
    strangers_are_quoted();
    bars();
    times();
    others();
    names_of_others();
    badges();
    reports();
    assert(asset_digest() != 0 && asset_page_css().len > 0 && asset_page_js().len > 0);
    assert(slice_starts(asset_icon_svg(), SLICE("<svg ")));
    return 0;
}
