/* dbping.c - see dbping.h.
 *
 * What libpq's asynchronous calls do not do, and is done here: look names up without blocking, keep
 * to deadlines (connect_timeout is ignored), and follow the socket, which may be another one after
 * every PQconnectPoll, mostly with the same number. */
#include "dbping.h"

#include <assert.h>
#include <string.h>

#define NEVER UINT64_MAX

const struct dbping_limits dbping_limits_default = {
    .total_ms = 2000,
    .resolve_ms = 1000,
    .connect_ms = 2000,
    .syn_ms = 500,
    .ask_ms = 1000,
    .backoff_min_ms = 100,
    .backoff_max_ms = 5000,
    .gap_ms = 100,
    .refused_gap_ms = 500,
};

static void dbping_arm(struct dbping *d);
static void dbping_event(struct dbping *d);
static void dbping_rest(struct dbping *d, struct dbfault fault);

/* -- the end ----------------------------------------------------------------------------------- */

/* Called by each part that ends; the last one closes the door. */
static void dbping_end(struct dbping *d)
{
    if (d->closing && !d->alarm_open && dbwatch_is_idle(&d->watch) && !dbnames_stuck(&d->names))
        d->closed(d->data);
}

static void on_idle(void *data)
{
    dbping_end(data);
}

/* -- waiters --------------------------------------------------------------------------------- */

static struct dbping_waiter *oldest(struct ring *ring)
{
    return ring_empty(ring) ? NULL : (struct dbping_waiter *)ring->next;
}

/* The answer may ask again, or make others forget: nothing is held over the call. */
static void dbping_tell(struct dbping *d, struct ring *ring, const struct dbfault *fault)
{
    struct dbping_waiter *w;

    while ((w = oldest(ring))) {
        ring_remove(&w->links);
        if (fault)
            d->counters.faults[fault->phase]++;
        else
            d->counters.available++;
        w->answer(w, fault);
    }
}

static void dbping_news(struct dbping *d, const struct dbfault *fault)
{
    if (d->known && d->counters.up == !fault && (!fault || dbfault_same(fault, &d->told)))
        return;
    d->known = true;
    d->counters.up = !fault;
    if (fault)
        d->told = *fault;
    if (d->change)
        d->change(d->data, fault);
}

/* -- the state --------------------------------------------------------------------------------- */

#define TO(s) (1u << DBPING_##s)
static const unsigned allowed[DBPING_STATES] = {
    [DBPING_RESTING] = TO(RESOLVING),
    [DBPING_RESOLVING] = TO(CONNECTING) | TO(RESTING),
    [DBPING_CONNECTING] = TO(READY) | TO(RESTING),
    [DBPING_READY] = TO(ASKING) | TO(RESTING),
    [DBPING_ASKING] = TO(READY) | TO(RESTING),
};

/* The only place where the state changes: each phase gets its own deadline. */
static void dbping_enter(struct dbping *d, enum dbping_state next)
{
    uint64_t now = uv_now(d->loop);

    assert(allowed[d->state] & (1u << next));
    d->state = next;
    d->share = NEVER;
    switch (next) {
    case DBPING_RESTING:
    case DBPING_READY: d->deadline = NEVER; break; /* nothing is owed */
    case DBPING_RESOLVING: d->deadline = now + d->limits.resolve_ms; break;
    case DBPING_CONNECTING: d->deadline = now + d->limits.connect_ms; break;
    case DBPING_ASKING: d->deadline = now + d->limits.ask_ms; break;
    case DBPING_STATES: break;
    }
}

/* What to say when the state's time, or a waiter's, is up after `ms`. */
static struct dbfault dbping_silence(const struct dbping *d, uint32_t ms)
{
    switch (d->state) {
    case DBPING_RESTING: return d->fault;
    case DBPING_RESOLVING:
        return dbfault_make(DBFAULT_RESOLVE, "no answer from the name server within %u ms", ms);
    case DBPING_CONNECTING:
        if (d->shaken)
            return dbfault_make(DBFAULT_TIMEOUT, "connect: accepted, but no session within %u ms",
                                ms);
        return dbfault_make(DBFAULT_TIMEOUT, "connect: no answer from the host within %u ms", ms);
    case DBPING_READY:
    case DBPING_ASKING:
    case DBPING_STATES: break;
    }
    return dbfault_make(DBFAULT_TIMEOUT, "query: no answer within %u ms", ms);
}

/* -- resting ----------------------------------------------------------------------------------- */

