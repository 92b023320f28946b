/* http1_test.c - what is read, what is refused, and with which status; every message is read whole
 * and octet by octet, against an unreadable page. */
#include "http1.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guard.h"

static const struct http1_limits *limits = &http1_limits_default;

static bool span_is(const struct http1_head *h, struct http1_span span, const char *wanted)
{
    return slice_is(http1_slice(h, span), slice_of(wanted));
}

/* -- heads ------------------------------------------------------------------------------------ */

/* Read it whole, then again from pieces of `step` octets; both must say the same. */
static enum http1_result read_request(struct slice octets, struct http1_request *req)
{
    enum http1_result whole =
        http1_read_request(guard(octets.at, octets.len), octets.len, 0, limits, req);
    uint16_t refuse = req->head.refuse;
    uint32_t len = req->head.len;
    for (size_t step = 1; step < 8; step += 3) {
        enum http1_result result = HTTP1_MORE;
        size_t seen = 0;
        for (size_t n = 0; result == HTTP1_MORE; seen = n) {
            n = n + step < octets.len ? n + step : octets.len;
            result = http1_read_request(guard(octets.at, n), n, seen, limits, req);
            if (n == octets.len)
                break;
        }
        assert(result == whole);
        assert(whole != HTTP1_REFUSED || req->head.refuse == refuse);
        assert(whole != HTTP1_DONE || req->head.len == len);
    }
    return whole;
}

struct request_case {
    const char *octets;
    unsigned status; /* 0: good */
};

#define HOST "Host: h\r\n"
#define GET "GET / HTTP/1.1\r\n" HOST
#define POST "POST / HTTP/1.1\r\n" HOST

