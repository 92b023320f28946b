/* http1.c - read HTTP/1.1 messages, strictly; see http1.h.
 *
 * The grammar (RFC 9112 §2.1, §3, §4, §5, §7; RFC 9110 §5; RFC 3986), as it is read here:
 *
 *   request       = *2CRLF method SP target SP version CRLF fields
 *   response      = version SP 3DIGIT [ SP reason ] CRLF fields
 *   version       = "HTTP/" DIGIT "." DIGIT
 *   target        = origin / absolute / authority (CONNECT) / "*" (OPTIONS)
 *   origin        = "/" *( pchar / "/" ) [ "?" *( pchar / "/" / "?" ) ]
 *   absolute      = scheme "://" [ userinfo "@" ] host [ ":" port ] [ origin ]
 *   fields        = *( name ":" OWS value OWS CRLF ) CRLF
 *   name, method  = 1*tchar
 *   value, reason = *( HTAB / SP / VCHAR / obs-text )
 *   host          = "[" ( IPv6address / IPvFuture ) "]" / reg-name
 *   codings       = coding *( OWS "," OWS coding )
 *   coding        = token *( OWS ";" OWS token BWS "=" BWS ( token / quoted-string ) )
 *   chunked       = *( 1*16HEXDIG ext CRLF octets CRLF ) 1*"0" ext CRLF fields
 *   ext           = *( BWS ";" BWS name [ BWS "=" BWS ( 1*tchar / quoted-string ) ] )
 *
 * Stricter than the RFC must be, because two readers that differ are how requests are smuggled:
 *   - a bare LF ends no line (§2.2 says MAY);
 *   - one SP between the parts of a start line, no HTAB, no run of them (§3 says MAY);
 *   - Content-Length once; an equal second one is refused (§6.3 says MAY);
 *   - Transfer-Encoding beside Content-Length is refused, in either direction (§6.1 says MAY);
 *   - a Host with "," is refused: it is what becomes of two Host lines (RFC 3986 §3.2.2 allows it);
 *   - a request's Transfer-Encoding has no empty elements (RFC 9110 §5.6.1.2 would bear a few);
 *   - control characters in values are refused (RFC 9110 §5.5 says only NUL, CR, LF);
 *   - Host, Content-Length and Transfer-Encoding in trailers are refused (RFC 9110 §6.5.1 says
 *     that nobody may send them).
 *
 * How it is read: a state is a place in the grammar, `at` is the next octet nobody has seen, `mark`
 * is where the present part began. Each case runs on into the next one while there are octets, so
 * a message that comes whole passes the switch once a line. */
#include "http1.h"

#include <assert.h>

const struct http1_limits http1_limits_default = {
    .line = 8192,
    .head = 16384,
    .fields = HTTP1_FIELDS_MAX,
    .body = 65536,
};

/* A longer method than this is none that we will ever know. */
enum { METHOD_MAX = 32 };

/* RFC 9112 §2.2: "at least one empty line" should be skipped before a request. */
enum { EMPTY_LINES_MAX = 2, EMPTY_OCTETS_MAX = 2 * EMPTY_LINES_MAX };

/* Octets of chunk extensions in one message; nobody needs any (RFC 9112 §7.1.1). */
enum { EXTENSION_MAX = 4096 };

/* What both Content-Length and a chunk may announce: it fits a signed offset. */
static const uint64_t octets_max = INT64_MAX;

/* -- octets ---------------------------------------------------------------------------------- */

enum {
    TOKEN = 1,   /* tchar, RFC 9110 §5.6.2 */
    PATH = 2,    /* pchar but pct-encoded, and "/"; RFC 3986 §3.3 */
    QUERY = 4,   /* that and "?"; §3.4 */
    URI = 8,     /* that and the brackets of an IP literal; §3.2.2 */
    HOST = 16,   /* of a reg-name, but no ","; §3.2.2 */
    VALUE = 32,  /* HTAB, SP, VCHAR, obs-text; RFC 9110 §5.5 */
    QUOTED = 64, /* qdtext; RFC 9110 §5.6.4 */
    HEX = 128,
};

#define IS(c, from, to) ((c) >= (from) && (c) <= (to))
#define IS_ALNUM(c) (IS(c, '0', '9') || IS(c, 'A', 'Z') || IS(c, 'a', 'z'))
#define IS_UNRESERVED(c) (IS_ALNUM(c) || (c) == '-' || (c) == '.' || (c) == '_' || (c) == '~')
#define IS_SUB_DELIM(c) ((c) == '!' || (c) == '$' || IS(c, '&', ',') || (c) == ';' || (c) == '=')
#define IS_HOST(c) (IS_UNRESERVED(c) || (IS_SUB_DELIM(c) && (c) != ','))
#define IS_PATH(c) (IS_UNRESERVED(c) || IS_SUB_DELIM(c) || (c) == ':' || (c) == '@' || (c) == '/')
#define IS_QUERY(c) (IS_PATH(c) || (c) == '?')
#define IS_URI(c) (IS_QUERY(c) || (c) == '[' || (c) == ']')
#define IS_TOKEN(c)                                                                    \
    (IS_UNRESERVED(c) || (c) == '!' || IS(c, '#', '\'') || (c) == '*' || (c) == '+' || \
     (c) == '^' || (c) == '`' || (c) == '|')
#define IS_VALUE(c) ((c) == '\t' || (IS(c, ' ', 255) && (c) != 127))
#define IS_QUOTED(c) (IS_VALUE(c) && (c) != '"' && (c) != '\\')
#define IS_HEX(c) (IS(c, '0', '9') || IS(c, 'A', 'F') || IS(c, 'a', 'f'))

#define OCTET(c)                                                                       \
    ((IS_TOKEN(c) ? TOKEN : 0) | (IS_PATH(c) ? PATH : 0) | (IS_QUERY(c) ? QUERY : 0) | \
     (IS_URI(c) ? URI : 0) | (IS_HOST(c) ? HOST : 0) | (IS_VALUE(c) ? VALUE : 0) |     \
     (IS_QUOTED(c) ? QUOTED : 0) | (IS_HEX(c) ? HEX : 0))