uint32_t dbping_backoff_ms(const struct dbping_limits *limits, uint32_t failures,
                           const struct dbfault *f, uint32_t random)
{
    uint64_t pause = limits->backoff_min_ms;
    uint64_t most = limits->backoff_max_ms;

    if (f->phase == DBFAULT_AUTH) {
        pause = most; /* it takes a person to change that, and each try costs the server work */
    } else if (strcmp(f->sqlstate, "57P03") == 0 && most > 500) {
        most = 500; /* starting up: it is about to be there */
    }
    for (; failures > 1 && pause < most; failures--)
        pause *= 2;
    if (pause > most)
        pause = most;
    return (uint32_t)(pause - pause / 4 + random % (pause / 2 + 1));
}

static uint32_t random_number(void)
{
    uint32_t number = 0;

    /* Without random numbers the pauses have no jitter, and that is all. */
    (void)!uv_random(NULL, NULL, &number, sizeof number, 0, NULL);
    return number;
}

/* When to try again: as the backoff says, but if somebody waits, as soon as may be. */
static uint64_t dbping_attempt_at(const struct dbping *d)
{
    uint64_t soon = d->attempted_at +
                    (d->fault.phase == DBFAULT_AUTH ? d->limits.refused_gap_ms : d->limits.gap_ms);

    return ring_empty(&d->next) || d->retry_at < soon ? d->retry_at : soon;
}

/* Order of teardown: were the descriptor closed first, libuv could take its number out of the
 * loop when it already is another connection's. */
static void dbping_disconnect(struct dbping *d)
{
    PGconn *conn = d->conn;

    dbwatch_stop(&d->watch);
    d->conn = NULL;
    PQfinish(conn);
}

/* The end of an attempt, or of a connection. An attempt that failed is news only for those who
 * asked before it began. A question that got no answer is asked once more. */
static void dbping_rest(struct dbping *d, struct dbfault fault)
{
    struct ring done;
    struct dbping_waiter *w;
    bool had_connection = d->state == DBPING_READY || d->state == DBPING_ASKING;

    ring_init(&done);
    dbping_disconnect(d);
    d->failures++;
    d->fault = fault;
    d->retry_at =
        uv_now(d->loop) + dbping_backoff_ms(&d->limits, d->failures, &fault, random_number());
    dbping_enter(d, DBPING_RESTING);

    if (had_connection) {
        d->counters.lost++;
        /* From the youngest to the oldest, each to the front: their order stays. */
        while (!ring_empty(&d->now)) {
            w = (struct dbping_waiter *)d->now.previous;
            ring_remove(&w->links);
            ring_insert(w->retried ? &done : &d->next, &w->links);
            d->counters.retries += !w->retried;
            w->retried = true;
        }
    } else {
        while ((w = oldest(&d->next)) && w->asked < d->attempt) {
            ring_append(&done, &w->links);
        }
    }
    dbping_news(d, &fault);
    dbping_tell(d, &done, &fault);
}

/* -- asking ------------------------------------------------------------------------------------ */

static void dbping_lose(struct dbping *d)
{
    if (d->last_words[0])
        dbping_rest(d, dbfault_sqlstate(DBFAULT_QUERY, d->last_words));
    else
        dbping_rest(d, dbfault_lost(PQerrorMessage(d->conn)));
}

/* READABLE is always armed: the server's last words come unasked. */
static bool dbping_flush(struct dbping *d)
{
    int left = PQflush(d->conn);

    return left >= 0 && dbwatch_change(&d->watch, UV_READABLE | (left > 0 ? UV_WRITABLE : 0));
}

static void dbping_send(struct dbping *d)
{
    ring_append_all(&d->now, &d->next);
    dbping_enter(d, DBPING_ASKING);
    d->serial++;
    d->counters.questions++;
    d->answered = false;
    d->sent_ns = uv_hrtime();
    if (!PQsendQuery(d->conn, "") || !dbping_flush(d))
        dbping_lose(d);
}

static void dbping_succeed(struct dbping *d)
{
    struct ring done;

    ring_init(&done);
    ring_append_all(&done, &d->now);
    d->failures = 0;
    d->counters.last_ns = uv_hrtime() - d->sent_ns;
    dbping_enter(d, DBPING_READY);
    dbping_news(d, NULL);
    dbping_tell(d, &done, NULL);
}

static void keep_sqlstate(struct dbping *d, const PGresult *result)
{
    const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);

    if (sqlstate)
        strncpy(d->last_words, sqlstate, sizeof d->last_words - 1);
}

