/* target.h - a service that is checked, and what its last check found.
 *
 * A target never has more than one check in flight. Whoever wants to know after that one began
 * waits for the next: an answer is never older than its question, and a thousand questions at once
 * cost one check. */
#ifndef TARGET_H
#define TARGET_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "client.h"
#include "history.h"
#include "url.h"
#include "util.h"

enum {
    TARGET_NAME_MAX = 64,
    TARGET_URL_MAX = 1024,
    TARGET_REASON_MAX = 256,
    TARGET_REPLICA_MAX = 64,
};

enum target_state {
    TARGET_UNKNOWN,     /* not checked so far */
    TARGET_AVAILABLE,   /* it answered 2xx */
    TARGET_UNAVAILABLE, /* it answered 424: what it stands for is not available (RFC 4918 §11.4) */
    TARGET_FAILED,      /* it could not be asked, or answered something else */
    TARGET_STATES,
};

/* Where on the way a check ended; for messages and advice. */
enum target_stop {
    TARGET_NOWHERE, /* it went all the way */
    TARGET_RESOLVE,
    TARGET_CONNECT,
    TARGET_ANSWER,   /* connected, but no valid answer */
    TARGET_STATUS,   /* an answer with a status that means nothing to us */
    TARGET_DATABASE, /* the service answers; what it depends on does not */
};

/* What one check found. */
struct target_result {
    enum target_state state;
    enum target_stop stop;
    unsigned status;     /* of the answer; 0 without one */
    uint64_t resolve_ns; /* as in struct client */
    uint64_t connect_ns;
    uint64_t answer_ns;
    uint64_t total_ns;
    int64_t at_s; /* when it ended, seconds since 1970 */
    bool has_address;
    union lookup_address address;     /* who answered or was tried last */
    char reason[TARGET_REASON_MAX];   /* what is wrong, a sentence's end; "" if nothing is */
    char replica[TARGET_REPLICA_MAX]; /* as it calls itself (X-Replica); "" if it does not */
};

struct target;
typedef void target_changed(struct target *t, void *data);

struct target {
    char name[TARGET_NAME_MAX];  /* "db": in paths, metrics */
    char title[TARGET_NAME_MAX]; /* "DB": in sentences */
    char url_text[TARGET_URL_MAX];
    struct url url;
    char place[URL_HOST_MAX + 8]; /* host:port, for messages */

    struct target_result last;
    struct history history;
    uint64_t begun; /* checks begun, */
    uint64_t ended; /* and ended; one more has begun than ended while one is in flight */
    uint64_t counts[TARGET_STATES];

    /* The rest is private. */
    struct client client;
    uv_loop_t *loop;
    uint64_t timeout_ms;
    bool wanted; /* somebody waits for the check after this one */
    bool stopping;
    target_changed *done;
    void *data;
};

/* Make a target of a name and a URL. NULL, or what is wrong with the URL, as the end of a
 * sentence. done is called after each check. */
const char *target_init(struct target *t, struct slice name, struct slice title, const char *url,
                        uint64_t timeout_ms, target_changed *done, void *data) MUST_CHECK;

/* The number of the check that answers a question asked now: wait until t->ended has reached it.
 * The check begins now, or when the present one ends. */
uint64_t target_ask(struct target *t, uv_loop_t *loop) MUST_CHECK;

static inline bool target_is_busy(const struct target *t)
{
    return t->begun > t->ended;
}

/* Give up the check that is in flight; no further one begins, and done is not called any more. */
void target_stop(struct target *t);

/* The result for somebody who cannot wait for the present check any longer. */
void target_overdue(const struct target *t, struct target_result *result);

/* "available", "unavailable", "failed" or "unknown". */
const char *target_state_name(enum target_state state);

/* "resolve", "connect", "answer", "status", "database"; NULL for TARGET_NOWHERE. */
const char *target_stop_name(enum target_stop stop);

/* The sentence about a result: "DB is available", and so on. */
void target_say(const struct target *t, const struct target_result *result, struct text *out);

/* What a client of t that is over has found. */
void target_judge(const struct target *t, const struct client *client,
                  struct target_result *result);

#endif
