/* fake_postgres.h - a PostgreSQL server of a hundred lines, on the test's own loop, that fails in
 * whatever way a test wants. Protocol: PostgreSQL 15, chapter 55. */
#ifndef FAKE_POSTGRES_H
#define FAKE_POSTGRES_H

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

/* What it does with a connection. */
enum fake_manner {
    FAKE_WELL,           /* lets in, answers */
    FAKE_SILENT,         /* accepts, and says nothing */
    FAKE_REFUSES,        /* ends the login with fake.sqlstate */
    FAKE_HANGS_UP,       /* closes instead of an answer to the login */
    FAKE_GARBAGE,        /* answers the login with what is no answer */
    FAKE_BREAKS_TLS,     /* promises TLS and hangs up */
    FAKE_HOLDS_QUERY,    /* lets in, keeps the answer to queries until fake_release */
    FAKE_ENDS_ON_QUERY,  /* lets in, ends the session with fake.sqlstate when asked */
    FAKE_CLOSES_ON_QUERY /* lets in, closes without a word when asked */
};

struct fake_peer {
    uv_tcp_t tcp;
    struct fake *fake;
    struct fake_peer *next;
    enum fake_manner manner;
    int loggedin;
    int held;
    size_t have;
    unsigned char in[2048];
};

struct fake {
    uv_tcp_t listener;
    int port;
    enum fake_manner manner; /* of the connections to come */
    enum fake_manner then;   /* after the first of these */
    int first;               /* how many are treated with manner; the others with then */
    const char *sqlstate;
    int connections;
    int queries;
    struct fake_peer *peers;
    void (*on_query)(void);
};

static void fake_peer_closed(uv_handle_t *h)
{
    free(h->data);
}

static void fake_hang_up(struct fake_peer *p)
{
    struct fake_peer **at = &p->fake->peers;

    while (*at != p)
        at = &(*at)->next;
    *at = p->next;
    uv_close((uv_handle_t *)&p->tcp, fake_peer_closed);
}

static void fake_send(struct fake_peer *p, const void *octets, size_t len)
{
    uv_buf_t buf = uv_buf_init((char *)(uintptr_t)octets, (unsigned)len);

    (void)uv_try_write((uv_stream_t *)&p->tcp, &buf, 1);
}

/* ErrorResponse: severity, the same untranslated, SQLSTATE, message. */
static void fake_error(struct fake_peer *p, const char *sqlstate)
{
    unsigned char m[128] = "E";
    size_t n = 5;
    char code[8];
    const char *fields[] = {"SFATAL", "VFATAL", code, "Msaid SECRET of \"name\""};

    snprintf(code, sizeof code, "C%s", sqlstate);
    for (int i = 0; i < 4; i++) {
        memcpy(m + n, fields[i], strlen(fields[i]) + 1);
        n += strlen(fields[i]) + 1;
    }
    m[n++] = 0;
    m[4] = (unsigned char)(n - 1);
    fake_send(p, m, n);
}

static void fake_answer(struct fake_peer *p)
{
    fake_send(p, "I\0\0\0\4Z\0\0\0\5I", 11);
}

/* Answer the queries that were held, and from now on at once. */
static inline void fake_release(struct fake *f)
{
    for (struct fake_peer *p = f->peers; p; p = p->next) {
        p->manner = FAKE_WELL;
        if (p->held)
            fake_answer(p);
        p->held = 0;
    }
}

/* End every session: with sqlstate, or without a word. */
static inline void fake_end_sessions(struct fake *f, const char *sqlstate)
{
    while (f->peers) {
        if (sqlstate)
            fake_error(f->peers, sqlstate);
        fake_hang_up(f->peers);
    }
}

static void fake_login(struct fake_peer *p)
{
    switch (p->manner) {
    case FAKE_SILENT: return;
    case FAKE_REFUSES:
        fake_error(p, p->fake->sqlstate);
        fake_hang_up(p);
        return;
    case FAKE_HANGS_UP: fake_hang_up(p); return;
    case FAKE_GARBAGE:
        fake_send(p, "HTTP/1.1 400 \x01SECRET\r\n\r\n", 24);
        fake_hang_up(p);
        return;
    case FAKE_WELL:
    case FAKE_HOLDS_QUERY:
    case FAKE_ENDS_ON_QUERY:
    case FAKE_CLOSES_ON_QUERY:
    case FAKE_BREAKS_TLS: break;
    }
    p->loggedin = 1;
    /* AuthenticationOk, BackendKeyData, ReadyForQuery */
    fake_send(p, "R\0\0\0\10\0\0\0\0K\0\0\0\14\0\0\0\1\0\0\0\2Z\0\0\0\5I", 28);
}

