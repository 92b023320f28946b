/* probe - what the plugin runs in a container's network namespace. */
#include "announce.h"
#include "check.h"

#include "util.h"

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <uv.h>

enum {
    EXIT_OK = 0,
    EXIT_FAILED = 1,
    EXIT_USAGE = 2,
    EXIT_NO_INTERFACE = 3,
    DURATION_MAX_MS = 3600 * 1000,
};

static const char help[] =
    "probe - look at a network from inside a container, for the plugin interservice\n"
    "\n"
    "usage: probe check [--timeout 2s] [--requests N] TARGET...\n"
    "       probe announce --to ADDRESS[,ADDRESS...] [--wait 10s] [--for 500ms]\n"
    "       probe --help | --version\n"
    "\n"
    "check      Looks each target up, asks all its addresses, all targets side by side, and\n"
    "           prints a line of JSON about each, in the order given.\n"
    "\n"
    "  TARGET      http://host[:port]/path: any valid answer is well, of whatever status\n"
    "              tcp://host:port: to be connected is well\n"
    "              postgres://  redis://  mysql://  mongo://  amqp://  memcached://  nats://\n"
    "              host[:port]: what such a server says before anybody has logged in\n"
    "  --timeout   for a target, its lookup and all its addresses together\n"
    "  --requests  ask N times more, each with a lookup of its own, at the first address and\n"
    "              within --timeout, and count who answered; fewer if they take longer than\n"
    "              --timeout and a tenth of it for each of them\n"
    "  exit        0 all is well, 1 something is not, 2 usage\n"
    "\n"
    "announce   Waits for the interface that leads straight to the addresses, then makes the\n"
    "           kernel speak there, so that nobody's first packet to this container waits a\n"
    "           second for ARP. Prints `ready` when an interface that comes from now on cannot\n"
    "           be missed.\n"
    "\n"
    "  --to        addresses of the callers, IPv4 or IPv6; may be given several times\n"
    "  --wait      how long to wait for the interface\n"
    "  --for       how long to speak\n"
    "  exit        0 spoken, 1 failed, 2 usage, 3 no interface in time\n"
    "\n"
    "A duration is a whole number and a unit: 500ms, 2s, 1m.\n";

static int usage(const char *problem, const char *what)
{
    fprintf(stderr, "probe: %s%s%s\n(probe --help tells how it is used)\n", problem,
            what ? ": " : "", what ? what : "");
    return EXIT_USAGE;
}

/* The value of option argv[*at], whose name it is; *at moves on to it. NULL: it is another option.
 * An option without a value gets an empty one, which no option accepts. */
static const char *option_value(const char *name, int argc, char **argv, int *at)
{
    if (!slice_is(slice_of(argv[*at]), slice_of(name)))
        return NULL;
    return ++*at < argc ? argv[*at] : "";
}

static bool read_duration(const char *text, uint64_t *ms)
{
    return duration_read(slice_of(text), DURATION_MAX_MS, ms);
}

/* -- announce ------------------------------------------------------------------------------ */

/* Addresses given so far. */
struct addresses {
    struct sockaddr_storage *all;
    size_t count;
};

static bool add_address(struct addresses *addresses, struct slice s)
{
    char text[INET6_ADDRSTRLEN] = "";
    struct sockaddr_storage address = {0};
    struct sockaddr_in *v4 = (struct sockaddr_in *)&address;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&address;

    if (s.len >= sizeof(text))
        return false;
    memcpy(text, s.at, s.len);
    if (inet_pton(AF_INET, text, &v4->sin_addr) == 1)
        address.ss_family = AF_INET;
    else if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1)
        address.ss_family = AF_INET6;
    else
        return false;

    struct sockaddr_storage *grown =
        realloc(addresses->all, (addresses->count + 1) * sizeof(*addresses->all));
    if (!grown)
        return false;
    addresses->all = grown;
    addresses->all[addresses->count++] = address;
    return true;
}

/* Add each address of a list with commas. */
static bool add_addresses(struct addresses *addresses, const char *list)
{
    for (;;) {
        size_t len = strcspn(list, ",");
        if (!add_address(addresses, (struct slice){list, len}))
            return false;
        if (list[len] == '\0')
            return true;
        list += len + 1;
    }
}

static void on_signal(int number)
{
    (void)number;
    announce_stop(); /* NOLINT(bugprone-signal-handler,cert-sig30-c): sets a sig_atomic_t */
}

static void print_ready(void)
{
    puts("ready");
    fflush(stdout);
}

