/* target_test.c - who asks gets an answer no older than the question, and a thousand who ask at
 * once cost one check. The client and the server are played by the test. */
/* wrap: client_start client_cancel server_hold malloc */
#include "../web/ask.h"
#include "../web/target.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

void __wrap_client_start(struct client *c, uv_loop_t *loop, const struct url *url,
                         const char *fields, uint64_t timeout_ms, client_done *done, void *data);
void __wrap_client_cancel(struct client *c);
void __wrap_server_hold(struct server_request *r, server_gone *gone, void *data);
void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);

static uv_loop_t loop;
static struct target targets[2];
static struct asks asks;
static unsigned started, cancelled;
static bool no_memory;

void *__wrap_malloc(size_t size)
{
    return no_memory ? NULL : __real_malloc(size);
}

void __wrap_client_start(struct client *c, uv_loop_t *on, const struct url *url, const char *fields,
                         uint64_t timeout_ms, client_done *done, void *data)
{
    (void)on;
    assert(url->host.len > 0 && fields && timeout_ms > 0);
    started++;
    c->phase = CLIENT_RESOLVE;
    c->done = done;
    c->data = data;
}

void __wrap_client_cancel(struct client *c)
{
    cancelled++;
    c->error = UV_ECANCELED;
    c->done(c, c->data);
}

/* The check in flight ends: with a status, or (below 0) with an error. */
static void end_check(struct target *t, int status, const char *body)
{
    struct client *c = &t->client;

    c->error = status < 0 ? status : 0;
    c->phase = status < 0 ? CLIENT_CONNECT : CLIENT_ANSWER;
    c->tried = 1;
    client_answer_start(&c->answer, false);
    c->answer.response.status = (uint16_t)(status < 0 ? 0 : status);
    c->answer.response.head.field_count = 0;
    c->answer.body = slice_of(body);
    c->total_ns = 2000000;
    c->done(c, c->data);
}

/* -- those who ask -- */

static struct server_request requests[1000];
static server_gone *gone[1000];
static void *gone_data[1000];
static struct ask *answered[1000];
static unsigned answer_count, overdue_count;
static enum target_state said[1000];

void __wrap_server_hold(struct server_request *r, server_gone *on_gone, void *data)
{
    gone[r - requests] = on_gone;
    gone_data[r - requests] = data;
}

static void on_answer(struct ask *ask)
{
    unsigned i = (unsigned)(ask->request - requests);
    assert(!answered[i]);
    answered[i] = ask;
    answer_count++;
    said[i] = ask_result(ask, ask->first).state;
    overdue_count += ask_is_overdue(ask, ask->first);
}

static unsigned changed_calls;

static void on_changed(struct target *t, void *data)
{
    (void)t;
    assert(data == &changed_calls);
    changed_calls++;
    asks_settle(&asks);
}

static void begin(void)
{
    for (unsigned i = 0; i < 2; i++)
        assert(!target_init(&targets[i], i ? SLICE("other") : SLICE("db"),
                            i ? SLICE("other") : SLICE("DB"), "http://db-checker:5000/ping", 2400,
                            on_changed, &changed_calls));
    asks_init(&asks, &loop, targets, NULL);
    memset(answered, 0, sizeof(answered));
    started = answer_count = overdue_count = cancelled = 0;
}

static void end(void)
{
    asks_close(&asks);
    uv_run(&loop, UV_RUN_DEFAULT);
}

static void ask(unsigned i)
{
    assert(asks_add(&asks, &requests[i], 0, 1, 60000, on_answer, 0));
}

/* -- the cases -- */

static void next_check_is_shared(void)
{
    begin();
    ask(0);
    assert(started == 1);
    for (unsigned i = 1; i < 1000; i++)
        ask(i); /* while it is in flight */
    assert(started == 1);
    end_check(&targets[0], 200, "");
    assert(answer_count == 1 && answered[0] && said[0] == TARGET_AVAILABLE);
    assert(started == 2); /* for all the others, who came after it had begun */
    end_check(&targets[0], 424, "DB is not available. Error: connect: refused\n");
    assert(answer_count == 1000 && started == 2 && overdue_count == 0);
    for (unsigned i = 1; i < 1000; i++)
        assert(said[i] == TARGET_UNAVAILABLE);
    assert(strcmp(targets[0].last.reason, "connect: refused") == 0);
    end();
}

static void who_leaves_is_forgotten(void)
{
    begin();
    ask(0);
    ask(1);
    ask(2);
    gone[1](&requests[1], gone_data[1]);
    gone[0](&requests[0], gone_data[0]);
    end_check(&targets[0], 200, "");
    assert(answer_count == 0);
    end_check(&targets[0], 200, "");
    assert(answer_count == 1 && answered[2]);
    end();
}

static void several_targets(void)
{
    begin();
    assert(asks_add(&asks, &requests[0], 0, 2, 60000, on_answer, 7));
    assert(started == 2);
    end_check(&targets[1], 200, "");
    assert(answer_count == 0);
    end_check(&targets[0], 200, "");
    assert(answer_count == 1 && answered[0]->flags == 7);
    end();
}

static void patience_ends(void)
{
    begin();
    assert(asks_add(&asks, &requests[0], 0, 1, 80, on_answer, 0));
    assert(asks_add(&asks, &requests[1], 0, 1, 20, on_answer, 0)); /* before the one before it */
    assert(asks_add(&asks, &requests[2], 0, 1, 60000, on_answer, 0));
    while (answer_count < 2)
        uv_run(&loop, UV_RUN_ONCE);
    assert(answered[0] && answered[1] && overdue_count == 2);
    assert(said[0] == TARGET_FAILED);
    end_check(&targets[0], 200, "");
    end_check(&targets[0], 200, "");
    assert(answer_count == 3 && said[2] == TARGET_AVAILABLE);
    end();
}

