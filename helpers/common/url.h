/* url.h - take a URL apart, strictly.
 *
 *   url  = scheme "://" host [ ":" port ] [ path ] [ "?" query ]
 *   host = 1*( ALPHA / DIGIT / "-" / "_" / "." ) / "[" IPv6 "]"
 *
 * A subset of RFC 3986: what names a service in a private network. User names, passwords and
 * fragments have no place in it and are refused. */
#ifndef URL_H
#define URL_H

#include <stdbool.h>
#include <stdint.h>

#include "slice.h"
#include "util.h"

enum { URL_HOST_MAX = 253 }; /* RFC 1035 §2.3.4, as text */

/* All slices point into the text that was read. */
struct url {
    struct slice scheme;    /* compare with slice_is_nocase */
    struct slice authority; /* host and port as written: what a Host field wants */
    struct slice host;      /* without brackets */
    uint16_t port;          /* 0: none was given */
    struct slice target;    /* path and query; empty, or it begins with "/" or "?" */
};

/* NULL: *url is filled. Otherwise what is wrong, as the end of a sentence about the text; it
 * repeats no part of the text, which may hold a password. */
const char *url_read(struct slice text, struct url *url) MUST_CHECK;

#endif