static void fake_query(struct fake_peer *p)
{
    struct fake *f = p->fake;

    f->queries++;
    switch (p->manner) {
    case FAKE_HOLDS_QUERY: p->held = 1; break;
    case FAKE_ENDS_ON_QUERY:
        fake_error(p, f->sqlstate);
        fake_hang_up(p);
        break;
    case FAKE_CLOSES_ON_QUERY: fake_hang_up(p); break;
    case FAKE_WELL:
    case FAKE_SILENT:
    case FAKE_REFUSES:
    case FAKE_HANGS_UP:
    case FAKE_GARBAGE:
    case FAKE_BREAKS_TLS: fake_answer(p); break;
    }
    if (f->on_query)
        f->on_query();
}

/* The next message, if it is complete; then it is taken out of the buffer, and p may be gone. */
static int fake_message(struct fake_peer *p)
{
    size_t type = p->loggedin ? 1 : 0; /* the startup message has no type octet */
    unsigned char first = p->in[0];
    int tls;
    size_t len;

    if (p->have < type + 4)
        return 0;
    len = type + ((size_t)p->in[type + 2] << 8 | p->in[type + 3]);
    if (p->have < len)
        return 0;
    tls = !type && len == 8; /* SSLRequest */
    memmove(p->in, p->in + len, p->have -= len);
    if (tls && p->manner == FAKE_BREAKS_TLS) {
        fake_send(p, "S", 1);
        p->have = 0;
        fake_hang_up(p);
        return 0;
    }
    if (tls && p->manner != FAKE_SILENT)
        fake_send(p, "N", 1);
    else if (!type)
        fake_login(p);
    else if (first == 'Q')
        fake_query(p);
    return !uv_is_closing((uv_handle_t *)&p->tcp);
}

static void fake_alloc(uv_handle_t *h, size_t size, uv_buf_t *buf)
{
    struct fake_peer *p = h->data;

    (void)size;
    *buf = uv_buf_init((char *)p->in + p->have, (unsigned)(sizeof p->in - p->have));
}

static void fake_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct fake_peer *p = stream->data;

    (void)buf;
    if (n < 0) {
        fake_hang_up(p);
        return;
    }
    p->have += (size_t)n;
    while (fake_message(p))
        ;
}

static void fake_accept(uv_stream_t *listener, int status)
{
    struct fake *f = listener->data;
    struct fake_peer *p = calloc(1, sizeof *p);

    assert(status == 0 && p);
    p->fake = f;
    p->manner = f->connections++ < f->first ? f->manner : f->then;
    p->next = f->peers;
    f->peers = p;
    uv_tcp_init(listener->loop, &p->tcp);
    p->tcp.data = p;
    assert(uv_accept(listener, (uv_stream_t *)&p->tcp) == 0);
    uv_read_start((uv_stream_t *)&p->tcp, fake_alloc, fake_read);
}

static inline void fake_start(struct fake *f, uv_loop_t *loop, enum fake_manner manner)
{
    struct sockaddr_in address;
    int size = sizeof address;

    *f = (struct fake){.manner = manner, .then = manner, .sqlstate = "57P01"};
    uv_tcp_init(loop, &f->listener);
    f->listener.data = f;
    assert(uv_ip4_addr("127.0.0.1", 0, &address) == 0);
    assert(uv_tcp_bind(&f->listener, (struct sockaddr *)&address, 0) == 0);
    assert(uv_listen((uv_stream_t *)&f->listener, 128, fake_accept) == 0);
    assert(uv_tcp_getsockname(&f->listener, (struct sockaddr *)&address, &size) == 0);
    f->port = ntohs(address.sin_port);
}

/* Treat the first `first` connections in one manner, and all others in another. */
static inline void fake_turn(struct fake *f, int first, enum fake_manner manner,
                             enum fake_manner then)
{
    f->first = f->connections + first;
    f->manner = manner;
    f->then = then;
}

static inline void fake_stop(struct fake *f)
{
    fake_end_sessions(f, NULL);
    uv_close((uv_handle_t *)&f->listener, NULL);
}

#endif
