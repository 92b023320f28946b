/* slice.h - text that belongs to somebody else: a pointer and a length, no NUL at the end. */
#ifndef SLICE_H
#define SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct slice {
    const char *at;
    size_t len;
};

/* The slice of a string literal. */
#define SLICE(literal) ((struct slice){"" literal, sizeof(literal) - 1})

static inline struct slice slice_of(const char *string)
{
    return (struct slice){string, strlen(string)};
}

static inline bool slice_is(struct slice a, struct slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

static inline bool slice_starts(struct slice a, struct slice start)
{
    return a.len >= start.len && (start.len == 0 || memcmp(a.at, start.at, start.len) == 0);
}

/* As slice_is, but the ASCII letters of both may differ in case; no locale is asked. */
static inline bool slice_is_nocase(struct slice a, struct slice b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++) {
        unsigned char x = (unsigned char)a.at[i];
        unsigned char y = (unsigned char)b.at[i];
        if (x - (unsigned)'A' < 26)
            x |= 0x20;
        if (y - (unsigned)'A' < 26)
            y |= 0x20;
        if (x != y)
            return false;
    }
    return true;
}

#endif
