/* dbping_test.c - the connection's life against a server that fails as told, and with every call
 * that may fail failing in turn. */
/* wrap: PQconnectStartParams PQsetnonblocking PQsendQuery PQflush PQconsumeInput uv_getaddrinfo */
/* wrap: uv_poll_init uv_poll_start uv_random uv_cancel */
#include "dbping.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fake_postgres.h"

/* -- calls that can be made to fail ------------------------------------------------------------ */

static int calls, fail_at, fail_from;

static bool fails(void)
{
    calls++;
    return calls == fail_at || (fail_from && calls >= fail_from);
}

#define WRAP(type, name, parameters, arguments, failure)      \
    type __real_##name parameters;                            \
    type __wrap_##name parameters;                            \
    type __wrap_##name parameters                             \
    {                                                         \
        return fails() ? (failure) : __real_##name arguments; \
    }

WRAP(PGconn *, PQconnectStartParams, (const char *const *k, const char *const *v, int x), (k, v, x),
     NULL)
WRAP(int, PQsetnonblocking, (PGconn * c, int on), (c, on), -1)
WRAP(int, PQsendQuery, (PGconn * c, const char *q), (c, q), 0)
WRAP(int, PQflush, (PGconn * c), (c), -1)
WRAP(int, PQconsumeInput, (PGconn * c), (c), 0)
WRAP(int, uv_poll_init, (uv_loop_t * l, uv_poll_t *h, int fd), (l, h, fd), UV_ENOMEM)
WRAP(int, uv_poll_start, (uv_poll_t * h, int events, uv_poll_cb cb), (h, events, cb), UV_EBADF)
WRAP(int, uv_random,
     (uv_loop_t * l, uv_random_t *r, void *buf, size_t n, unsigned f, uv_random_cb cb),
     (l, r, buf, n, f, cb), UV_ENOSYS)

/* Names are looked up here: what `names` holds, after `lookup_ms`. */
static struct {
    int lookup_ms;
    int status;
    int lookups;
    bool real;
} resolver;

struct lookup {
    uv_timer_t timer;
    uv_getaddrinfo_t *request;
    uv_getaddrinfo_cb done;
};

int __real_uv_getaddrinfo(uv_loop_t *l, uv_getaddrinfo_t *r, uv_getaddrinfo_cb cb, const char *node,
                          const char *service, const struct addrinfo *hints);
int __wrap_uv_getaddrinfo(uv_loop_t *l, uv_getaddrinfo_t *r, uv_getaddrinfo_cb cb, const char *node,
                          const char *service, const struct addrinfo *hints);

static void lookup_closed(uv_handle_t *timer)
{
    free(timer->data);
}

static void lookup_done(uv_timer_t *timer)
{
    struct lookup *lookup = timer->data;

    uv_close((uv_handle_t *)timer, lookup_closed);
    lookup->done(lookup->request, resolver.status, NULL);
}

int __wrap_uv_getaddrinfo(uv_loop_t *l, uv_getaddrinfo_t *r, uv_getaddrinfo_cb cb, const char *node,
                          const char *service, const struct addrinfo *hints)
{
    struct lookup *lookup;

    resolver.lookups++;
    if (fails())
        return UV_ENOMEM;
    if (resolver.real)
        return __real_uv_getaddrinfo(l, r, cb, node, service, hints);
    lookup = malloc(sizeof *lookup);
    assert(lookup);
    lookup->request = r;
    lookup->done = cb;
    uv_timer_init(l, &lookup->timer);
    lookup->timer.data = lookup;
    uv_timer_start(&lookup->timer, lookup_done, (uint64_t)resolver.lookup_ms, 0);
    return 0;
}

int __real_uv_cancel(uv_req_t *r);
int __wrap_uv_cancel(uv_req_t *r);

int __wrap_uv_cancel(uv_req_t *r)
{
    return resolver.real ? __real_uv_cancel(r) : UV_EBUSY;
}

/* -- the stage --------------------------------------------------------------------------------- */

enum { ASKERS = 64 };

