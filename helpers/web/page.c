/* page.c - see page.h. */
#include "page.h"

#include "advice.h"
#include "assets.h"

enum { BAR_MAX = 48, BAR_MIN = 3 };

/* -- the view ------------------------------------------------------------------------------ */

/* Texts are written to the view's room between these two. */
static size_t begin(const struct page_view *v)
{
    return v->room.len;
}

static void end_text(struct page_view *v, const char *name, size_t from)
{
    struct slice value = {v->room.at + from, v->room.len - from};
    if (v->text_count < PAGE_TEXTS_MAX)
        v->texts[v->text_count++] = (struct page_field){name, value};
}

static void add_text(struct page_view *v, const char *name, struct slice value)
{
    size_t from = begin(v);
    text_add(&v->room, value);
    end_text(v, name, from);
}

static void add_state(struct page_view *v, const char *name, const char *state)
{
    if (v->state_count < PAGE_STATES_MAX)
        v->states[v->state_count++] = (struct page_field){name, slice_of(state)};
}

/* A time for people: "0.42 ms", "12 ms", "1.5 s". */
static void add_time(struct text *out, uint64_t ns)
{
    double ms = (double)ns / 1e6;
    if (ms < 1)
        text_add_format(out, "%.2f ms", ms);
    else if (ms < 10)
        text_add_format(out, "%.1f ms", ms);
    else if (ms < 1000)
        text_add_format(out, "%.0f ms", ms);
    else
        text_add_format(out, "%.1f s", ms / 1000);
}

static void add_time_text(struct page_view *v, const char *name, uint64_t ns)
{
    size_t from = begin(v);
    if (ns > 0)
        add_time(&v->room, ns);
    else
        text_add(&v->room, SLICE("–"));
    end_text(v, name, from);
}

static void look_at_verdict(struct page_view *v, const struct target *t)
{
    const struct target_result *r = &t->last;
    const char *said[TARGET_STATES] = {
        [TARGET_UNKNOWN] = "Checking %s",
        [TARGET_AVAILABLE] = "%s is available",
        [TARGET_UNAVAILABLE] = "%s is not available",
        [TARGET_FAILED] = "Could not check if %s is available",
    };
    int host = (int)t->url.host.len;

    for (int i = 0; i < 2; i++) {
        size_t from = begin(v);
        const char *rest = strstr(said[r->state], "%s") + 2;
        text_add(&v->room, (struct slice){said[r->state], (size_t)(rest - 2 - said[r->state])});
        text_add_string(&v->room, t->title);
        text_add_string(&v->room, rest);
        end_text(v, i == 0 ? "headline" : "title", from);
    }
    add_state(v, "state", target_state_name(r->state));

    size_t from = begin(v);
    switch (r->state) {
    case TARGET_UNKNOWN:
    case TARGET_STATES: text_add(&v->room, SLICE("The first answer is on its way.")); break;
    case TARGET_AVAILABLE:
        text_add_format(&v->room, "%.*s asked it, and it answered.", host, t->url.host.at);
        break;
    case TARGET_UNAVAILABLE:
        text_add_format(&v->room, "%.*s says: %s", host, t->url.host.at, r->reason);
        break;
    case TARGET_FAILED: text_add_string(&v->room, r->reason); break;
    }
    end_text(v, "reason", from);
}

/* The second hop in two words, by what the checker's reason begins with. */
static const char *beyond_fails(const struct target_result *r)
{
    static const struct {
        const char *phase, *says;
    } phases[] = {
        {"resolve:", "name not known"}, {"connect:", "no connection"},
        {"auth:", "login refused"},     {"query:", "query fails"},
        {"timeout:", "too slow"},       {"not configured", "not set"},
    };
    for (size_t i = 0; i < sizeof(phases) / sizeof(*phases); i++)
        if (slice_starts(slice_of(r->reason), slice_of(phases[i].phase)))
            return phases[i].says;
    return "no answer";
}

