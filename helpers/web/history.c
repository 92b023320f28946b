/* history.c - see history.h. */
#include "history.h"

/* Times from 64 us to 67 s, more than a check may take, in bins that grow with the time: 8 to each
 * doubling. What lies outside goes to the first or the last bin. */
enum { UNIT_NS = 64000, BINS_PER_DOUBLING = 8 };

enum { MINUTE_MS = 60 * 1000 };

unsigned history_bin(uint64_t ns)
{
    uint64_t units = ns / UNIT_NS;
    unsigned doubling = 0;

    if (units == 0)
        return 0;
    while (units >> doubling > 1)
        doubling++;
    /* Where between 2^doubling and the next power, in eighths. */
    uint64_t start_ns = (uint64_t)UNIT_NS << doubling;
    unsigned bin =
        doubling * BINS_PER_DOUBLING + (unsigned)((ns - start_ns) * BINS_PER_DOUBLING / start_ns);
    return bin < HISTORY_BINS ? bin : HISTORY_BINS - 1;
}

uint64_t history_bin_ns(unsigned bin)
{
    uint64_t start_ns = (uint64_t)UNIT_NS << bin / BINS_PER_DOUBLING;
    uint64_t eighth_ns = start_ns / BINS_PER_DOUBLING;

    return start_ns + eighth_ns * (bin % BINS_PER_DOUBLING) + eighth_ns / 2;
}

void history_init(struct history *h)
{
    *h = (struct history){
        .hour = {.span_ms = MINUTE_MS, .count = 60},
        .day = {.span_ms = 15 * MINUTE_MS, .count = HISTORY_SPANS},
    };
}

static void window_add(struct history_window *w, uint64_t now_ms, struct history_check check)
{
    uint64_t number = now_ms / w->span_ms;
    struct history_span *span = &w->spans[number % w->count];

    if (span->number != number)
        *span = (struct history_span){.number = number};
    span->checks++;
    if (check.available) {
        span->available++;
        span->bins[history_bin(check.took_ns)]++;
    }
}

void history_add(struct history *h, uint64_t now_ms, struct history_check check)
{
    window_add(&h->hour, now_ms, check);
    window_add(&h->day, now_ms, check);
    h->last[h->count++ % HISTORY_LAST] = check;
}

/* The time that no more than the given share of the checks exceeded. */
static uint64_t percentile(const uint64_t *bins, uint64_t total, unsigned percent)
{
    uint64_t rank = (total * percent + 99) / 100;
    uint64_t below = 0;

    if (total == 0)
        return 0;
    for (unsigned bin = 0; bin < HISTORY_BINS; bin++) {
        below += bins[bin];
        if (below >= rank)
            return history_bin_ns(bin);
    }
    return history_bin_ns(HISTORY_BINS - 1);
}

struct history_summary history_sum(const struct history_window *w, uint64_t now_ms)
{
    struct history_summary sum = {0};
    uint64_t bins[HISTORY_BINS] = {0};
    uint64_t now = now_ms / w->span_ms;

    for (unsigned i = 0; i < w->count; i++) {
        const struct history_span *span = &w->spans[i];
        if (span->number + w->count <= now || span->checks == 0)
            continue;
        sum.checks += span->checks;
        sum.available += span->available;
        for (unsigned bin = 0; bin < HISTORY_BINS; bin++)
            bins[bin] += span->bins[bin];
    }
    sum.p50_ns = percentile(bins, sum.available, 50);
    sum.p95_ns = percentile(bins, sum.available, 95);
    sum.p99_ns = percentile(bins, sum.available, 99);
    return sum;
}

unsigned history_length(const struct history *h)
{
    return h->count < HISTORY_LAST ? (unsigned)h->count : HISTORY_LAST;
}

struct history_check history_last(const struct history *h, unsigned age)
{
    return h->last[(h->count - 1 - age) % HISTORY_LAST];
}