static uv_loop_t loop;
static struct fake fake;
static struct dburl url;
static struct dbping dbping;
static struct dbping_waiter waiters[ASKERS];
static struct dbfault answers[ASKERS];
static bool available[ASKERS];
static int answered;
static char changes[1024];

static const struct dbping_limits quick = {
    .total_ms = 400,
    .resolve_ms = 100,
    .connect_ms = 300,
    .syn_ms = 100,
    .ask_ms = 150,
    .backoff_min_ms = 10,
    .backoff_max_ms = 80,
    .gap_ms = 10,
    .refused_gap_ms = 30,
};

static void on_change(void *data, const struct dbfault *fault)
{
    (void)data;
    snprintf(changes + strlen(changes), sizeof changes - strlen(changes), "%s ",
             fault ? dbfault_phase_name(fault->phase) : "up");
}

static void on_answer(struct dbping_waiter *w, const struct dbfault *fault)
{
    long i = w - waiters;

    answered++;
    available[i] = !fault;
    if (fault)
        answers[i] = *fault;
    uv_stop(&loop);
}

static void ask(int i)
{
    dbping_ask(&dbping, &waiters[i], on_answer);
}

/* Run until so many answers have come. A guard ends a test that would wait for ever. */
static void await_answers(int n)
{
    uint64_t start;

    uv_update_time(&loop);
    start = uv_now(&loop);
    while (answered < n) {
        uv_run(&loop, UV_RUN_ONCE);
        assert(uv_now(&loop) - start < 20000);
    }
}

static void wake_up(uv_timer_t *timer)
{
    uv_close((uv_handle_t *)timer, NULL);
}

static void await_true(bool (*condition)(void))
{
    uint64_t start = uv_now(&loop);

    while (!condition()) {
        uv_run(&loop, UV_RUN_ONCE);
        assert(uv_now(&loop) - start < 20000);
    }
}

static void let_pass(uint64_t ms)
{
    uv_timer_t timer;

    uv_timer_init(&loop, &timer);
    uv_update_time(&loop);
    uv_timer_start(&timer, wake_up, ms, 0);
    while (uv_is_active((uv_handle_t *)&timer) || !uv_is_closing((uv_handle_t *)&timer))
        uv_run(&loop, UV_RUN_ONCE);
    uv_run(&loop, UV_RUN_NOWAIT); /* the timer's close callback */
}

static void set_stage(enum fake_manner manner)
{
    calls = fail_at = fail_from = answered = 0;
    changes[0] = '\0';
    memset(available, 0, sizeof available);
    assert(uv_loop_init(&loop) == 0);
    fake_start(&fake, &loop, manner);
}

/* Come to the stage with a URL in which # is the server's port. */
static void enter(const char *with, const struct dbping_limits *limits)
{
    char string[256] = "", complaint[256] = "";
    struct text filled = TEXT_OVER(string);
    struct text error = TEXT_OVER(complaint);

    for (; *with; with++)
        if (*with == '#')
            text_add_number(&filled, (uint64_t)fake.port);
        else
            text_add_char(&filled, *with);
    text_string(&filled);
    if (!dburl_read(&url, string, &error))
        fprintf(stderr, "%s\n", text_string(&error));
    assert(error.len == 0);
    calls = 0;
    assert(dbping_init(&dbping, &loop, &url, limits, on_change, NULL) == 0);
}

static const char good_url[] = "postgres://u:SECRET@127.0.0.1:#/db?sslmode=disable";

static void set(enum fake_manner manner)
{
    set_stage(manner);
    enter(good_url, &quick);
}

static void on_closed(void *data)
{
    (void)data;
}

/* What is left open would keep the loop from closing. */
static void strike(void)
{
    fail_at = fail_from = 0;
    dbping_close(&dbping, on_closed);
    fake_stop(&fake);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert(uv_loop_close(&loop) == 0);
    dburl_free(&url);
}

static void failed(int i, enum dbfault_phase phase, const char *reason)
{
    if (available[i] || answers[i].phase != phase || !strstr(answers[i].reason, reason))
        fprintf(stderr, "waiter %d: %s: %s\n", i,
                available[i] ? "available" : dbfault_phase_name(answers[i].phase),
                answers[i].reason);
    assert(!available[i] && answers[i].phase == phase && strstr(answers[i].reason, reason));
    assert(!strstr(answers[i].reason, "SECRET"));
}

