/* dbfault.c - see dbfault.h. */
#include "dbfault.h"

#include <stdarg.h>
#include <string.h>

static const char *const phase_names[DBFAULT_PHASES] = {
    [DBFAULT_RESOLVE] = "resolve", [DBFAULT_CONNECT] = "connect", [DBFAULT_AUTH] = "auth",
    [DBFAULT_QUERY] = "query",     [DBFAULT_TIMEOUT] = "timeout",
};

/* What servers say to those who knock (PostgreSQL, appendix A); the rest is "the server refuses".
 */
static const struct {
    const char *sqlstate;
    enum dbfault_phase phase;
    const char *reason;
} known_states[] = {
    {"28P01", DBFAULT_AUTH, "the password is wrong"},
    {"28000", DBFAULT_AUTH, "the server does not let this user in (pg_hba.conf, role)"},
    {"3D000", DBFAULT_AUTH, "there is no such database"},
    {"42501", DBFAULT_AUTH, "the user may not connect to this database"},
    {"53300", DBFAULT_CONNECT, "too many connections"},
    {"57P01", DBFAULT_CONNECT, "the server ended the session"},
    {"57P02", DBFAULT_CONNECT, "the server crashed"},
    {"57P03", DBFAULT_CONNECT, "the server is starting up or shutting down"},
};

/* What libpq says where the server gave no SQLSTATE. */
static const struct {
    const char *part;
    enum dbfault_phase phase;
    const char *reason;
} known_messages[] = {
    {"Connection refused", DBFAULT_CONNECT, "refused"},
    {"No route to host", DBFAULT_CONNECT, "no route to the host"},
    {"Network is unreachable", DBFAULT_CONNECT, "the network is unreachable"},
    {"timed out", DBFAULT_TIMEOUT, "no answer from the host"},
    {"Connection reset by peer", DBFAULT_CONNECT, "reset"},
    {"server closed the connection unexpectedly", DBFAULT_CONNECT,
     "the server closed the connection"},
    {"SSL SYSCALL error", DBFAULT_CONNECT, "the server closed the connection during TLS"},
    {"no password supplied", DBFAULT_AUTH, "the server wants a password"},
};

const char *dbfault_phase_name(enum dbfault_phase phase)
{
    return phase_names[phase];
}

struct dbfault dbfault_make(enum dbfault_phase phase, const char *format, ...)
{
    struct dbfault f = {.phase = phase};
    struct text reason = TEXT_OVER(f.reason);
    va_list list;

    va_start(list, format);
    text_add_format_list(&reason, format, list);
    va_end(list);
    text_string(&reason);
    return f;
}

struct dbfault dbfault_sqlstate(enum dbfault_phase phase, const char *sqlstate)
{
    struct dbfault f = dbfault_make(phase, "the server refuses");

    for (size_t i = 0; i < sizeof known_states / sizeof known_states[0]; i++) {
        if (strncmp(sqlstate, known_states[i].sqlstate, 5) == 0)
            f = dbfault_make(phase == DBFAULT_QUERY ? phase : known_states[i].phase, "%s",
                             known_states[i].reason);
    }
    if (phase != DBFAULT_QUERY && strncmp(sqlstate, "28", 2) == 0)
        f.phase = DBFAULT_AUTH; /* class 28: invalid authorization specification */
    strncpy(f.sqlstate, sqlstate, sizeof f.sqlstate - 1);
    return f;
}

/* "FATAL:  28P01": the severity may be translated, the five letters are not. */
static bool ends_in_sqlstate(struct slice line, char sqlstate[6])
{
    const char *end = line.at + line.len;

    if (line.len < 8 || memcmp(end - 8, ":  ", 3) != 0)
        return false;
    for (const char *c = end - 5; c < end; c++)
        if (!(*c >= '0' && *c <= '9') && !(*c >= 'A' && *c <= 'Z'))
            return false;
    memcpy(sqlstate, end - 5, 5);
    sqlstate[5] = '\0';
    return true;
}