/* Two hops: from us to the service, and from the service to what it stands for. */
static void look_at_chain(struct page_view *v, const struct target *t)
{
    const struct target_result *r = &t->last;
    bool answered = r->stop == TARGET_NOWHERE || r->stop == TARGET_DATABASE;
    char address[LOOKUP_TEXT_MAX] = "";

    if (r->has_address)
        lookup_text(&r->address, address);

    if (r->state == TARGET_UNKNOWN) {
        add_state(v, "hop1", "unknown");
        add_state(v, "hop2", "unknown");
        add_text(v, "hop1_says", SLICE("asking"));
        add_text(v, "hop2_says", SLICE("not asked yet"));
        add_text(v, "beyond_says", SLICE("not known"));
    } else {
        static const char *const bad[] = {
            [TARGET_RESOLVE] = "name not known",
            [TARGET_CONNECT] = "no connection",
            [TARGET_ANSWER] = "no answer",
            [TARGET_STATUS] = "wrong answer",
        };
        add_state(v, "hop1", answered ? "ok" : "bad");
        if (answered)
            add_time_text(v, "hop1_says", r->resolve_ns + r->connect_ns);
        else
            add_text(v, "hop1_says", slice_of(bad[r->stop]));

        if (r->state == TARGET_AVAILABLE) {
            add_state(v, "hop2", "ok");
            add_time_text(v, "hop2_says", r->answer_ns);
            add_text(v, "beyond_says", SLICE("answers"));
        } else if (r->state == TARGET_UNAVAILABLE) {
            add_state(v, "hop2", "bad");
            add_text(v, "hop2_says", slice_of(beyond_fails(r)));
            add_text(v, "beyond_says", SLICE("does not answer"));
        } else {
            add_state(v, "hop2", "unknown");
            add_text(v, "hop2_says", SLICE("not asked"));
            add_text(v, "beyond_says", SLICE("not known"));
        }
    }

    const char *who = r->replica[0] ? r->replica : address;
    add_text(v, "replica", *who ? slice_of(who) : SLICE("not found"));
    size_t from = begin(v);
    if (r->replica[0] && address[0])
        text_add_format(&v->room, "%s (%s)", r->replica, address);
    else
        text_add_string(&v->room, *who ? who : "–");
    end_text(v, "address", from);
}

static void look_at_last(struct page_view *v, const struct target *t)
{
    const struct target_result *r = &t->last;
    struct clock_utc utc = clock_utc(r->at_s);

    add_time_text(v, "took", r->total_ns);
    size_t from = begin(v);
    if (r->at_s)
        text_add_format(&v->room, "%02u:%02u:%02u UTC", utc.hour, utc.minute, utc.second);
    else
        text_add(&v->room, SLICE("–"));
    end_text(v, "at", from);
}

static void look_at_history(struct page_view *v, const struct target *t)
{
    const struct history *h = &t->history;
    unsigned length = history_length(h);
    unsigned available = 0;
    uint64_t slowest = 0;

    for (unsigned i = 0; i < HISTORY_LAST; i++) {
        unsigned age = HISTORY_LAST - 1 - i;
        struct page_bar *bar = &v->bars[i];
        *bar = (struct page_bar){.available = true};
        if (age >= length)
            continue;
        struct history_check check = history_last(h, age);
        bar->available = check.available;
        bar->height = BAR_MAX;
        if (check.available) {
            bar->height = BAR_MIN + history_bin(check.took_ns) * (BAR_MAX - BAR_MIN) / HISTORY_BINS;
            available++;
            if (check.took_ns > slowest)
                slowest = check.took_ns;
        }
    }

    size_t from = begin(v);
    if (length == 0) {
        text_add(&v->room, SLICE("none yet"));
    } else {
        text_add_format(&v->room, "%u of %u available", available, length);
        if (slowest > 0) {
            text_add(&v->room, SLICE(", slowest "));
            add_time(&v->room, slowest);
        }
    }
    end_text(v, "spark_says", from);
}

static void look_at_window(struct page_view *v, const struct history_window *w, uint64_t now_ms,
                           const char *const names[5])
{
    struct history_summary sum = history_sum(w, now_ms);

    size_t from = begin(v);
    text_add_number(&v->room, sum.checks);
    end_text(v, names[0], from);
    from = begin(v);
    if (sum.checks == 0)
        text_add(&v->room, SLICE("–"));
    else if (sum.available == sum.checks)
        text_add(&v->room, SLICE("100 %"));
    else {
        /* rounded down: nearly all is not all */
        uint64_t hundredths = sum.available * 10000 / sum.checks;
        text_add_format(&v->room, "%u.%02u %%", (unsigned)(hundredths / 100),
                        (unsigned)(hundredths % 100));
    }
    end_text(v, names[1], from);
    add_time_text(v, names[2], sum.p50_ns);
    add_time_text(v, names[3], sum.p95_ns);
    add_time_text(v, names[4], sum.p99_ns);
}