/* -- what a good database gives ---------------------------------------------------------------- */

static bool is_ready(void)
{
    return dbping.state == DBPING_READY;
}

static void test_available(void)
{
    set(FAKE_WELL);
    ask(0);
    await_answers(1);
    assert(available[0] && strcmp(changes, "up ") == 0);
    assert(dbping.counters.up && dbping.counters.available == 1);
    strike();
}

/* However many ask at once: one question. And the connection is kept. */
static void test_one_question_for_all(void)
{
    set(FAKE_WELL);
    await_true(is_ready);
    fake.queries = 0;
    for (int i = 0; i < ASKERS; i++)
        ask(i);
    await_answers(ASKERS);
    for (int i = 0; i < ASKERS; i++)
        assert(available[i]);
    assert(fake.queries == 1 && fake.connections == 1);
    strike();
}

static bool one_is_asked(void)
{
    return fake.queries == 2; /* the first was the connection's own */
}

/* Who comes while a question is on its way does not get its answer, but the next. */
static void test_joins_the_next(void)
{
    set(FAKE_WELL);
    await_true(is_ready);
    fake.peers->manner = FAKE_HOLDS_QUERY;
    ask(0);
    await_true(one_is_asked);
    ask(1);
    ask(2);
    assert(answered == 0);
    fake_release(&fake);
    await_answers(3);
    assert(available[0] && available[1] && available[2]);
    assert(fake.queries == 3 && fake.connections == 1);
    strike();
}

static void test_forgotten(void)
{
    set(FAKE_WELL);
    ask(0);
    ask(1);
    dbping_forget(&dbping, &waiters[0]);
    await_answers(1);
    assert(available[1] && !available[0]);
    await_true(is_ready);
    fake.peers->manner = FAKE_HOLDS_QUERY;
    ask(2);
    while (dbping.state != DBPING_ASKING)
        uv_run(&loop, UV_RUN_ONCE);
    dbping_forget(&dbping, &waiters[2]); /* its question is on its way */
    fake_release(&fake);
    ask(3);
    await_answers(2);
    assert(available[3] && !available[2]);
    strike();
}

static void ask_again(struct dbping_waiter *w, const struct dbfault *fault)
{
    assert(!fault);
    if (++answered < 3)
        dbping_ask(&dbping, w, ask_again);
}

static void test_asks_again_from_its_answer(void)
{
    set(FAKE_WELL);
    dbping_ask(&dbping, &waiters[0], ask_again);
    await_answers(3);
    assert(fake.connections == 1);
    strike();
}

/* -- what a connection that breaks gives ------------------------------------------------------- */

/* A session that ends while nobody asks is noticed, and replaced. */
static void test_lost_while_idle(void)
{
    set(FAKE_WELL);
    await_true(is_ready);
    fake_end_sessions(&fake, "57P01");
    while (dbping.counters.connections < 2 || !is_ready())
        uv_run(&loop, UV_RUN_ONCE);
    assert(strcmp(changes, "up query up ") == 0);
    assert(strcmp(dbping.told.sqlstate, "57P01") == 0);
    ask(0);
    await_answers(1);
    assert(available[0] && dbping.counters.lost == 1);
    strike();
}

/* Whoever asks just then does not hear of it. */
static void retried(enum fake_manner manner, int retries)
{
    set(FAKE_WELL);
    await_true(is_ready);
    fake.peers->manner = manner;
    ask(0);
    ask(1);
    await_answers(2);
    assert(available[0] && available[1]);
    assert(fake.connections == 2 && dbping.counters.retries == (uint64_t)retries);
    strike();
}

static void test_asked_once_more(void)
{
    retried(FAKE_ENDS_ON_QUERY, 2);
    retried(FAKE_CLOSES_ON_QUERY, 2);
    retried(FAKE_HOLDS_QUERY, 2); /* silence: after ask_ms */
}

