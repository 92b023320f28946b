/* util_test.c - bounded text, numbers, settings, log lines. */
#include "util.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <wchar.h>

static void test_slices(void)
{
    assert(slice_is(SLICE("a"), slice_of("a")) && !slice_is(SLICE("a"), SLICE("ab")));
    assert(slice_is((struct slice){NULL, 0}, SLICE("")));
    assert(slice_starts(SLICE("abc"), SLICE("ab")) && !slice_starts(SLICE("a"), SLICE("ab")));
    assert(slice_starts(SLICE("a"), SLICE("")));
    assert(slice_is_nocase(SLICE("aBz-[@"), SLICE("AbZ-[@")));
    assert(!slice_is_nocase(SLICE("@"), SLICE("`")) && !slice_is_nocase(SLICE("["), SLICE("{")));
    assert(!slice_is_nocase(SLICE("a"), SLICE("ab")));
}

static void test_text(void)
{
    char room[8];
    struct text t = TEXT_OVER(room);
    text_add_string(&t, "abc");
    text_add_char(&t, '-');
    text_add_number(&t, 12);
    assert(slice_is(text_slice(&t), SLICE("abc-12")) && !t.full);
    text_add(&t, SLICE("xyz"));
    assert(slice_is(text_slice(&t), SLICE("abc-12xy")) && t.full);
    text_add(&t, SLICE(""));
    assert(strcmp(text_string(&t), "abc-12x") == 0);
    text_clear(&t);
    assert(t.len == 0 && !t.full);
    text_add_number(&t, 0);
    assert(strcmp(text_string(&t), "0") == 0);

    char number[20];
    struct text n = TEXT_OVER(number);
    text_add_number(&n, UINT64_MAX);
    assert(slice_is(text_slice(&n), SLICE("18446744073709551615")) && !n.full);
}

static void test_format(void)
{
    char small[6];
    struct text t = TEXT_OVER(small);
    text_add_format(&t, "%d-%s", 12, "abc");
    assert(slice_is(text_slice(&t), SLICE("12-abc")) && !t.full);
    text_clear(&t);
    text_add_format(&t, "%d-%s", 12, "abcd");
    assert(slice_is(text_slice(&t), SLICE("12-abc")) && t.full);

    /* longer than what is formatted at one side first */
    char large[600];
    struct text l = TEXT_OVER(large);
    text_add_format(&l, "%0500d", 1);
    assert(l.len == 500 && !l.full);
    text_add_format(&l, "%090d", 1);
    assert(l.len == 590 && !l.full);
    text_add_format(&l, "%0300d", 1);
    assert(l.len == 600 && l.full);
    text_clear(&l);
    text_add_format(&l, "%0700d", 1);
    assert(l.full && l.len < 600);
    /* what printf itself cannot do */
    text_clear(&l);
    text_add_format(&l, "%lc", (wint_t)0xd800);
    assert(l.full && l.len == 0);
}

