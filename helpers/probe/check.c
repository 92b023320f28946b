/* check.c - see check.h.
 *
 * A check is one target. It looks its name up, then opens one contact for each address, and when
 * the last contact is over (and a spread is wanted) asks over and over, one request at a time, each
 * with a lookup and a deadline of its own, through a contact of their own: what was found stays. */
#include "check.h"

#include <stdlib.h>
#include <uv.h>

#include "client.h"
#include "exchange.h"
#include "greeting.h"
#include "lookup.h"
#include "url.h"

enum {
    LINE_OCTETS_MAX = 48 * 1024, /* a line of JSON about 64 addresses, with room */
    CONTACT_ANSWER_MAX = 16384,  /* a whole head of HTTP */
};

struct check;

/* One address that is asked. */
struct contact {
    struct check *check;
    union lookup_address address;
    struct exchange exchange;
    struct client_answer answer;
    char buf[CONTACT_ANSWER_MAX];
};

struct share {
    union lookup_address address;
    unsigned count;
};

struct check {
    struct url url;
    uint16_t port;
    const struct greeting *greeting; /* NULL: HTTP */
    const char *target;
    const struct check_limits *limits;
    uv_loop_t *loop;
    size_t *running; /* checks that are not over */
    struct text request;
    char request_text[CLIENT_REQUEST_MAX];

    struct lookup lookup;
    uint64_t started_ns;
    uint64_t resolve_ns;
    int resolve_error;
    unsigned count; /* contacts, */
    unsigned busy;  /* those not yet over */
    bool out_of_memory;
    struct contact *contacts; /* one for each address, and the spread's */

    uint64_t spread_until_ns;
    unsigned asked; /* of limits.requests */
    unsigned unanswered;
    unsigned share_count;
    struct share shares[LOOKUP_ADDRESSES_MAX];
};

static bool is_http(struct slice scheme)
{
    return slice_is_nocase(scheme, SLICE("http"));
}

const char *check_refuses(const char *target)
{
    struct url url;
    const char *wrong = url_read(slice_of(target), &url);

    if (wrong)
        return wrong;
    if (strlen(target) > CHECK_TARGET_MAX)
        return "is too long";
    if (is_http(url.scheme))
        return client_refuses(&url);
    const struct greeting *greeting = greeting_of(url.scheme);
    if (!greeting)
        return "has a scheme that is not known here";
    if (!url.port && !greeting->port)
        return "has no port";
    return NULL;
}

static uint64_t left_ms(const struct check *c)
{
    uint64_t passed = (clock_ns() - c->started_ns) / 1000000;
    return passed < c->limits->timeout_ms ? c->limits->timeout_ms - passed : 0;
}

/* -- asking -------------------------------------------------------------------------------- */

static void contact_start(struct contact *contact, const union lookup_address *address,
                          exchange_done *done)
{
    struct check *c = contact->check;
    uint64_t left = left_ms(c);

    client_answer_start(&contact->answer, true);
    struct exchange_plan plan = {
        .to = &address->any,
        .say = text_slice(&c->request),
        .buf = contact->buf,
        .capacity = sizeof(contact->buf),
        .connect_ms = left,
        .total_ms = left,
        .read = client_answer_read,
        .reader = &contact->answer,
        .done = done,
        .data = contact,
    };
    if (c->greeting) {
        bool speaks = c->greeting->read || c->greeting->answers[0].len > 0;
        plan.say = c->greeting->say;
        plan.read = speaks ? greeting_read : NULL;
        plan.reader = (void *)(uintptr_t)c->greeting; /* only read */
    }
    exchange_start(&contact->exchange, c->loop, &plan);
}

static void spread_next(struct check *c);

/* The loop is not left to end by itself: a thread that nobody waits for may hold it up. */
static void check_over(struct check *c)
{
    if (--*c->running == 0)
        uv_stop(c->loop);
}

static bool address_is(const union lookup_address *a, const union lookup_address *b)
{
    if (a->any.sa_family != b->any.sa_family)
        return false;
    if (a->any.sa_family == AF_INET)
        return a->v4.sin_addr.s_addr == b->v4.sin_addr.s_addr;
    return memcmp(&a->v6.sin6_addr, &b->v6.sin6_addr, sizeof(a->v6.sin6_addr)) == 0;
}

