/* checker_test.c - what the checker says, and with what code it ends. */
/* wrap: uv_loop_init uv_timer_init */
#include "dbfault.h"
#include "once.h"
#include "reply.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

int __real_uv_loop_init(uv_loop_t *loop);
int __wrap_uv_loop_init(uv_loop_t *loop);
int __real_uv_timer_init(uv_loop_t *loop, uv_timer_t *timer);
int __wrap_uv_timer_init(uv_loop_t *loop, uv_timer_t *timer);

static bool no_loop, no_timer;

int __wrap_uv_loop_init(uv_loop_t *loop)
{
    return no_loop ? UV_EMFILE : __real_uv_loop_init(loop);
}

int __wrap_uv_timer_init(uv_loop_t *loop, uv_timer_t *timer)
{
    return no_timer ? UV_ENOMEM : __real_uv_timer_init(loop, timer);
}

static void reply_is(const struct dbfault *fault, const char *expected)
{
    char out[REPLY_SIZE];
    struct text text = TEXT_OVER(out);

    reply_add(&text, fault);
    assert(strcmp(text_string(&text), expected) == 0);
}

static void test_reply(void)
{
    struct dbfault f = dbfault_make(DBFAULT_CONNECT, "refused");

    reply_is(NULL, "DB is available\n");
    reply_is(&f, "DB is not available. Error: connect: refused\n");
    f = dbfault_sqlstate(DBFAULT_CONNECT, "28P01");
    reply_is(&f, "DB is not available. Error: auth: the password is wrong (28P01)\n");
}

/* The longest fault there can be fits. */
static void test_long_reply(void)
{
    struct dbfault f = dbfault_make(DBFAULT_TIMEOUT, "%0300d", 0);
    char out[REPLY_SIZE];
    struct text text = TEXT_OVER(out);

    strcpy(f.sqlstate, "57P01");
    reply_add(&text, &f);
    assert(!text.full && text.at[text.len - 1] == '\n');
}

static void test_code(void)
{
    struct dbfault f = dbfault_make(DBFAULT_CONNECT, "refused");

    assert(once_code(NULL) == ONCE_AVAILABLE);
    assert(once_code(&f) == ONCE_NO_ANSWER);
    f.phase = DBFAULT_AUTH;
    assert(once_code(&f) == ONCE_REJECTED);
    f = dbfault_sqlstate(DBFAULT_CONNECT, "57P03");
    assert(once_code(&f) == ONCE_REJECTED);
}

static void test_once(void)
{
    struct dbping_limits limits = dbping_limits_default;
    struct dburl url;
    char error[256];
    struct text text = TEXT_OVER(error);

    limits.gap_ms = 10;
    assert(dburl_read(&url, "postgres://u@127.0.0.1:1/db", &text));
    assert(once_run(&url, &limits, 0) == ONCE_NO_ANSWER);
    assert(once_run(&url, &limits, 100) == ONCE_NO_ANSWER);
    no_loop = true;
    assert(once_run(&url, &limits, 0) == ONCE_NOT_ASKED);
    no_loop = false;
    no_timer = true;
    assert(once_run(&url, &limits, 0) == ONCE_NOT_ASKED);
    no_timer = false;
    dburl_free(&url);
}

int main(void)
{
    test_reply();
    test_long_reply();
    test_code();
    test_once();
    return 0;
}
