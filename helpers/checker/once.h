/* once.h - ask whether the database is there from the command line: `checker --once`, `--wait`. */
#ifndef ONCE_H
#define ONCE_H

#include <stdint.h>

#include "dbping.h"
#include "dburl.h"

/* pg_isready's exit codes. */
enum {
    ONCE_AVAILABLE = 0,
    ONCE_REJECTED = 1,  /* the server is there and does not let us in */
    ONCE_NO_ANSWER = 2, /* nobody there */
    ONCE_NOT_ASKED = 3, /* there was nothing to ask: no URL, or a wrong one */
};

/* Ask, and ask again until it is available or wait_ms are over (0: ask once). Prints one line on
 * stdout and gives the exit code. Does not return while a name server is silent: it exits then. */
int once_run(const struct dburl *url, const struct dbping_limits *limits, uint64_t wait_ms);

/* The exit code for a fault. */
int once_code(const struct dbfault *fault);

#endif