static void count_share(struct check *c, const union lookup_address *address)
{
    unsigned at = 0;
    while (at < c->share_count && !address_is(&c->shares[at].address, address))
        at++;
    if (at == LOOKUP_ADDRESSES_MAX)
        return; /* more addresses in one run than a name may have at once */
    if (at == c->share_count)
        c->shares[c->share_count++] = (struct share){.address = *address};
    c->shares[at].count++;
}

static void on_spread(struct exchange *x, void *data)
{
    struct contact *contact = data;
    struct check *c = contact->check;

    if (x->error)
        c->unanswered++;
    else
        count_share(c, &c->lookup.addresses[0]);
    spread_next(c);
}

static void on_spread_found(struct lookup *l, void *data)
{
    struct check *c = data;

    if (l->error) {
        c->unanswered++;
        spread_next(c);
        return;
    }
    contact_start(&c->contacts[c->count], &l->addresses[0], on_spread);
}

/* One request after the other: side by side they would measure each other. Each has as much time as
 * one address has; when they take too long in all, there are fewer. */
static void spread_next(struct check *c)
{
    c->started_ns = clock_ns();
    if (c->asked == c->limits->requests || c->started_ns >= c->spread_until_ns) {
        check_over(c);
        return;
    }
    c->asked++;
    lookup_start(&c->lookup, c->loop, c->url.host, c->port, left_ms(c), on_spread_found, c);
}

static void on_contact(struct exchange *x, void *data)
{
    struct check *c = ((struct contact *)data)->check;
    (void)x;

    if (--c->busy == 0) {
        uint64_t ms = c->limits->timeout_ms + c->limits->timeout_ms * c->limits->requests / 10;
        c->spread_until_ns = clock_ns() + ms * 1000000;
        spread_next(c);
    }
}

static void on_found(struct lookup *l, void *data)
{
    struct check *c = data;

    c->resolve_ns = clock_ns() - c->started_ns;
    c->resolve_error = l->error;
    if (!l->error) {
        c->contacts = calloc(l->count + 1, sizeof(*c->contacts));
        c->out_of_memory = !c->contacts;
    }
    if (!c->contacts) {
        check_over(c);
        return;
    }
    c->count = c->busy = l->count;
    c->contacts[c->count].check = c;
    for (unsigned i = 0; i < c->count; i++) {
        c->contacts[i].check = c;
        c->contacts[i].address = l->addresses[i];
        contact_start(&c->contacts[i], &c->contacts[i].address, on_contact);
    }
}

static void check_start(struct check *c, uv_loop_t *loop, const char *target,
                        const struct check_limits *limits, size_t *running)
{
    const char *wrong = url_read(slice_of(target), &c->url);
    (void)wrong; /* check_refuses said that there is nothing */

    c->target = target;
    c->limits = limits;
    c->running = running;
    c->loop = loop;
    c->request = TEXT_OVER(c->request_text);
    c->greeting = is_http(c->url.scheme) ? NULL : greeting_of(c->url.scheme);
    c->port = c->url.port;
    if (!c->greeting) {
        c->port = client_port(&c->url);
        client_write_request(&c->request, &c->url, "User-Agent: interservice-probe\r\n");
    } else if (c->port == 0) {
        c->port = c->greeting->port;
    }
    c->started_ns = clock_ns();
    lookup_start(&c->lookup, loop, c->url.host, c->port, limits->timeout_ms, on_found, c);
}

/* -- telling ------------------------------------------------------------------------------- */

static void add_address(struct text *t, const union lookup_address *address)
{
    char text[LOOKUP_TEXT_MAX];
    text_add_json(t, slice_of(lookup_text(address, text)));
}

/* Milliseconds with two digits, or null where there was nothing to measure. */
static void add_ms(struct text *t, uint64_t ns)
{
    if (ns == 0)
        text_add(t, SLICE("null"));
    else
        text_add_format(t, "%.2f", (double)ns / 1e6);
}

static void add_error(struct text *t, const char *reason)
{
    if (reason)
        text_add_json(t, slice_of(reason));
    else
        text_add(t, SLICE("null"));
}

