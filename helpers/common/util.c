/* util.c - see util.h. */
#include "util.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

/* -- text ---------------------------------------------------------------------------------- */

void text_add(struct text *t, struct slice s)
{
    size_t room = t->capacity - t->len;
    if (s.len > room) {
        s.len = room;
        t->full = true;
    }
    if (s.len == 0)
        return;
    memcpy(t->at + t->len, s.at, s.len);
    t->len += s.len;
}

void text_add_string(struct text *t, const char *string)
{
    text_add(t, slice_of(string));
}

void text_add_char(struct text *t, char c)
{
    text_add(t, (struct slice){&c, 1});
}

void text_add_number(struct text *t, uint64_t number)
{
    char digits[20];
    size_t at = sizeof(digits);
    do
        digits[--at] = (char)('0' + number % 10);
    while ((number /= 10) > 0);
    text_add(t, (struct slice){digits + at, sizeof(digits) - at});
}

void text_add_format_list(struct text *t, const char *format, va_list list)
{
    /* vsnprintf wants a place for its NUL, which we have not always: it gets one of its own where
     * the rest of the text is small. */
    char small[256];
    size_t room = t->capacity - t->len;
    bool direct = room > sizeof(small);
    char *to = direct ? t->at + t->len : small;
    int wanted = vsnprintf(to, direct ? room : sizeof(small), format, list);
    if (wanted < 0) {
        t->full = true;
        return;
    }
    size_t got = (size_t)wanted;
    size_t limit = direct ? room - 1 : sizeof(small) - 1;
    if (got > limit) {
        got = limit;
        t->full = true;
    }
    if (direct)
        t->len += got;
    else
        text_add(t, (struct slice){small, got});
}

void text_add_format(struct text *t, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    text_add_format_list(t, format, list);
    va_end(list);
}

/* How many octets of s, which is not empty, are one well-formed UTF-8 character (RFC 3629 §4);
 * 0: none. */
static size_t utf8_length(struct slice s)
{
    const unsigned char *p = (const unsigned char *)s.at;
    unsigned low = 0x80;
    unsigned high = 0xbf;
    size_t len;
    if (p[0] < 0x80)
        return 1;
    if (p[0] >= 0xc2 && p[0] <= 0xdf) {
        len = 2;
    } else if (p[0] >= 0xe0 && p[0] <= 0xef) {
        len = 3;
        low = p[0] == 0xe0 ? 0xa0 : 0x80;  /* not longer than needed */
        high = p[0] == 0xed ? 0x9f : 0xbf; /* no surrogates */
    } else if (p[0] >= 0xf0 && p[0] <= 0xf4) {
        len = 4;
        low = p[0] == 0xf0 ? 0x90 : 0x80;
        high = p[0] == 0xf4 ? 0x8f : 0xbf; /* nothing above U+10FFFF */
    } else {
        return 0;
    }
    if (len > s.len || p[1] < low || p[1] > high)
        return 0;
    for (size_t i = 2; i < len; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    return len;
}

void text_add_json(struct text *t, struct slice s)
{
    text_add_char(t, '"');
    while (s.len > 0) {
        size_t len = utf8_length(s);
        unsigned char c = (unsigned char)s.at[0];
        if (len == 0) {
            text_add(t, SLICE("\xef\xbf\xbd"));
            len = 1;
        } else if (c == '"' || c == '\\') {
            text_add_char(t, '\\');
            text_add_char(t, (char)c);
        } else if (c < 0x20 || c == 0x7f) {
            text_add_format(t, "\\u%04x", c);
        } else {
            text_add(t, (struct slice){s.at, len});
        }
        s.at += len;
        s.len -= len;
    }
    text_add_char(t, '"');
}

void text_add_html(struct text *t, struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        switch (s.at[i]) {
        case '&': text_add(t, SLICE("&amp;")); break;
        case '<': text_add(t, SLICE("&lt;")); break;
        case '>': text_add(t, SLICE("&gt;")); break;
        case '"': text_add(t, SLICE("&quot;")); break;
        case '\'': text_add(t, SLICE("&#39;")); break;
        default: text_add_char(t, s.at[i]); break;
        }
    }
}

const char *text_string(struct text *t)
{
    if (t->len == t->capacity) {
        t->len--;
        t->full = true;
    }
    t->at[t->len] = '\0';
    return t->at;
}

/* -- numbers ------------------------------------------------------------------------------- */

bool number_read(struct slice s, uint64_t min, uint64_t max, uint64_t *number)
{
    uint64_t n = 0;
    if (s.len == 0)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        unsigned digit = (unsigned)(unsigned char)s.at[i] - '0';
        if (digit > 9 || n > (UINT64_MAX - digit) / 10)
            return false;
        n = n * 10 + digit;
    }
    if (n < min || n > max)
        return false;
    *number = n;
    return true;
}

