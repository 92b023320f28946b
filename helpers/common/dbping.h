/* dbping.h - one connection to PostgreSQL, kept, watched, and asked whether the database is there.
 *
 * Everything happens on one libuv loop and nothing blocks it. A database that is away is looked for
 * again with growing pauses; whoever asks meanwhile makes it look at once.
 *
 *      RESTING --> RESOLVING --> CONNECTING --> READY <--> ASKING
 *         ^____________|______________|___________|__________|
 *
 * An answer is never older than its question: who asks while a question is on its way to the
 * database shares the next one with all others who came meanwhile, however many they are. Asking
 * is the empty query: it goes through the server's whole query loop, and through poolers.
 *
 * Every phase has its deadline, set when the phase begins and never moved by progress; and every
 * waiter has one of its own, by which it is answered whatever libpq does. A question that a broken
 * or silent connection swallowed is asked once more on a new one, within the same deadline. */
#ifndef DBPING_H
#define DBPING_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "dbfault.h"
#include "dbnames.h"
#include "dburl.h"
#include "dbwatch.h"
#include "ring.h"

/* Milliseconds, given at birth. */
struct dbping_limits {
    uint32_t total_ms;   /* from a question to its answer */
    uint32_t resolve_ms; /* to look the hosts' names up */
    uint32_t connect_ms; /* to connect and log in; several addresses share it */
    uint32_t syn_ms;     /* for an address to accept; then the next one, or the same anew */
    uint32_t ask_ms;     /* for the database's answer to one question */
    uint32_t backoff_min_ms;
    uint32_t backoff_max_ms;
    uint32_t gap_ms;         /* between two attempts that waiters cause */
    uint32_t refused_gap_ms; /* the same after a refused login, which costs both sides work */
};

extern const struct dbping_limits dbping_limits_default;

enum dbping_state {
    DBPING_RESTING,
    DBPING_RESOLVING,
    DBPING_CONNECTING,
    DBPING_READY,
    DBPING_ASKING,
    DBPING_STATES
};

struct dbping;
struct dbping_waiter;

/* The answer to one question; fault is NULL if the database is available, and is only borrowed.
 * The waiter is its owner's again, who may free it, or ask again with it. */
typedef void dbping_answer(struct dbping_waiter *w, const struct dbfault *fault);

/* Whether the database is there, or why it is not, has changed. */
typedef void dbping_change(void *data, const struct dbfault *fault);

typedef void dbping_closed(void *data);

/* One question. The memory is the asker's; all but data is private. */
struct dbping_waiter {
    struct ring links; /* the first member: a waiter is found by its links */
    void *data;
    dbping_answer *answer;
    uint64_t deadline;
    uint64_t asked; /* the serial when it was asked: what began later may answer it */
    bool retried;
};

/* They only ever grow, but for the last two. */
struct dbping_counters {
    uint64_t attempts;               /* to connect */
    uint64_t connections;            /* that came to be */
    uint64_t lost;                   /* of these, and not by our own doing */
    uint64_t questions;              /* empty queries sent */
    uint64_t retries;                /* waiters whose question was asked a second time */
    uint64_t available;              /* answers */
    uint64_t faults[DBFAULT_PHASES]; /* answers */
    uint64_t last_ns;                /* the last question's round trip */
    bool up;                         /* by the last news */
};

/* All is private but counters. */
struct dbping {
    uv_loop_t *loop;
    const struct dburl *url;
    struct dbping_limits limits;
    struct dbping_counters counters;
    dbping_change *change;
    void *data;
    dbping_closed *closed;

    enum dbping_state state;
    uint64_t deadline; /* of the state */
    uint64_t share;    /* CONNECTING: when the next address gets its chance */
    bool shaken;       /* CONNECTING: this address has accepted */
    uint64_t retry_at; /* RESTING: the next attempt that nobody asked for */
    uint64_t attempted_at;
    uint64_t serial;  /* counts attempts and questions; */
    uint64_t attempt; /* the serial of the last attempt */
    uint32_t failures;
    struct dbfault fault; /* why we rest, or rested last */
    bool known;           /* whether counters.up and told mean anything */
    struct dbfault told;  /* what change was called with last */

    struct ring next; /* wait for a question to be sent, oldest first */
    struct ring now;  /* their question is on its way, oldest first */

    uv_timer_t alarm;
    uint64_t alarm_at;
    bool alarm_open;
    bool closing;
    struct dbwatch watch;
    struct dbnames names;

    PGconn *conn;
    unsigned target;    /* of names.targets: the one that libpq is at */
    unsigned silent;    /* how often one of them did not answer in this attempt */
    bool answered;      /* ASKING: the empty query's own result has come */
    char last_words[6]; /* SQLSTATE of the error the server sent, asked or not */
    uint64_t sent_ns;
};

/* Start to look for the database. url must outlive d; change may be NULL. 0 or a libuv error;
 * then nothing is left to undo. */
int dbping_init(struct dbping *d, uv_loop_t *loop, const struct dburl *url,
                const struct dbping_limits *limits, dbping_change *change, void *data) MUST_CHECK;

/* Is the database there? answer is called once, from the loop, never from here, and not later than
 * limits.total_ms from now. */
void dbping_ask(struct dbping *d, struct dbping_waiter *w, dbping_answer *answer);

/* Nobody wants this answer any more; it will not come. */
void dbping_forget(struct dbping *d, struct dbping_waiter *w);

/* The pause before the next attempt after so many failures in a row, the last of them f:
 * min · 2ⁿ, at most max, ±25 % by `random`, so that many checkers do not come all at once. */
uint32_t dbping_backoff_ms(const struct dbping_limits *limits, uint32_t failures,
                           const struct dbfault *f, uint32_t random);

/* A lookup is in its thread. Nothing can call it back: dbping_close waits for it, and so does
 * exit(), while _exit() does not. */
bool dbping_stuck(const struct dbping *d);

/* End the connection. Nobody may be waiting. closed(data) is called when d may be freed; a lookup
 * that is still in its thread can delay that. */
void dbping_close(struct dbping *d, dbping_closed *closed);

#endif