/* Once more, and not for ever. */
static void test_asked_only_once_more(void)
{
    set(FAKE_CLOSES_ON_QUERY);
    ask(0);
    await_answers(1);
    failed(0, DBFAULT_QUERY, "closed the connection");
    assert(fake.queries == 2);
    strike();

    set(FAKE_ENDS_ON_QUERY);
    ask(0);
    await_answers(1);
    failed(0, DBFAULT_QUERY, "ended the session");
    assert(strcmp(answers[0].sqlstate, "57P01") == 0);
    strike();
}

static void test_silent_queries(void)
{
    uint64_t start;

    set(FAKE_HOLDS_QUERY);
    start = uv_now(&loop);
    ask(0);
    await_answers(1);
    failed(0, DBFAULT_TIMEOUT, "query");
    assert(uv_now(&loop) - start >= quick.ask_ms);
    strike();
}

/* -- what a database that is away gives -------------------------------------------------------- */

static void refused_with(enum fake_manner manner, const char *sqlstate, enum dbfault_phase phase,
                         const char *reason)
{
    set(manner);
    fake.sqlstate = sqlstate;
    ask(0);
    await_answers(1);
    failed(0, phase, reason);
    if (manner == FAKE_REFUSES)
        assert(strcmp(answers[0].sqlstate, sqlstate) == 0);
    assert(!dbping.counters.up && dbping.counters.faults[phase] == 1);
    strike();
}

static void test_refused(void)
{
    refused_with(FAKE_REFUSES, "28P01", DBFAULT_AUTH, "password");
    refused_with(FAKE_REFUSES, "3D000", DBFAULT_AUTH, "no such database");
    refused_with(FAKE_REFUSES, "53300", DBFAULT_CONNECT, "too many connections");
    refused_with(FAKE_REFUSES, "57P03", DBFAULT_CONNECT, "starting up");
    refused_with(FAKE_HANGS_UP, "", DBFAULT_CONNECT, "closed the connection");
    refused_with(FAKE_GARBAGE, "", DBFAULT_AUTH, "expected authentication request");
    refused_with(FAKE_SILENT, "", DBFAULT_TIMEOUT, "accepted, but no session");
}

static void test_nobody_listens(void)
{
    set_stage(FAKE_WELL);
    enter("postgres://u:SECRET@127.0.0.1:1/db", &quick);
    ask(0);
    await_answers(1);
    failed(0, DBFAULT_CONNECT, "refused");
    strike();
}

static void test_tls_cut(void)
{
    set_stage(FAKE_BREAKS_TLS);
    enter("postgres://u:SECRET@127.0.0.1:#/db?sslmode=require", &quick);
    ask(0);
    await_answers(1);
    assert(!available[0] && answers[0].phase == DBFAULT_CONNECT);
    strike();
}

/* libpq goes on without TLS, on a new socket of the same number. */
static void test_socket_changes(void)
{
    set_stage(FAKE_BREAKS_TLS);
    enter("postgres://u:SECRET@127.0.0.1:#/db?sslmode=prefer", &quick);
    ask(0);
    await_answers(1);
    assert(available[0] && fake.connections == 2);
    strike();
}

/* News of an attempt that began earlier is no answer. */
static bool is_connecting(void)
{
    return dbping.state == DBPING_CONNECTING && fake.connections > 0;
}

static void test_late_comers_get_their_own_attempt(void)
{
    set(FAKE_SILENT);
    fake_turn(&fake, 1, FAKE_SILENT, FAKE_WELL);
    ask(0);
    await_true(is_connecting);
    ask(1);
    await_answers(2);
    failed(0, DBFAULT_TIMEOUT, "accepted, but no session");
    assert(available[1] && dbping.counters.attempts == 2);
    strike();
}

static void test_comes_back(void)
{
    set(FAKE_REFUSES);
    fake.sqlstate = "57P03";
    fake_turn(&fake, 3, FAKE_REFUSES, FAKE_WELL);
    await_true(is_ready); /* by itself */
    assert(dbping.counters.attempts == 4);
    assert(strcmp(changes, "connect up ") == 0); /* and said once, not three times */
    strike();
}