bool duration_read(struct slice s, uint64_t max_ms, uint64_t *ms)
{
    static const struct {
        struct slice name;
        uint64_t ms;
    } units[] = {{{"ms", 2}, 1}, {{"s", 1}, 1000}, {{"m", 1}, 60000}, {{"h", 1}, 3600000}};
    struct slice digits = {s.at, 0};
    uint64_t unit = 1000;
    uint64_t n;

    while (digits.len < s.len && s.at[digits.len] >= '0' && s.at[digits.len] <= '9')
        digits.len++;
    if (digits.len < s.len) {
        struct slice name = {s.at + digits.len, s.len - digits.len};
        size_t i = 0;
        while (i < sizeof(units) / sizeof(*units) && !slice_is(units[i].name, name))
            i++;
        if (i == sizeof(units) / sizeof(*units))
            return false;
        unit = units[i].ms;
    }
    if (!number_read(digits, 0, max_ms / unit, &n))
        return false;
    *ms = n * unit;
    return true;
}

bool address_is_ipv6(struct slice s)
{
    char text[INET6_ADDRSTRLEN];
    struct in6_addr address;
    if (s.len >= sizeof(text) || memchr(s.at, '\0', s.len))
        return false;
    memcpy(text, s.at, s.len);
    text[s.len] = '\0';
    return inet_pton(AF_INET6, text, &address) == 1;
}

/* -- settings from the environment --------------------------------------------------------- */

const char *env_string(const char *name, const char *fallback)
{
    const char *value = getenv(name);
    return value && *value ? value : fallback;
}

bool env_number(const char *name, uint64_t min, uint64_t max, uint64_t *value, struct text *error)
{
    const char *setting = env_string(name, NULL);
    if (!setting || number_read(slice_of(setting), min, max, value))
        return true;
    text_add_format(error, "%s must be a number from %llu to %llu", name, (unsigned long long)min,
                    (unsigned long long)max);
    return false;
}

bool env_duration(const char *name, uint64_t min_ms, uint64_t max_ms, uint64_t *value_ms,
                  struct text *error)
{
    const char *setting = env_string(name, NULL);
    uint64_t ms;
    if (!setting)
        return true;
    if (duration_read(slice_of(setting), max_ms, &ms) && ms >= min_ms) {
        *value_ms = ms;
        return true;
    }
    text_add_format(error, "%s must be a duration from %llums to %llums, such as 500ms or 10s",
                    name, (unsigned long long)min_ms, (unsigned long long)max_ms);
    return false;
}

/* -- log ----------------------------------------------------------------------------------- */

/* One line, its control characters as \xNN. A log that cannot be written is no reason to stop. */
static void log_line(int fd, const char *format, va_list list)
{
    char raw[1024];
    char line[sizeof(raw) * 4 + 1];
    struct text in = TEXT_OVER(raw);
    struct text out = TEXT_OVER(line);
    ssize_t written;

    text_add_format_list(&in, format, list);
    for (size_t i = 0; i < in.len; i++) {
        unsigned char c = (unsigned char)in.at[i];
        if (c < 0x20 || c == 0x7f)
            text_add_format(&out, "\\x%02x", c);
        else
            text_add_char(&out, (char)c);
    }
    text_add_char(&out, '\n');
    do
        written = write(fd, out.at, out.len);
    while (written < 0 && errno == EINTR);
}

void log_info(const char *format, ...)
{
    va_list list;
    va_start(list, format);
    log_line(STDOUT_FILENO, format, list);
    va_end(list);
}

void log_error(const char *format, ...)
{
    va_list list;
    va_start(list, format);
    log_line(STDERR_FILENO, format, list);
    va_end(list);
}

/* -- clock --------------------------------------------------------------------------------- */

uint64_t clock_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail with this clock */
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t clock_ms(void)
{
    return clock_ns() / 1000000u;
}

struct clock_utc clock_utc(int64_t seconds)
{
    uint64_t days = (uint64_t)seconds / 86400;
    unsigned rest = (unsigned)((uint64_t)seconds % 86400);

    /* Days since 1 March of year 0 make leap days come last; the calendar repeats itself after
     * 400 years, 146097 days. */
    uint64_t z = days + 719468;
    uint64_t of_era = z % 146097;
    uint64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    uint64_t of_year = of_era - (365 * year + year / 4 - year / 100);
    uint64_t march = (5 * of_year + 2) / 153; /* months since March */
    unsigned month = (unsigned)((march + 2) % 12);
    return (struct clock_utc){
        .year = (unsigned)(year + z / 146097 * 400 + (month < 2)),
        .month = month + 1,
        .day = (unsigned)(of_year - (153 * march + 2) / 5 + 1),
        .weekday = (unsigned)((days + 4) % 7), /* 1 January 1970 was a Thursday */
        .hour = rest / 3600,
        .minute = rest / 60 % 60,
        .second = rest % 60,
    };
}