#define OCTETS_4(c) OCTET(c), OCTET((c) + 1), OCTET((c) + 2), OCTET((c) + 3)
#define OCTETS_16(c) OCTETS_4(c), OCTETS_4((c) + 4), OCTETS_4((c) + 8), OCTETS_4((c) + 12)
#define OCTETS_64(c) OCTETS_16(c), OCTETS_16((c) + 16), OCTETS_16((c) + 32), OCTETS_16((c) + 48)

static const uint8_t octets[256] = {OCTETS_64(0), OCTETS_64(64), OCTETS_64(128), OCTETS_64(192)};

static inline bool is(char c, unsigned classes)
{
    return (octets[(unsigned char)c] & classes) != 0;
}

static inline bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static inline bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* The first octet from p on that is not of that class, or stop. */
static inline const char *skip(const char *p, const char *stop, unsigned class)
{
    while (stop - p >= 4) {
        if (!is(p[0], class))
            return p;
        if (!is(p[1], class))
            return p + 1;
        if (!is(p[2], class))
            return p + 2;
        if (!is(p[3], class))
            return p + 3;
        p += 4;
    }
    while (p < stop && is(*p, class))
        p++;
    return p;
}

static inline uint64_t load8(const char *p)
{
    uint64_t word;
    memcpy(&word, p, sizeof(word));
    return word;
}

/* The same for VALUE, eight octets at a time: values are most of a head. */
static inline const char *skip_value(const char *p, const char *stop)
{
    const uint64_t ones = ~UINT64_C(0) / 255;
    for (;;) {
        while (stop - p >= 8) {
            uint64_t word = load8(p);
            uint64_t del = word ^ ones * 127;
            /* In the highest bit of each octet: below SP, or DEL. A borrow may set it in octets
             * after the first hit, never before it. */
            uint64_t hits = ((word - ones * 32) & ~word) | ((del - ones) & ~del);
            hits &= ones * 128;
            if (hits) {
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
                p += (unsigned)__builtin_ctzll(hits) / 8;
#else
                while (*p >= ' ' && *p != 127)
                    p++;
#endif
                break;
            }
            p += 8;
        }
        p = stop - p >= 8 ? p : skip(p, stop, VALUE);
        if (p == stop || *p != '\t')
            return p;
        p++;
    }
}

/* -- parts of a head ------------------------------------------------------------------------- */

enum found {
    FOUND_HOST = 1,
    FOUND_LENGTH = 2,
    FOUND_CODING = 4,      /* Transfer-Encoding, even if it names no coding */
    FOUND_CHUNKED = 8,     /* chunked was one of them, */
    LAST_CHUNKED = 16,     /* and so far the last */
    FOUND_CLOSE = 32,      /* of Connection */
    FOUND_KEEP = 64,       /* likewise */
    MAY_FOLD = 128,        /* the last field may go on in the next line (responses) */
    FOUND_AUTHORITY = 256, /* in the target */
    BAD_CODING = 512,      /* one that is not well written (responses) */
    FAULTY = 1024,         /* no body could be delimited by these fields (responses) */
};

static enum http1_result refuse(struct http1_head *h, uint16_t status)
{
    h->refuse = status;
    return HTTP1_REFUSED;
}

static inline struct http1_span span(const struct http1_head *h, const char *from, const char *to)
{
    return (struct http1_span){(uint16_t)(from - h->base), (uint16_t)(to - from)};
}

/* Is the token at p, of the length of lower, that word? lower has small letters and "-" only, and
 * of the octets of a token only those become them when bit 5 is set. */
static inline __attribute__((always_inline)) bool is_word(const char *p, const char *lower,
                                                          const size_t len)
{
    const uint64_t small = UINT64_C(0x2020202020202020);
    if (len < 8) {
        uint32_t a[2];
        uint32_t b[2];
        memcpy(&a[0], p, 4);
        memcpy(&a[1], p + (len - 4), 4);
        memcpy(&b[0], lower, 4);
        memcpy(&b[1], lower + (len - 4), 4);
        return (a[0] | (uint32_t)small) == b[0] && (a[1] | (uint32_t)small) == b[1];
    }
    bool same = (load8(p + (len - 8)) | small) == load8(lower + (len - 8));
    for (size_t i = 0; i + 8 < len; i += 8)
        same &= (load8(p + i) | small) == load8(lower + i);
    return same;
}
#define IS_WORD(p, lower) is_word((p), "" lower, sizeof(lower) - 1)

/* IPvFuture = "v" 1*HEXDIG "." 1*( unreserved / sub-delims / ":" ) (RFC 3986 §3.2.2) */
static bool is_future_address(struct slice s)
{
    const char *end = s.at + s.len;
    const char *p = s.len > 0 ? skip(s.at + 1, end, HEX) : end;
    if (p == end || p == s.at + 1 || *p++ != '.' || p == end)
        return false;
    while (p < end && (is(*p, HOST) || *p == ':'))
        p++;
    return p == end;
}

/* uri-host [ ":" port ] (RFC 9110 §7.2, RFC 3986 §3.2.2). The host may be empty, so may the port;
 * *host_len is the length of the host, *port 0 where none is given. */
static bool is_host(struct slice s, size_t *host_len, uint64_t *port)
{
    const char *p = s.at;
    const char *end = s.at + s.len;
    *port = 0;
    if (s.len > 0 && *p == '[') {
        const char *close = memchr(p, ']', s.len);
        if (!close)
            return false;
        struct slice address = {p + 1, (size_t)(close - p - 1)};
        bool future = p[1] == 'v' || p[1] == 'V';
        if (future ? !is_future_address(address) : !address_is_ipv6(address))
            return false;
        p = close + 1;
    } else {
        for (;;) {
            p = skip(p, end, HOST);
            if (p == end || *p != '%')
                break;
            if (end - p < 3 || !is(p[1], HEX) || !is(p[2], HEX))
                return false;
            p += 3;
        }
    }
    *host_len = (size_t)(p - s.at);
    if (p == end)
        return true;
    if (*p++ != ':' || *host_len == 0)
        return false;
    return p == end || number_read((struct slice){p, (size_t)(end - p)}, 0, UINT16_MAX, port);
}

