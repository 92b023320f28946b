/* url.c - see url.h. */
#include "url.h"

enum { LABEL_MAX = 63 }; /* RFC 1035 §2.3.4 */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_alnum(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_hex(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool is_any_of(char c, struct slice set)
{
    return memchr(set.at, c, set.len) != NULL;
}

/* Cut the first len octets off text. */
static struct slice take(struct slice *text, size_t len)
{
    struct slice head = {text->at, len};
    text->at += len;
    text->len -= len;
    return head;
}

/* The length of text up to the first octet that is in set, or all of it. */
static size_t length_to(struct slice text, struct slice set)
{
    size_t len = 0;
    while (len < text.len && !is_any_of(text.at[len], set))
        len++;
    return len;
}

/* Letters and digits, with one of "+-." between (RFC 3986 §3.1). */
static bool is_scheme(struct slice s)
{
    if (s.len == 0 || !is_alnum(s.at[0]) || is_digit(s.at[0]))
        return false;
    for (size_t i = 1; i < s.len; i++)
        if (!is_alnum(s.at[i]) && !is_any_of(s.at[i], SLICE("+-.")))
            return false;
    return true;
}

/* Labels with dots between; one may stand at the end. Underscores occur in container names. */
static bool is_name(struct slice s)
{
    size_t label = 0;
    if (s.len == 0 || s.len > URL_HOST_MAX)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        if (s.at[i] == '.') {
            if (label == 0)
                return false;
            label = 0;
        } else if (is_alnum(s.at[i]) || s.at[i] == '-' || s.at[i] == '_') {
            if (++label > LABEL_MAX)
                return false;
        } else {
            return false;
        }
    }
    return true;
}

/* pchar, "/" and "?" (RFC 3986 §3.3, §3.4). */
static bool is_target(struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.at[i] == '%') {
            if (s.len - i < 3 || !is_hex(s.at[i + 1]) || !is_hex(s.at[i + 2]))
                return false;
            i += 2;
        } else if (!is_alnum(s.at[i]) && !is_any_of(s.at[i], SLICE("-._~!$&'()*+,;=:@/?"))) {
            return false;
        }
    }
    return true;
}

static const char *read_authority(struct slice rest, struct url *url)
{
    url->authority = rest;
    if (memchr(rest.at, '@', rest.len))
        return "holds a user name or password, which is never sent";

    if (rest.len > 0 && rest.at[0] == '[') {
        take(&rest, 1);
        url->host = take(&rest, length_to(rest, SLICE("]")));
        if (rest.len == 0 || !address_is_ipv6(url->host))
            return "has no IPv6 address between [ and ]";
        take(&rest, 1);
    } else {
        url->host = take(&rest, length_to(rest, SLICE(":")));
        if (url->host.len == 0)
            return "has no host";
        if (!is_name(url->host))
            return "has a host that is neither a name nor an address";
    }

    url->port = 0;
    if (rest.len > 0) {
        uint64_t port;
        if (take(&rest, 1).at[0] != ':' || !number_read(rest, 1, UINT16_MAX, &port))
            return "has a port that is not a number from 1 to 65535";
        url->port = (uint16_t)port;
    }
    return NULL;
}

const char *url_read(struct slice text, struct url *url)
{
    struct slice rest = text;

    url->scheme = take(&rest, length_to(rest, SLICE(":")));
    if (!is_scheme(url->scheme) || !slice_starts(rest, SLICE("://")))
        return "does not begin with a scheme such as http://";
    take(&rest, 3);

    const char *wrong = read_authority(take(&rest, length_to(rest, SLICE("/?#"))), url);
    if (wrong)
        return wrong;

    url->target = rest;
    if (memchr(rest.at, '#', rest.len))
        return "has a fragment (#), which is never sent";
    if (!is_target(rest))
        return "has a path with characters that must be written as %XX";
    return NULL;
}
