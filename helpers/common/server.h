/* server.h - a small HTTP/1.1 server on libuv.
 *
 * One loop, one thread. A connection costs one allocation; a request costs none, one read, and one
 * write that carries the answers to all requests that came together. Every phase of a connection
 * has one deadline, set when the phase begins and never moved by progress.
 *
 *   struct server s;
 *   server_init(&s, loop, &limits, routes);
 *   server_listen(&s, NULL, 5000);         ... uv_run(loop, UV_RUN_DEFAULT) ...
 *   server_drain(&s, on_drained, me);      no more connections; ends when all are finished
 *
 * Answering. A handler is called once for each request, when its head and body are complete. It
 * does exactly one of these before it returns:
 *   - server_answer(r, ...)                      the answer is known;
 *   - server_hold(r, gone, data)                 the answer comes later;
 *   - server_stream(r, type, gone, data)         the answer has no end yet (server-sent events).
 * A held request ends in exactly one of two ways: the owner calls server_answer (a stream:
 * server_stream_end), or the server calls gone(r, data), because the peer went away, took too long
 * to read, or the handler's own time was up. After either, r is no longer the owner's and must not
 * be touched. gone may not answer, and need not undo anything of the server.
 * Answering one request may call the handler of the next one before it returns (pipelining).
 *
 * Request bodies are read, bounded by limits.http.body, and dropped: no handler here needs one.
 * Nothing that a peer sent is copied into an answer here: the bodies of errors are constant. */
#ifndef SERVER_H
#define SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "http1.h"
#include "util.h"

struct server;
struct server_connection;

/* Given at birth. Times are milliseconds. The defaults are server_limits_default. */
struct server_limits {
    struct http1_limits http;
    uint32_t connections; /* open at once; lowered to what RLIMIT_NOFILE leaves */
    uint32_t head_ms;     /* from the first octet of a head to its last: 408 */
    uint32_t body_ms;     /* from there to the last of the body: 408 */
    uint32_t answer_ms;   /* from there to the handler's answer: 503, and gone */
    uint32_t write_ms;    /* for the peer to take the answer; a stream: to take what is queued */
    uint32_t idle_ms;     /* between two requests */
    uint32_t linger_ms;   /* between our last octet and the peer's */
    uint32_t life_ms;     /* of a connection in all: then the answer says close; a stream ends */
    uint32_t drain_ms;    /* from server_drain to the end of patience */
    uint32_t queue;       /* octets of a stream that may wait for its peer */
};

extern const struct server_limits server_limits_default;

/* What a handler gets: valid until it is answered or gone. */
struct server_request {
    const struct http1_request *http; /* valid only until the handler returns */
    void *route_data;                 /* of the route */
};

typedef void server_handler(struct server_request *r);
typedef void server_gone(struct server_request *r, void *data);

enum {
    SERVER_GET = 1 << HTTP1_GET, /* HEAD comes with it: the answer's content is left out */
    SERVER_POST = 1 << HTTP1_POST,
};

/* One place of the site. A path that ends in "*" fits all that begin with what stands before it;
 * the first route that fits is taken. A table ends with a NULL path. */
struct server_route {
    const char *path;
    unsigned methods;
    server_handler *handle;
    void *data;
};

/* What has happened so far; all but open, idle, streams only ever grow. */
struct server_counters {
    uint64_t accepted;
    uint64_t refused_connections; /* above the limit */
    uint64_t requests;            /* complete heads */
    uint64_t answers[6];          /* by first digit of the status */
    uint64_t malformed;           /* requests the parser refused */
    uint64_t timeouts;            /* deadlines that cost somebody an answer */
    uint64_t gone;                /* peers that left before their answer */
    uint64_t octets_in;
    uint64_t octets_out;
    uint32_t open;
    uint32_t idle;
    uint32_t streams;
};

/* Connections of one phase, in the order in which they came to it. */
struct server_list {
    struct server_connection *first;
    struct server_connection *last;
};