/* The next element of a comma separated list (RFC 9110 §5.6.1), without the whitespace around it;
 * it may be empty. False: there is none. *at is where to go on, 0 at first. */
static bool list_next(struct slice list, size_t *at, struct slice *element)
{
    if (*at > list.len)
        return false;
    const char *p = list.at + *at;
    const char *end = list.at + list.len;
    const char *comma = p < end ? memchr(p, ',', (size_t)(end - p)) : NULL;
    if (comma)
        end = comma;
    *at = (size_t)(end - list.at) + 1;
    while (p < end && is_blank(*p))
        p++;
    while (end > p && is_blank(end[-1]))
        end--;
    *element = (struct slice){p, (size_t)(end - p)};
    return true;
}

bool http1_list_has(struct slice list, struct slice token)
{
    struct slice element;
    size_t at = 0;
    while (list_next(list, &at, &element))
        if (slice_is_nocase(element, token))
            return true;
    return false;
}

bool http1_find(const struct http1_head *head, struct slice name, struct slice *value)
{
    for (unsigned i = 0; i < head->field_count; i++) {
        if (slice_is_nocase(http1_slice(head, head->fields[i].name), name)) {
            *value = http1_slice(head, head->fields[i].value);
            return true;
        }
    }
    return false;
}

/* -- fields that mean something to us: 0, or the status to refuse with ------------------------ */

static uint16_t read_host(struct http1_request *req, struct http1_span value)
{
    struct http1_head *h = &req->head;
    size_t host_len;
    uint64_t port;
    /* RFC 9112 §3.2: 400 for "more than one Host header field line or a Host header field with an
     * invalid field value". */
    const struct slice host = http1_slice(h, value);
    if (h->found & FOUND_HOST)
        return 400;
    /* Most are plain names. */
    if (skip(host.at, host.at + host.len, HOST) < host.at + host.len &&
        !is_host(host, &host_len, &port))
        return 400;
    h->found |= FOUND_HOST;
    req->has_host = true;
    if (!(h->found & FOUND_AUTHORITY)) /* else the target's goes before: §3.2.2 */
        req->host = value;
    return 0;
}

static uint16_t read_length(struct http1_head *h, struct slice value, bool request)
{
    /* RFC 9112 §6.3 rule 5. A list is refused with what is no digit. */
    bool good = !(h->found & FOUND_LENGTH) && number_read(value, 0, octets_max, &h->content_length);
    h->found |= FOUND_LENGTH;
    if (!good && request)
        return 400;
    if (!good)
        h->found |= FAULTY;
    return 0;
}

static const char *skip_blanks(const char *p, const char *end)
{
    while (p < end && is_blank(*p))
        p++;
    return p;
}

/* Behind the token or quoted-string at p; NULL where there is neither. */
static const char *skip_word(const char *p, const char *end)
{
    if (p == end || *p != '"') {
        const char *stop = skip(p, end, TOKEN);
        return stop > p ? stop : NULL;
    }
    for (p = skip(p + 1, end, QUOTED); p < end && *p == '\\'; p = skip(p + 2, end, QUOTED))
        if (end - p < 2)
            return NULL;
    return p < end && *p == '"' ? p + 1 : NULL;
}

/* transfer-coding = token *( OWS ";" OWS token BWS "=" BWS ( token / quoted-string ) ) (RFC 9112
 * §7), and the whitespace behind it. Where the comma after it or the end is; NULL if it is not well
 * written. */
static const char *read_coding(const char *p, const char *end, struct slice *name, bool *bare)
{
    const char *from = p;
    p = skip(p, end, TOKEN);
    *name = (struct slice){from, (size_t)(p - from)};
    p = skip_blanks(p, end);
    *bare = p == end || *p != ';';
    if (name->len == 0)
        return NULL;
    while (p < end && *p == ';') {
        from = skip_blanks(p + 1, end);
        p = skip_blanks(skip(from, end, TOKEN), end);
        if (p == from || p == end || *p != '=')
            return NULL;
        p = skip_word(skip_blanks(p + 1, end), end);
        if (!p)
            return NULL;
        p = skip_blanks(p, end);
    }
    return p == end || *p == ',' ? p : NULL;
}

/* Several lines are one list (RFC 9110 §5.3). Of a request everything that is odd is refused at
 * once; of a response it is noted, for it may have no body. */
static uint16_t read_codings(struct http1_head *h, struct slice value, bool request)
{
    const char *const end = value.at + value.len;
    const char *p = skip_blanks(value.at, end);

    h->found |= FOUND_CODING;
    for (;;) {
        if (p == end || *p == ',') {
            if (request)
                return 400;
            /* else RFC 9110 §5.6.1.2: a recipient must bear a few empty elements */
        } else {
            struct slice name;
            bool bare;
            const char *stop = read_coding(p, end, &name, &bare);
            bool chunked = slice_is_nocase(name, SLICE("chunked"));
            bool wrong = !stop;
            if (!stop) {
                h->found |= BAD_CODING;
                stop = memchr(p, ',', (size_t)(end - p));
                stop = stop ? stop : end;
                chunked = chunked && !bare;
            }
            /* RFC 9112 §6.1: chunked "MUST NOT [be applied] more than once"; §7.1: it "does not
             * define any parameters. Their presence SHOULD be treated as an error." */
            if (chunked && (!bare || (h->found & FOUND_CHUNKED))) {
                h->found |= FAULTY;
                wrong = true;
            }
            if (wrong && request)
                return 400;
            if (chunked) {
                h->found |= FOUND_CHUNKED | LAST_CHUNKED;
            } else {
                h->found &= (uint16_t)~LAST_CHUNKED;
                h->coded = true;
            }
            p = stop;
        }
        if (p == end)
            return 0;
        p = skip_blanks(p + 1, end);
    }
}

static uint16_t read_connection(struct http1_head *h, struct slice value)
{
    struct slice option;
    size_t at = 0;
    while (list_next(value, &at, &option)) {
        if (option.len == 5 && slice_is_nocase(option, SLICE("close")))
            h->found |= FOUND_CLOSE;
        else if (option.len == 10 && slice_is_nocase(option, SLICE("keep-alive")))
            h->found |= FOUND_KEEP;
        else if (option.len == 7 && slice_is_nocase(option, SLICE("upgrade")))
            h->upgrade = true;
    }
    return 0;
}

