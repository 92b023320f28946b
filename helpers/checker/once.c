/* once.c - see once.h. */
#include "once.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>
#include <uv.h>

#include "reply.h"

struct once {
    uv_loop_t loop;
    struct dbping dbping;
    struct dbping_waiter waiter;
    uv_timer_t end;
    bool waits;           /* ask again */
    struct dbfault fault; /* the last */
    int code;
};

int once_code(const struct dbfault *fault)
{
    if (!fault)
        return ONCE_AVAILABLE;
    return fault->sqlstate[0] || fault->phase == DBFAULT_AUTH ? ONCE_REJECTED : ONCE_NO_ANSWER;
}

/* The last word. */
static void once_end(struct once *o, const struct dbfault *fault)
{
    char line[REPLY_SIZE];
    struct text text = TEXT_OVER(line);

    o->code = once_code(fault);
    reply_add(&text, fault);
    (void)fwrite(text.at, 1, text.len, stdout);
    (void)fflush(stdout);
    if (dbping_stuck(&o->dbping))
        _exit(o->code);
    uv_stop(&o->loop);
}

/* dbping keeps a pause between attempts, so asking again at once does not hurry anybody. */
static void on_answer(struct dbping_waiter *w, const struct dbfault *fault)
{
    struct once *o = w->data;

    if (fault && o->waits) {
        o->fault = *fault;
        dbping_ask(&o->dbping, w, on_answer);
    } else {
        once_end(o, fault);
    }
}

static void on_end(uv_timer_t *timer)
{
    struct once *o = timer->data;

    dbping_forget(&o->dbping, &o->waiter);
    once_end(o, &o->fault);
}

static void on_change(void *data, const struct dbfault *fault)
{
    const struct once *o = data;
    char reason[REPLY_SIZE];
    struct text text = TEXT_OVER(reason);

    if (!fault || !o->waits)
        return;
    dbfault_print(fault, &text);
    log_error("waiting for the database: %s", text_string(&text));
}

/* In a container this is process 1, which ignores what it has no handler for. */
static void on_signal(int number)
{
    (void)number;
    _exit(ONCE_NO_ANSWER);
}

static void on_closed(void *data)
{
    (void)data;
}

int once_run(const struct dburl *url, const struct dbping_limits *limits, uint64_t wait_ms)
{
    struct once o = {.code = ONCE_NOT_ASKED, .waits = wait_ms > 0, .waiter = {.data = &o}};
    int error = uv_loop_init(&o.loop);

    if (error == 0) {
        error = dbping_init(&o.dbping, &o.loop, url, limits, on_change, &o);
        if (error != 0)
            (void)uv_loop_close(&o.loop);
    }
    if (error != 0) {
        log_error("cannot start: %s", uv_strerror(error));
        return ONCE_NOT_ASKED;
    }
    (void)signal(SIGTERM, on_signal);
    (void)signal(SIGINT, on_signal);

    o.fault =
        dbfault_make(DBFAULT_TIMEOUT, "no answer within %llu ms", (unsigned long long)wait_ms);
    uv_timer_init(&o.loop, &o.end);
    o.end.data = &o;
    if (o.waits)
        uv_timer_start(&o.end, on_end, wait_ms, 0);
    dbping_ask(&o.dbping, &o.waiter, on_answer);
    uv_run(&o.loop, UV_RUN_DEFAULT); /* until once_end stops it */

    uv_close((uv_handle_t *)&o.end, NULL);
    dbping_close(&o.dbping, on_closed);
    uv_run(&o.loop, UV_RUN_DEFAULT);
    (void)uv_loop_close(&o.loop);
    return o.code;
}
