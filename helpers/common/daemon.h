/* daemon.h - what checker and web have in common: arguments, settings, signals, /healthz,
 * /metrics, hardening. A program fills a struct daemon_program and calls:
 *
 *   struct daemon d;
 *   int code;
 *   if (daemon_arguments(&program, argc, argv, &code)) return code;  // --help, --version, wrong
 *   ... its own settings ...
 *   code = daemon_start(&d, &program);                               // 0, or an exit code
 *   ... its own handles on &d.loop ...
 *   return code ? code : daemon_run(&d);
 *
 * Settings: PORT (5000), SERVER_ADDRESS (all), and the limits of server.h as SERVER_CONNECTIONS,
 * SERVER_IDLE_TIMEOUT and so on: see daemon.c. */
#ifndef DAEMON_H
#define DAEMON_H

#include <stdbool.h>
#include <uv.h>

#include "server.h"
#include "util.h"

enum {
    DAEMON_OK = 0,
    DAEMON_FAILED = 1, /* the machine said no: port in use, no memory */
    DAEMON_USAGE = 2,  /* arguments or settings are wrong */
};

enum { DAEMON_ROUTES_MAX = 32 };

struct daemon_program {
    const char *name;                  /* "web": in log lines, --version, names of metrics */
    const char *help;                  /* what --help prints */
    const struct server_route *routes; /* its own; /healthz and /metrics are added */
    uint64_t deadline_ms; /* it answers by then itself: the server waits at least a second longer */
    void (*metrics)(struct text *out, void *data); /* NULL, or adds its own metrics */
    void (*stop)(void *data);    /* NULL, or: SIGTERM or SIGINT has come. Requests that are held are
                                    still to be answered; what they do not need may be closed */
    void (*drained)(void *data); /* NULL, or: the last connection is closed; close the rest */
    void *data;
};

/* The settings of every daemon, for its help. */
#define DAEMON_HELP                                                              \
    "    PORT                where to listen (5000)\n"                           \
    "    SERVER_ADDRESS      at which IP address (every one)\n"                  \
    "    SERVER_CONNECTIONS  at once (1000)\n"                                   \
    "    SERVER_LINE_BYTES, SERVER_HEAD_BYTES, SERVER_FIELDS\n"                  \
    "                        of a request's head (8192, 16384, 100): 414, 431\n" \
    "    SERVER_BODY_BYTES   of its content (65536): 413\n"                      \
    "    SERVER_HEAD_TIMEOUT, SERVER_BODY_TIMEOUT\n"                             \
    "                        for the whole head, the whole content (10s): 408\n" \
    "    SERVER_ANSWER_TIMEOUT, SERVER_WRITE_TIMEOUT\n"                          \
    "                        for our answer, for the peer to take it (10s)\n"    \
    "    SERVER_IDLE_TIMEOUT, SERVER_LINGER_TIMEOUT\n"                           \
    "                        between requests (60s), to close (2s)\n"            \
    "    SERVER_LIFETIME     of a connection (1h)\n"                             \
    "    SERVER_DRAIN_TIMEOUT\n"                                                 \
    "                        after SIGTERM, for what was asked before (8s)\n"    \
    "\n"                                                                         \
    "    A duration is a whole number and ms, s, m or h; a number alone is seconds.\n"

/* Private but loop and server. */
struct daemon {
    uv_loop_t loop;
    struct server server;
    const struct daemon_program *program;
    uv_signal_t term;
    uv_signal_t interrupt;
    bool stopping;
    int64_t started; /* seconds since 1970 */
    struct server_route routes[DAEMON_ROUTES_MAX + 3];
};

/* Deal with --help and --version, and with arguments that nobody knows. True: the program ends
 * with *code. False: go on. */
bool daemon_arguments(const struct daemon_program *program, int argc, char **argv,
                      int *code) MUST_CHECK;

/* Read the settings, listen, catch the signals, log one line. 0, or an exit code and one line on
 * stderr; then nothing is left to undo. SIGPIPE is ignored from here on, and the resolver is
 * bounded by RES_OPTIONS (one second, one attempt) unless that is already set. */
int daemon_start(struct daemon *d, const struct daemon_program *program) MUST_CHECK;

/* Give up what is not needed any more (daemon_harden), run until a signal has stopped it and
 * everything is closed, and say with what code to exit. */
int daemon_run(struct daemon *d) MUST_CHECK;

/* Stop as SIGTERM does. */
void daemon_stop(struct daemon *d);

/* No new privileges; no file written, created or executed (Landlock); only the system calls a
 * small network daemon needs (seccomp). What the kernel does not offer is left out quietly; *got,
 * unless NULL, says what was had. In harden.c. */
struct daemon_hardening {
    bool no_new_privs;
    bool landlock;
    bool seccomp;
};
void daemon_harden(struct daemon_hardening *got);

/* The version this was built as. */
const char *daemon_version(void);

#endif
