/* http1.h - read HTTP/1.1 messages, strictly (RFC 9112; RFC 9110 for the fields).
 *
 * No I/O, no allocation, no clock. A message is read from the octets the caller has so far; when
 * they are not enough the caller comes back with the same octets and more, and no octet is looked
 * at twice. Fed whole or fed octet by octet, the result is the same.
 *
 * A head:  http1_read_request or http1_read_response, until it is not HTTP1_MORE.
 * Then its body:  http1_body_start, and http1_read_body until it is not HTTP1_DATA or HTTP1_MORE.
 *
 * What is refused, and where we are stricter than the RFC demands: see http1.c. */
#ifndef HTTP1_H
#define HTTP1_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "slice.h"
#include "util.h"

enum http1_result {
    HTTP1_DONE,    /* the message part is complete */
    HTTP1_MORE,    /* not complete: call again with these octets and the next */
    HTTP1_DATA,    /* (http1_read_body only) a piece of content */
    HTTP1_REFUSED, /* it cannot be right: answer the status given, then close */
};

/* Room for the fields of one head; limits.fields may be lower. */
enum { HTTP1_FIELDS_MAX = 100 };

/* What a message may cost. The defaults are http1_limits_default. */
struct http1_limits {
    uint16_t line;   /* octets of the start line, CRLF included; a longer target is 414 */
    uint16_t head;   /* octets of the whole head, and again of the trailers: 431 */
    uint16_t fields; /* number of fields, at most HTTP1_FIELDS_MAX: 431 */
    uint64_t body;   /* octets of content: 413 */
};

/* line 8192, head 16384, fields 100, body 65536 */
extern const struct http1_limits http1_limits_default;

enum http1_method {
    HTTP1_OTHER, /* a valid token that is none of these; see method_name */
    HTTP1_GET,
    HTTP1_HEAD,
    HTTP1_POST,
    HTTP1_PUT,
    HTTP1_DELETE,
    HTTP1_OPTIONS,
    HTTP1_PATCH,
    HTTP1_CONNECT,
    HTTP1_TRACE,
};

/* How the content is delimited (RFC 9112 §6.3). */
enum http1_framing {
    HTTP1_NO_BODY,
    HTTP1_LENGTH,
    HTTP1_CHUNKED,
    HTTP1_UNTIL_CLOSE, /* responses only */
};

enum http1_expect { HTTP1_EXPECT_NOTHING, HTTP1_EXPECT_CONTINUE, HTTP1_EXPECT_OTHER };

/* A part of the head: octets [at, at + len) of the buffer. */
struct http1_span {
    uint16_t at;
    uint16_t len;
};

struct http1_field {
    struct http1_span name;
    struct http1_span value; /* without the whitespace around it; may be empty */
};

/* What requests and responses have in common. */
struct http1_head {
    const char *base;        /* the buffer of the last call, all slices point into it; whoever moves
                                the octets later sets it anew */
    uint64_t content_length; /* with HTTP1_LENGTH */
    enum http1_framing framing;
    uint32_t len;         /* HTTP1_DONE: octets of the head, up to where the body begins */
    uint16_t refuse;      /* HTTP1_REFUSED: the status to answer a request with */
    uint16_t field_count; /* of fields */
    uint8_t minor;        /* HTTP/1.minor; above 1 it is read as 1.1 */
    bool keep_alive;      /* may the connection carry another message? (RFC 9112 §9.3) */
    bool upgrade;         /* Connection names upgrade; for information, we never do */
    bool response;        /* of a response, not of a request */
    bool coded; /* there are codings beneath chunked that nobody here undoes: answer 501 */

    /* http1.c's own: where it stopped, and what it has found so far. */
    uint16_t found;
    uint8_t state;
    uint8_t back;
    uint32_t at;
    uint32_t mark;
    struct http1_field line;

    struct http1_field fields[HTTP1_FIELDS_MAX];
};

struct http1_request {
    struct http1_head head;
    enum http1_method method; /* HTTP1_OTHER until it is read; so it may be asked early, or after
                                 HTTP1_REFUSED */
    enum http1_expect expect;
    struct http1_span method_name;
    struct http1_span target; /* as sent */
    struct http1_span path;   /* "/" where absolute-form has none; "*"; empty for CONNECT */
    struct http1_span query;  /* without the "?" */
    struct http1_span host;   /* authority of the target, else of Host, with its port */
    bool has_host;            /* there was a Host field; it may be empty */
};