enum kind { REQUEST, RESPONSE, TRAILERS };

/* A field is complete: keep it, and look whether it means something to us. It comes by value: what
 * was just stored in parts is slow to load as a whole. */
static inline uint16_t take_field(struct http1_head *h, const struct http1_field field,
                                  const enum kind kind)
{
    const char *name = h->base + field.name.at;
    const struct slice value = http1_slice(h, field.value);

    h->fields[h->field_count++] = field;
    switch (field.name.len) {
    case 4:
        if (kind == RESPONSE || !IS_WORD(name, "host"))
            return 0;
        if (kind == TRAILERS)
            return 400;
        return read_host((struct http1_request *)h, field.value);
    case 6:
        if (kind == REQUEST && IS_WORD(name, "expect")) {
            struct http1_request *req = (struct http1_request *)h;
            bool known = slice_is_nocase(value, SLICE("100-continue"));
            if (req->expect != HTTP1_EXPECT_OTHER)
                req->expect = known ? HTTP1_EXPECT_CONTINUE : HTTP1_EXPECT_OTHER;
        }
        return 0;
    case 10: return kind != TRAILERS && IS_WORD(name, "connection") ? read_connection(h, value) : 0;
    case 14:
        if (!IS_WORD(name, "content-length"))
            return 0;
        return kind == TRAILERS ? 400 : read_length(h, value, kind == REQUEST);
    case 17:
        if (!IS_WORD(name, "transfer-encoding"))
            return 0;
        return kind == TRAILERS ? 400 : read_codings(h, value, kind == REQUEST);
    default: return 0;
    }
}

/* -- the machine ------------------------------------------------------------------------------ */

/* What `state` of a head says; the fields come after either start line. */
enum request_state {
    EMPTY_LINE,
    EMPTY_LINE_LF,
    METHOD,
    TARGET,
    TARGET_PATH,
    TARGET_QUERY,
    TARGET_URI, /* does not begin with "/": absolute, authority or "*" */
    ESCAPE_FIRST,
    ESCAPE_SECOND,
    VERSION,
    REQUEST_LF,
};

enum response_state { STATUS_VERSION, STATUS, REASON, STATUS_LF };

enum field_state {
    FIELD = 32, /* at the beginning of a line */
    NAME,
    BEFORE_VALUE,
    IN_VALUE,
    FIELD_LF,
    HEAD_LF,
};

static void begin(struct http1_head *h, unsigned state, bool response)
{
    h->response = response;
    h->len = 0;
    h->refuse = 0;
    h->field_count = 0;
    h->minor = 0;
    h->keep_alive = false;
    h->upgrade = false;
    h->coded = false;
    h->framing = HTTP1_NO_BODY;
    h->content_length = 0;
    h->state = (uint8_t)state;
    h->found = 0;
    h->at = 0;
    h->mark = 0;
    h->line = (struct http1_field){{0, 0}, {0, 0}};
}

/* How long a start line may be: it is a part of the head. */
static inline size_t line_limit(const struct http1_limits *limits)
{
    return limits->line < limits->head ? limits->line : limits->head;
}

/* The octets end at p: too many already, or not enough yet? */
static enum http1_result pause_at(struct http1_head *h, const char *p, const char *mark,
                                  unsigned state, size_t limit, uint16_t too_long)
{
    if ((size_t)(p - h->base) >= limit)
        return refuse(h, too_long);
    h->at = (uint32_t)(p - h->base);
    h->mark = (uint32_t)(mark - h->base);
    h->state = (uint8_t)state;
    return HTTP1_MORE;
}

/* The field lines and the empty line after them, from p on; HTTP1_DONE without any judgement of
 * the whole. fold is the buffer again where folded lines may be mended, else NULL. */
static inline __attribute__((always_inline)) enum http1_result
read_fields(struct http1_head *h, const char *p, size_t len, const struct http1_limits *limits,
            char *fold, const enum kind kind)
{
    const char *const stop = h->base + (len < limits->head ? len : limits->head);
    const bool folds = kind == RESPONSE || (kind == TRAILERS && h->response);
    const char *mark = h->base + h->mark;
    enum field_state state = h->state;
    struct http1_field field = h->line;

    for (;;) {
        uint16_t status;
        switch (state) {
        case FIELD:
            if (p == stop)
                goto pause;
            if (folds && (h->found & MAY_FOLD)) {
                h->found &= (uint16_t)~MAY_FOLD;
                if (is_blank(*p)) {
                    /* RFC 9112 §5.2: "replace each received obs-fold with one or more SP" */
                    fold[p - h->base - 2] = ' ';
                    fold[p - h->base - 1] = ' ';
                    state = field.value.len > 0 ? IN_VALUE : BEFORE_VALUE;
                    mark = h->base + field.value.at;
                    continue;
                }
                status = take_field(h, field, kind);
                if (status)
                    return refuse(h, status);
            }
            if (*p == '\r') {
                p++;
                state = HEAD_LF;
                continue;
            }
            if (h->field_count == limits->fields)
                return refuse(h, 431);
            mark = p;
            __attribute__((fallthrough));
        case NAME:
            p = skip(p, stop, TOKEN);
            if (p == stop) {
                state = NAME;
                goto pause;
            }
            if (*p != ':' || p == mark) /* with whitespace before the colon, too: §5.1 */
                return refuse(h, 400);
            field.name = span(h, mark, p);
            p++;
            __attribute__((fallthrough));
        case BEFORE_VALUE:
            while (p < stop && is_blank(*p))
                p++;
            if (p == stop) {
                state = BEFORE_VALUE;
                goto pause;
            }
            mark = p;
            __attribute__((fallthrough));
        case IN_VALUE:
            p = skip_value(p, stop);
            if (p == stop) {
                state = IN_VALUE;
                goto pause;
            }
            if (*p != '\r')
                return refuse(h, 400);
            field.value = span(h, mark, p);
            while (field.value.len > 0 && is_blank(mark[field.value.len - 1]))
                field.value.len--;
            p++;
            __attribute__((fallthrough));
        case FIELD_LF:
            if (p == stop) {
                state = FIELD_LF;
                goto pause;
            }
            if (*p != '\n')
                return refuse(h, 400);
            p++;
            state = FIELD;
            if (folds) {
                h->found |= MAY_FOLD;
                continue;
            }
            status = take_field(h, field, kind);
            if (status)
                return refuse(h, status);
            continue;
        case HEAD_LF:
            if (p == stop)
                goto pause;
            if (*p != '\n')
                return refuse(h, 400);
            h->len = (uint32_t)(p + 1 - h->base);
            return HTTP1_DONE;
        }
    }
pause:
    h->line = field;
    return pause_at(h, p, mark, state, limits->head, 431);
}

