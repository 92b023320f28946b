/* client.h - one GET over HTTP/1.1: look the name up, try its addresses, read the answer.
 *
 * Each request looks the name up anew and opens a connection of its own: between two requests a
 * deploy may have replaced everything. An address that refuses or does not answer the connection is
 * passed over for the next one; the whole has one deadline. Redirects are reported, not followed.
 *
 * How answers are read: RFC 9112, strictly (http1.h). Both framings at once, an answer that breaks
 * off, 101, an endless row of interim answers: errors. */
#ifndef CLIENT_H
#define CLIENT_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "exchange.h"
#include "http1.h"
#include "lookup.h"
#include "url.h"

enum {
    CLIENT_ANSWER_MAX = 32 * 1024, /* octets of an answer, head and body as they are sent */
    CLIENT_REQUEST_MAX = 4096,
};

enum client_phase { CLIENT_RESOLVE, CLIENT_CONNECT, CLIENT_SEND, CLIENT_ANSWER };

/* Its name: "resolve", "connect", "send" or "answer". */
const char *client_phase_name(enum client_phase phase);

/* The head of an answer and its body, read from one buffer. */
struct client_answer {
    struct http1_response response; /* the final one; its slices point into the buffer */
    struct slice body;

    /* The rest is private. */
    struct http1_body state;
    struct http1_head trailers;
    size_t head_at; /* where the head that is read begins */
    size_t seen;
    size_t body_start;
    size_t body_at; /* what of the buffer the body has used up; 0: the head is not complete */
    unsigned interim;
    bool head_only;
};

/* Begin. head_only: be content with the head. */
void client_answer_start(struct client_answer *a, bool head_only);

/* Read on; an exchange_read for a struct client_answer. */
exchange_read client_answer_read;

struct client;
typedef void client_done(struct client *c, void *data);

struct client {
    /* The result, when done is called. */
    int error;                    /* 0: there is an answer, of whatever status */
    enum client_phase phase;      /* where it failed, or CLIENT_ANSWER */
    unsigned addresses;           /* how many the name has */
    unsigned tried;               /* and how many were tried */
    union lookup_address address; /* the last one, if one was tried */
    struct client_answer answer;
    uint64_t resolve_ns; /* time for the lookup, */
    uint64_t connect_ns; /* for the connections tried, */
    uint64_t answer_ns;  /* from then to the end of the answer, */
    uint64_t total_ns;   /* and in all */

    /* The rest is private. */
    uv_loop_t *loop;
    struct lookup lookup;
    struct exchange exchange;
    uint64_t started_ns;
    uint64_t timeout_ms;
    unsigned next;
    struct text request;
    client_done *done;
    void *data;
    char request_text[CLIENT_REQUEST_MAX];
    char buf[CLIENT_ANSWER_MAX];
};

/* Can url be asked for? NULL, or why not, as the end of a sentence about it. */
const char *client_refuses(const struct url *url) MUST_CHECK;

/* Ask for url, which client_refuses does not refuse and which outlives the request; fields are
 * complete lines, each with its CRLF, or NULL. done is called exactly once, later, never from in
 * here; until then *c must stay where it is. It may start the next request in done. */
void client_start(struct client *c, uv_loop_t *loop, const struct url *url, const char *fields,
                  uint64_t timeout_ms, client_done *done, void *data);

/* End it now: done is called soon, with UV_ECANCELED. */
void client_cancel(struct client *c);

/* Where a request that is not over is now. */
enum client_phase client_phase_now(const struct client *c);

/* The port of url, or that of http. */
uint16_t client_port(const struct url *url);

/* Write the request for url to text. */
void client_write_request(struct text *text, const struct url *url, const char *fields);

/* What error means that came in that phase, as the end of a sentence about the service. */
const char *client_reason(enum client_phase phase, int error);

#endif