static int do_announce(const struct addresses *to, const struct announce_limits *limits)
{
    int error;

    /* As the first process of a container we would otherwise be deaf to these. */
    signal(SIGTERM, on_signal);
    signal(SIGINT, on_signal);
    switch (announce(to->all, to->count, limits, print_ready, &error)) {
    case ANNOUNCE_SPOKEN: return EXIT_OK;
    case ANNOUNCE_STOPPED: return EXIT_FAILED;
    case ANNOUNCE_NO_INTERFACE:
        fputs("probe: no interface led straight to the callers in time\n", stderr);
        return EXIT_NO_INTERFACE;
    case ANNOUNCE_FAILED:
        fprintf(stderr, "probe: cannot announce: %s\n", strerror(-error));
        return EXIT_FAILED;
    }
    return EXIT_FAILED;
}

static int run_announce(int argc, char **argv)
{
    struct addresses to = {0};
    struct announce_limits limits = {.wait_ms = 10000, .speak_ms = 500};
    int status = EXIT_OK;

    for (int i = 0; i < argc && status == EXIT_OK; i++) {
        const char *value;
        if ((value = option_value("--to", argc, argv, &i))) {
            if (!add_addresses(&to, value))
                status = usage("--to wants addresses with commas between, not", value);
        } else if ((value = option_value("--wait", argc, argv, &i))) {
            if (!read_duration(value, &limits.wait_ms))
                status = usage("--wait wants a duration, not", value);
        } else if ((value = option_value("--for", argc, argv, &i))) {
            if (!read_duration(value, &limits.speak_ms))
                status = usage("--for wants a duration, not", value);
        } else {
            status = usage("announce does not know", argv[i]);
        }
    }
    if (status == EXIT_OK && to.count == 0)
        status = usage("there is nobody to announce to; --to is missing", NULL);
    if (status == EXIT_OK)
        status = do_announce(&to, &limits);
    free(to.all);
    return status;
}

/* -- check --------------------------------------------------------------------------------- */

static void write_line(struct slice line)
{
    fwrite(line.at, 1, line.len, stdout);
}

static int run_check(int argc, char **argv)
{
    struct check_limits limits = {.timeout_ms = 2000};
    uint64_t requests = 0;
    int at = 0;

    for (; at < argc && argv[at][0] == '-'; at++) {
        const char *value;
        if ((value = option_value("--timeout", argc, argv, &at))) {
            if (!read_duration(value, &limits.timeout_ms))
                return usage("--timeout wants a duration, not", value);
        } else if ((value = option_value("--requests", argc, argv, &at))) {
            if (!number_read(slice_of(value), 1, CHECK_REQUESTS_MAX, &requests))
                return usage("--requests wants a number from 1 to 10000, not", value);
        } else {
            return usage("check does not know", argv[at]);
        }
    }
    limits.requests = (unsigned)requests;

    size_t count = at < argc ? (size_t)(argc - at) : 0;
    if (count < 1 || count > CHECK_TARGETS_MAX)
        return usage("check wants 1 to 1000 targets", NULL);
    for (int i = at; i < argc; i++) {
        const char *wrong = check_refuses(argv[i]);
        if (wrong) {
            fprintf(stderr, "probe: target %d %s\n", i - at + 1, wrong);
            return EXIT_USAGE;
        }
    }

    /* libuv looks names up in half of its threads; an operator's own wish is kept. */
    char threads[8];
    snprintf(threads, sizeof(threads), "%zu", count < 32 ? 2 * count : 64);
    (void)setenv("UV_THREADPOOL_SIZE", threads, 0);
    (void)setenv("RES_OPTIONS", "timeout:1 attempts:1", 0);
    signal(SIGPIPE, SIG_IGN);

    int result = check_all(argv + at, count, &limits, write_line);
    if (result < 0)
        fprintf(stderr, "probe: cannot check: %s\n", uv_strerror(result));
    if (fflush(stdout) != 0)
        return EXIT_FAILED;
    return result == 0 ? EXIT_OK : EXIT_FAILED;
}

int main(int argc, char **argv)
{
    struct slice command = slice_of(argc < 2 ? "" : argv[1]);

    if (slice_is(command, SLICE("--help"))) {
        fputs(help, stdout);
        return EXIT_OK;
    }
    if (slice_is(command, SLICE("--version"))) {
        puts("probe " HELPERS_VERSION);
        return EXIT_OK;
    }
    if (slice_is(command, SLICE("announce")))
        return run_announce(argc - 2, argv + 2);
    if (slice_is(command, SLICE("check")))
        return run_check(argc - 2, argv + 2);
    return usage("there is no command", command.at);
}