/* -- requests --------------------------------------------------------------------------------- */

static enum http1_method method_of(struct slice name)
{
    static const struct {
        struct slice name;
        enum http1_method method;
    } known[] = {
        {{"GET", 3}, HTTP1_GET},       {{"HEAD", 4}, HTTP1_HEAD},
        {{"POST", 4}, HTTP1_POST},     {{"PUT", 3}, HTTP1_PUT},
        {{"DELETE", 6}, HTTP1_DELETE}, {{"OPTIONS", 7}, HTTP1_OPTIONS},
        {{"PATCH", 5}, HTTP1_PATCH},   {{"CONNECT", 7}, HTTP1_CONNECT},
        {{"TRACE", 5}, HTTP1_TRACE},
    };
    for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
        if (slice_is(name, known[i].name))
            return known[i].method;
    return HTTP1_OTHER;
}

/* The target forms that do not begin with "/" (RFC 9112 §3.2.2 to 3.2.4). Their octets are those
 * of a URI, and their escapes are whole. */
static bool read_other_target(struct http1_request *req)
{
    struct http1_head *h = &req->head;
    const struct slice t = http1_slice(h, req->target);
    const char *p = t.at;
    const char *const end = t.at + t.len;
    const char *from;
    size_t host_len;
    uint64_t port;

    req->path = (struct http1_span){req->target.at, 0};
    if (req->method == HTTP1_CONNECT) {
        /* RFC 9110 §9.3.6: a server must reject "an empty or invalid port number". */
        req->host = req->target;
        h->found |= FOUND_AUTHORITY;
        return is_host(t, &host_len, &port) && host_len > 0 && port > 0;
    }
    if (*p == '*') {
        req->path = req->target;
        return req->method == HTTP1_OPTIONS && t.len == 1;
    }

    /* scheme "://" */
    if (!IS((*p | 0x20), 'a', 'z'))
        return false;
    while (p < end && (IS_ALNUM(*p) || *p == '+' || *p == '-' || *p == '.'))
        p++;
    if (end - p < 3 || memcmp(p, "://", 3) != 0)
        return false;
    p += 3;

    /* [ userinfo "@" ] host [ ":" port ] */
    from = p;
    while (p < end && *p != '/' && *p != '?')
        p++;
    const char *at = memchr(from, '@', (size_t)(p - from));
    if (at) {
        while (is(*from, HOST) || *from == ',' || *from == ':' || *from == '%')
            from++;
        if (from++ != at)
            return false;
    }
    req->host = span(h, from, p);
    h->found |= FOUND_AUTHORITY;
    if (!is_host(http1_slice(h, req->host), &host_len, &port) || host_len == 0)
        return false;

    /* path [ "?" query ] */
    from = p;
    while (p < end && (is(*p, PATH) || *p == '%'))
        p++;
    req->path = span(h, from, p);
    if (p < end && *p == '?') {
        from = ++p;
        while (p < end && (is(*p, QUERY) || *p == '%'))
            p++;
        req->query = span(h, from, p);
    }
    return p == end;
}

/* The head is complete: how the message is delimited (RFC 9112 §6.3), and whether the connection
 * outlives it (§9.3). */
static enum http1_result judge_request(struct http1_request *req, const struct http1_limits *limits)
{
    struct http1_head *h = &req->head;
    const bool old = h->minor == 0;

    h->keep_alive = !(h->found & FOUND_CLOSE) && (!old || (h->found & FOUND_KEEP));
    if (old)
        req->expect = HTTP1_EXPECT_NOTHING; /* RFC 9110 §10.1.1 */
    if (h->found & FOUND_CODING) {
        /* §6.1: in 1.0, or beside Content-Length, the framing is faulty. */
        if (old || (h->found & FOUND_LENGTH))
            return refuse(h, 400);
        /* §6.3 rule 4: without chunked at the end the length cannot be known, and "the server MUST
         * respond with the 400". (§6.1 has 501 for unknown codings, but as a SHOULD.) */
        if (!(h->found & LAST_CHUNKED))
            return refuse(h, 400);
        h->framing = HTTP1_CHUNKED;
    } else if (h->content_length > 0) {
        if (h->content_length > limits->body)
            return refuse(h, 413);
        h->framing = HTTP1_LENGTH;
    }
    return HTTP1_DONE;
}

static inline bool is_version(const char *p, size_t n)
{
    return n < 5 ? *p == "HTTP/"[n] : n == 6 ? *p == '.' : is_digit(*p);
}