static const struct request_case requests[] = {
    /* empty lines first: RFC 9112 §2.2 */
    {"\r\n" GET "\r\n", 0},
    {"\r\n\r\n" GET "\r\n", 0},
    {"\r\n\r\n\r\n" GET "\r\n", 400},
    {"\n" GET "\r\n", 400},
    {"\rGET / HTTP/1.1\r\n\r\n", 400},

    /* line ends: §2.2 */
    {"GET / HTTP/1.1\nHost: h\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: h\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: h\r\n\n", 400},
    {"GET / HTTP/1.1\r\nHost: h\r\n\rX", 400},
    {"GET / HTTP/1.1\rHost: h\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: h\r\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\r\nHost: h\r\n\r\n", 400},

    /* the request line: §3 */
    {"GET  / HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET /  HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET\t/ HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET / HTTP/1.1 \r\n" HOST "\r\n", 400},
    {" GET / HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET /\r\n\r\n", 400}, /* HTTP/0.9 */
    {"GET\r\n\r\n", 400},
    {"GET / \r\n\r\n", 400},
    {"G(T / HTTP/1.1\r\n" HOST "\r\n", 400},
    {"G\x80T / HTTP/1.1\r\n" HOST "\r\n", 400},
    {"get / HTTP/1.1\r\n" HOST "\r\n", 0}, /* a method nobody knows */
    {"ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEF / HTTP/1.1\r\n" HOST "\r\n", 0},
    {"ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFG / HTTP/1.1\r\n" HOST "\r\n", 501},

    /* versions: §2.3 */
    {"GET / HTTP/1.0\r\n\r\n", 0},
    {"GET / HTTP/1.2\r\n" HOST "\r\n", 0},
    {"GET / HTTP/1.9\r\n" HOST "\r\n", 0},
    {"GET / HTTP/2.0\r\n" HOST "\r\n", 505},
    {"GET / HTTP/0.9\r\n" HOST "\r\n", 505},
    {"GET / HTTP/11.1\r\n" HOST "\r\n", 400},
    {"GET / HTTP/1.10\r\n" HOST "\r\n", 400},
    {"GET / HTTP/1\r\n" HOST "\r\n", 400},
    {"GET / HTTP/1.\r\n" HOST "\r\n", 400},
    {"GET / HTTP/1,1\r\n" HOST "\r\n", 400},
    {"GET / http/1.1\r\n" HOST "\r\n", 400},
    {"GET / HTTP /1.1\r\n" HOST "\r\n", 400},
    {"GET / ICY/1.1\r\n" HOST "\r\n", 400},

    /* targets: §3.2 */
    {"GET /a/b;c=d,e:f@g!$&'()*+~.-_?h/i?j HTTP/1.1\r\n" HOST "\r\n", 0},
    {"GET //x HTTP/1.1\r\n" HOST "\r\n", 0},
    {"GET /%41%7e%Ff?%20 HTTP/1.1\r\n" HOST "\r\n", 0},
    {"GET /% HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET /%4 HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET /%4g HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET /?%g4 HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET /a#b HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET /a\\b HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET /a\"b HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET /<a> HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET /a|b HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET /a[b] HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET /\x01 HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET /\x7f HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET /\xc3\xa4 HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET a HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET ?a HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET http:/a HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET http://a HTTP/1.1\r\n" HOST "\r\n", 0},
    {"GET http://a/b?c HTTP/1.1\r\n" HOST "\r\n", 0},
    {"GET http://a/b[c] HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET http://a?[c] HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET http:///b HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET http://:80/b HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET http://a:80x/b HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET http://u:p%40@a/b HTTP/1.1\r\n" HOST "\r\n", 0},
    {"GET http://u,v@a/b HTTP/1.1\r\n" HOST "\r\n", 0},
    {"GET http://u[@a/b HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET http://[::1]/b HTTP/1.1\r\n" HOST "\r\n", 0},
    {"GET http://[:::1]/b HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET http://a:65536/b HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET http://u@v@a/b HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET 1http://a/b HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET ht~tp://a/b HTTP/1.1\r\n" HOST "\r\n", 400},
    {"OPTIONS * HTTP/1.1\r\n" HOST "\r\n", 0},
    {"OPTIONS ** HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET * HTTP/1.1\r\n" HOST "\r\n", 400},
    {"CONNECT a:443 HTTP/1.1\r\n" HOST "\r\n", 0},
    {"CONNECT [::1]:443 HTTP/1.1\r\n" HOST "\r\n", 0},
    {"CONNECT a HTTP/1.1\r\n" HOST "\r\n", 400},
    {"CONNECT a: HTTP/1.1\r\n" HOST "\r\n", 400},
    {"CONNECT a:0 HTTP/1.1\r\n" HOST "\r\n", 400},
    {"CONNECT a:65536 HTTP/1.1\r\n" HOST "\r\n", 400},
    {"CONNECT :443 HTTP/1.1\r\n" HOST "\r\n", 400},
    {"CONNECT / HTTP/1.1\r\n" HOST "\r\n", 400},
    {"CONNECT http://a/ HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET a:443 HTTP/1.1\r\n" HOST "\r\n", 400},

    /* fields: §5 */
    {GET "a:\r\nb: \t \r\nc:d\r\n\r\n", 0},
    {GET "a : b\r\n\r\n", 400},
    {GET "a\t: b\r\n\r\n", 400},
    {GET ": b\r\n\r\n", 400},
    {GET "ab\r\n\r\n", 400},
    {GET "a b: c\r\n\r\n", 400},
    {GET "a\x80: c\r\n\r\n", 400},
    {GET "(a): c\r\n\r\n", 400},
    {GET "a: b\r\n c\r\n\r\n", 400},
    {GET "a: b\r\n\tc\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n Host: h\r\n\r\n", 400},
    {GET "a: b\tc \xff\r\n\r\n", 0},
    {GET "a: b\x0b\r\n\r\n", 400},
    {GET "a: \x7f\r\n\r\n", 400},
    {GET "a: 1234567\x7f\r\n\r\n", 400},
    {GET "a: 12345678\x01"
         "12345678\r\n\r\n",
     400},
    {GET "a: 1234567\t890\x1f\r\n\r\n", 400},

    /* Host: §3.2. Its absence is for the caller to judge. */
    {"GET / HTTP/1.1\r\n\r\n", 0},
    {"GET / HTTP/1.1\r\nHost:\r\n\r\n", 0},
    {GET HOST "\r\n", 400},
    {"GET / HTTP/1.0\r\n" HOST HOST "\r\n", 400},
    {"GET / HTTP/1.1\r\nhOsT: a.b-c_d:80\r\n\r\n", 0},
    {"GET / HTTP/1.1\r\nHost: a:\r\n\r\n", 0},
    {"GET / HTTP/1.1\r\nHost: :80\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a:b\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a%2\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a%2g\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a%2F\r\n\r\n", 0},
    {"GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", 0},
    {"GET / HTTP/1.1\r\nHost: [::ffff:1.2.3.4]\r\n\r\n", 0},
    {"GET / HTTP/1.1\r\nHost: [v1.a:b]\r\n\r\n", 0},
    {"GET / HTTP/1.1\r\nHost: [VF0.a!:$]:1\r\n\r\n", 0},
    {"GET / HTTP/1.1\r\nHost: a,b\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a!$&'()*+;=\r\n\r\n", 0},
    {"GET / HTTP/1.1\r\nHost: a:65535\r\n\r\n", 0},
    {"GET / HTTP/1.1\r\nHost: a:00080\r\n\r\n", 0},
    {"GET / HTTP/1.1\r\nHost: a:65536\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: [::1]:99999999999999999999\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: [v1\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: [v]\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: [v1]\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: [v1.]\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: [v.a]\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: [v1xxx]\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: [vgg.a]\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: [v1.a%41]\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: []\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: [\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: [1.2.3.4]\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: [::g]\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: [::1]x\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: [:::::]\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: [....::]\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: [::1.2.3]\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: [12345::]\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: [1:2:3:4:5:6:7:8]\r\n\r\n", 0},
    {"GET / HTTP/1.1\r\nHost: [1:2:3:4:5:6:7:8:9]\r\n\r\n", 400},

    /* Content-Length: §6.3 */
    {POST "Content-Length: 5\r\n\r\n", 0},
    {POST "Content-Length: 005\r\n\r\n", 0},
    {POST "Content-Length: 0\r\n\r\n", 0},
    {POST "Content-Length:\r\n\r\n", 400},
    {POST "Content-Length: +5\r\n\r\n", 400},
    {POST "Content-Length: -1\r\n\r\n", 400},
    {POST "Content-Length: 0x5\r\n\r\n", 400},
    {POST "Content-Length: 5 5\r\n\r\n", 400},
    {POST "Content-Length: 5,5\r\n\r\n", 400},
    {POST "Content-Length: 5.0\r\n\r\n", 400},
    {POST "Content-Length: 1_0\r\n\r\n", 400},
    {POST "Content-Length: \"5\"\r\n\r\n", 400},
    {POST "Content-Length: 5\r\nContent-Length: 5\r\n\r\n", 400},
    {POST "Content-Length: 5\r\ncontent-length: 6\r\n\r\n", 400},
    {POST "Content-Length: 65536\r\n\r\n", 0},
    {POST "Content-Length: 65537\r\n\r\n", 413},
    {POST "Content-Length: 9223372036854775807\r\n\r\n", 413},
    {POST "Content-Length: 9223372036854775808\r\n\r\n", 400},
    {POST "Content-Length: 18446744073709551616\r\n\r\n", 400},
    {POST "Content-Length: 99999999999999999999999\r\n\r\n", 400},
    {POST "Content_Length: x\r\n\r\n", 0},
    {POST "Content-Lengthx: x\r\n\r\n", 0},

    /* Transfer-Encoding: §6.1, §7 */
    {POST "Transfer-Encoding: chunked\r\n\r\n", 0},
    {POST "transfer-encoding: CHUNKED\r\n\r\n", 0},
    {POST "Transfer-Encoding:\tchunked \r\n\r\n", 0},
    {POST "Transfer-Encoding: gzip, chunked\r\n\r\n", 0},
    {POST "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n", 0},
    {POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n\r\n", 400},
    {POST "Transfer-Encoding: chunked, identity\r\n\r\n", 400},
    {POST "Transfer-Encoding: chunked, chunked\r\n\r\n", 400},
    {POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
    {POST "Transfer-Encoding: chunked;a=b\r\n\r\n", 400},
    {POST "Transfer-Encoding: gzip ; a = b;c=\"d\\\", \"\t , chunked\r\n\r\n", 0},
    {POST "Transfer-Encoding: gzip;a=\"b, chunked\"\r\n\r\n", 400},
    {POST "Transfer-Encoding: @, chunked\r\n\r\n", 400},
    {POST "Transfer-Encoding: a b, chunked\r\n\r\n", 400},
    {POST "Transfer-Encoding: \"x, chunked\r\n\r\n", 400},
    {POST "Transfer-Encoding: x;a=\"b, chunked\r\n\r\n", 400},
    {POST "Transfer-Encoding: x;a=\"b\\\", chunked\r\n\r\n", 400},
    {POST "Transfer-Encoding: x;a=\"b\"c, chunked\r\n\r\n", 400},
    {POST "Transfer-Encoding: x;, chunked\r\n\r\n", 400},
    {POST "Transfer-Encoding: x;a, chunked\r\n\r\n", 400},
    {POST "Transfer-Encoding: x;a=, chunked\r\n\r\n", 400},
    {POST "Transfer-Encoding: x;=b, chunked\r\n\r\n", 400},
    {POST "Transfer-Encoding: x;a=b c, chunked\r\n\r\n", 400},
    {POST "Transfer-Encoding: ;a=b, chunked\r\n\r\n", 400},
    {POST "Transfer-Encoding: chunked;\r\n\r\n", 400},
    {POST "Transfer-Encoding: chunked ;a=b\r\n\r\n", 400},
    {POST "Transfer-Encoding: chunked x\r\n\r\n", 400},
    {POST "Transfer-Encoding: chunked/\r\n\r\n", 400},
    {POST "Transfer-Encoding: \xff, chunked\r\n\r\n", 400},
    {POST "Transfer-Encoding: ,chunked\r\n\r\n", 400},
    {POST "Transfer-Encoding: chunked,\r\n\r\n", 400},
    {POST "Transfer-Encoding:\r\n\r\n", 400},
    {POST "Transfer-Encoding: xchunked\r\n\r\n", 400},
    {POST "Transfer-Encoding: chunkedx\r\n\r\n", 400},
    {POST "Transfer-Encoding: \"chunked\"\r\n\r\n", 400},
    {POST "Transfer-Encoding: identity\r\n\r\n", 400},
    {POST "Transfer-Encoding: chunked\x0b\r\n\r\n", 400},
    {POST "Transfer-Encoding: \x0c"
          "chunked\r\n\r\n",
     400},
    {POST "Transfer-Encoding : chunked\r\n\r\n", 400},
    {POST "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", 400},
    {POST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
    {POST "Content-Length: 5\r\nTransfer-Encoding: gzip\r\n\r\n", 400},
    {"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
};

static void test_requests(void)
{
    static struct http1_request req;
    for (size_t i = 0; i < sizeof(requests) / sizeof(*requests); i++) {
        const struct request_case *c = &requests[i];
        enum http1_result result = read_request(slice_of(c->octets), &req);
        unsigned status = result == HTTP1_REFUSED ? req.head.refuse : 0;
        bool right = status == c->status && (status > 0 || result == HTTP1_DONE);
        if (!right)
            fprintf(stderr, "%s: %u, not %u\n", c->octets, status, c->status);
        assert(right);
        /* One octet less is never a message. */
        if (result == HTTP1_DONE)
            assert(read_request((struct slice){c->octets, strlen(c->octets) - 1}, &req) ==
                   HTTP1_MORE);
    }
    assert(read_request(SLICE(""), &req) == HTTP1_MORE);
    /* NUL, which string literals end with. */
    assert(read_request(SLICE("GET /\0 HTTP/1.1\r\n\r\n"), &req) == HTTP1_REFUSED);
    assert(read_request(SLICE(GET "a\0: b\r\n\r\n"), &req) == HTTP1_REFUSED);
    assert(read_request(SLICE(GET "a: \0\r\n\r\n"), &req) == HTTP1_REFUSED);
    assert(read_request(SLICE(POST "Transfer-Encoding: chunked\0\r\n\r\n"), &req) == HTTP1_REFUSED);
}

static void test_request_values(void)
{
    static struct http1_request req;
    const struct http1_head *h = &req.head;
    struct slice value;

    assert(read_request(SLICE("POST /a%20b?c=d?e HTTP/1.1\r\nHost: h:80\r\nX-A:  b c \t\r\n"
                              "x-a:\r\nExpect: 100-Continue\r\nContent-Length: 12\r\n\r\nrest"),
                        &req) == HTTP1_DONE);
    assert(req.method == HTTP1_POST && span_is(h, req.method_name, "POST"));
    assert(span_is(h, req.target, "/a%20b?c=d?e"));
    assert(span_is(h, req.path, "/a%20b") && span_is(h, req.query, "c=d?e"));
    assert(req.has_host && span_is(h, req.host, "h:80"));
    assert(req.expect == HTTP1_EXPECT_CONTINUE && h->minor == 1 && h->keep_alive);
    assert(h->framing == HTTP1_LENGTH && h->content_length == 12 && !h->coded && !h->upgrade);
    assert(h->field_count == 5 && span_is(h, h->fields[1].name, "X-A"));
    assert(http1_find(h, SLICE("x-A"), &value) && slice_is(value, SLICE("b c")));
    assert(!http1_find(h, SLICE("x-b"), &value));

    /* The authority of the target goes before Host (RFC 9112 §3.2.2). */
    assert(read_request(SLICE("GET http://u@a:8/b?c HTTP/1.1\r\nHost: h\r\n\r\n"), &req) ==
           HTTP1_DONE);
    assert(span_is(h, req.host, "a:8") && span_is(h, req.path, "/b") && span_is(h, req.query, "c"));
    assert(read_request(SLICE("GET http://a?c HTTP/1.1\r\n\r\n"), &req) == HTTP1_DONE);
    assert(!req.has_host && span_is(h, req.host, "a"));
    assert(req.path.len == 0 && span_is(h, req.query, "c"));
    assert(read_request(SLICE("GET http://a HTTP/1.1\r\nHost:\r\n\r\n"), &req) == HTTP1_DONE);
    assert(req.has_host && span_is(h, req.host, "a"));
    assert(read_request(SLICE("CONNECT a:8 HTTP/1.1\r\nHost: h\r\n\r\n"), &req) == HTTP1_DONE);
    assert(req.method == HTTP1_CONNECT && span_is(h, req.host, "a:8") && req.path.len == 0);
    assert(read_request(SLICE("OPTIONS * HTTP/1.1\r\n\r\n"), &req) == HTTP1_DONE);
    assert(span_is(h, req.path, "*") && !req.has_host);

    assert(read_request(SLICE(POST "Transfer-Encoding: gzip, chunked\r\n\r\n"), &req) ==
           HTTP1_DONE);
    assert(h->coded && h->framing == HTTP1_CHUNKED);
    assert(read_request(SLICE(GET "Expect: a\r\n\r\n"), &req) == HTTP1_DONE);
    assert(req.expect == HTTP1_EXPECT_OTHER);
    assert(read_request(SLICE(GET "Expect: a\r\nExpect: 100-continue\r\n\r\n"), &req) ==
           HTTP1_DONE);
    assert(req.expect == HTTP1_EXPECT_OTHER);
    assert(read_request(SLICE("GET / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n"), &req) ==
           HTTP1_DONE);
    assert(req.expect == HTTP1_EXPECT_NOTHING);
}

/* RFC 9112 §9.3 */
static void test_keep_alive(void)
{
    static struct http1_request req;
    static const struct {
        const char *octets;
        bool keep;
    } cases[] = {
        {"GET / HTTP/1.1\r\n\r\n", true},
        {"GET / HTTP/1.0\r\n\r\n", false},
        {"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", true},
        {"GET / HTTP/1.0\r\nConnection: a,\tKeep-Alive ,b\r\n\r\n", true},
        {"GET / HTTP/1.1\r\nConnection: ,Close\r\n\r\n", false},
        {"GET / HTTP/1.1\r\nConnection: closed\r\n\r\n", true},
        {"GET / HTTP/1.1\r\nConnection: keep-alive\r\nConnection: close\r\n\r\n", false},
        {"GET / HTTP/1.0\r\nConnection: close, keep-alive\r\n\r\n", false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        assert(read_request(slice_of(cases[i].octets), &req) == HTTP1_DONE);
        assert(req.head.keep_alive == cases[i].keep);
    }
    assert(read_request(SLICE(GET "Connection: upgrade\r\nUpgrade: h2c\r\n\r\n"), &req) ==
           HTTP1_DONE);
    assert(req.head.upgrade);
}

static void test_methods(void)
{
    static struct http1_request req;
    static const struct {
        const char *name;
        enum http1_method method;
    } methods[] = {
        {"GET", HTTP1_GET},     {"HEAD", HTTP1_HEAD},     {"POST", HTTP1_POST},
        {"PUT", HTTP1_PUT},     {"DELETE", HTTP1_DELETE}, {"OPTIONS", HTTP1_OPTIONS},
        {"PATCH", HTTP1_PATCH}, {"TRACE", HTTP1_TRACE},   {"BREW", HTTP1_OTHER},
        {"Get", HTTP1_OTHER},   {"GETS", HTTP1_OTHER},
    };
    for (size_t i = 0; i < sizeof(methods) / sizeof(*methods); i++) {
        char line[64];
        int len = snprintf(line, sizeof(line), "%s / HTTP/1.1\r\n\r\n", methods[i].name);
        assert(read_request((struct slice){line, (size_t)len}, &req) == HTTP1_DONE);
        assert(req.method == methods[i].method);
    }
}

/* -- limits ----------------------------------------------------------------------------------- */

static void test_limits(void)
{
    static struct http1_request req;
    static struct http1_response res;
    const struct http1_limits small = {.line = 32, .head = 64, .fields = 2, .body = 4};
    limits = &small;

    /* 32 octets of line, and one more */
    assert(read_request(SLICE("GET /56789012345678901 HTTP/1.1\r\n\r\n"), &req) == HTTP1_REFUSED);
    assert(req.head.refuse == 414);
    assert(read_request(SLICE("GET /5678901234567890 HTTP/1.1\r\n\r\n"), &req) == HTTP1_DONE);
    /* 64 octets of head, and one more */
    for (int extra = 0; extra < 2; extra++) {
        char head[80];
        int len = snprintf(head, sizeof(head), "GET / HTTP/1.1\r\na: %0*d\r\n\r\n", 41 + extra, 0);
        assert(read_request((struct slice){head, (size_t)len}, &req) ==
               (extra ? HTTP1_REFUSED : HTTP1_DONE));
        assert(extra ? req.head.refuse == 431 : req.head.len == 64);
    }
    assert(read_request(SLICE("GET / HTTP/1.1\r\na:\r\nb:\r\n\r\n"), &req) == HTTP1_DONE);
    assert(read_request(SLICE("GET / HTTP/1.1\r\na:\r\nb:\r\nc:\r\n\r\n"), &req) == HTTP1_REFUSED);
    assert(req.head.refuse == 431);
    assert(read_request(SLICE("GET / HTTP/1.1\r\nContent-Length: 5\r\n\r\n"), &req) ==
           HTTP1_REFUSED);
    assert(req.head.refuse == 413);

    /* A line is a part of the head. */
    const struct http1_limits odd = {.line = 500, .head = 20, .fields = 2, .body = 4};
    limits = &odd;
    assert(read_request(SLICE("GET /56789 HTTP/1.1\r\na: b\r\n\r\n"), &req) == HTTP1_REFUSED);
    assert(req.head.refuse == 414);
    assert(read_request(SLICE("GET / HTTP/1.1\r\na: b\r\n\r\n"), &req) == HTTP1_REFUSED);
    assert(req.head.refuse == 431);
    limits = &small;

    char long_reason[] = "HTTP/1.1 200 0123456789012345678901234\r\n\r\n";
    assert(http1_read_response(long_reason, sizeof(long_reason) - 1, 0, HTTP1_GET, limits, &res) ==
           HTTP1_REFUSED);
    char long_body[] = "HTTP/1.1 200 \r\nContent-Length: 5\r\n\r\n";
    assert(http1_read_response(long_body, sizeof(long_body) - 1, 0, HTTP1_GET, limits, &res) ==
           HTTP1_REFUSED);
    assert(http1_read_response(long_body, sizeof(long_body) - 1, 0, HTTP1_HEAD, limits, &res) ==
           HTTP1_DONE);
    limits = &http1_limits_default;

    /* RFC 9112 §3: lines of 8000 octets should be borne. */
    char *line = malloc(20000);
    assert(line);
    memset(line, 'a', 20000);
    memcpy(line, "GET /", 5);
    memcpy(line + 7987, " HTTP/1.1\r\n\r\n", 13);
    assert(read_request((struct slice){line, 8000}, &req) == HTTP1_DONE);
    memset(line + 5, 'a', 19995);
    assert(read_request((struct slice){line, 8191}, &req) == HTTP1_MORE);
    assert(read_request((struct slice){line, 8192}, &req) == HTTP1_REFUSED);
    assert(req.head.refuse == 414);
    free(line);
}

/* -- responses -------------------------------------------------------------------------------- */

static enum http1_result read_response(struct slice octets, enum http1_method asked,
                                       struct http1_response *res)
{
    static char copy[8192];
    memcpy(copy, octets.at, octets.len);
    enum http1_result whole =
        http1_read_response(guard(copy, octets.len), octets.len, 0, asked, limits, res);
    uint32_t len = res->head.len;
    for (size_t n = 1; n <= octets.len; n++) {
        /* What was written to the octets stays written, as in a connection's buffer. */
        char *at = guard(copy, n);
        enum http1_result result = http1_read_response(at, n, n - 1, asked, limits, res);
        memcpy(copy, at, n);
        if (result != HTTP1_MORE || n == octets.len) {
            assert(result == whole);
            break;
        }
    }
    assert(whole != HTTP1_DONE || res->head.len == len);
    return whole;
}

struct response_case {
    const char *octets;
    bool good;
    enum http1_framing framing;
    enum http1_method asked;
};

static const struct response_case responses[] = {
    {"HTTP/1.1 200 OK\r\n\r\n", true, HTTP1_UNTIL_CLOSE, HTTP1_GET},
    {"HTTP/1.1 200 \r\n\r\n", true, HTTP1_UNTIL_CLOSE, HTTP1_GET},
    {"HTTP/1.1 200\r\n\r\n", true, HTTP1_UNTIL_CLOSE, HTTP1_GET},
    {"HTTP/1.0 404 a\tb \xff\r\n\r\n", true, HTTP1_UNTIL_CLOSE, HTTP1_GET},
    {"HTTP/1.1 099 A\r\n\r\n", false, HTTP1_NO_BODY, HTTP1_GET},
    {"HTTP/1.1 600 A\r\n\r\n", false, HTTP1_NO_BODY, HTTP1_GET},
    {"HTTP/1.1 20 A\r\n\r\n", false, HTTP1_NO_BODY, HTTP1_GET},
    {"HTTP/1.1 2000 A\r\n\r\n", false, HTTP1_NO_BODY, HTTP1_GET},
    {"HTTP/1.1  200 A\r\n\r\n", false, HTTP1_NO_BODY, HTTP1_GET},
    {"HTTP/1.1\t200 A\r\n\r\n", false, HTTP1_NO_BODY, HTTP1_GET},
    {"HTTP/1.1 200\tA\r\n\r\n", false, HTTP1_NO_BODY, HTTP1_GET},
    {"HTTP/2.0 200 A\r\n\r\n", false, HTTP1_NO_BODY, HTTP1_GET},
    {"HTTP/1.x 200 A\r\n\r\n", false, HTTP1_NO_BODY, HTTP1_GET},
    {"http/1.1 200 A\r\n\r\n", false, HTTP1_NO_BODY, HTTP1_GET},
    {"\r\nHTTP/1.1 200 A\r\n\r\n", false, HTTP1_NO_BODY, HTTP1_GET},
    {"HTTP/1.1 200 A\x01\r\n\r\n", false, HTTP1_NO_BODY, HTTP1_GET},
    {"HTTP/1.1 200 A\n\r\n", false, HTTP1_NO_BODY, HTTP1_GET},
    {"HTTP/1.1 200 A\rB\r\n\r\n", false, HTTP1_NO_BODY, HTTP1_GET},
    /* RFC 9112 §6.3 */
    {"HTTP/1.1 200 A\r\nContent-Length: 5\r\n\r\n", true, HTTP1_LENGTH, HTTP1_GET},
    {"HTTP/1.1 200 A\r\nContent-Length: 0\r\n\r\n", true, HTTP1_NO_BODY, HTTP1_GET},
    {"HTTP/1.1 200 A\r\nContent-Length: 5\r\n\r\n", true, HTTP1_NO_BODY, HTTP1_HEAD},
    {"HTTP/1.1 204 A\r\nContent-Length: 5\r\n\r\n", true, HTTP1_NO_BODY, HTTP1_GET},
    {"HTTP/1.1 304 A\r\nContent-Length: 5\r\n\r\n", true, HTTP1_NO_BODY, HTTP1_GET},
    {"HTTP/1.1 103 A\r\nContent-Length: 5\r\n\r\n", true, HTTP1_NO_BODY, HTTP1_GET},
    {"HTTP/1.1 101 A\r\nUpgrade: a\r\n\r\n", true, HTTP1_NO_BODY, HTTP1_GET},
    {"HTTP/1.1 200 A\r\nContent-Length: 5\r\n\r\n", true, HTTP1_NO_BODY, HTTP1_CONNECT},
    {"HTTP/1.1 400 A\r\nContent-Length: 5\r\n\r\n", true, HTTP1_LENGTH, HTTP1_CONNECT},
    {"HTTP/1.1 200 A\r\nContent-Length: x\r\n\r\n", false, HTTP1_NO_BODY, HTTP1_GET},
    {"HTTP/1.1 200 A\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n", false, HTTP1_NO_BODY,
     HTTP1_GET},
    {"HTTP/1.1 200 A\r\nContent-Length: 70000\r\n\r\n", false, HTTP1_NO_BODY, HTTP1_GET},
    {"HTTP/1.1 200 A\r\nTransfer-Encoding: chunked\r\n\r\n", true, HTTP1_CHUNKED, HTTP1_GET},
    {"HTTP/1.1 200 A\r\nTransfer-Encoding: gzip\r\n\r\n", true, HTTP1_UNTIL_CLOSE, HTTP1_GET},
    {"HTTP/1.1 200 A\r\nTransfer-Encoding: ,, chunked,\r\n\r\n", true, HTTP1_CHUNKED, HTTP1_GET},
    {"HTTP/1.1 200 A\r\nTransfer-Encoding: chunked, chunked\r\n\r\n", false, HTTP1_NO_BODY,
     HTTP1_GET},
    {"HTTP/1.1 200 A\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", false,
     HTTP1_NO_BODY, HTTP1_GET},
    {"HTTP/1.0 200 A\r\nTransfer-Encoding: chunked\r\n\r\n", false, HTTP1_NO_BODY, HTTP1_GET},
    {"HTTP/1.0 200 A\r\nTransfer-Encoding:\r\n\r\n", false, HTTP1_NO_BODY, HTTP1_GET},
    {"HTTP/1.1 200 A\r\nTransfer-Encoding: ,\r\n\r\n", true, HTTP1_UNTIL_CLOSE, HTTP1_GET},
    {"HTTP/1.1 200 A\r\nTransfer-Encoding:\r\nContent-Length: 5\r\n\r\n", false, HTTP1_NO_BODY,
     HTTP1_GET},
    {"HTTP/1.1 200 A\r\nContent-Length: 5\r\nTransfer-Encoding: ,\r\n\r\n", false, HTTP1_NO_BODY,
     HTTP1_GET},
    /* §7.1: parameters of chunked; §7: codings that are none */
    {"HTTP/1.1 200 A\r\nTransfer-Encoding: chunked;a=b\r\n\r\n", false, HTTP1_NO_BODY, HTTP1_GET},
    {"HTTP/1.1 200 A\r\nTransfer-Encoding: chunked ;\r\n\r\n", false, HTTP1_NO_BODY, HTTP1_GET},
    {"HTTP/1.1 200 A\r\nTransfer-Encoding: a;b=c, chunked\r\n\r\n", true, HTTP1_CHUNKED, HTTP1_GET},
    {"HTTP/1.1 200 A\r\nTransfer-Encoding: chunked, a\r\n\r\n", true, HTTP1_UNTIL_CLOSE, HTTP1_GET},
    {"HTTP/1.1 200 A\r\nTransfer-Encoding: @, chunked\r\n\r\n", false, HTTP1_NO_BODY, HTTP1_GET},
    {"HTTP/1.1 200 A\r\nTransfer-Encoding: a;b=\"c, chunked\r\n\r\n", false, HTTP1_NO_BODY,
     HTTP1_GET},
    {"HTTP/1.1 200 A\r\nTransfer-Encoding: a;b=\"c, chunked\"\r\n\r\n", true, HTTP1_UNTIL_CLOSE,
     HTTP1_GET},
    {"HTTP/1.1 200 A\r\nTransfer-Encoding: @\r\nTransfer-Encoding: chunked\r\n\r\n", false,
     HTTP1_NO_BODY, HTTP1_GET},
    {"HTTP/1.1 200 A\r\nTransfer-Encoding: @\r\n\r\n", true, HTTP1_UNTIL_CLOSE, HTTP1_GET},
    /* §6.3 rule 1: the first empty line ends them, "regardless of the header fields" */
    {"HTTP/1.1 204 A\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", true,
     HTTP1_NO_BODY, HTTP1_GET},
    {"HTTP/1.1 304 A\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n", true, HTTP1_NO_BODY,
     HTTP1_GET},
    {"HTTP/1.1 304 A\r\nContent-Length: x\r\n\r\n", true, HTTP1_NO_BODY, HTTP1_GET},
    {"HTTP/1.1 103 A\r\nTransfer-Encoding: chunked, chunked\r\n\r\n", true, HTTP1_NO_BODY,
     HTTP1_GET},
    {"HTTP/1.1 200 A\r\nContent-Length: -1\r\n\r\n", true, HTTP1_NO_BODY, HTTP1_HEAD},
    {"HTTP/1.1 200 A\r\nContent-Length: -1\r\n\r\n", true, HTTP1_NO_BODY, HTTP1_CONNECT},
    {"HTTP/1.0 304 A\r\nTransfer-Encoding: chunked\r\n\r\n", true, HTTP1_NO_BODY, HTTP1_GET},
    /* folded lines: RFC 9112 §5.2 */
    {"HTTP/1.1 200 A\r\na: b\r\n c\r\n\r\n", true, HTTP1_UNTIL_CLOSE, HTTP1_GET},
    {"HTTP/1.1 200 A\r\n a: b\r\n\r\n", false, HTTP1_NO_BODY, HTTP1_GET},
    {"HTTP/1.1 200 A\r\nTransfer-Encoding: chunked\r\n a\r\n\r\n", true, HTTP1_UNTIL_CLOSE,
     HTTP1_GET},
    {"HTTP/1.1 200 A\r\nContent-Length: 1\r\n 2\r\n\r\n", false, HTTP1_NO_BODY, HTTP1_GET},
    {"HTTP/1.1 200 A\r\nContent-Length:\r\n 2\r\n\r\n", true, HTTP1_LENGTH, HTTP1_GET},
    {"HTTP/1.1 200 A\r\na b: c\r\n\r\n", false, HTTP1_NO_BODY, HTTP1_GET},
};

static void test_responses(void)
{
    static struct http1_response res;
    for (size_t i = 0; i < sizeof(responses) / sizeof(*responses); i++) {
        const struct response_case *c = &responses[i];
        enum http1_result result = read_response(slice_of(c->octets), c->asked, &res);
        bool right = result == (c->good ? HTTP1_DONE : HTTP1_REFUSED) &&
                     (!c->good || res.head.framing == c->framing);
        if (!right)
            fprintf(stderr, "%s: %d\n", c->octets, result);
        assert(right);
    }
}

static void test_response_values(void)
{
    static struct http1_response res;
    const struct http1_head *h = &res.head;

    assert(read_response(SLICE("HTTP/1.1 503 Not now\r\nA: b\r\n \t c \r\n\td\r\ne:\r\n f\r\n"
                               "g: \r\n \r\n\r\n"),
                         HTTP1_GET, &res) == HTTP1_DONE);
    assert(res.status == 503 && span_is(h, res.reason, "Not now") && h->field_count == 3);
    assert(span_is(h, h->fields[0].value, "b   \t c   \td"));
    assert(span_is(h, h->fields[1].value, "f") && h->fields[2].value.len == 0);
    assert(!h->keep_alive); /* only the close ends it */

    assert(read_response(SLICE("HTTP/1.1 204 A\r\n\r\n"), HTTP1_GET, &res) == HTTP1_DONE);
    assert(h->keep_alive);
    assert(read_response(SLICE("HTTP/1.0 204 A\r\n\r\n"), HTTP1_GET, &res) == HTTP1_DONE);
    assert(!h->keep_alive);
    assert(read_response(SLICE("HTTP/1.0 204 A\r\nConnection: keep-alive\r\n\r\n"), HTTP1_GET,
                         &res) == HTTP1_DONE);
    assert(h->keep_alive);
    assert(read_response(SLICE("HTTP/1.1 204 A\r\nConnection: close\r\n\r\n"), HTTP1_GET, &res) ==
           HTTP1_DONE);
    assert(!h->keep_alive);
    /* Nothing is wrong with these but the fields of a body that they have not. */
    assert(read_response(SLICE("HTTP/1.1 304 A\r\nContent-Length: 5\r\n\r\n"), HTTP1_GET, &res) ==
           HTTP1_DONE);
    assert(h->keep_alive);
    assert(read_response(SLICE("HTTP/1.1 304 A\r\nContent-Length: 5, 5\r\n\r\n"), HTTP1_GET,
                         &res) == HTTP1_DONE);
    assert(!h->keep_alive);
    assert(read_response(SLICE("HTTP/1.1 304 A\r\nContent-Length: 5\r\nTransfer-Encoding: a\r\n"
                               "\r\n"),
                         HTTP1_GET, &res) == HTTP1_DONE);
    assert(!h->keep_alive);
    /* RFC 9112 §6.3: Content-Length, Host: not a request's */
    assert(read_response(SLICE("HTTP/1.1 200 A\r\nHost: a b\r\nExpect: c\r\n\r\n"), HTTP1_GET,
                         &res) == HTTP1_DONE);
}

/* -- bodies ----------------------------------------------------------------------------------- */

/* Read the body after head in pieces of at most `step` octets. Its content goes to `content`. */
static enum http1_result read_body_of(const struct http1_head *head, struct slice octets,
                                      size_t step, struct text *content,
                                      struct http1_head *trailers, uint16_t *refuse)
{
    static char copy[8192];
    struct http1_body body;
    enum http1_result result = HTTP1_MORE;
    size_t start = 0;
    size_t end = 0;

    assert(octets.len <= sizeof(copy));
    memcpy(copy, octets.at, octets.len);
    http1_body_start(&body, head, limits, trailers);
    assert(http1_body_may_end(&body) ==
           (head->framing == HTTP1_NO_BODY || head->framing == HTTP1_UNTIL_CLOSE));
    while (result == HTTP1_MORE && end < octets.len) {
        end = end + step < octets.len ? end + step : octets.len;
        do {
            struct slice data;
            size_t used;
            char *at = guard(copy + start, end - start);
            result = http1_read_body(&body, at, end - start, &used, &data);
            memcpy(copy + start, at, end - start); /* what was written stays written */
            if (result == HTTP1_DATA)
                text_add(content, data);
            if (result != HTTP1_REFUSED)
                start += used;
        } while (result == HTTP1_DATA);
    }
    *refuse = body.refuse;
    if (result == HTTP1_DONE)
        assert(http1_body_may_end(&body) && start <= octets.len);
    return result;
}

static enum http1_result read_body(enum http1_framing framing, uint64_t length, struct slice octets,
                                   size_t step, struct text *content, struct http1_head *trailers,
                                   uint16_t *refuse)
{
    struct http1_head head = {.framing = framing, .content_length = length};
    return read_body_of(&head, octets, step, content, trailers, refuse);
}

struct chunked_case {
    const char *octets;
    unsigned status;     /* 0: good */
    const char *content; /* NULL: not complete */
};

static const struct chunked_case chunked[] = {
    {"0\r\n\r\n", 0, ""},
    {"000\r\n\r\n", 0, ""},
    {"5\r\nhello\r\n0\r\n\r\n", 0, "hello"},
    {"5\r\nhello\r\n006\r\n world\r\n0\r\n\r\n", 0, "hello world"},
    {"a\r\n0123456789\r\n0\r\n\r\n", 0, "0123456789"},
    {"A\r\n0123456789\r\n0\r\n\r\n", 0, "0123456789"},
    {"0000000000000001\r\nx\r\n0\r\n\r\n", 0, "x"},
    {"00000000000000001\r\nx\r\n0\r\n\r\n", 400, NULL},
    {"8000000000000000\r\n", 400, NULL},
    {"7fffffffffffffff\r\n", 413, NULL},
    {"10001\r\n", 413, NULL},
    {"10000\r\n", 0, NULL},
    {"\r\n", 400, NULL},
    {"g\r\n", 400, NULL},
    {"0x1\r\nx\r\n0\r\n\r\n", 400, NULL},
    {"1_0\r\n", 400, NULL},
    {"+1\r\nx\r\n0\r\n\r\n", 400, NULL},
    {"-1\r\nx\r\n0\r\n\r\n", 400, NULL},
    {" 1\r\nx\r\n0\r\n\r\n", 400, NULL},
    {"1 \r\nx\r\n0\r\n\r\n", 400, NULL},
    {"1\nx\r\n0\r\n\r\n", 400, NULL},
    {"1\r\nx\n0\r\n\r\n", 400, NULL},
    {"1\r\nx0\r\n\r\n", 400, NULL},
    {"1\r\nx\rX", 400, NULL},
    {"1\rx\r\n0\r\n\r\n", 400, NULL},
    /* extensions: RFC 9112 §7.1.1 */
    {"1;a\r\nx\r\n0;b=c\r\n\r\n", 0, "x"},
    {"1 ;\ta = b ; c\t=\t\"d\\\"\xff\te\" ;f\r\nx\r\n0\r\n\r\n", 0, "x"},
    {"1;a ;b\t=c\r\nx\r\n0\r\n\r\n", 0, "x"},
    {"1;a=\"\"\r\nx\r\n0\r\n\r\n", 0, "x"},
    {"1;a=\"b\"\t;c=d\t;e\r\nx\r\n0\r\n\r\n", 0, "x"},
    {"1;\r\n", 400, NULL},
    {"1;a=\r\n", 400, NULL},
    {"1;a \r\n", 400, NULL},
    {"1;a=b \r\n", 400, NULL},
    {"1;a=b\"\r\n", 400, NULL},
    {"1;a=\"b\"c\r\n", 400, NULL},
    {"1;a=\"b\r\n\"", 400, NULL},
    {"1;a=\"b\\\r\n\"", 400, NULL},
    {"1;a=\"b\x01\"\r\n", 400, NULL},
    {"1;=b\r\n", 400, NULL},
    {"1;a\n", 400, NULL},
    {"1;a(b\r\n", 400, NULL},
    {"1 a\r\n", 400, NULL},
    {"1;a b\r\n", 400, NULL},
    /* trailers: §7.1.2 */
    {"0\r\na: b\r\nc:\r\n\r\n", 0, ""},
    {"0\r\nVary: *\r\nContent-Type: a\r\n\r\n", 0, ""},
    {"0\r\na : b\r\n\r\n", 400, NULL},
    {"0\r\na: b\r\n c\r\n\r\n", 400, NULL},
    {"0\r\na: b\n\r\n", 400, NULL},
    {"0\r\nContent-Length: 1\r\n\r\n", 400, NULL},
    {"0\r\nTransfer-Encoding: chunked\r\n\r\n", 400, NULL},
    {"0\r\nHost: a\r\n\r\n", 400, NULL},
    {"0\r\nhost-a: a\r\nabcdefghij: c\r\nabcdefghijklmn: a\r\nabcdefghijklmnopq: a\r\n\r\n", 0, ""},
};

static void test_chunked(void)
{
    static struct http1_head trailers;
    static char room[1024];
    for (size_t i = 0; i < sizeof(chunked) / sizeof(*chunked); i++) {
        const struct chunked_case *c = &chunked[i];
        struct slice octets = slice_of(c->octets);
        for (size_t step = 1; step <= octets.len; step++) {
            struct text content = TEXT_OVER(room);
            uint16_t status;
            enum http1_result result =
                read_body(HTTP1_CHUNKED, 0, octets, step, &content, &trailers, &status);
            bool right = result == (c->status    ? HTTP1_REFUSED
                                    : c->content ? HTTP1_DONE
                                                 : HTTP1_MORE) &&
                         status == c->status &&
                         (!c->content || slice_is(text_slice(&content), slice_of(c->content)));
            if (!right)
                fprintf(stderr, "%s: %d %u\n", c->octets, result, status);
            assert(right);
        }
    }
    /* The last one had trailers. */
    assert(trailers.field_count == 4 && span_is(&trailers, trailers.fields[1].value, "c"));
}

/* A recipient of responses must replace folds, in trailers as in heads (RFC 9112 §5.2). */
static void test_folded_trailers(void)
{
    static const struct http1_head head = {.framing = HTTP1_CHUNKED, .response = true};
    static struct http1_head trailers;
    static char room[16];
    struct slice folded = SLICE("1\r\na\r\n0\r\nx: y\r\n z\r\nv:\r\n\tw\r\n \r\nu: t\r\n\r\n");
    struct slice lengths = SLICE("0\r\nContent-Length:\r\n 1\r\n\r\n");
    struct slice early = SLICE("0\r\n x: y\r\n\r\n");
    for (size_t step = 1; step <= folded.len; step++) {
        struct text content = TEXT_OVER(room);
        uint16_t status;
        assert(read_body_of(&head, folded, step, &content, &trailers, &status) == HTTP1_DONE);
        assert(slice_is(text_slice(&content), SLICE("a")) && trailers.field_count == 3);
        assert(span_is(&trailers, trailers.fields[0].value, "y   z"));
        assert(span_is(&trailers, trailers.fields[1].value, "w"));
        assert(span_is(&trailers, trailers.fields[2].value, "t"));
        assert(read_body_of(&head, lengths, step, &content, &trailers, &status) == HTTP1_REFUSED);
        assert(read_body_of(&head, early, step, &content, &trailers, &status) == HTTP1_REFUSED);
    }
}

static void test_body_limits(void)
{
    static struct http1_head trailers;
    static char room[8];
    static char octets[8192];
    struct text one = TEXT_OVER(octets);
    struct text content = TEXT_OVER(room);
    struct http1_limits small = http1_limits_default;
    uint16_t status;

    /* one long extension; many short ones */
    text_add(&one, SLICE("1;"));
    while (one.len < 4100)
        text_add_char(&one, 'a');
    text_add(&one, SLICE("\r\nx\r\n0\r\n\r\n"));
    assert(read_body(HTTP1_CHUNKED, 0, text_slice(&one), 100, &content, &trailers, &status) ==
           HTTP1_REFUSED);
    assert(status == 400);
    text_clear(&one);
    while (one.len < 6000)
        text_add(&one, SLICE("1;abcdefghijklmnopqrstuvwxyz\r\nx\r\n"));
    assert(read_body(HTTP1_CHUNKED, 0, text_slice(&one), 100, &content, &trailers, &status) ==
           HTTP1_REFUSED);
    assert(status == 400);
    small.body = 4;
    small.head = 16;
    small.fields = 2;
    limits = &small;
    assert(read_body(HTTP1_CHUNKED, 0, SLICE("3\r\nabc\r\n2\r\n"), 100, &content, &trailers,
                     &status) == HTTP1_REFUSED);
    assert(status == 413);
    assert(read_body(HTTP1_CHUNKED, 0, SLICE("0\r\na: 45678901234567\r\n\r\n"), 1, &content,
                     &trailers, &status) == HTTP1_REFUSED);
    assert(status == 431);
    assert(read_body(HTTP1_CHUNKED, 0, SLICE("0\r\na:\r\nb:\r\nc:\r\n\r\n"), 1, &content, &trailers,
                     &status) == HTTP1_REFUSED);
    assert(status == 431);
    assert(read_body(HTTP1_UNTIL_CLOSE, 0, SLICE("abcd"), 1, &content, &trailers, &status) ==
           HTTP1_MORE);
    assert(read_body(HTTP1_UNTIL_CLOSE, 0, SLICE("abcde"), 1, &content, &trailers, &status) ==
           HTTP1_REFUSED);
    assert(status == 413);
    limits = &http1_limits_default;
}

static void test_plain_bodies(void)
{
    static struct http1_head trailers;
    static char room[64];
    uint16_t status;
    for (size_t step = 1; step < 20; step++) {
        struct text content = TEXT_OVER(room);
        assert(read_body(HTTP1_LENGTH, 5, SLICE("helloGET /"), step, &content, &trailers,
                         &status) == HTTP1_DONE);
        assert(slice_is(text_slice(&content), SLICE("hello")));
        assert(read_body(HTTP1_LENGTH, 50, SLICE("hello"), step, &content, &trailers, &status) ==
               HTTP1_MORE);
        assert(read_body(HTTP1_NO_BODY, 0, SLICE("GET /"), step, &content, &trailers, &status) ==
               HTTP1_DONE);
        text_clear(&content);
        assert(read_body(HTTP1_UNTIL_CLOSE, 0, SLICE("hello"), step, &content, &trailers,
                         &status) == HTTP1_MORE);
        assert(slice_is(text_slice(&content), SLICE("hello")));
    }
}

/* -- the rest --------------------------------------------------------------------------------- */

static void test_lists(void)
{
    assert(http1_list_has(SLICE("a, b ,\tc"), SLICE("B")));
    assert(http1_list_has(SLICE("a,b"), SLICE("b")));
    assert(http1_list_has(SLICE(","), SLICE("")));
    assert(!http1_list_has(SLICE("ab, a b"), SLICE("a")));
    assert(!http1_list_has(SLICE(""), SLICE("a")));
}

static void test_reasons(void)
{
    assert(slice_is(http1_reason(424), SLICE("Failed Dependency")));
    assert(http1_reason(299).len == 0);
}

int main(void)
{
    test_requests();
    test_request_values();
    test_keep_alive();
    test_methods();
    test_limits();
    test_responses();
    test_response_values();
    test_chunked();
    test_folded_trailers();
    test_body_limits();
    test_plain_bodies();
    test_lists();
    test_reasons();
    return 0;
}