static void look_at_others(struct page_view *v, const struct page_subject *s)
{
    for (unsigned i = 1; i < s->count; i++) {
        const struct target *t = &s->targets[i];
        size_t from = begin(v);
        target_say(t, &t->last, &v->room);
        v->others[v->other_count++] = (struct page_other){
            .name = t->name, /* letters, digits and "-" only */
            .state = target_state_name(t->last.state),
            .says = {v->room.at + from, v->room.len - from},
        };
    }
}

void page_look(struct page_view *v, const struct page_subject *s)
{
    static const char *const hour[] = {"h_checks", "h_uptime", "h_p50", "h_p95", "h_p99"};
    static const char *const day[] = {"d_checks", "d_uptime", "d_p50", "d_p95", "d_p99"};
    const struct target *t = &s->targets[0];

    v->text_count = v->state_count = v->other_count = 0;
    v->room = TEXT_OVER(v->room_text);

    look_at_verdict(v, t);
    look_at_chain(v, t);
    look_at_last(v, t);
    look_at_history(v, t);
    look_at_window(v, &t->history.hour, s->now_ms, hour);
    look_at_window(v, &t->history.day, s->now_ms, day);
    look_at_others(v, s);

    char commands_text[1024];
    struct text commands = TEXT_OVER(commands_text);
    size_t from = begin(v);
    advice_give(t, &t->last, s->app, &v->room, &commands);
    end_text(v, "advice", from);
    add_text(v, "commands", text_slice(&commands));
    add_state(v, "advice_state", t->last.stop == TARGET_NOWHERE ? "none" : "bad");
}

/* -- the page ------------------------------------------------------------------------------ */

static struct slice find(const struct page_field *fields, unsigned count, struct slice name)
{
    for (unsigned i = 0; i < count; i++)
        if (slice_is(slice_of(fields[i].name), name))
            return fields[i].value;
    return (struct slice){"", 0};
}

static void write_bars(const struct page_view *v, struct text *out)
{
    for (unsigned i = 0; i < HISTORY_LAST; i++)
        text_add_format(out, "<rect x=\"%u\" y=\"%u\" width=\"3\" height=\"%u\"%s/>", i * 4,
                        BAR_MAX - v->bars[i].height, v->bars[i].height,
                        v->bars[i].available ? "" : " class=\"bad\"");
}

static void write_others(const struct page_view *v, struct text *out)
{
    if (v->other_count == 0)
        return;
    text_add(out, SLICE("<section aria-labelledby=\"others-title\">\n"
                        "<h2 id=\"others-title\">Also checked</h2>\n<ul class=\"others\">\n"));
    for (unsigned i = 0; i < v->other_count; i++) {
        const struct page_other *o = &v->others[i];
        text_add_format(out,
                        "<li data-target=\"%s\" data-state=\"%s\">"
                        "<a href=\"check/%s\">%s</a> <span>",
                        o->name, o->state, o->name, o->name);
        text_add_html(out, o->says);
        text_add(out, SLICE("</span></li>\n"));
    }
    text_add(out, SLICE("</ul>\n</section>\n"));
}

/* What {{name}} in the template stands for; {{=name}} is a state. */
static void write_marker(const struct page_view *v, const struct page_subject *s, struct slice name,
                         struct text *out)
{
    if (slice_is(name, SLICE("spark")))
        write_bars(v, out);
    else if (slice_is(name, SLICE("others")))
        write_others(v, out);
    else if (slice_is(name, SLICE("bars")))
        text_add_number(out, HISTORY_LAST);
    else if (slice_is(name, SLICE("digest")))
        text_add_format(out, "%016llx", (unsigned long long)asset_digest());
    else if (slice_is(name, SLICE("version")))
        text_add_html(out, slice_of(HELPERS_VERSION));
    else if (slice_is(name, SLICE("app")))
        text_add_html(out, slice_of(s->app));
    else if (slice_is(name, SLICE("service")))
        text_add_html(out, s->targets[0].url.host);
    else if (slice_is(name, SLICE("beyond")))
        text_add_html(out, SLICE("database"));
    else if (slice_starts(name, SLICE("=")))
        text_add_html(out,
                      find(v->states, v->state_count, (struct slice){name.at + 1, name.len - 1}));
    else
        text_add_html(out, find(v->texts, v->text_count, name));
}