/* The login is not tried for each request. */
static void test_refused_logins_are_rare(void)
{
    set(FAKE_REFUSES);
    fake.sqlstate = "28P01";
    for (int i = 0; i < 10; i++) {
        ask(i);
        await_answers(i + 1);
        failed(i, DBFAULT_AUTH, "password");
    }
    assert(uv_now(&loop) - dbping.attempted_at < 1000);
    assert(dbping.counters.attempts <= 10);
    strike();
}

/* -- several hosts ----------------------------------------------------------------------------- */

static void test_next_host_when_one_refuses(void)
{
    set_stage(FAKE_WELL);
    enter("host=127.0.0.1,127.0.0.2 port=1,# user=u sslmode=disable", &quick);
    ask(0);
    await_answers(1);
    failed(0, DBFAULT_CONNECT, "refused"); /* nobody listens on .2 */
    strike();

    set_stage(FAKE_WELL);
    enter("host=127.0.0.1,127.0.0.1 port=1,# user=u sslmode=disable", &quick);
    ask(0);
    await_answers(1);
    assert(available[0]);
    strike();
}

/* A host that says nothing gets its share of the time, and the next has the rest. */
static void test_next_host_when_one_is_silent(void)
{
    set_stage(FAKE_SILENT);
    enter("host=127.0.0.1,localhost port=# user=u sslmode=disable", &quick);
    resolver.real = true;
    fake_turn(&fake, 1, FAKE_SILENT, FAKE_WELL);
    ask(0);
    await_answers(1);
    assert(available[0] && fake.connections == 2);
    resolver.real = false;
    strike();
}

static void test_silence_is_told_with_the_last_word(void)
{
    set_stage(FAKE_SILENT);
    enter("host=127.0.0.1,127.0.0.1 port=#,1 user=u sslmode=disable", &quick);
    ask(0);
    await_answers(1);
    failed(0, DBFAULT_CONNECT, "refused; 1 tries without answer");
    strike();
}

/* -- names ------------------------------------------------------------------------------------- */

static void test_name_unknown(void)
{
    resolver.status = UV_EAI_NONAME;
    resolver.lookup_ms = 0;
    set_stage(FAKE_WELL);
    enter("postgres://u:SECRET@db/db", &quick);
    ask(0);
    await_answers(1);
    failed(0, DBFAULT_RESOLVE, "unknown");
    resolver.status = UV_EAI_AGAIN;
    ask(1);
    await_answers(2);
    failed(1, DBFAULT_RESOLVE, "no usable answer");
    resolver.status = UV_EAI_MEMORY;
    ask(2);
    await_answers(3);
    failed(2, DBFAULT_RESOLVE, uv_strerror(UV_EAI_MEMORY));
    strike();
}

/* One lookup at a time; an answer that comes too late is for nobody. */
static void test_silent_name_server(void)
{
    resolver.status = UV_EAI_AGAIN;
    resolver.lookup_ms = 250;
    set_stage(FAKE_WELL);
    enter("postgres://u:SECRET@db/db", &quick);
    resolver.lookups = 0;
    ask(0);
    await_answers(1);
    failed(0, DBFAULT_RESOLVE, "no answer from the name server within 100 ms");
    assert(dbping_stuck(&dbping));
    ask(1);
    await_answers(2);
    failed(1, DBFAULT_RESOLVE, "no answer from the name server");
    assert(resolver.lookups == 1);
    while (dbping_stuck(&dbping))
        uv_run(&loop, UV_RUN_ONCE);
    let_pass(2 * (uint64_t)quick.backoff_max_ms);
    assert(resolver.lookups > 1); /* and the next attempt asks anew */
    strike();
}

static void test_one_of_two_names_resolves(void)
{
    resolver.status = UV_EAI_NONAME;
    resolver.lookup_ms = 0;
    set_stage(FAKE_WELL);
    enter("host=db,127.0.0.1 port=# user=u sslmode=disable", &quick);
    ask(0);
    await_answers(1);
    assert(available[0]);
    strike();

    set_stage(FAKE_WELL);
    enter("host=db,127.0.0.1 port=1 user=u sslmode=disable", &quick);
    ask(0);
    await_answers(1);
    failed(0, DBFAULT_CONNECT, "refused; 1 not resolved");
    strike();

    /* The other is known, so it is tried when the name's time is up. */
    resolver.lookup_ms = 300;
    set_stage(FAKE_WELL);
    enter("host=127.0.0.1,db port=# user=u sslmode=disable", &quick);
    ask(0);
    await_answers(1);
    assert(available[0]);
    strike();
    resolver.lookup_ms = 0;
}

