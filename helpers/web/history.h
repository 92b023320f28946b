/* history.h - how checks went: the last ones one by one, an hour and a day in sums. Its size never
 * changes. No clock of its own: the caller says what time it is, in milliseconds that never run
 * backwards. */
#ifndef HISTORY_H
#define HISTORY_H

#include <stdbool.h>
#include <stdint.h>

#include "util.h"

enum {
    HISTORY_LAST = 60,  /* checks remembered one by one */
    HISTORY_SPANS = 96, /* spans that a window is made of, at most */
    HISTORY_BINS = 160, /* of the times that checks took */
};

/* One check. */
struct history_check {
    bool available;
    uint64_t took_ns;
};

/* What happened in one span of time. */
struct history_span {
    uint64_t number; /* of the span, counted from the clock's zero */
    uint32_t checks;
    uint32_t available;
    uint32_t bins[HISTORY_BINS]; /* the available ones, by the time they took */
};

/* A window that slides over the last spans. */
struct history_window {
    uint32_t span_ms;
    uint32_t count; /* of spans */
    struct history_span spans[HISTORY_SPANS];
};

struct history {
    struct history_window hour; /* 60 spans of a minute */
    struct history_window day;  /* 96 spans of a quarter of an hour */
    struct history_check last[HISTORY_LAST];
    uint64_t count; /* checks in all; the newest is last[(count - 1) % HISTORY_LAST] */
};

/* What a window holds. Times are those of available checks, and 0 where there are none. */
struct history_summary {
    uint64_t checks;
    uint64_t available;
    uint64_t p50_ns, p95_ns, p99_ns;
};

void history_init(struct history *h);

void history_add(struct history *h, uint64_t now_ms, struct history_check check);

/* The sums of a window that ends now. */
struct history_summary history_sum(const struct history_window *window, uint64_t now_ms);

/* How many checks history_last can give. */
unsigned history_length(const struct history *h);

/* The check that is age checks old; 0 is the newest. */
struct history_check history_last(const struct history *h, unsigned age);

/* The bin for a time, and the time in its middle: no more than 7 % away. */
unsigned history_bin(uint64_t ns);
uint64_t history_bin_ns(unsigned bin);

#endif
