/* http1_cases.c - run messages through http1 and print what it thinks of each.
 *
 *   http1_cases [--split] [--values] < records
 *
 * A record is { u8 type (1 request, 2 response), u8 eof, u32le length, octets }; one line is
 * printed for each:
 *   accept      at least one complete message, and no error after it
 *   incomplete  more octets are awaited
 *   reject      an error, or eof is set and a message is unfinished
 * With --split the octets come one by one, which must not change anything. With --values a JSON
 * array of the messages follows on the same line. Responses are read as answers to GET; interim
 * ones (1xx) are messages, too, but with eof a final one must follow, and none but 101 ends a
 * connection (RFC 9110 §15.2). What follows the last message of a connection (close, CONNECT, 101)
 * is not HTTP and not looked at. */
#include <stdio.h>
#include <stdlib.h>

#include "http1.h"

enum phase { IN_HEAD, IN_BODY, AT_END, WRONG };

struct reader {
    bool request;
    enum phase phase;
    unsigned messages;
    bool awaits_final; /* the last message was an interim response */
    char *buf;         /* exactly len octets: a sanitizer sees each octet read too far */
    size_t len;
    size_t start; /* of the message part being read */
    size_t seen;
    struct http1_request req;
    struct http1_response res;
    struct http1_body body;
    struct http1_head trailers;
    struct text *values; /* NULL: not wanted */
    struct text *content;
    size_t complete; /* octets of values that belong to complete messages */
};

static const struct http1_limits limits = {
    .line = UINT16_MAX, .head = UINT16_MAX, .fields = HTTP1_FIELDS_MAX, .body = INT64_MAX};

static struct http1_head *head_of(struct reader *r)
{
    return r->request ? &r->req.head : &r->res.head;
}

/* A string whose octets are code points: \u00e9 is octet 0xe9. */
static void add_octets(struct text *t, struct slice s)
{
    text_add_char(t, '"');
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.at[i];
        if (c < 0x20 || c >= 0x7f || c == '"' || c == '\\')
            text_add_format(t, "\\u%04x", c);
        else
            text_add_char(t, (char)c);
    }
    text_add_char(t, '"');
}

static void add_fields(struct text *t, const char *name, const struct http1_head *h)
{
    text_add_format(t, ",\"%s\":[", name);
    for (unsigned i = 0; i < h->field_count; i++) {
        text_add_string(t, i > 0 ? ",[" : "[");
        add_octets(t, http1_slice(h, h->fields[i].name));
        text_add_char(t, ',');
        add_octets(t, http1_slice(h, h->fields[i].value));
        text_add_char(t, ']');
    }
    text_add_char(t, ']');
}

/* The values of a head; they are written down at once, because the buffer moves on. */
static void add_head(struct reader *r)
{
    struct text *t = r->values;
    const struct http1_head *h = head_of(r);
    text_add_string(t, r->messages > 0 ? ",{" : "{");
    if (r->request) {
        text_add_string(t, "\"method\":");
        add_octets(t, http1_slice(h, r->req.method_name));
        text_add_string(t, ",\"target\":");
        add_octets(t, http1_slice(h, r->req.target));
    } else {
        text_add_format(t, "\"status\":%u,\"reason\":", r->res.status);
        add_octets(t, http1_slice(h, r->res.reason));
    }
    text_add_format(t, ",\"version\":\"1.%u\",\"keepalive\":%s", h->minor,
                    h->keep_alive ? "true" : "false");
    add_fields(t, "headers", h);
}

static void message_done(struct reader *r)
{
    const struct http1_head *h = head_of(r);
    bool tunnel = r->request ? r->req.method == HTTP1_CONNECT : r->res.status == 101;
    if (r->values) {
        text_add_string(r->values, ",\"body\":");
        add_octets(r->values, text_slice(r->content));
        add_fields(r->values, "trailers", &r->trailers);
        text_add_char(r->values, '}');
        r->complete = r->values->len;
    }
    r->messages++;
    r->awaits_final = !r->request && r->res.status < 200 && !tunnel;
    r->phase = r->awaits_final || (h->keep_alive && !tunnel) ? IN_HEAD : AT_END;
    r->seen = 0;
}

static enum http1_result read_head(struct reader *r)
{
    char *from = r->buf + r->start;
    size_t len = r->len - r->start;
    if (r->request)
        return http1_read_request(from, len, r->seen, &limits, &r->req);
    return http1_read_response(from, len, r->seen, HTTP1_GET, &limits, &r->res);
}

