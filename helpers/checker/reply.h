/* reply.h - the sentences the checker says about the database. */
#ifndef REPLY_H
#define REPLY_H

#include "dbfault.h"
#include "util.h"

enum { REPLY_SIZE = 256 };

/* "DB is available\n", or "DB is not available. Error: <phase>: <reason>\n". */
void reply_add(struct text *out, const struct dbfault *fault);

/* What to say while nobody has told where the database is. */
#define REPLY_NOT_CONFIGURED                                                \
    "DB is not available. Error: not configured: DATABASE_URL is not set; " \
    "run: dokku postgres:link <database> <this app>\n"

#endif
