/* ask.c - see ask.h. */
#include "ask.h"

#include <assert.h>
#include <stdlib.h>

static struct ask *take(struct asks *asks)
{
    struct ask *ask = asks->free;

    if (ask)
        asks->free = ask->next;
    else
        ask = malloc(sizeof(*ask));
    return ask;
}

static void give(struct ask *ask)
{
    ask->next = ask->asks->free;
    ask->asks->free = ask;
}

static void list_remove(struct ask *ask)
{
    struct asks *asks = ask->asks;
    *(ask->before ? &ask->before->next : &asks->first) = ask->next;
    *(ask->next ? &ask->next->before : &asks->last) = ask->before;
}

/* Most wait equally long: the place is nearly always the end. */
static void list_insert(struct ask *ask)
{
    struct asks *asks = ask->asks;
    struct ask *before = asks->last;

    while (before && before->deadline_ms > ask->deadline_ms)
        before = before->before;
    ask->before = before;
    ask->next = before ? before->next : asks->first;
    *(before ? &before->next : &asks->first) = ask;
    *(ask->next ? &ask->next->before : &asks->last) = ask;
}

static void on_time(uv_timer_t *timer);

/* Be woken for the first deadline. Nothing is done when its ask goes before: to be woken once for
 * nothing costs less than to move a timer with each request. */
static void set_timer(struct asks *asks)
{
    uint64_t now = clock_ms();
    uint64_t at = asks->first->deadline_ms;
    uv_update_time(asks->loop);
    uv_timer_start(&asks->timer, on_time, at > now ? at - now : 0, 0);
}

static void finish(struct ask *ask)
{
    list_remove(ask);
    ask->answer(ask);
    give(ask);
}

static void on_time(uv_timer_t *timer)
{
    struct asks *asks = timer->data;
    uint64_t now = clock_ms();

    while (asks->first && asks->first->deadline_ms <= now)
        finish(asks->first);
    if (asks->first)
        set_timer(asks);
}

static void on_gone(struct server_request *request, void *data)
{
    struct ask *ask = data;
    (void)request;
    list_remove(ask);
    give(ask);
}

bool ask_is_overdue(const struct ask *ask, unsigned target)
{
    return ask->asks->targets[target].ended < ask->needs[target];
}

static bool is_ready(const struct ask *ask)
{
    for (unsigned i = ask->first; i < ask->first + ask->count; i++)
        if (ask_is_overdue(ask, i))
            return false;
    return true;
}

struct target_result ask_result(const struct ask *ask, unsigned target)
{
    struct target_result result = ask->asks->targets[target].last;
    if (ask_is_overdue(ask, target))
        target_overdue(&ask->asks->targets[target], &result);
    return result;
}

void asks_init(struct asks *asks, uv_loop_t *loop, struct target *targets, void *data)
{
    *asks = (struct asks){.loop = loop, .targets = targets, .data = data};
    uv_timer_init(loop, &asks->timer);
    asks->timer.data = asks;
}

bool asks_add(struct asks *asks, struct server_request *request, unsigned first, unsigned count,
              uint64_t patience_ms, ask_answer *answer, unsigned flags)
{
    struct ask *ask = take(asks);

    assert(first + count <= ASK_TARGETS_MAX);
    if (!ask)
        return false;
    ask->request = request;
    ask->asks = asks;
    ask->first = first;
    ask->count = count;
    ask->answer = answer;
    ask->flags = flags;
    ask->deadline_ms = clock_ms() + patience_ms;
    for (unsigned i = first; i < first + count; i++)
        ask->needs[i] = target_ask(&asks->targets[i], asks->loop);
    list_insert(ask);
    if (asks->first == ask || !uv_is_active((uv_handle_t *)&asks->timer))
        set_timer(asks);
    server_hold(request, on_gone, ask);
    return true;
}

void asks_settle(struct asks *asks)
{
    /* Answering one may add others, or let others go: begin anew after each, with those who are
     * not ready passed over only once. */
    bool answered;
    do {
        answered = false;
        for (struct ask *ask = asks->first; ask && !answered; ask = ask->next) {
            if (is_ready(ask)) {
                finish(ask);
                answered = true;
            }
        }
    } while (answered);
}

void asks_close(struct asks *asks)
{
    assert(!asks->first);
    while (asks->free) {
        struct ask *ask = asks->free;
        asks->free = ask->next;
        free(ask);
    }
    uv_close((uv_handle_t *)&asks->timer, NULL);
}