typedef void server_drained(void *data);

/* The phases of a connection; each has its own limit above. */
enum server_phase {
    SERVER_IDLE,
    SERVER_HEAD,
    SERVER_BODY,
    SERVER_ASKED,  /* a handler holds the request */
    SERVER_STREAM, /* a handler streams */
    SERVER_WRITE,  /* the peer has not yet taken the answer */
    SERVER_LINGER, /* all is said; the peer closes now, or is closed */
    SERVER_CLOSED,
    SERVER_PHASES
};

/* All is private but counters. */
struct server {
    uv_loop_t *loop;
    struct server_limits limits;
    const struct server_route *routes;
    struct server_counters counters;
    uv_tcp_t listener;
    uv_timer_t sweep;
    uv_prepare_t turn; /* of the loop */
    uint64_t swept_at; /* the time of the last sweep */
    bool listening;
    bool draining;
    bool refusing;         /* the handle below is in use */
    bool accept_later;     /* a connection waits for the next turn */
    uint8_t open_handles;  /* of listener, timer and turn */
    uint32_t accepted_now; /* in this turn */
    uv_tcp_t refused;      /* takes a connection that must be refused for want of memory */
    uint64_t drain_at;
    server_drained *drained;
    void *drained_data;
    struct server_list phases[SERVER_PHASES];
    struct server_block *shared; /* what is being read; a connection gets a block of its own only
                                    for what must wait for more */
    struct server_block *spare;
    unsigned spare_count;
    unsigned freed; /* blocks and answers, since the system last got memory back */
    uint32_t alive; /* connections whose memory is not yet freed */
    struct server_connection *out_of; /* whose answers wait in out */
    struct text out;
    int64_t date_at;
    bool date_fresh; /* looked up in this turn */
    char date[40];
};

/* Allocates the shared buffers. routes must outlive the server.
 * 0 or UV_ENOMEM; then nothing is left to undo. */
int server_init(struct server *s, uv_loop_t *loop, const struct server_limits *limits,
                const struct server_route *routes) MUST_CHECK;

/* Listen on address (NULL: every address, IPv6 and IPv4) and port (0: any free one).
 * 0 or a libuv error; then the server can still be tried elsewhere or drained. */
int server_listen(struct server *s, const char *address, uint16_t port) MUST_CHECK;

/* The port it listens on, 0 if it does not. */
uint16_t server_port(const struct server *s);

/* Stop: take no new connection, close the idle ones, finish the others, after limits.drain_ms
 * close whatever is left. Then everything is freed and drained(data) is called, once; *s may be
 * freed in it. Further calls do nothing. */
void server_drain(struct server *s, server_drained *drained, void *data);

/* Answer with a whole body; type is the media type. Body is copied or written before it returns.
 * extra is NULL, or complete field lines, each with its CRLF, written by the program itself. */
void server_answer(struct server_request *r, unsigned status, const char *type, struct slice body,
                   const char *extra);

/* The answer comes later; see above. */
void server_hold(struct server_request *r, server_gone *gone, void *data);

/* Begin an answer (200) without a known end. Streams are also ended by the server (gone is called)
 * at a drain and at the end of limits.life_ms.
 * False: it was a HEAD request; all is said, and r is dead. */
bool server_stream(struct server_request *r, const char *type, server_gone *gone,
                   void *data) MUST_CHECK;

/* Send a piece, all or nothing. False: the peer is slow and its queue (limits.queue) has no room;
 * leave the piece out, or end the stream. gone is never called from here. */
bool server_stream_send(struct server_request *r, struct slice piece) MUST_CHECK;

/* The end of the stream; r is dead after this. */
void server_stream_end(struct server_request *r);

/* The counters in Prometheus text format; names begin with prefix_http_. */
void server_metrics(const struct server *s, const char *prefix, struct text *out);

#endif
