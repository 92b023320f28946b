/* report.c - see report.h. */
#include "report.h"

unsigned report_status(enum target_state state)
{
    switch (state) {
    case TARGET_AVAILABLE: return 200;
    case TARGET_UNAVAILABLE: return 503;
    case TARGET_UNKNOWN:
    case TARGET_FAILED:
    case TARGET_STATES: break;
    }
    return 500;
}

void report_line(const struct target *t, const struct target_result *result, bool named,
                 struct text *out)
{
    if (named)
        text_add_format(out, "%s: ", t->name);
    target_say(t, result, out);
    text_add_char(out, '\n');
}

static void add_ms(struct text *out, const char *name, uint64_t ns)
{
    text_add_format(out, "\"%s\":", name);
    if (ns > 0)
        text_add_format(out, "%.3f", (double)ns / 1e6);
    else
        text_add(out, SLICE("null"));
}

static void add_string(struct text *out, const char *name, const char *value)
{
    text_add_format(out, "\"%s\":", name);
    if (value && *value)
        text_add_json(out, slice_of(value));
    else
        text_add(out, SLICE("null"));
}

void report_result(const struct target *t, const struct target_result *r, struct text *out)
{
    char room[TARGET_NAME_MAX + TARGET_REASON_MAX + 64];
    struct text says = TEXT_OVER(room);
    char address[LOOKUP_TEXT_MAX] = "";
    struct clock_utc at = clock_utc(r->at_s);

    target_say(t, r, &says);
    if (r->has_address)
        lookup_text(&r->address, address);

    text_add(out, SLICE("{"));
    add_string(out, "name", t->name);
    text_add_char(out, ',');
    add_string(out, "state", target_state_name(r->state));
    text_add(out, SLICE(",\"message\":"));
    text_add_json(out, text_slice(&says));
    text_add_char(out, ',');
    add_string(out, "failed_phase", target_stop_name(r->stop));
    text_add_char(out, ',');
    add_string(out, "reason", r->reason);
    text_add_char(out, ',');
    add_string(out, "service", t->place);
    text_add_char(out, ',');
    add_string(out, "address", address);
    text_add_char(out, ',');
    add_string(out, "replica", r->replica);
    text_add(out, SLICE(",\"answer_status\":"));
    if (r->status)
        text_add_number(out, r->status);
    else
        text_add(out, SLICE("null"));
    if (r->at_s) /* RFC 3339 */
        text_add_format(out, ",\"checked_at\":\"%04u-%02u-%02uT%02u:%02u:%02uZ\"", at.year,
                        at.month, at.day, at.hour, at.minute, at.second);
    else
        text_add(out, SLICE(",\"checked_at\":null"));
    text_add(out, SLICE(",\"phases\":{"));
    add_ms(out, "resolve_ms", r->resolve_ns);
    text_add_char(out, ',');
    add_ms(out, "connect_ms", r->connect_ns);
    text_add_char(out, ',');
    add_ms(out, "answer_ms", r->answer_ns);
    text_add(out, SLICE("},"));
    add_ms(out, "total_ms", r->total_ns);
    text_add_char(out, '}');
}

static void add_window(struct text *out, const char *name, const struct history_window *w,
                       uint64_t now_ms)
{
    struct history_summary sum = history_sum(w, now_ms);

    text_add_format(out, "\"%s\":{\"checks\":%llu,\"available\":%llu,\"uptime\":", name,
                    (unsigned long long)sum.checks, (unsigned long long)sum.available);
    if (sum.checks > 0)
        text_add_format(out, "%.6f", (double)sum.available / (double)sum.checks);
    else
        text_add(out, SLICE("null"));
    text_add_char(out, ',');
    add_ms(out, "p50_ms", sum.p50_ns);
    text_add_char(out, ',');
    add_ms(out, "p95_ms", sum.p95_ns);
    text_add_char(out, ',');
    add_ms(out, "p99_ms", sum.p99_ns);
    text_add_char(out, '}');
}

void report_history(const struct target *targets, unsigned count, uint64_t now_ms, struct text *out)
{
    text_add(out, SLICE("{\"version\":1,\"targets\":["));
    for (unsigned i = 0; i < count; i++) {
        const struct target *t = &targets[i];
        if (i > 0)
            text_add_char(out, ',');
        text_add(out, SLICE("{"));
        add_string(out, "name", t->name);
        text_add_char(out, ',');
        add_string(out, "state", target_state_name(t->last.state));
        text_add(out, SLICE(",\"windows\":{"));
        add_window(out, "1h", &t->history.hour, now_ms);
        text_add_char(out, ',');
        add_window(out, "24h", &t->history.day, now_ms);
        text_add(out, SLICE("},\"last\":["));
        for (unsigned age = history_length(&t->history); age-- > 0;) {
            struct history_check check = history_last(&t->history, age);
            text_add_string(out,
                            check.available ? "{\"available\":true," : "{\"available\":false,");
            add_ms(out, "ms", check.took_ns);
            text_add_string(out, age > 0 ? "}," : "}");
        }
        text_add(out, SLICE("]}"));
    }
    text_add(out, SLICE("]}\n"));
}

static void add_help(struct text *out, const char *name, const char *type, const char *what)
{
    text_add_format(out, "# HELP web_%s %s\n# TYPE web_%s %s\n", name, what, name, type);
}

void report_metrics(const struct target *targets, unsigned count, struct text *out)
{
    add_help(out, "target_available", "gauge",
             "1 if the last check found the target available, else 0.");
    for (unsigned i = 0; i < count; i++)
        text_add_format(out, "web_target_available{target=\"%s\"} %d\n", targets[i].name,
                        targets[i].last.state == TARGET_AVAILABLE);
    add_help(out, "checks_total", "counter", "Checks that ended, by what they found.");
    for (unsigned i = 0; i < count; i++)
        for (int state = TARGET_AVAILABLE; state < TARGET_STATES; state++)
            text_add_format(out, "web_checks_total{target=\"%s\",result=\"%s\"} %llu\n",
                            targets[i].name, target_state_name((enum target_state)state),
                            (unsigned long long)targets[i].counts[state]);
    add_help(out, "last_check_seconds", "gauge", "How long the last check took.");
    for (unsigned i = 0; i < count; i++)
        text_add_format(out, "web_last_check_seconds{target=\"%s\"} %.6f\n", targets[i].name,
                        (double)targets[i].last.total_ns / 1e9);
}