struct http1_response {
    struct http1_head head;
    uint16_t status; /* 100..599 */
    struct http1_span reason;
};

/* The octets of a span. They live as long as the buffer of the last call stays where it is. */
static inline struct slice http1_slice(const struct http1_head *head, struct http1_span span)
{
    return (struct slice){head->base + span.at, span.len};
}

/* Read one request head from buf[0..len). A HTTP/1.1 request without a Host field must be answered
 * 400, whatever its target says (RFC 9112 §3.2); it is well delimited all the same, so that is left
 * to the caller: see has_host.
 *   HTTP1_DONE     *req is filled; its first req->head.len octets are used up.
 *   HTTP1_MORE     not complete: call again with these octets and the next (the buffer may have
 *                  moved), `seen` being the len of this call.
 *   HTTP1_REFUSED  answer req->head.refuse, then close.
 * `seen` is 0 in the first call for a head; that is all the initialising *req needs. */
enum http1_result http1_read_request(const char *buf, size_t len, size_t seen,
                                     const struct http1_limits *limits,
                                     struct http1_request *req) MUST_CHECK;

/* Read one response head, the answer to a request with method `asked`, as above.
 * buf is written to: a folded field line becomes one line (RFC 9112 §5.2).
 * Interim responses (1xx) are responses here: the caller skips them and reads the next.
 * 101 is for the caller to refuse. HTTP1_REFUSED: the answer is worth nothing, close. */
enum http1_result http1_read_response(char *buf, size_t len, size_t seen, enum http1_method asked,
                                      const struct http1_limits *limits,
                                      struct http1_response *res) MUST_CHECK;

/* The value of the first field of that name (any case); false where there is none. */
bool http1_find(const struct http1_head *head, struct slice name, struct slice *value) MUST_CHECK;

/* Is token (any case) an element of a comma separated list value, such as Connection's? */
bool http1_list_has(struct slice list, struct slice token) MUST_CHECK;

/* -- bodies ---------------------------------------------------------------------------------- */

struct http1_body {
    uint16_t refuse; /* HTTP1_REFUSED: the status to answer a request with */

    /* The rest belongs to http1.c. */
    uint16_t state;
    uint8_t digits;
    enum http1_framing framing;
    bool response;
    uint32_t extension; /* octets of chunk extensions so far */
    uint64_t left;      /* octets of this chunk, or of the whole, to come */
    uint64_t total;     /* octets of content so far */
    size_t seen;        /* octets of the trailers already looked at */
    const struct http1_limits *limits;
    struct http1_head *trailers;
};

/* Begin the body that head announces. trailers is where fields after a chunked body go; it may be
 * head itself when the head is no longer needed. limits and trailers must outlive the body. */
void http1_body_start(struct http1_body *body, const struct http1_head *head,
                      const struct http1_limits *limits, struct http1_head *trailers);

/* Read on in the body. buf[0..len) are the octets after those used so far.
 *   HTTP1_DATA     *data (in buf) is a piece of the content: call again with the octets from
 *                  *used on, even if there are none.
 *   HTTP1_DONE     the body is complete, its last octet is before *used.
 *   HTTP1_MORE     call again with the octets from *used on and the next.
 *   HTTP1_REFUSED  answer body->refuse, then close.
 * The trailers of a response are written to, as its head is.
 * Never HTTP1_MORE with HTTP1_UNTIL_CLOSE when len > 0: everything is content.
 * An unread rest after HTTP1_MORE is never longer than limits->head. */
enum http1_result http1_read_body(struct http1_body *body, char *buf, size_t len, size_t *used,
                                  struct slice *data) MUST_CHECK;

/* The peer has closed: was that the end of the body? (RFC 9112 §8) */
bool http1_body_may_end(const struct http1_body *body) MUST_CHECK;

/* -- writing --------------------------------------------------------------------------------- */

/* The reason phrase of a status we know, else an empty slice. */
struct slice http1_reason(unsigned status);

#endif
