/* check.h - does a service answer? Look its name up and ask each of its addresses, all at once. */
#ifndef CHECK_H
#define CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "slice.h"
#include "util.h"

enum {
    CHECK_TARGET_MAX = 2048,   /* octets of a target */
    CHECK_TARGETS_MAX = 1000,  /* targets at once */
    CHECK_REQUESTS_MAX = 10000 /* requests to see how they are spread */
};

struct check_limits {
    uint64_t timeout_ms; /* to look up and ask all addresses; and again for each of the requests */
    unsigned requests;   /* as many if they take no more than timeout_ms and a tenth of it each in
                            all, else fewer; 0: no spread is measured */
};

/* NULL: target can be checked. Otherwise what is wrong with it, as the end of a sentence. */
const char *check_refuses(const char *target) MUST_CHECK;

/* Check all targets side by side and write a line of JSON about each, in their order.
 * 0: all is well; 1: something does not answer; a negative libuv code: it could not be checked. */
int check_all(char *const *targets, size_t count, const struct check_limits *limits,
              void (*write)(struct slice line)) MUST_CHECK;

#endif