/* The start line of a request, from where it stopped to *end, the first octet of the fields. */
static inline __attribute__((always_inline)) enum http1_result
read_request_line(struct http1_request *req, size_t len, const struct http1_limits *limits,
                  const char **end)
{
    struct http1_head *h = &req->head;
    const size_t limit = line_limit(limits);
    const char *const stop = h->base + (len < limit ? len : limit);
    const char *p = h->base + h->at;
    const char *mark = h->base + h->mark;
    const char *method_stop;
    enum request_state state = h->state;

    for (;;) {
        switch (state) {
        case EMPTY_LINE:
            if (p == stop)
                goto pause;
            if (*p == '\r') {
                if (p - h->base >= EMPTY_OCTETS_MAX)
                    return refuse(h, 400);
                p++;
                state = EMPTY_LINE_LF;
                continue;
            }
            mark = p;
            if (stop - p > 4 && memcmp(p, "GET ", 4) == 0) { /* most are */
                req->method = HTTP1_GET;
                req->method_name = span(h, p, p + 3);
                p += 4;
                state = TARGET;
                continue;
            }
            __attribute__((fallthrough));
        case METHOD:
            state = METHOD;
            method_stop = stop - mark > METHOD_MAX ? mark + METHOD_MAX + 1 : stop;
            p = skip(p, method_stop, TOKEN);
            if (p - mark > METHOD_MAX)
                return refuse(h, 501);
            if (p == stop)
                goto pause;
            if (*p != ' ' || p == mark)
                return refuse(h, 400);
            req->method_name = span(h, mark, p);
            req->method = method_of((struct slice){mark, (size_t)(p - mark)});
            p++;
            __attribute__((fallthrough));
        case TARGET:
            state = TARGET;
            if (p == stop)
                goto pause;
            mark = p;
            if (*p != '/') {
                state = TARGET_URI;
                continue;
            }
            __attribute__((fallthrough));
        case TARGET_PATH:
            state = TARGET_PATH;
            p = skip(p, stop, PATH);
            if (p == stop)
                goto pause;
            if (*p == '?') {
                req->path = span(h, mark, p);
                p++;
                state = TARGET_QUERY;
                continue;
            }
            break;
        case TARGET_QUERY:
            p = skip(p, stop, QUERY);
            if (p == stop)
                goto pause;
            break;
        case TARGET_URI:
            p = skip(p, stop, URI);
            if (p == stop)
                goto pause;
            break;
        case ESCAPE_FIRST:
        case ESCAPE_SECOND:
            if (p == stop)
                goto pause;
            if (!is(*p, HEX))
                return refuse(h, 400);
            p++;
            state = state == ESCAPE_FIRST ? ESCAPE_SECOND : (enum request_state)h->back;
            continue;
        case EMPTY_LINE_LF:
            if (p == stop)
                goto pause;
            if (*p != '\n')
                return refuse(h, 400);
            p++;
            state = EMPTY_LINE;
            continue;
        case VERSION:
            if (stop - p >= 10 && p == mark && memcmp(p, "HTTP/1.1\r\n", 10) == 0) {
                h->minor = 1;
                *end = p + 10;
                return HTTP1_DONE;
            }
            while (p < stop && p - mark < 8) {
                if (!is_version(p, (size_t)(p - mark)))
                    return refuse(h, 400);
                p++;
            }
            if (p == stop)
                goto pause;
            if (*p != '\r')
                return refuse(h, 400);
            if (mark[5] != '1')
                return refuse(h, 505);
            h->minor = (uint8_t)(mark[7] - '0');
            p++;
            state = REQUEST_LF;
            __attribute__((fallthrough));
        case REQUEST_LF:
            if (p == stop)
                goto pause;
            if (*p != '\n')
                return refuse(h, 400);
            *end = p + 1;
            return HTTP1_DONE;
        }

        /* A part of the target ends: in an escape, or for good. */
        if (*p == '%') {
            h->back = (uint8_t)state;
            state = ESCAPE_FIRST;
            p++;
            continue;
        }
        if (*p != ' ' || p == mark)
            return refuse(h, 400);
        req->target = span(h, mark, p);
        if (state == TARGET_PATH) {
            req->path = span(h, mark, p);
        } else if (state == TARGET_QUERY) {
            req->query = span(h, mark + req->path.len + 1, p);
        } else if (!read_other_target(req)) {
            return refuse(h, 400);
        }
        if (req->method == HTTP1_CONNECT && state != TARGET_URI)
            return refuse(h, 400);
        p++;
        mark = p;
        state = VERSION;
    }
pause:
    return pause_at(h, p, mark, state, limit, 414);
}

enum http1_result http1_read_request(const char *buf, size_t len, size_t seen,
                                     const struct http1_limits *limits, struct http1_request *req)
{
    struct http1_head *h = &req->head;
    enum http1_result result;
    const char *p;

    h->base = buf;
    if (seen == 0) {
        begin(h, EMPTY_LINE, false);
        req->method = HTTP1_OTHER;
        req->expect = HTTP1_EXPECT_NOTHING;
        req->path = req->query = req->host = (struct http1_span){0, 0};
        req->has_host = false;
    }
    assert(seen == h->at && limits->fields <= HTTP1_FIELDS_MAX);
    p = buf + seen;
    if (h->state < FIELD) {
        result = read_request_line(req, len, limits, &p);
        if (result != HTTP1_DONE)
            return result;
        h->state = FIELD;
    }
    result = read_fields(h, p, len, limits, NULL, REQUEST);
    return result == HTTP1_DONE ? judge_request(req, limits) : result;
}

/* -- responses -------------------------------------------------------------------------------- */

/* The start line of a response, from where it stopped to *end, the first octet of the fields. */
static enum http1_result read_status_line(struct http1_response *res, size_t len,
                                          const struct http1_limits *limits, const char **end)
{
    struct http1_head *h = &res->head;
    const size_t limit = line_limit(limits);
    const char *const stop = h->base + (len < limit ? len : limit);
    const char *p = h->base + h->at;
    const char *mark = h->base + h->mark;
    enum response_state state = h->state;

    switch (state) {
    case STATUS_VERSION:
        while (p < stop && p - mark < 8) {
            if (!is_version(p, (size_t)(p - mark)))
                return refuse(h, 400);
            p++;
        }
        if (p == stop)
            break;
        if (*p != ' ' || mark[5] != '1')
            return refuse(h, 400);
        h->minor = (uint8_t)(mark[7] - '0');
        p++;
        mark = p;
        state = STATUS;
        __attribute__((fallthrough));
    case STATUS:
        while (p < stop && p - mark < 3) {
            if (!is_digit(*p))
                return refuse(h, 400);
            res->status = (uint16_t)(res->status * 10 + (*p - '0'));
            p++;
        }
        if (p == stop)
            break;
        if (res->status < 100 || res->status > 599) /* RFC 9110 §15 */
            return refuse(h, 400);
        /* RFC 9112 §4 wants a SP even where no reason follows; many leave it out. */
        if (*p == ' ')
            p++;
        else if (*p != '\r')
            return refuse(h, 400);
        mark = p;
        state = REASON;
        __attribute__((fallthrough));
    case REASON:
        p = skip_value(p, stop);
        if (p == stop)
            break;
        if (*p != '\r')
            return refuse(h, 400);
        res->reason = span(h, mark, p);
        p++;
        state = STATUS_LF;
        __attribute__((fallthrough));
    case STATUS_LF:
        if (p == stop)
            break;
        if (*p != '\n')
            return refuse(h, 400);
        *end = p + 1;
        return HTTP1_DONE;
    }
    return pause_at(h, p, mark, state, limit, 400);
}

