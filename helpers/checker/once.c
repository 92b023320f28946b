/* once.c - see once.h. */
#include "once.h"

#include <stdio.h>
#include <unistd.h>
#include <uv.h>

#include "reply.h"

struct once {
    uv_loop_t loop;
    struct dbping dbping;
    struct dbping_waiter waiter;
    uint64_t until;
    int code;
};

int once_code(const struct dbfault *fault)
{
    if (!fault)
        return ONCE_AVAILABLE;
    return fault->sqlstate[0] || fault->phase == DBFAULT_AUTH ? ONCE_REJECTED : ONCE_NO_ANSWER;
}

static void once_print(const struct dbfault *fault)
{
    char line[REPLY_SIZE];
    struct text text = TEXT_OVER(line);

    reply_add(&text, fault);
    (void)fwrite(text.at, 1, text.len, stdout);
    (void)fflush(stdout);
}

/* dbping keeps a pause between attempts, so asking again at once does not hurry anybody. */
static void on_answer(struct dbping_waiter *w, const struct dbfault *fault)
{
    struct once *o = w->data;

    o->code = once_code(fault);
    if (fault && uv_now(&o->loop) < o->until) {
        dbping_ask(&o->dbping, w, on_answer);
        return;
    }
    once_print(fault);
    if (dbping_stuck(&o->dbping))
        _exit(o->code);
    uv_stop(&o->loop);
}

static void on_change(void *data, const struct dbfault *fault)
{
    const struct once *o = data;
    char reason[REPLY_SIZE];
    struct text text = TEXT_OVER(reason);

    if (!fault || o->until == 0)
        return;
    dbfault_print(fault, &text);
    log_error("waiting for the database: %s", text_string(&text));
}

static void on_closed(void *data)
{
    (void)data;
}

int once_run(const struct dburl *url, const struct dbping_limits *limits, uint64_t wait_ms)
{
    struct once o = {.code = ONCE_NOT_ASKED, .waiter = {.data = &o}};
    struct dbping_limits own = *limits;
    int error = uv_loop_init(&o.loop);

    if (error == 0) {
        o.until = wait_ms > 0 ? uv_now(&o.loop) + wait_ms : 0;
        /* Nobody waits longer than asked for. */
        if (wait_ms > 0 && own.total_ms > wait_ms)
            own.total_ms = (uint32_t)wait_ms;
        error = dbping_init(&o.dbping, &o.loop, url, &own, on_change, &o);
    }
    if (error != 0) {
        log_error("cannot start: %s", uv_strerror(error));
        return ONCE_NOT_ASKED;
    }
    dbping_ask(&o.dbping, &o.waiter, on_answer);
    uv_run(&o.loop, UV_RUN_DEFAULT); /* until on_answer stops it */
    dbping_close(&o.dbping, on_closed);
    uv_run(&o.loop, UV_RUN_DEFAULT);
    (void)uv_loop_close(&o.loop);
    return o.code;
}
