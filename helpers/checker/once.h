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

/* Ask; with wait_ms above 0 ask again until it is available, or that time is over. Prints one line
 * on stdout and gives the exit code. It ends the process itself where a name server is silent, as
 * nothing can end that wait, and on SIGTERM or SIGINT. */
int once_run(const struct dburl *url, const struct dbping_limits *limits, uint64_t wait_ms);

/* The exit code for a fault. */
int once_code(const struct dbfault *fault);

#endif