static bool has_no_body(unsigned status, enum http1_method asked)
{
    return asked == HTTP1_HEAD || status < 200 || status == 204 || status == 304 ||
           (asked == HTTP1_CONNECT && status < 300);
}

/* The head is complete: how the message is delimited (RFC 9112 §6.3), and whether the connection
 * outlives it (§9.3). */
static enum http1_result judge_response(struct http1_response *res, enum http1_method asked,
                                        const struct http1_limits *limits)
{
    struct http1_head *h = &res->head;
    const bool old = h->minor == 0;

    /* Fields by which nobody can tell where a body ends: both of them, either of them invalid, or
     * Transfer-Encoding in 1.0 (§6.1). A list that is not well written may be read until the end of
     * the connection, as any without chunked at its end; with it, others may read it differently.
     */
    if (h->found & FOUND_CODING) {
        if (old || (h->found & FOUND_LENGTH) ||
            ((h->found & BAD_CODING) && (h->found & LAST_CHUNKED)))
            h->found |= FAULTY;
    }

    /* §6.3, "in order of precedence": rule 1 comes first, and such a response "is always terminated
     * by the first empty line after the header fields, regardless of the header fields present in
     * the message". So they do no harm to it; but who writes them may well send a body, too, and
     * its connection carries no other message. */
    if (has_no_body(res->status, asked)) {
        h->framing = HTTP1_NO_BODY;
    } else if (h->found & FAULTY) {
        return refuse(h, 400);
    } else if (h->found & FOUND_CODING) {
        h->framing = h->found & LAST_CHUNKED ? HTTP1_CHUNKED : HTTP1_UNTIL_CLOSE;
    } else if (!(h->found & FOUND_LENGTH)) {
        h->framing = HTTP1_UNTIL_CLOSE;
    } else if (h->content_length > 0) {
        if (h->content_length > limits->body)
            return refuse(h, 413);
        h->framing = HTTP1_LENGTH;
    }
    h->keep_alive = !(h->found & (FOUND_CLOSE | FAULTY)) && (!old || (h->found & FOUND_KEEP)) &&
                    h->framing != HTTP1_UNTIL_CLOSE && res->status != 101;
    return HTTP1_DONE;
}

enum http1_result http1_read_response(char *buf, size_t len, size_t seen, enum http1_method asked,
                                      const struct http1_limits *limits, struct http1_response *res)
{
    struct http1_head *h = &res->head;
    enum http1_result result;
    const char *p;

    h->base = buf;
    if (seen == 0) {
        begin(h, STATUS_VERSION, true);
        res->status = 0;
        res->reason = (struct http1_span){0, 0};
    }
    assert(seen == h->at && limits->fields <= HTTP1_FIELDS_MAX);
    p = buf + seen;
    if (h->state < FIELD) {
        result = read_status_line(res, len, limits, &p);
        if (result != HTTP1_DONE)
            return result;
        h->state = FIELD;
    }
    result = read_fields(h, p, len, limits, buf, RESPONSE);
    return result == HTTP1_DONE ? judge_response(res, asked, limits) : result;
}

/* -- bodies ----------------------------------------------------------------------------------- */

enum body_state {
    SIZE,       /* of a chunk */
    SIZE_BLANK, /* BWS where only ";" may follow */
    EXT_NAME,   /* BWS before it */
    EXT_IN_NAME,
    EXT_NAME_END, /* BWS after it */
    EXT_VALUE,    /* BWS before it */
    EXT_IN_VALUE,
    EXT_QUOTED,
    EXT_PAIR, /* after a backslash */
    EXT_QUOTED_END,
    SIZE_LF,
    CONTENT,
    CONTENT_CR,
    CONTENT_LF,
    TRAILER,
    COMPLETE,
};

void http1_body_start(struct http1_body *body, const struct http1_head *head,
                      const struct http1_limits *limits, struct http1_head *trailers)
{
    *body = (struct http1_body){.framing = head->framing,
                                .response = head->response,
                                .limits = limits,
                                .trailers = trailers,
                                .state = CONTENT};
    switch (head->framing) {
    case HTTP1_NO_BODY: body->state = COMPLETE; break;
    case HTTP1_LENGTH: body->left = head->content_length; break;
    case HTTP1_CHUNKED: body->state = SIZE; break;
    case HTTP1_UNTIL_CLOSE: body->left = limits->body; break;
    }
}

bool http1_body_may_end(const struct http1_body *body)
{
    return body->state == COMPLETE || body->framing == HTTP1_UNTIL_CLOSE;
}

static enum http1_result refuse_body(struct http1_body *body, uint16_t status)
{
    body->refuse = status;
    return HTTP1_REFUSED;
}

/* A digit of a chunk size (RFC 9112 §7.1): at most 16, and what they mean within octets_max. */
static bool take_digit(struct http1_body *body, char c)
{
    unsigned digit = is_digit(c) ? (unsigned)(c - '0') : (unsigned)((c | 0x20) - 'a' + 10);
    if (++body->digits > 16 || body->left > octets_max >> 4)
        return false;
    body->left = body->left << 4 | digit;
    return true;
}

/* The octet after a part of a chunk line: another extension, the end of the line, or wrong. */
static bool after_part(char c, enum body_state *state)
{
    if (c == ';')
        *state = EXT_NAME;
    else if (c == '\r')
        *state = SIZE_LF;
    else if (is_blank(c))
        *state = SIZE_BLANK;
    else
        return false;
    return true;
}

