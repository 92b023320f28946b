/* ask.h - requests that wait for checks of targets to end. */
#ifndef ASK_H
#define ASK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "server.h"
#include "target.h"

enum { ASK_TARGETS_MAX = 32 };

struct ask;

/* Answer ask->request, now: each target's last result is not older than the request, except where
 * ask_is_overdue says otherwise. */
typedef void ask_answer(struct ask *ask);

struct ask {
    struct server_request *request;
    struct asks *asks;
    unsigned first, count; /* the targets it wants to know about */
    ask_answer *answer;
    unsigned flags; /* the asker's own */

    /* The rest is private. */
    uint64_t deadline_ms;
    uint64_t needs[ASK_TARGETS_MAX]; /* the number of the check, for each target */
    struct ask *next, *before;
};

struct asks {
    uv_loop_t *loop;
    struct target *targets;
    void *data;               /* the owner's */
    struct ask *first, *last; /* in the order of their deadlines */
    struct ask *free;         /* as many as ever waited at once, to be used again */
    uv_timer_t timer;
};

/* Keep account of those who ask about targets, which outlive it; data is kept for the owner. */
void asks_init(struct asks *asks, uv_loop_t *loop, struct target *targets, void *data);

/* Let request wait until each target from first on, count of them, is checked anew, or patience_ms
 * have passed. Then answer is called, once, unless the peer goes away before. False: no memory,
 * the request is not touched. */
bool asks_add(struct asks *asks, struct server_request *request, unsigned first, unsigned count,
              uint64_t patience_ms, ask_answer *answer, unsigned flags) MUST_CHECK;

/* Call this after a target's check: answers those who now know all they want. */
void asks_settle(struct asks *asks);

/* Is the last result of target number `target` older than the request? */
bool ask_is_overdue(const struct ask *ask, unsigned target);

/* The result for that target: its last one, or one that says that it took too long. */
struct target_result ask_result(const struct ask *ask, unsigned target);

/* Let go of everything; nobody waits any more. */
void asks_close(struct asks *asks);

#endif
