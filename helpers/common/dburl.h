/* dburl.h - where the database is: a PostgreSQL URL, read and judged by libpq.
 *
 * libpq would look names up inside PQconnectStart and PQconnectPoll, and everything would wait for
 * it. So the hosts are taken out here, somebody else resolves them, and dburl_connect gives libpq
 * the addresses (`hostaddr`) beside the names (`host`: what TLS compares certificates with). */
#ifndef DBURL_H
#define DBURL_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>

#include "util.h"

enum {
    DBURL_HOSTS_MAX = 16,
    DBURL_TARGETS_MAX = 32, /* addresses to try, of all hosts together */
    DBURL_ADDRESS_SIZE = 64 /* an IPv6 address with its zone, and NUL */
};

struct dburl_host {
    const char *name;    /* "": libpq's default; "/…": the directory of a socket */
    const char *port;    /* "": libpq's default */
    const char *address; /* known without asking anybody, or "" */
    bool lookup;         /* name must be looked up */
};

struct dburl {
    PQconninfoOption *options;
    unsigned host_count;
    struct dburl_host hosts[DBURL_HOSTS_MAX];
    char *lists[3]; /* where the hosts' texts live */
};

/* One address to try. */
struct dburl_target {
    const struct dburl_host *host;
    char address[DBURL_ADDRESS_SIZE]; /* "": libpq needs none */
};

/* Read a URL or a conninfo string. False: libpq would not take it, or it asks for what this
 * program does not have; one sentence is in error, without a word of the URL in it, as it may hold
 * a password. Nothing is left to undo. True: dburl_free it. */
bool dburl_read(struct dburl *u, const char *url, struct text *error) MUST_CHECK;

void dburl_free(struct dburl *u);

/* host:port of each host, comma between; for the log. */
void dburl_describe(const struct dburl *u, struct text *out);

/* Begin to connect to the first of count (1..DBURL_TARGETS_MAX) targets that will have us. Never
 * blocks. Gives what PQconnectStartParams gives: NULL if there is no memory, or the caller's. */
PGconn *dburl_connect(const struct dburl *u, const struct dburl_target *targets,
                      size_t count) MUST_CHECK;

#endif