static void test_json(void)
{
    static const struct {
        struct slice in;
        const char *out;
    } cases[] = {
        {{"a\"\\/", 4}, "\"a\\\"\\\\/\""},
        {{"\n\x7f\0", 3}, "\"\\u000a\\u007f\\u0000\""},
        {{"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", 9}, "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\""},
        {{"\xc3", 1}, "\"\xef\xbf\xbd\""},                 /* cut off */
        {{"\xc0\xaf", 2}, "\"\xef\xbf\xbd\xef\xbf\xbd\""}, /* longer than needed */
        {{"\xe0\x80\x80", 3}, "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
        {{"\xed\xa0\x80", 3}, "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""}, /* surrogate */
        {{"\xf4\x90\x80\x80", 4}, "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
        {{"\xf0\x80\x80\x80", 4}, "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
        {{"\xe2\x82x", 3}, "\"\xef\xbf\xbd\xef\xbf\xbdx\""},
        {{"\xff", 1}, "\"\xef\xbf\xbd\""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char room[64];
        struct text t = TEXT_OVER(room);
        text_add_json(&t, cases[i].in);
        assert(strcmp(text_string(&t), cases[i].out) == 0);
    }
}

static void test_html(void)
{
    char room[64];
    struct text t = TEXT_OVER(room);
    text_add_html(&t, SLICE("<a b=\"c\">&'d"));
    assert(strcmp(text_string(&t), "&lt;a b=&quot;c&quot;&gt;&amp;&#39;d") == 0);
}

static void test_numbers(void)
{
    uint64_t n = 7;
    assert(number_read(SLICE("0"), 0, 9, &n) && n == 0);
    assert(number_read(SLICE("0042"), 1, 42, &n) && n == 42);
    assert(number_read(SLICE("18446744073709551615"), 0, UINT64_MAX, &n) && n == UINT64_MAX);
    n = 7;
    assert(!number_read(SLICE("18446744073709551616"), 0, UINT64_MAX, &n));
    assert(!number_read(SLICE("28446744073709551615"), 0, UINT64_MAX, &n));
    assert(!number_read(SLICE(""), 0, 9, &n) && !number_read(SLICE("-1"), 0, 9, &n));
    assert(!number_read(SLICE("1 "), 0, 9, &n) && !number_read(SLICE("0x1"), 0, 9, &n));
    assert(!number_read(SLICE("10"), 0, 9, &n) && !number_read(SLICE("1"), 2, 9, &n));
    assert(n == 7);

    assert(duration_read(SLICE("10"), 60000, &n) && n == 10000);
    assert(duration_read(SLICE("500ms"), 60000, &n) && n == 500);
    assert(duration_read(SLICE("2s"), 60000, &n) && n == 2000);
    assert(duration_read(SLICE("1m"), 60000, &n) && n == 60000);
    assert(duration_read(SLICE("2h"), 7200000, &n) && n == 7200000);
    assert(!duration_read(SLICE("61s"), 60000, &n) && !duration_read(SLICE("2m"), 60000, &n));
    assert(!duration_read(SLICE("1d"), 60000, &n) && !duration_read(SLICE("s"), 60000, &n));
    assert(!duration_read(SLICE(""), 60000, &n) && !duration_read(SLICE("1 s"), 60000, &n));
    assert(!duration_read(SLICE("99999999999999999999h"), UINT64_MAX, &n));
}

static void test_addresses(void)
{
    static const char *const good[] = {
        "::",
        "::1",
        "1::",
        "1:2:3:4:5:6:7:8",
        "1:2:3:4:5:6:7::",
        "::2:3:4:5:6:7:8",
        "1::8",
        "ABCD:ef01::",
        "::1.2.3.4",
        "1:2:3:4:5:6:1.2.3.4",
        "1::255.255.255.255",
        "0000:0000:0000:0000:0000:ffff:255.255.255.255",
    };
    static const char *const bad[] = {
        "",
        ":",
        ":::",
        "1",
        "1:",
        ":1",
        "1:2",
        "1:2:3:4:5:6:7",
        "1:2:3:4:5:6:7:8:9",
        "1::2::3",
        "1:2:3:4:5:6:7:8::",
        "::1:2:3:4:5:6:7:8",
        "1:2:3:4::5:6:7:8",
        "12345::",
        "::g",
        "1.2.3.4",
        "::1.2.3",
        "::1.2.3.4.5",
        "::1.2.3.256",
        "::1.2.3.04",
        "::1.2.3.4:1",
        "1:2:3:4:5:6:7:1.2.3.4",
        "::%1",
        "::%25a",
        " ::",
        ":: ",
        "[::]",
        "::/64",
        "00000000000000000000000000000000000000000000::",
    };
    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
        assert(address_is_ipv6(slice_of(good[i])));
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        assert(!address_is_ipv6(slice_of(bad[i])));
    assert(!address_is_ipv6(SLICE("::\0")) && !address_is_ipv6(SLICE("::1\0:")));
}

static void test_settings(void)
{
    char room[128];
    struct text error = TEXT_OVER(room);
    uint64_t n = 5;

    unsetenv("TEST_SETTING");
    assert(env_number("TEST_SETTING", 1, 9, &n, &error) && n == 5);
    assert(env_duration("TEST_SETTING", 1, 9, &n, &error) && n == 5);
    assert(strcmp(env_string("TEST_SETTING", "x"), "x") == 0);
    setenv("TEST_SETTING", "", 1);
    assert(env_number("TEST_SETTING", 1, 9, &n, &error) && n == 5);
    assert(strcmp(env_string("TEST_SETTING", "x"), "x") == 0);
    setenv("TEST_SETTING", "9", 1);
    assert(env_number("TEST_SETTING", 1, 9, &n, &error) && n == 9);
    assert(strcmp(env_string("TEST_SETTING", "x"), "9") == 0);
    assert(env_duration("TEST_SETTING", 1, 9000, &n, &error) && n == 9000);
    assert(error.len == 0);
    setenv("TEST_SETTING", "secret", 1);
    assert(!env_number("TEST_SETTING", 1, 9, &n, &error) && n == 9000);
    assert(strcmp(text_string(&error), "TEST_SETTING must be a number from 1 to 9") == 0);
    text_clear(&error);
    assert(!env_duration("TEST_SETTING", 100, 9000, &n, &error) && n == 9000);
    assert(strcmp(text_string(&error), "TEST_SETTING must be a duration from 100ms to 9000ms, "
                                       "such as 500ms or 10s") == 0);
    setenv("TEST_SETTING", "50ms", 1);
    assert(!env_duration("TEST_SETTING", 100, 9000, &n, &error));
}

/* What a line is, seen through a pipe in the place of that descriptor. */
static void check_log(int fd, void (*log)(const char *, ...), const char *stream)
{
    char got[8192];
    int ends[2];
    int before = dup(fd);
    assert(pipe(ends) == 0 && before >= 0);
    fflush(stdout);
    dup2(ends[1], fd);
    log("%s: \x1b[31m%s\r\n", stream, "a\nb\x7f");
    dup2(before, fd);
    close(ends[1]);
    ssize_t n = read(ends[0], got, sizeof(got) - 1);
    assert(n > 0);
    got[n] = '\0';
    close(ends[0]);
    close(before);
    char wanted[128];
    snprintf(wanted, sizeof(wanted), "%s: \\x1b[31ma\\x0ab\\x7f\\x0d\\x0a\n", stream);
    assert(strcmp(got, wanted) == 0);
}

static void test_log(void)
{
    check_log(STDOUT_FILENO, log_info, "info");
    check_log(STDERR_FILENO, log_error, "error");
}

/* Every day for 800 years, against the C library's. */
static void test_utc(void)
{
    for (int64_t seconds = 0; seconds < INT64_C(800) * 366 * 86400; seconds += 86399) {
        time_t at = (time_t)seconds;
        struct tm tm;
        struct clock_utc utc = clock_utc(seconds);
        assert(gmtime_r(&at, &tm));
        assert((int)utc.year == tm.tm_year + 1900 && (int)utc.month == tm.tm_mon + 1);
        assert((int)utc.day == tm.tm_mday && (int)utc.weekday == tm.tm_wday);
        assert((int)utc.hour == tm.tm_hour && (int)utc.minute == tm.tm_min);
        assert((int)utc.second == tm.tm_sec);
    }
}

static void test_clock(void)
{
    uint64_t ns = clock_ns();
    uint64_t ms = clock_ms();
    assert(clock_ns() >= ns && ms >= ns / 1000000);
}

int main(void)
{
    test_slices();
    test_text();
    test_format();
    test_json();
    test_html();
    test_numbers();
    test_addresses();
    test_settings();
    test_log();
    test_clock();
    test_utc();
    return 0;
}