/* Read what is in the buffer as far as it goes. */
static void run(struct reader *r)
{
    for (;;) {
        enum http1_result result = HTTP1_REFUSED;
        struct slice data;
        size_t used;
        switch (r->phase) {
        case IN_HEAD:
            if (r->start == r->len)
                return;
            result = read_head(r);
            r->seen = r->len - r->start;
            if (result == HTTP1_DONE) {
                if (r->values)
                    add_head(r);
                r->start += head_of(r)->len;
                r->trailers.field_count = 0;
                if (r->content)
                    text_clear(r->content);
                http1_body_start(&r->body, head_of(r), &limits, &r->trailers);
                r->phase = IN_BODY;
            }
            break;
        case IN_BODY:
            result = http1_read_body(&r->body, r->buf + r->start, r->len - r->start, &used, &data);
            r->start += used;
            if (result == HTTP1_DATA && r->content)
                text_add(r->content, data);
            if (result == HTTP1_DONE)
                message_done(r);
            break;
        case AT_END:
        case WRONG: return;
        }
        if (result == HTTP1_MORE)
            return;
        if (result == HTTP1_REFUSED)
            r->phase = WRONG;
    }
}

/* Nothing but empty lines, which may stand between requests. */
static bool is_empty(const char *p, size_t len)
{
    while (len > 0 && (*p == '\r' || *p == '\n')) {
        p++;
        len--;
    }
    return len == 0;
}

static const char *verdict(struct reader *r, bool eof)
{
    if (eof && r->phase == IN_BODY && http1_body_may_end(&r->body))
        message_done(r);
    if (r->phase == WRONG)
        return "reject";
    bool unfinished = r->phase == IN_BODY ||
                      (r->phase == IN_HEAD && !is_empty(r->buf + r->start, r->len - r->start));
    if (eof && (unfinished || r->awaits_final || r->messages == 0))
        return "reject";
    return r->messages > 0 ? "accept" : "incomplete";
}

static void *need(void *memory)
{
    if (!memory) {
        fprintf(stderr, "http1_cases: out of memory\n");
        exit(1);
    }
    return memory;
}

/* Grow the buffer to len of the octets: moved each time, so that nobody can rely on its place.
 * What the parser wrote into the old one (folds) is kept. */
static void grow(struct reader *r, const char *octets, size_t len)
{
    char *buf = need(malloc(len + (len == 0)));
    if (r->len > 0)
        memcpy(buf, r->buf, r->len);
    if (len > r->len)
        memcpy(buf + r->len, octets + r->len, len - r->len);
    free(r->buf);
    r->buf = buf;
    r->len = len;
}

static void run_record(const char *octets, size_t len, bool request, bool eof, bool split,
                       bool values)
{
    /* An octet becomes at most six characters, and each message adds its names. */
    struct text json = {NULL, 0, values ? 256 + len * 32 : 0, false};
    struct text content = {NULL, 0, values ? len : 0, false};
    struct reader *r = need(calloc(1, sizeof(*r)));
    r->request = request;
    if (values) {
        json.at = need(malloc(json.capacity));
        content.at = need(malloc(content.capacity + 1));
        r->values = &json;
        r->content = &content;
    }
    for (size_t n = split && len > 0 ? 1 : len;; n++) {
        grow(r, octets, n);
        run(r);
        if (n == len)
            break;
    }
    const char *said = verdict(r, eof);
    if (values && *said == 'a')
        printf("%s [%.*s]\n", said, (int)r->complete, json.at);
    else
        printf("%s\n", said);
    free(json.at);
    free(content.at);
    free(r->buf);
    free(r);
}

int main(int argc, char **argv)
{
    bool split = false;
    bool values = false;
    unsigned char start[6];

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--split") == 0) {
            split = true;
        } else if (strcmp(argv[i], "--values") == 0) {
            values = true;
        } else {
            fprintf(stderr, "usage: http1_cases [--split] [--values] < records\n");
            return 2;
        }
    }
    while (fread(start, 1, sizeof(start), stdin) == sizeof(start)) {
        size_t len = (size_t)start[2] | (size_t)start[3] << 8 | (size_t)start[4] << 16 |
                     (size_t)start[5] << 24;
        char *octets = need(malloc(len + 1));
        if ((start[0] != 1 && start[0] != 2) || fread(octets, 1, len, stdin) != len) {
            fprintf(stderr, "http1_cases: this is not a record\n");
            free(octets);
            return 2;
        }
        run_record(octets, len, start[0] == 1, start[1] != 0, split, values);
        free(octets);
    }
    return 0;
}