/* One octet of a chunk line or of the line end after a chunk. False: it has no place there. */
static bool take_chunk_octet(struct http1_body *body, char c, enum body_state *state)
{
    switch (*state) {
    case SIZE:
        if (is(c, HEX))
            return take_digit(body, c);
        return body->digits > 0 && after_part(c, state);
    case SIZE_BLANK:
        if (c == ';')
            *state = EXT_NAME;
        return c == ';' || is_blank(c);
    case EXT_NAME:
        if (is_blank(c))
            return true;
        *state = EXT_IN_NAME;
        return is(c, TOKEN);
    case EXT_IN_NAME:
        if (is(c, TOKEN))
            return true;
        if (c == '=')
            *state = EXT_VALUE;
        else if (is_blank(c))
            *state = EXT_NAME_END;
        else
            return after_part(c, state);
        return true;
    case EXT_NAME_END:
        if (c == '=')
            *state = EXT_VALUE;
        else if (c == ';')
            *state = EXT_NAME;
        else
            return is_blank(c);
        return true;
    case EXT_VALUE:
        if (is_blank(c))
            return true;
        *state = c == '"' ? EXT_QUOTED : EXT_IN_VALUE;
        return c == '"' || is(c, TOKEN);
    case EXT_IN_VALUE: return is(c, TOKEN) || after_part(c, state);
    case EXT_QUOTED:
        if (c == '"')
            *state = EXT_QUOTED_END;
        else if (c == '\\')
            *state = EXT_PAIR;
        else
            return is(c, QUOTED);
        return true;
    case EXT_PAIR: *state = EXT_QUOTED; return is(c, VALUE);
    case EXT_QUOTED_END: return after_part(c, state);
    case SIZE_LF: *state = body->left > 0 ? CONTENT : TRAILER; return c == '\n';
    case CONTENT_CR: *state = CONTENT_LF; return c == '\r';
    case CONTENT_LF:
        body->digits = 0;
        *state = SIZE;
        return c == '\n';
    case CONTENT:
    case TRAILER:
    case COMPLETE: break;
    }
    return false;
}

static bool in_extension(enum body_state state)
{
    return state >= SIZE_BLANK && state <= EXT_QUOTED_END;
}

/* The fields after the last chunk; they begin at buf. */
static enum http1_result read_trailers(struct http1_body *body, char *buf, size_t len)
{
    struct http1_head *h = body->trailers;
    enum http1_result result;
    h->base = buf;
    if (body->seen == 0)
        begin(h, FIELD, body->response);
    result = read_fields(h, buf + body->seen, len, body->limits, buf, TRAILERS);
    if (result == HTTP1_REFUSED)
        body->refuse = h->refuse;
    body->seen = h->at;
    return result;
}

/* A chunk line is complete: may there be that much? */
static bool take_chunk(struct http1_body *body)
{
    if (body->left > body->limits->body - body->total)
        return false;
    body->total += body->left;
    return true;
}

enum http1_result http1_read_body(struct http1_body *body, char *buf, size_t len, size_t *used,
                                  struct slice *data)
{
    enum body_state state = body->state;
    char *p = buf;
    const char *const stop = buf + len;
    enum http1_result result = HTTP1_MORE;

    while (result == HTTP1_MORE) {
        if (state == COMPLETE) {
            result = HTTP1_DONE;
        } else if (p == stop) {
            break;
        } else if (state == CONTENT) {
            size_t n = (size_t)(stop - p);
            if (body->left == 0) /* until close, and longer than we bear */
                return refuse_body(body, 413);
            if (n >= body->left) {
                n = (size_t)body->left;
                state = body->framing == HTTP1_CHUNKED  ? CONTENT_CR
                        : body->framing == HTTP1_LENGTH ? COMPLETE
                                                        : CONTENT;
            }
            *data = (struct slice){p, n};
            body->left -= n;
            p += n;
            result = HTTP1_DATA;
        } else if (state == TRAILER) {
            result = read_trailers(body, p, (size_t)(stop - p));
            if (result != HTTP1_DONE)
                break;
            p += body->trailers->len;
            state = COMPLETE;
        } else {
            if (!take_chunk_octet(body, *p++, &state))
                return refuse_body(body, 400);
            if (in_extension(state) && ++body->extension > EXTENSION_MAX)
                return refuse_body(body, 400);
            if (state == CONTENT && !take_chunk(body))
                return refuse_body(body, 413);
        }
    }
    body->state = (uint16_t)state;
    *used = (size_t)(p - buf);
    return result;
}

/* -- writing ---------------------------------------------------------------------------------- */

struct slice http1_reason(unsigned status)
{
    static const struct {
        unsigned status;
        struct slice reason;
    } reasons[] = {
#define REASON(status, text)       \
    {                              \
        status,                    \
        {                          \
            text, sizeof(text) - 1 \
        }                          \
    }
        REASON(100, "Continue"),
        REASON(200, "OK"),
        REASON(204, "No Content"),
        REASON(301, "Moved Permanently"),
        REASON(302, "Found"),
        REASON(304, "Not Modified"),
        REASON(400, "Bad Request"),
        REASON(403, "Forbidden"),
        REASON(404, "Not Found"),
        REASON(405, "Method Not Allowed"),
        REASON(408, "Request Timeout"),
        REASON(413, "Content Too Large"),
        REASON(414, "URI Too Long"),
        REASON(417, "Expectation Failed"),
        REASON(424, "Failed Dependency"),
        REASON(429, "Too Many Requests"),
        REASON(431, "Request Header Fields Too Large"),
        REASON(500, "Internal Server Error"),
        REASON(501, "Not Implemented"),
        REASON(502, "Bad Gateway"),
        REASON(503, "Service Unavailable"),
        REASON(504, "Gateway Timeout"),
        REASON(505, "HTTP Version Not Supported"),
#undef REASON
    };
    for (size_t i = 0; i < sizeof(reasons) / sizeof(*reasons); i++)
        if (reasons[i].status == status)
            return reasons[i].reason;
    return (struct slice){"", 0};
}