/* What a server says unasked; only what ends the session is kept. */
static void on_notice(void *data, const PGresult *result)
{
    const char *severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);

    if (severity && (strcmp(severity, "FATAL") == 0 || strcmp(severity, "PANIC") == 0))
        keep_sqlstate(data, result);
}

/* Take in what the server sent, in READY or ASKING. With TLS octets may wait inside OpenSSL, so it
 * is PQisBusy that knows when all is read; and it makes libpq read notices. */
static void dbping_read(struct dbping *d)
{
    PGresult *result;

    if (!PQconsumeInput(d->conn)) {
        dbping_lose(d);
        return;
    }
    if (d->state == DBPING_READY) {
        if (PQisBusy(d->conn) || d->last_words[0] || PQstatus(d->conn) != CONNECTION_OK)
            dbping_lose(d);
        return;
    }
    while (!PQisBusy(d->conn)) {
        result = PQgetResult(d->conn);
        if (result) {
            if (PQresultStatus(result) == PGRES_EMPTY_QUERY)
                d->answered = true;
            else
                keep_sqlstate(d, result);
            PQclear(result);
        } else if (d->answered && PQtransactionStatus(d->conn) == PQTRANS_IDLE) {
            dbping_succeed(d);
            return;
        } else {
            dbping_lose(d);
            return;
        }
    }
    if (!dbping_flush(d))
        dbping_lose(d);
}

/* -- connecting -------------------------------------------------------------------------------- */

/* What else went wrong in this attempt, after libpq's last word. */
static void dbping_fail(struct dbping *d, struct dbfault fault)
{
    struct dbfault whole = fault;

    if (d->silent > 0 && d->names.count > 1)
        whole = dbfault_make(fault.phase, "%s; %u tries without answer", fault.reason, d->silent);
    else if (d->names.unresolved > 0 && d->names.count > 0)
        whole = dbfault_make(fault.phase, "%s; %u not resolved", fault.reason, d->names.unresolved);
    memcpy(whole.sqlstate, fault.sqlstate, sizeof whole.sqlstate);
    dbping_rest(d, whole);
}

/* How long libpq may stay with the present address: to shake hands, so that a host that is gone
 * does not use up the time of the next, and a lost SYN does not cost the second that the kernel
 * waits; then to let us in, if others are still to be tried. */
static void dbping_set_share(struct dbping *d)
{
    uint64_t now = uv_now(d->loop);
    uint64_t left = d->deadline > now ? d->deadline - now : 0;
    unsigned targets = d->names.count - d->target;
    uint64_t share = targets > 1 ? left / targets : left;

    if (!d->shaken && share > d->limits.syn_ms)
        share = d->limits.syn_ms;
    d->share = share < left ? now + share : NEVER;
}

static bool is_target(const struct dburl_target *t, const char *address, const char *port)
{
    return strcmp(t->address, address) == 0 &&
           (t->host->port[0] == '\0' || strcmp(t->host->port, port) == 0);
}

/* See how far libpq has come in its list. */
static void dbping_follow(struct dbping *d)
{
    const char *address = PQhostaddr(d->conn);
    const char *port = PQport(d->conn);
    ConnStatusType status = PQstatus(d->conn);
    bool shaken = status != CONNECTION_STARTED && status != CONNECTION_NEEDED;
    unsigned t = d->target;

    while (t < d->names.count && !is_target(&d->names.targets[t], address, port))
        t++;
    if (t == d->names.count)
        t = d->target; /* a local socket has no address; there is no time to share there */
    if (t != d->target || shaken != d->shaken) {
        d->target = t;
        d->shaken = shaken;
        dbping_set_share(d);
    }
}

static struct dbfault unwatchable(void)
{
    return dbfault_make(DBFAULT_CONNECT, "the socket cannot be watched");
}

static void dbping_connected(struct dbping *d)
{
    if (PQsetnonblocking(d->conn, 1) != 0) {
        dbping_fail(d, dbfault_connect(PQerrorMessage(d->conn)));
        return;
    }
    if (!dbwatch_start(&d->watch, PQsocket(d->conn), UV_READABLE)) {
        dbping_fail(d, unwatchable());
        return;
    }
    d->counters.connections++;
    dbping_enter(d, DBPING_READY);
    /* Poolers let us in without a server behind them: it is up when it has answered. */
    dbping_send(d);
}