static bool contains(struct slice line, const char *part)
{
    return memmem(line.at, line.len, part, strlen(part)) != NULL;
}

/* A message that nobody foresaw: without what it quotes (names, files), and as plain text, as a
 * server that does not speak the protocol may have a share in it. */
static struct dbfault unforeseen(enum dbfault_phase phase, struct slice line)
{
    struct dbfault f = {.phase = phase};
    struct text reason = TEXT_OVER(f.reason);
    const char *first = memchr(line.at, '"', line.len);
    const char *last = memrchr(line.at, '"', line.len);

    for (const char *c = line.at; c < line.at + line.len; c++) {
        if (first && last > first && c == first) {
            text_add_string(&reason, "...");
            c = last;
        } else {
            text_add_char(&reason, (char)(*c >= ' ' && *c <= '~' ? *c : '?'));
        }
    }
    text_string(&reason);
    return f;
}

static struct dbfault read_reason(enum dbfault_phase phase, struct slice line)
{
    char sqlstate[6];

    if (ends_in_sqlstate(line, sqlstate))
        return dbfault_sqlstate(phase, sqlstate);
    for (size_t i = 0; i < sizeof known_messages / sizeof known_messages[0]; i++)
        if (contains(line, known_messages[i].part))
            return dbfault_make(phase == DBFAULT_QUERY ? phase : known_messages[i].phase, "%s",
                                known_messages[i].reason);
    if (phase == DBFAULT_CONNECT && (contains(line, "SCRAM") || contains(line, "authentication")))
        phase = DBFAULT_AUTH;
    return unforeseen(phase, line);
}

/* The reason in one line of a message: what follows `connection to server at …, port 1 failed: `.
 */
static struct slice reason_in(struct slice line)
{
    static const char failed[] = " failed: ";
    const char *at;

    if (!slice_starts(line, SLICE("connection to server")))
        return line;
    at = memmem(line.at, line.len, failed, sizeof failed - 1);
    if (!at)
        return line;
    at += sizeof failed - 1;
    return (struct slice){at, line.len - (size_t)(at - line.at)};
}

/* Lines that begin with a tab are advice ("Is the server running …?") and are left out. Hosts that
 * failed for the same reason share one mention. The last one to fail decides on the phase: libpq
 * goes no further after a refused login. */
struct dbfault dbfault_connect(const char *message)
{
    struct dbfault f = dbfault_make(DBFAULT_CONNECT, "failed");
    struct dbfault before = f;
    bool any = false;

    while (*message) {
        struct slice line = {message, strcspn(message, "\n")};
        message += line.len + (message[line.len] == '\n');
        if (line.len == 0 || line.at[0] == '\t')
            continue;
        f = read_reason(DBFAULT_CONNECT, reason_in(line));
        if (any && !strstr(before.reason, f.reason)) {
            struct dbfault both = dbfault_make(f.phase, "%s; %s", before.reason, f.reason);
            memcpy(both.sqlstate, f.sqlstate, sizeof both.sqlstate);
            f = both;
        } else if (any) {
            memcpy(f.reason, before.reason, sizeof f.reason);
        }
        before = f;
        any = true;
    }
    return f;
}

struct dbfault dbfault_lost(const char *message)
{
    struct slice line = {message, strcspn(message, "\n")};

    if (line.len == 0)
        return dbfault_make(DBFAULT_QUERY, "the connection was lost");
    return read_reason(DBFAULT_QUERY, line);
}

bool dbfault_same(const struct dbfault *a, const struct dbfault *b)
{
    return a->phase == b->phase && strcmp(a->sqlstate, b->sqlstate) == 0 &&
           strcmp(a->reason, b->reason) == 0;
}

void dbfault_print(const struct dbfault *f, struct text *out)
{
    text_add_string(out, phase_names[f->phase]);
    text_add_string(out, ": ");
    text_add_string(out, f->reason);
    if (f->sqlstate[0])
        text_add_format(out, " (%s)", f->sqlstate);
}