static void add_contact(struct text *t, const struct contact *contact)
{
    const struct exchange *x = &contact->exchange;
    bool connected = x->phase != EXCHANGE_CONNECT || x->error == 0;
    bool http = !contact->check->greeting;

    text_add(t, SLICE("{\"address\":"));
    add_address(t, &contact->address);
    text_add_string(t, x->error ? ",\"ok\":false" : ",\"ok\":true");
    text_add_string(t, x->phase == EXCHANGE_CONNECT ? ",\"phase\":\"connect\""
                                                    : ",\"phase\":\"answer\"");
    text_add(t, SLICE(",\"connect_ms\":"));
    add_ms(t, connected ? x->connect_ns : 0);
    text_add(t, SLICE(",\"first_byte_ms\":"));
    add_ms(t, x->first_ns);
    text_add(t, SLICE(",\"status\":"));
    if (http && !x->error)
        text_add_number(t, contact->answer.response.status);
    else
        text_add(t, SLICE("null"));
    text_add(t, SLICE(",\"error\":"));
    const char *reason = NULL;
    if (x->error == UV_EPROTO && !http)
        reason = "gives an answer that this kind of server does not give";
    else if (x->error)
        reason =
            client_reason(x->phase == EXCHANGE_CONNECT ? CLIENT_CONNECT : CLIENT_ANSWER, x->error);
    add_error(t, reason);
    text_add_char(t, '}');
}

static void add_check(struct text *t, const struct check *c)
{
    bool found = c->resolve_error == 0 && !c->out_of_memory;

    text_add(t, SLICE("{\"target\":"));
    text_add_json(t, slice_of(c->target));
    text_add(t, SLICE(",\"host\":"));
    text_add_json(t, c->url.host);
    text_add_format(t, ",\"port\":%u,\"resolve\":{\"ok\":%s,\"ms\":", c->port,
                    found ? "true" : "false");
    add_ms(t, c->resolve_ns);
    text_add(t, SLICE(",\"error\":"));
    add_error(t, found ? NULL : lookup_reason(c->out_of_memory ? UV_ENOMEM : c->resolve_error));
    text_add(t, SLICE(",\"addresses\":["));
    for (unsigned i = 0; i < c->count; i++) {
        if (i > 0)
            text_add_char(t, ',');
        add_address(t, &c->contacts[i].address);
    }
    text_add(t, SLICE("]},\"addresses\":["));
    for (unsigned i = 0; i < c->count; i++) {
        if (i > 0)
            text_add_char(t, ',');
        add_contact(t, &c->contacts[i]);
    }
    text_add_char(t, ']');
    if (c->limits->requests > 0) {
        text_add(t, SLICE(",\"spread\":{"));
        for (unsigned i = 0; i < c->share_count; i++) {
            if (i > 0)
                text_add_char(t, ',');
            add_address(t, &c->shares[i].address);
            text_add_format(t, ":%u", c->shares[i].count);
        }
        text_add_format(t, "},\"requests\":%u,\"unanswered\":%u", c->asked, c->unanswered);
    }
    text_add(t, SLICE("}\n"));
}

static bool is_well(const struct check *c)
{
    if (c->count == 0 || c->unanswered > 0)
        return false;
    for (unsigned i = 0; i < c->count; i++)
        if (c->contacts[i].exchange.error)
            return false;
    return true;
}

int check_all(char *const *targets, size_t count, const struct check_limits *limits,
              void (*write)(struct slice line))
{
    static char line[LINE_OCTETS_MAX];
    uv_loop_t loop;
    struct check *checks = calloc(count, sizeof(*checks));
    int error = checks ? uv_loop_init(&loop) : UV_ENOMEM;
    size_t running = count;
    int result = 0;

    if (error) {
        free(checks);
        return error;
    }
    for (size_t i = 0; i < count; i++)
        check_start(&checks[i], &loop, targets[i], limits, &running);
    uv_run(&loop, UV_RUN_DEFAULT);

    for (size_t i = 0; i < count; i++) {
        struct text t = TEXT_OVER(line);
        add_check(&t, &checks[i]);
        write(text_slice(&t));
        if (!is_well(&checks[i]))
            result = 1;
        free(checks[i].contacts);
    }
    free(checks);
    (void)uv_loop_close(&loop); /* fails where such a thread is left */
    return result;
}
