/* util.h - the small things every helper needs: bounded text, settings from the environment,
 * one-line log, clock. */
#ifndef UTIL_H
#define UTIL_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "slice.h"

#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF_LIKE(at, first) __attribute__((format(printf, at, first)))

/* -- text: a builder over memory of the caller ------------------------------------------------
 *
 * It never writes past its capacity: what does not fit is left out, and `full` says so for good.
 * There is no NUL at the end; text_string adds one. */
struct text {
    char *at;
    size_t len;
    size_t capacity;
    bool full; /* something was left out */
};

/* A builder over an array: struct text t = TEXT_OVER(array); */
#define TEXT_OVER(array) ((struct text){(array), 0, sizeof(array), false})

void text_add(struct text *t, struct slice s);
void text_add_string(struct text *t, const char *string);
void text_add_char(struct text *t, char c);
void text_add_number(struct text *t, uint64_t number);
void text_add_format(struct text *t, const char *format, ...) PRINTF_LIKE(2, 3);
void text_add_format_list(struct text *t, const char *format, va_list list) PRINTF_LIKE(2, 0);

/* A JSON string with its quotes. Octets that are not UTF-8 become U+FFFD. */
void text_add_json(struct text *t, struct slice s);

/* HTML text: & < > " ' are escaped, so it may stand in an element or a quoted attribute. */
void text_add_html(struct text *t, struct slice s);

static inline void text_clear(struct text *t)
{
    t->len = 0;
    t->full = false;
}

static inline struct slice text_slice(const struct text *t)
{
    return (struct slice){t->at, t->len};
}

/* The text as a C string, NUL included; the last octet is given up for it when it is full.
 * The capacity must not be 0. */
const char *text_string(struct text *t);

/* -- numbers ------------------------------------------------------------------------------- */

/* Read s, which must be nothing but 1 or more digits, as a number in min..max.
 * False: it is not; *number is as before. */
bool number_read(struct slice s, uint64_t min, uint64_t max, uint64_t *number) MUST_CHECK;

/* Read a duration: digits and a unit, `ms`, `s`, `m` or `h` ("500ms", "10s"); a bare number is
 * seconds. The result is in milliseconds, at most max_ms. */
bool duration_read(struct slice s, uint64_t max_ms, uint64_t *ms) MUST_CHECK;

/* Is s an IPv6 address as URLs hold it between "[" and "]" (RFC 3986 §3.2.2)? */
bool address_is_ipv6(struct slice s) MUST_CHECK;

/* -- settings from the environment ------------------------------------------------------------
 *
 * Unset or empty: *value keeps the default it came with, true. Not a number or out of range:
 * false, *value keeps its default, and one sentence for the operator is added to error; it names
 * the variable, not its content. */
bool env_number(const char *name, uint64_t min, uint64_t max, uint64_t *value,
                struct text *error) MUST_CHECK;
/* The same for a duration; the range and the value are in milliseconds. */
bool env_duration(const char *name, uint64_t min_ms, uint64_t max_ms, uint64_t *value_ms,
                  struct text *error) MUST_CHECK;
/* The value, or fallback where it is unset or empty. */
const char *env_string(const char *name, const char *fallback);

/* -- log --------------------------------------------------------------------------------------
 *
 * One line, one write, so that lines of several processes do not mix. Control characters are
 * written as \xNN: what came from the network cannot forge a line. Only programs log; the other
 * files of common/ give errors to their callers. */
void log_info(const char *format, ...) PRINTF_LIKE(1, 2);  /* to stdout */
void log_error(const char *format, ...) PRINTF_LIKE(1, 2); /* to stderr */

/* -- clock ---------------------------------------------------------------------------------- */

/* Milliseconds and nanoseconds of a clock that never jumps; only differences mean something. */
uint64_t clock_ms(void);
uint64_t clock_ns(void);

/* A moment in UTC, taken apart. gmtime and strftime would ask for time zones and locales. */
struct clock_utc {
    unsigned year;
    unsigned month;   /* 1 to 12 */
    unsigned day;     /* 1 to 31 */
    unsigned weekday; /* 0 is Sunday */
    unsigned hour, minute, second;
};

/* seconds since 1970, not negative. */
struct clock_utc clock_utc(int64_t seconds);

#endif
