/* greeting.h - how to find out, harmlessly, that a server of some kind is really there: what to say
 * to it and what it answers before anybody has logged in. */
#ifndef GREETING_H
#define GREETING_H

#include <stdint.h>

#include "exchange.h"
#include "slice.h"

enum { GREETING_ANSWERS_MAX = 2 };

struct greeting {
    const char *scheme;
    uint16_t port;                              /* where the server listens by default */
    struct slice say;                           /* empty: it speaks first */
    struct slice answers[GREETING_ANSWERS_MAX]; /* one of these begins a right answer, */
    exchange_read *read;                        /* or else this judges it */
};

/* The greeting for URLs of that scheme; NULL: we do not know it. */
const struct greeting *greeting_of(struct slice scheme);

/* Judge an answer; an exchange_read whose reader is the const struct greeting. */
exchange_read greeting_read;

#endif
