/* history_test.c - what is remembered, for how long, and how exactly. */
#include "../web/history.h"

#include <assert.h>
#include <stdlib.h>

static const uint64_t MINUTE = 60000, HOUR = 3600000;

static struct history h;

static void add(uint64_t now_ms, bool available, uint64_t took_ns)
{
    history_add(&h, now_ms, (struct history_check){available, took_ns});
}

/* 7 % is the promise. */
static bool near(uint64_t ns, uint64_t expected)
{
    return ns >= expected - expected / 14 && ns <= expected + expected / 14;
}

static void bins(void)
{
    unsigned before = 0;

    for (uint64_t ns = 64000; ns < 61000000000; ns += ns / 64 + 1) {
        unsigned bin = history_bin(ns);
        assert(bin >= before && bin - before <= 1 && bin < HISTORY_BINS);
        assert(near(history_bin_ns(bin), ns));
        before = bin;
    }
    assert(history_bin(0) == 0);
    assert(history_bin(63999) == 0);
    assert(history_bin(UINT64_MAX / 1000) == HISTORY_BINS - 1);
}

static void empty(void)
{
    history_init(&h);
    struct history_summary sum = history_sum(&h.hour, 5 * HOUR);
    assert(sum.checks == 0 && sum.available == 0 && sum.p50_ns == 0 && sum.p99_ns == 0);
    assert(history_length(&h) == 0);
}

static void percentiles(void)
{
    history_init(&h);
    for (uint64_t i = 1; i <= 100; i++) /* 1 to 100 ms, in no order */
        add(HOUR, true, (i * 37 % 101) * 1000000);
    for (int i = 0; i < 25; i++)
        add(HOUR, false, 3000000000); /* how long a failure took is not a time to answer */

    struct history_summary sum = history_sum(&h.hour, HOUR);
    assert(sum.checks == 125 && sum.available == 100);
    assert(near(sum.p50_ns, 50000000));
    assert(near(sum.p95_ns, 95000000));
    assert(near(sum.p99_ns, 99000000));

    history_init(&h);
    add(HOUR, true, 2000000);
    sum = history_sum(&h.day, HOUR);
    assert(near(sum.p50_ns, 2000000) && sum.p50_ns == sum.p99_ns);
}

static void windows_slide(void)
{
    uint64_t now = 100 * HOUR;

    history_init(&h);
    add(now, false, 0);
    assert(history_sum(&h.hour, now).checks == 1);
    assert(history_sum(&h.hour, now + 59 * MINUTE).checks == 1);
    assert(history_sum(&h.hour, now + 60 * MINUTE).checks == 0);
    assert(history_sum(&h.day, now + 23 * HOUR).checks == 1);
    assert(history_sum(&h.day, now + 24 * HOUR).checks == 0);

    /* A span whose place is used again begins at nothing. */
    add(now + 60 * MINUTE, true, 1000000);
    struct history_summary sum = history_sum(&h.hour, now + 60 * MINUTE);
    assert(sum.checks == 1 && sum.available == 1);
    assert(history_sum(&h.day, now + 60 * MINUTE).checks == 2);
}

/* A check a second for three days, against a list of all of them. */
static void long_run(void)
{
    enum { SECONDS = 3 * 24 * 3600 };
    char *available = malloc(SECONDS);
    assert(available);

    history_init(&h);
    for (uint64_t s = 0; s < SECONDS; s++) {
        available[s] = s * 7919 % 50 != 0;
        add(s * 1000, available[s], 1000000);
        if (s % 9973 != 0)
            continue;
        uint64_t from = s / 60 >= 59 ? (s / 60 - 59) * 60 : 0;
        uint64_t checks = 0, good = 0;
        for (uint64_t i = from; i <= s; i++) {
            checks++;
            good += available[i] != 0;
        }
        struct history_summary sum = history_sum(&h.hour, s * 1000);
        assert(sum.checks == checks && sum.available == good);
    }
    assert(history_sum(&h.day, SECONDS * 1000ull - 1).checks == SECONDS / 3);
    free(available);
}

static void last_ones(void)
{
    history_init(&h);
    for (unsigned i = 0; i < 200; i++) {
        add(i, i % 2, i);
        assert(history_length(&h) == (i < HISTORY_LAST ? i + 1 : HISTORY_LAST));
        assert(history_last(&h, 0).took_ns == i);
    }
    for (unsigned age = 0; age < HISTORY_LAST; age++)
        assert(history_last(&h, age).took_ns == 199 - age);
}

int main(void)
{
    bins();
    empty();
    percentiles();
    windows_slide();
    long_run();
    last_ones();
    return 0;
}
