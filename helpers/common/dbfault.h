/* dbfault.h - why the database is not available, in words that may be shown to anybody.
 *
 * libpq's messages name hosts, ports, users, files. A fault keeps the layer that failed, the
 * SQLSTATE if the server gave one, and a reason without any of these. */
#ifndef DBFAULT_H
#define DBFAULT_H

#include <libpq-fe.h>
#include <stdbool.h>

#include "util.h"

enum dbfault_phase {
    DBFAULT_RESOLVE, /* the name has no address */
    DBFAULT_CONNECT, /* no session: refused, unreachable, TLS, full, starting up */
    DBFAULT_AUTH,    /* the server does not let us in: password, database, pg_hba.conf */
    DBFAULT_QUERY,   /* the session was there, and failed */
    DBFAULT_TIMEOUT, /* nobody said anything in time */
    DBFAULT_PHASES
};

struct dbfault {
    enum dbfault_phase phase;
    char sqlstate[6]; /* "" if the server gave none */
    char reason[160];
};

const char *dbfault_phase_name(enum dbfault_phase phase);

/* A fault with a reason of ours. */
struct dbfault dbfault_make(enum dbfault_phase phase, const char *format, ...) PRINTF_LIKE(2, 3);

/* A fault that the server gave the name of. */
struct dbfault dbfault_sqlstate(enum dbfault_phase phase, const char *sqlstate);

/* Read what PQerrorMessage says after a failed attempt to connect; several hosts give several
 * lines. The connection must have PQERRORS_SQLSTATE as its verbosity. */
struct dbfault dbfault_connect(const char *message);

/* Read the message of a session that broke. */
struct dbfault dbfault_lost(const char *message);

/* Would anybody call a and b the same news? */
bool dbfault_same(const struct dbfault *a, const struct dbfault *b);

/* "connect: refused", "auth: the password is wrong (28P01)" */
void dbfault_print(const struct dbfault *f, struct text *out);

#endif