static void test_resolves(void)
{
    resolver.real = true;
    set_stage(FAKE_WELL);
    enter("postgres://u:SECRET@localhost:#/db?sslmode=disable", &quick);
    ask(0);
    await_answers(1);
    assert(available[0]);
    strike();
    resolver.real = false;
}

/* -- numbers ----------------------------------------------------------------------------------- */

static void backoff_is(uint32_t failures, enum dbfault_phase phase, const char *sqlstate,
                       uint32_t middle)
{
    const struct dbping_limits *l = &dbping_limits_default;
    struct dbfault f = dbfault_make(phase, "x");

    snprintf(f.sqlstate, sizeof f.sqlstate, "%s", sqlstate);
    assert(dbping_backoff_ms(l, failures, &f, 0) == middle - middle / 4);
    assert(dbping_backoff_ms(l, failures, &f, middle / 2) == middle + middle / 4);
    for (uint32_t random = 1; random; random *= 3) {
        uint32_t ms = dbping_backoff_ms(l, failures, &f, random);
        assert(ms >= middle - middle / 4 && ms <= middle + middle / 4);
        if (random > UINT32_MAX / 3)
            break;
    }
}

static void test_backoff(void)
{
    backoff_is(1, DBFAULT_CONNECT, "", 100);
    backoff_is(2, DBFAULT_CONNECT, "", 200);
    backoff_is(3, DBFAULT_CONNECT, "", 400);
    backoff_is(7, DBFAULT_CONNECT, "", 5000);
    backoff_is(UINT32_MAX, DBFAULT_CONNECT, "", 5000);
    backoff_is(1, DBFAULT_CONNECT, "57P03", 100);
    backoff_is(9, DBFAULT_CONNECT, "57P03", 500);
    backoff_is(1, DBFAULT_AUTH, "28P01", 5000);
}

/* -- everything that can fail, fails ----------------------------------------------------------- */

/* One call fails, the n-th for every n: whoever asks gets an answer all the same, and as the
 * database is well, a good one. */
static void test_each_call_fails_once(void)
{
    int last = 0;

    resolver.real = true;
    for (int n = 1; last == 0; n++) {
        set_stage(FAKE_WELL);
        enter("host=127.0.0.1,localhost port=1,# user=u sslmode=disable", &quick);
        fail_at = n;
        ask(0);
        await_answers(1);
        ask(1);
        ask(2);
        await_answers(3);
        assert(available[1] && available[2]);
        if (calls < n)
            last = n;
        strike();
    }
    resolver.real = false;
    assert(last > 10);
}

/* From the n-th on all calls fail: everybody is told that it is not available, in time. */
static void test_all_calls_fail_from(void)
{
    for (int n = 1; n < 15; n++) {
        set(FAKE_WELL);
        fail_from = n;
        for (int i = 0; i < 5; i++) {
            ask(i);
            await_answers(i + 1);
        }
        assert(!available[4]);
        strike();
    }
}

int main(void)
{
    test_available();
    test_one_question_for_all();
    test_joins_the_next();
    test_forgotten();
    test_asks_again_from_its_answer();
    test_lost_while_idle();
    test_asked_once_more();
    test_asked_only_once_more();
    test_silent_queries();
    test_refused();
    test_nobody_listens();
    test_tls_cut();
    test_socket_changes();
    test_late_comers_get_their_own_attempt();
    test_comes_back();
    test_refused_logins_are_rare();
    test_next_host_when_one_refuses();
    test_next_host_when_one_is_silent();
    test_silence_is_told_with_the_last_word();
    test_name_unknown();
    test_silent_name_server();
    test_one_of_two_names_resolves();
    test_resolves();
    test_backoff();
    test_each_call_fails_once();
    test_all_calls_fail_from();
    return 0;
}
