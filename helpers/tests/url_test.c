/* url_test.c - URLs taken apart, and refused without a word of theirs. */
#include "url.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

/* The text in a heap block of its exact size: a read too far is found by the sanitizer. */
static const char *read_exactly(const char *text, struct url *url, char **block)
{
    size_t len = strlen(text);
    *block = malloc(len ? len : 1);
    assert(*block);
    memcpy(*block, text, len);
    return url_read((struct slice){*block, len}, url);
}

static void reads(const char *text, const char *scheme, const char *host, unsigned port,
                  const char *authority, const char *target)
{
    struct url url;
    char *block;
    const char *wrong = read_exactly(text, &url, &block);

    if (wrong)
        fprintf(stderr, "%s %s\n", text, wrong);
    assert(!wrong);
    assert(slice_is(url.scheme, slice_of(scheme)));
    assert(slice_is(url.host, slice_of(host)));
    assert(slice_is(url.authority, slice_of(authority)));
    assert(slice_is(url.target, slice_of(target)));
    assert(url.port == port);
    free(block);
}

static void refuses(const char *text, const char *expected)
{
    struct url url;
    char *block;
    const char *wrong = read_exactly(text, &url, &block);

    if (!wrong || !strstr(wrong, expected))
        fprintf(stderr, "%s: %s, not: %s\n", text, wrong ? wrong : "(accepted)", expected);
    assert(wrong && strstr(wrong, expected));
    free(block);
}

static void names_and_ports(void)
{
    reads("http://db-checker:5000/ping", "http", "db-checker", 5000, "db-checker:5000", "/ping");
    reads("http://a", "http", "a", 0, "a", "");
    reads("HTTP://a_b.internal.:1", "HTTP", "a_b.internal.", 1, "a_b.internal.:1", "");
    reads("http://10.0.0.1:65535?x=/", "http", "10.0.0.1", 65535, "10.0.0.1:65535", "?x=/");
    reads("http://[::1]:80/", "http", "::1", 80, "[::1]:80", "/");
    reads("http://[fe80::1]", "http", "fe80::1", 0, "[fe80::1]", "");
    reads("redis://cache", "redis", "cache", 0, "cache", "");
    reads("a+b-c.1://h/%2F;,@:", "a+b-c.1", "h", 0, "h", "/%2F;,@:");
}

static void schemes(void)
{
    const char *const wrong[] = {"",        "http",           "http:",          "http:/",
                                 "http:/a", "://a",           "1http://a",      "ht tp://a",
                                 "http//a", "ht\xc3\xa9://a", "db-checker:5000"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
        refuses(wrong[i], "scheme");
}

static void hosts(void)
{
    char label[] = "http://aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffaaaa/";
    char name[300] = "http://";

    refuses("http://", "has no host");
    refuses("http:///path", "has no host");
    refuses("http://:80", "has no host");
    refuses("http://a..b", "neither");
    refuses("http://.a", "neither");
    refuses("http://a b", "neither");
    refuses("http://a\tb", "neither");
    refuses("http://a\\b", "neither");
    refuses("http://a%41", "neither");
    refuses("http://h\xc3\xb6st", "neither");
    refuses(label, "neither");
    for (size_t i = 0; i < 127; i++)
        memcpy(name + 7 + 2 * i, "a.", 3);
    refuses(name, "neither");
    name[7 + 253] = '\0';
    reads(name, "http", name + 7, 0, name + 7, "");

    refuses("http://[", "IPv6");
    refuses("http://[]", "IPv6");
    refuses("http://[::1", "IPv6");
    refuses("http://[::g]", "IPv6");
    refuses("http://[1.2.3.4]", "IPv6");
    refuses("http://[::1%25eth0]", "IPv6");
    refuses("http://[1111:2222:3333:4444:5555:6666:7777:8888:9999:1111:2222]", "IPv6");
}

static void ports(void)
{
    const char *const wrong[] = {"http://a:",
                                 "http://a:0",
                                 "http://a:65536",
                                 "http://a:-1",
                                 "http://a:+1",
                                 "http://a:0x50",
                                 "http://a:80:80",
                                 "http://a:8 0",
                                 "http://[::1]80",
                                 "http://[::1]x",
                                 "http://a:999999999999999999999"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
        refuses(wrong[i], "port");
}

static void secrets(void)
{
    const char *const wrong[] = {"http://u:SECRET@a/", "http://SECRET@a", "http://@a",
                                 "http://a:80@SECRET:90"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        refuses(wrong[i], "user name or password");
    }
}

static void targets(void)
{
    refuses("http://a/#b", "fragment");
    refuses("http://a#b", "fragment");
    refuses("http://a/ b", "%XX");
    refuses("http://a/\r\nHost: b", "%XX");
    refuses("http://a/%", "%XX");
    refuses("http://a/%4", "%XX");
    refuses("http://a/%4g", "%XX");
    refuses("http://a/\x7f", "%XX");
    refuses("http://a/\xc3\xa9", "%XX");
    refuses("http://a/[", "%XX");
    refuses("http://a/\"<>^`{|}", "%XX");
}

int main(void)
{
    struct url url;
    assert(strstr(url_read((struct slice){"http://a/\0b", 11}, &url), "%XX"));
    assert(strstr(url_read((struct slice){"http://[::1\0]", 13}, &url), "IPv6"));
    assert(strstr(url_read((struct slice){"http://a\0", 9}, &url), "neither"));
    names_and_ports();
    schemes();
    hosts();
    ports();
    secrets();
    targets();
    return 0;
}