static void handle_again(struct ask *asking)
{
    on_answer(asking);
    if (asking->request == &requests[0])
        assert(asks_add(&asks, &requests[1], 0, 1, 60000, on_answer, 0));
}

/* Pipelining: the answer to one request brings the next one, before the call returns. */
static void asks_within_answers(void)
{
    begin();
    assert(asks_add(&asks, &requests[0], 0, 1, 60000, handle_again, 0));
    end_check(&targets[0], 200, "");
    assert(answer_count == 1 && started == 2);
    end_check(&targets[0], 200, "");
    assert(answer_count == 2 && started == 2);
    end();
}

static void no_memory_is_said(void)
{
    begin();
    no_memory = true;
    assert(!asks_add(&asks, &requests[0], 0, 1, 60000, on_answer, 0));
    no_memory = false;
    assert(started == 0);
    end();
}

static void stops(void)
{
    begin();
    changed_calls = 0;
    target_stop(&targets[1]); /* idle */
    assert(cancelled == 0);
    (void)!target_ask(&targets[0], &loop);
    (void)!target_ask(&targets[0], &loop);
    target_stop(&targets[0]);
    assert(cancelled == 1 && changed_calls == 0 && started == 1);
    (void)!target_ask(&targets[0], &loop);
    assert(started == 1);
    end();
}

static void judgements(void)
{
    static const struct {
        int status;
        const char *body;
        enum target_state state;
        enum target_stop stop;
        const char *sentence;
    } cases[] = {
        {200, "", TARGET_AVAILABLE, TARGET_NOWHERE, "DB is available"},
        {204, "", TARGET_AVAILABLE, TARGET_NOWHERE, "DB is available"},
        {424, "auth: password refused\nsecond line", TARGET_UNAVAILABLE, TARGET_DATABASE,
         "DB is not available. Error: auth: password refused"},
        {424, "DB is not available. Error: query: x\x1b[31m", TARGET_UNAVAILABLE, TARGET_DATABASE,
         "DB is not available. Error: query: x"},
        {424, "", TARGET_UNAVAILABLE, TARGET_DATABASE,
         "DB is not available. Error: it does not say why"},
        {301, "", TARGET_FAILED, TARGET_STATUS,
         "could not check if DB is available: db-checker:5000 answers with status 301"},
        {503, "", TARGET_FAILED, TARGET_STATUS,
         "could not check if DB is available: db-checker:5000 answers with status 503"},
        {UV_ECONNREFUSED, "", TARGET_FAILED, TARGET_CONNECT,
         "could not check if DB is available: db-checker:5000 refuses the connection"},
    };

    begin();
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char room[512];
        struct text out = TEXT_OVER(room);
        (void)!target_ask(&targets[0], &loop);
        end_check(&targets[0], cases[i].status, cases[i].body);
        target_say(&targets[0], &targets[0].last, &out);
        if (strcmp(text_string(&out), cases[i].sentence) != 0)
            fprintf(stderr, "%s\nnot: %s\n", room, cases[i].sentence);
        assert(strcmp(room, cases[i].sentence) == 0);
        assert(targets[0].last.state == cases[i].state && targets[0].last.stop == cases[i].stop);
    }
    assert(targets[0].counts[TARGET_AVAILABLE] == 2 && targets[0].counts[TARGET_FAILED] == 3);
    end();
}

static void replicas(void)
{
    static char head[] = "HTTP/1.1 200 OK\r\nX-Replica: db-checker.web.2\r\n\r\n";
    static char evil[] = "HTTP/1.1 200 OK\r\nX-Replica: <script>\r\n\r\n";
    char *const heads[] = {head, evil};

    begin();
    for (int i = 0; i < 2; i++) {
        struct client *c = &targets[0].client;
        struct target_result result;
        c->error = 0;
        c->tried = 0;
        client_answer_start(&c->answer, true);
        assert(client_answer_read(&c->answer, heads[i], strlen(heads[i]), true) == EXCHANGE_DONE);
        target_judge(&targets[0], c, &result);
        assert(strcmp(result.replica, i == 0 ? "db-checker.web.2" : "") == 0);
        assert(!result.has_address);
    }
    end();
}

static void refusals(void)
{
    static char text[TARGET_URL_MAX + 10] = "http://a/";
    static struct target t;

    assert(target_init(&t, SLICE("db"), SLICE("DB"), "nonsense", 1, on_changed, NULL));
    assert(target_init(&t, SLICE("db"), SLICE("DB"), "https://a/", 1, on_changed, NULL));
    memset(text + 9, 'x', sizeof(text) - 10);
    assert(target_init(&t, SLICE("db"), SLICE("DB"), text, 1, on_changed, NULL));
    assert(!target_init(&t, SLICE("db"), SLICE("DB"), "http://[::1]/", 1, on_changed, NULL));
    assert(strcmp(t.place, "[::1]:80") == 0);
    for (int state = 0; state <= TARGET_STATES; state++)
        assert(target_state_name((enum target_state)state));
    assert(!target_stop_name(TARGET_NOWHERE));
    for (int stop = TARGET_RESOLVE; stop <= TARGET_DATABASE; stop++)
        assert(*target_stop_name((enum target_stop)stop));
}

int main(void)
{
    assert(uv_loop_init(&loop) == 0);
    next_check_is_shared();
    who_leaves_is_forgotten();
    several_targets();
    patience_ends();
    asks_within_answers();
    no_memory_is_said();
    stops();
    judgements();
    replicas();
    refusals();
    assert(uv_loop_close(&loop) == 0);
    return 0;
}