static void dbping_connect_on(struct dbping *d, PostgresPollingStatusType status)
{
    int events = 0;

    switch (status) {
    case PGRES_POLLING_READING: events = UV_READABLE; break;
    case PGRES_POLLING_WRITING: events = UV_WRITABLE; break;
    case PGRES_POLLING_OK: dbping_connected(d); return;
    case PGRES_POLLING_ACTIVE: /* unused since libpq 7.3 */
    case PGRES_POLLING_FAILED: dbping_fail(d, dbfault_connect(PQerrorMessage(d->conn))); return;
    }
    dbping_follow(d);
    if (!dbwatch_start(&d->watch, PQsocket(d->conn), events))
        dbping_fail(d, unwatchable());
}

/* Let libpq try the addresses from d->target on. */
static void dbping_connect(struct dbping *d)
{
    d->last_words[0] = '\0';
    d->shaken = false;
    d->conn = dburl_connect(d->url, &d->names.targets[d->target], d->names.count - d->target);
    if (!d->conn) {
        dbping_fail(d, dbfault_make(DBFAULT_CONNECT, "out of memory"));
        return;
    }
    /* The only way to learn the SQLSTATE of a failed login. */
    PQsetErrorVerbosity(d->conn, PQERRORS_SQLSTATE);
    PQsetNoticeReceiver(d->conn, on_notice, d);
    dbping_set_share(d);
    dbping_connect_on(d, PQstatus(d->conn) == CONNECTION_BAD ? PGRES_POLLING_FAILED
                                                             : PGRES_POLLING_WRITING);
}

/* The present address had its share of time. After the last one the first gets another chance:
 * what dropped its SYN may be mended. */
static void dbping_next_target(struct dbping *d)
{
    d->silent++;
    d->target = (d->target + 1) % d->names.count;
    dbping_disconnect(d);
    dbping_connect(d);
}

/* -- resolving --------------------------------------------------------------------------------- */

static void dbping_resolved(struct dbping *d)
{
    if (d->names.count == 0) {
        dbping_fail(d, d->names.fault);
        return;
    }
    dbping_enter(d, DBPING_CONNECTING);
    dbping_connect(d);
}

static void on_names(void *data)
{
    struct dbping *d = data;

    if (d->closing)
        dbping_end(d);
    else if (d->state == DBPING_RESOLVING)
        dbping_resolved(d);
    dbping_arm(d);
}

/* Go on with what is known of the other hosts, if anything is. */
static void dbping_resolve_timeout(struct dbping *d)
{
    struct dbfault silence = dbping_silence(d, d->limits.resolve_ms);

    dbnames_stop(&d->names, &silence);
    dbping_resolved(d);
}

/* -- one step at a time ------------------------------------------------------------------------ */

static void dbping_attempt(struct dbping *d)
{
    d->attempt = ++d->serial;
    d->attempted_at = uv_now(d->loop);
    d->counters.attempts++;
    d->silent = d->target = 0;
    dbping_enter(d, DBPING_RESOLVING);
    dbnames_start(&d->names);
}

static void dbping_event(struct dbping *d)
{
    switch (d->state) {
    case DBPING_CONNECTING: dbping_connect_on(d, PQconnectPoll(d->conn)); break;
    case DBPING_READY:
    case DBPING_ASKING: dbping_read(d); break;
    case DBPING_RESTING:
    case DBPING_RESOLVING:
    case DBPING_STATES: break; /* nothing is watched */
    }
}

static void on_event(void *data)
{
    dbping_event(data);
    dbping_arm(data);
}