void page_write(const struct page_view *v, const struct page_subject *s, struct text *out)
{
    struct slice rest = asset_page_html();

    for (;;) {
        const char *open = memmem(rest.at, rest.len, "{{", 2);
        const char *close =
            open ? memmem(open, (size_t)(rest.at + rest.len - open), "}}", 2) : NULL;
        if (!close)
            break;
        text_add(out, (struct slice){rest.at, (size_t)(open - rest.at)});
        write_marker(v, s, (struct slice){open + 2, (size_t)(close - open - 2)}, out);
        rest.len -= (size_t)(close + 2 - rest.at);
        rest.at = close + 2;
    }
    text_add(out, rest);
}

static void write_fields(const struct page_field *fields, unsigned count, struct text *out)
{
    text_add_char(out, '{');
    for (unsigned i = 0; i < count; i++) {
        if (i > 0)
            text_add_char(out, ',');
        text_add_json(out, slice_of(fields[i].name));
        text_add_char(out, ':');
        text_add_json(out, fields[i].value);
    }
    text_add_char(out, '}');
}

void page_write_event(const struct page_view *v, struct text *out)
{
    /* JSON has no line ends of its own, so it is one line of data. */
    text_add(out, SLICE("retry: 1000\ndata: {\"title\":"));
    text_add_json(out, find(v->texts, v->text_count, SLICE("title")));
    text_add(out, SLICE(",\"text\":"));
    write_fields(v->texts, v->text_count, out);
    text_add(out, SLICE(",\"state\":"));
    write_fields(v->states, v->state_count, out);
    text_add(out, SLICE(",\"targets\":{"));
    for (unsigned i = 0; i < v->other_count; i++) {
        const struct page_other *o = &v->others[i];
        text_add_format(out, "%s\"%s\":{\"state\":\"%s\",\"says\":", i > 0 ? "," : "", o->name,
                        o->state);
        text_add_json(out, o->says);
        text_add_char(out, '}');
    }
    text_add(out, SLICE("},\"bars\":["));
    for (unsigned i = 0; i < HISTORY_LAST; i++)
        text_add_format(out, "%s[%u,%u]", i > 0 ? "," : "", v->bars[i].height,
                        v->bars[i].available);
    text_add(out, SLICE("]}\n\n"));
}

/* -- the badge ----------------------------------------------------------------------------- */

void page_write_badge(const struct target *t, const struct target_result *result, struct text *out)
{
    static const struct {
        const char *says, *colour;
    } looks[TARGET_STATES] = {
        [TARGET_UNKNOWN] = {"unknown", "#66706c"},
        [TARGET_AVAILABLE] = {"available", "#14724a"},
        [TARGET_UNAVAILABLE] = {"not available", "#b3261e"},
        [TARGET_FAILED] = {"not checked", "#66706c"},
    };
    const char *says = looks[result->state].says;
    /* Fonts differ; with textLength each text takes the room that is left for it here. */
    unsigned name_width = (unsigned)strlen(t->title) * 7;
    unsigned says_width = (unsigned)strlen(says) * 7;
    unsigned left = name_width + 16;
    unsigned width = left + says_width + 16;

    text_add_format(out,
                    "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%u\" height=\"20\" "
                    "role=\"img\" aria-label=\"%s: %s\"><title>%s: %s</title>"
                    "<clipPath id=\"c\"><rect width=\"%u\" height=\"20\" rx=\"4\"/></clipPath>"
                    "<g clip-path=\"url(#c)\"><rect width=\"%u\" height=\"20\" fill=\"#333b38\"/>"
                    "<rect x=\"%u\" width=\"%u\" height=\"20\" fill=\"%s\"/></g>"
                    "<g fill=\"#fff\" font-family=\"Verdana,DejaVu Sans,sans-serif\" "
                    "font-size=\"11\">",
                    width, t->title, says, t->title, says, width, left, left, width - left,
                    looks[result->state].colour);
    text_add_format(out,
                    "<text x=\"8\" y=\"14\" textLength=\"%u\">%s</text>"
                    "<text x=\"%u\" y=\"14\" textLength=\"%u\">%s</text></g></svg>\n",
                    name_width, t->title, left + 8, says_width, says);
}
