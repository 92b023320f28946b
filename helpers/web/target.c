/* target.c - see target.h. */
#include "target.h"

#include <time.h>

static const char fields[] = "User-Agent: interservice-web/" HELPERS_VERSION "\r\n"
                             "Accept: text/plain, */*;q=0.1\r\n";

/* What the checker's line begins with when it answers 424. */
#define CHECKER_SAYS SLICE("DB is not available. Error: ")

const char *target_state_name(enum target_state state)
{
    switch (state) {
    case TARGET_UNKNOWN: return "unknown";
    case TARGET_AVAILABLE: return "available";
    case TARGET_UNAVAILABLE: return "unavailable";
    case TARGET_FAILED: return "failed";
    case TARGET_STATES: break;
    }
    return "";
}

const char *target_stop_name(enum target_stop stop)
{
    switch (stop) {
    case TARGET_NOWHERE: break;
    case TARGET_RESOLVE: return "resolve";
    case TARGET_CONNECT: return "connect";
    case TARGET_ANSWER: return "answer";
    case TARGET_STATUS: return "status";
    case TARGET_DATABASE: return "database";
    }
    return NULL;
}

/* -- judging ------------------------------------------------------------------------------- */

/* The first line of what a stranger sent, fit to be shown: printable ASCII, and not too long. */
static struct slice first_line(struct slice body)
{
    size_t len = 0;
    while (len < body.len && len < TARGET_REASON_MAX / 2 && body.at[len] >= ' ' &&
           body.at[len] <= '~')
        len++;
    return (struct slice){body.at, len};
}

static bool is_replica_name(struct slice s)
{
    if (s.len == 0 || s.len >= TARGET_REPLICA_MAX)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.at[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '-' || c == '.' || c == '_'))
            return false;
    }
    return true;
}

static void judge_answer(const struct client_answer *answer, const struct target *t,
                         struct target_result *result, struct text *reason)
{
    struct slice replica;

    result->status = answer->response.status;
    if (http1_find(&answer->response.head, SLICE("X-Replica"), &replica) &&
        is_replica_name(replica)) {
        memcpy(result->replica, replica.at, replica.len);
        result->replica[replica.len] = '\0';
    }

    if (result->status >= 200 && result->status <= 299) {
        result->state = TARGET_AVAILABLE;
    } else if (result->status == 424) {
        result->state = TARGET_UNAVAILABLE;
        result->stop = TARGET_DATABASE;
        struct slice line = first_line(answer->body);
        if (slice_starts(line, CHECKER_SAYS))
            line = (struct slice){line.at + CHECKER_SAYS.len, line.len - CHECKER_SAYS.len};
        text_add(reason, line);
        if (reason->len == 0)
            text_add(reason, SLICE("it does not say why"));
    } else {
        result->state = TARGET_FAILED;
        result->stop = TARGET_STATUS;
        text_add_format(reason, "%s answers with status %u", t->place, result->status);
    }
}

static void judge_failure(enum client_phase phase, int error, unsigned tried,
                          const struct target *t, struct target_result *result, struct text *reason)
{
    result->state = TARGET_FAILED;
    switch (phase) {
    case CLIENT_RESOLVE:
        result->stop = TARGET_RESOLVE;
        text_add_format(reason, "could not resolve %.*s: %s", (int)t->url.host.len, t->url.host.at,
                        client_reason(phase, error));
        return;
    case CLIENT_CONNECT: result->stop = TARGET_CONNECT; break;
    case CLIENT_SEND:
    case CLIENT_ANSWER: result->stop = TARGET_ANSWER; break;
    }
    text_add_format(reason, "%s %s", t->place, client_reason(phase, error));
    if (tried > 1)
        text_add_format(reason, " (%u addresses tried)", tried);
}

void target_judge(const struct target *t, const struct client *client, struct target_result *result)
{
    *result = (struct target_result){
        .resolve_ns = client->resolve_ns,
        .connect_ns = client->connect_ns,
        .answer_ns = client->answer_ns,
        .total_ns = client->total_ns,
        .at_s = time(NULL),
        .has_address = client->tried > 0,
    };
    if (result->has_address)
        result->address = client->address;

    struct text reason = TEXT_OVER(result->reason);
    if (client->error)
        judge_failure(client->phase, client->error, client->tried, t, result, &reason);
    else
        judge_answer(&client->answer, t, result, &reason);
    text_string(&reason);
}

void target_say(const struct target *t, const struct target_result *result, struct text *out)
{
    switch (result->state) {
    case TARGET_AVAILABLE: text_add_format(out, "%s is available", t->title); break;
    case TARGET_UNAVAILABLE:
        text_add_format(out, "%s is not available. Error: %s", t->title, result->reason);
        break;
    case TARGET_FAILED:
        text_add_format(out, "could not check if %s is available: %s", t->title, result->reason);
        break;
    case TARGET_UNKNOWN:
    case TARGET_STATES: text_add_format(out, "%s has not been checked yet", t->title); break;
    }
}

/* -- checking ------------------------------------------------------------------------------ */

static void begin(struct target *t);

static void on_done(struct client *client, void *data)
{
    struct target *t = data;
    bool wanted = t->wanted;

    t->ended++;
    if (t->stopping)
        return;
    t->wanted = false;
    target_judge(t, client, &t->last);
    t->counts[t->last.state]++;
    history_add(&t->history, clock_ms(),
                (struct history_check){.available = t->last.state == TARGET_AVAILABLE,
                                       .took_ns = t->last.total_ns});
    t->done(t, t->data);
    /* Who asked in there has begun the next one already. */
    if (wanted && !target_is_busy(t) && !t->stopping)
        begin(t);
}

static void begin(struct target *t)
{
    t->begun++;
    client_start(&t->client, t->loop, &t->url, fields, t->timeout_ms, on_done, t);
}

const char *target_init(struct target *t, struct slice name, struct slice title, const char *url,
                        uint64_t timeout_ms, target_changed *done, void *data)
{
    struct text text;
    const char *wrong;

    *t = (struct target){.timeout_ms = timeout_ms, .done = done, .data = data};
    text = TEXT_OVER(t->name);
    text_add(&text, name);
    text_string(&text);
    text = TEXT_OVER(t->title);
    text_add(&text, title);
    text_string(&text);
    text = TEXT_OVER(t->url_text);
    text_add_string(&text, url);
    text_string(&text);
    if (text.full)
        return "is too long";

    wrong = url_read(text_slice(&text), &t->url);
    if (!wrong)
        wrong = client_refuses(&t->url);
    if (wrong)
        return wrong;

    text = TEXT_OVER(t->place);
    text_add(&text, t->url.authority);
    if (!t->url.port)
        text_add_format(&text, ":%u", client_port(&t->url));
    text_string(&text);
    history_init(&t->history);
    return NULL;
}

uint64_t target_ask(struct target *t, uv_loop_t *loop)
{
    uint64_t number = t->begun + 1;

    t->loop = loop;
    if (target_is_busy(t))
        t->wanted = true;
    else if (!t->stopping)
        begin(t);
    return number;
}

void target_stop(struct target *t)
{
    t->stopping = true;
    if (target_is_busy(t))
        client_cancel(&t->client);
}

void target_overdue(const struct target *t, struct target_result *result)
{
    *result = (struct target_result){.at_s = time(NULL)};
    struct text reason = TEXT_OVER(result->reason);
    judge_failure(target_is_busy(t) ? client_phase_now(&t->client) : CLIENT_ANSWER, UV_ETIMEDOUT, 0,
                  t, result, &reason);
    text_string(&reason);
}