/* Their time is up, whatever is going on. */
static void dbping_expire(struct dbping *d, struct ring *ring)
{
    struct ring done;
    struct dbping_waiter *w;
    struct dbfault fault;

    ring_init(&done);
    while ((w = oldest(ring)) && w->deadline <= uv_now(d->loop)) {
        ring_append(&done, &w->links);
    }
    if (ring_empty(&done))
        return;
    fault = dbping_silence(d, d->limits.total_ms);
    dbping_tell(d, &done, &fault);
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t first_deadline(struct ring *ring)
{
    const struct dbping_waiter *w = oldest(ring);

    return w ? w->deadline : NEVER;
}

/* When the first of all that is owed is due. */
static uint64_t dbping_owed(struct dbping *d)
{
    uint64_t waiters = earlier(first_deadline(&d->now), first_deadline(&d->next));

    return earlier(waiters, earlier(d->deadline, d->share));
}

/* The alarm also starts things: an attempt after a pause; and a question, at the end of the loop's
 * turn, so that all who asked in one turn share it. */
static void on_alarm(uv_timer_t *alarm)
{
    struct dbping *d = alarm->data;
    uint64_t now = uv_now(d->loop);

    d->alarm_at = NEVER;
    if (dbping_owed(d) <= now) {
        /* Timers run before I/O: when time is up the answer may be here already. */
        if (dbwatch_ready(&d->watch))
            dbping_event(d);
        dbping_expire(d, &d->now);
        dbping_expire(d, &d->next);
    }
    switch (d->state) {
    case DBPING_RESTING:
        if (dbping_attempt_at(d) <= now)
            dbping_attempt(d);
        break;
    case DBPING_RESOLVING:
        if (d->deadline <= now)
            dbping_resolve_timeout(d);
        break;
    case DBPING_CONNECTING:
        if (d->deadline <= now)
            dbping_fail(d, dbping_silence(d, d->limits.connect_ms));
        else if (d->share <= now)
            dbping_next_target(d);
        break;
    case DBPING_READY:
        if (!ring_empty(&d->next))
            dbping_send(d);
        break;
    case DBPING_ASKING:
        if (d->deadline <= now)
            dbping_rest(d, dbping_silence(d, d->limits.ask_ms));
        break;
    case DBPING_STATES: break;
    }
    dbping_arm(d);
}

/* One timer for everything. It may ring early, for what is no longer owed, but never late; so it
 * is not set anew for each question. */
static void dbping_arm(struct dbping *d)
{
    uint64_t now = uv_now(d->loop);
    uint64_t due = dbping_owed(d);

    if (d->closing)
        return;
    if (d->state == DBPING_RESTING)
        due = earlier(due, dbping_attempt_at(d));
    else if (d->state == DBPING_READY && !ring_empty(&d->next))
        due = now;
    if (due >= d->alarm_at)
        return;
    d->alarm_at = due;
    uv_timer_start(&d->alarm, on_alarm, due > now ? due - now : 0, 0);
}

/* -- for the owner ----------------------------------------------------------------------------- */

static uint32_t at_most(uint32_t ms, uint32_t most)
{
    return ms < most ? ms : most;
}

int dbping_init(struct dbping *d, uv_loop_t *loop, const struct dburl *url,
                const struct dbping_limits *limits, dbping_change *change, void *data)
{
    int error;

    *d = (struct dbping){
        .loop = loop,
        .url = url,
        .limits = *limits,
        .change = change,
        .data = data,
        .state = DBPING_RESTING,
        .deadline = NEVER,
        .share = NEVER,
        .alarm_at = NEVER,
    };
    /* No phase outlives the whole. */
    d->limits.resolve_ms = at_most(limits->resolve_ms, limits->total_ms);
    d->limits.connect_ms = at_most(limits->connect_ms, limits->total_ms);
    d->limits.ask_ms = at_most(limits->ask_ms, limits->total_ms);
    d->fault = dbfault_make(DBFAULT_TIMEOUT, "no attempt to connect yet");
    dbwatch_init(&d->watch, loop, on_event, on_idle, d);
    dbnames_init(&d->names, loop, url, on_names, d);
    ring_init(&d->next);
    ring_init(&d->now);
    error = uv_timer_init(loop, &d->alarm);
    if (error != 0)
        return error;
    d->alarm.data = d;
    d->alarm_open = true;
    d->retry_at = uv_now(loop);
    dbping_arm(d);
    return 0;
}

void dbping_ask(struct dbping *d, struct dbping_waiter *w, dbping_answer *answer)
{
    w->answer = answer;
    w->deadline = uv_now(d->loop) + d->limits.total_ms;
    w->asked = d->serial;
    w->retried = false;
    ring_insert(d->next.previous, &w->links);
    dbping_arm(d);
}

bool dbping_stuck(const struct dbping *d)
{
    return dbnames_stuck(&d->names);
}

void dbping_forget(struct dbping *d, struct dbping_waiter *w)
{
    (void)d;
    ring_remove(&w->links);
}

static void on_alarm_closed(uv_handle_t *handle)
{
    struct dbping *d = handle->data;

    d->alarm_open = false;
    dbping_end(d);
}

void dbping_close(struct dbping *d, dbping_closed *closed)
{
    assert(ring_empty(&d->next) && ring_empty(&d->now));
    d->closed = closed;
    d->closing = true;
    dbnames_cancel(&d->names);
    dbping_disconnect(d);
    uv_close((uv_handle_t *)&d->alarm, on_alarm_closed);
}
