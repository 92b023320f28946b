/* probe - what the plugin runs in a container's network namespace. */
#include "announce.h"

#include "util.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_NO_INTERFACE = 3 };

static const char help[] =
    "probe - look at a network from inside a container, for the plugin interservice\n"
    "\n"
    "usage: probe announce --to ADDRESS[,ADDRESS...] [--wait 10s] [--for 500ms]\n"
    "       probe --help | --version\n"
    "\n"
    "announce   Waits for the interface that leads straight to the addresses, then makes the\n"
    "           kernel speak to each of them, so that their first packet to this container does\n"
    "           not wait a second for ARP. Prints `ready` when an interface that comes from now\n"
    "           on cannot be missed.\n"
    "  --to     addresses of the callers, IPv4 or IPv6; may be given several times\n"
    "  --wait   how long to wait for the interface\n"
    "  --for    how long to speak\n"
    "           exit: 0 spoken, 1 failed, 2 usage, 3 no interface in time\n"
    "\n"
    "A duration is a whole number and a unit: 500ms, 2s, 1m.\n";

static int usage(const char *problem, const char *what)
{
    fprintf(stderr, "probe: %s%s%s\nprobe --help tells how it is used\n", problem, what ? ": " : "",
            what ? what : "");
    return EXIT_USAGE;
}

enum { DURATION_MAX_MS = 24 * 3600 * 1000 };

static bool read_duration(const char *text, uint64_t *ms)
{
    return duration_read(slice_of(text), DURATION_MAX_MS, ms);
}

/* Addresses given so far. */
struct addresses {
    struct sockaddr_storage *all;
    size_t count;
};

static bool add_address(struct addresses *addresses, const char *text)
{
    struct sockaddr_storage *grown =
        realloc(addresses->all, (addresses->count + 1) * sizeof *addresses->all);
    if (!grown)
        return false;
    addresses->all = grown;

    struct sockaddr_storage *last = &grown[addresses->count];
    struct sockaddr_in *v4 = (struct sockaddr_in *)last;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)last;
    memset(last, 0, sizeof *last);
    if (inet_pton(AF_INET, text, &v4->sin_addr) == 1)
        v4->sin_family = AF_INET;
    else if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1)
        v6->sin6_family = AF_INET6;
    else
        return false;
    addresses->count++;
    return true;
}

/* Add each address of a list; the list is cut up. NULL: all added, else the one that is none. */
static const char *add_addresses(struct addresses *addresses, char *list)
{
    for (;;) {
        char *comma = strchr(list, ',');
        if (comma)
            *comma = '\0';
        if (!add_address(addresses, list))
            return list;
        if (!comma)
            return NULL;
        list = comma + 1;
    }
}

static void on_signal(int number)
{
    (void)number;
    announce_stop();
}

static void print_ready(void)
{
    puts("ready");
    fflush(stdout);
}

static int run_announce(int argc, char **argv)
{
    struct addresses to = {0};
    struct announce_limits limits = {.wait_ms = 10000, .speak_ms = 500};
    int status = EXIT_OK;

    for (int i = 0; i < argc && status == EXIT_OK; i += 2) {
        const char *wrong = NULL;
        if (strcmp(argv[i], "--to") && strcmp(argv[i], "--wait") && strcmp(argv[i], "--for"))
            status = usage("unknown argument", argv[i]);
        else if (i + 1 == argc)
            status = usage("a value is missing after", argv[i]);
        else if (!strcmp(argv[i], "--to") && (wrong = add_addresses(&to, argv[i + 1])))
            status = usage("not an address", wrong);
        else if (!strcmp(argv[i], "--wait") && !read_duration(argv[i + 1], &limits.wait_ms))
            status = usage("not a duration", argv[i + 1]);
        else if (!strcmp(argv[i], "--for") && !read_duration(argv[i + 1], &limits.speak_ms))
            status = usage("not a duration", argv[i + 1]);
    }
    if (status == EXIT_OK && to.count == 0)
        status = usage("nobody to announce to: --to is missing", NULL);

    if (status == EXIT_OK) {
        int error;
        switch (announce(to.all, to.count, &limits, print_ready, &error)) {
        case ANNOUNCE_SPOKEN: break;
        case ANNOUNCE_NO_INTERFACE:
            fputs("probe: no interface led straight to the callers in time\n", stderr);
            status = EXIT_NO_INTERFACE;
            break;
        case ANNOUNCE_STOPPED: status = EXIT_FAILED; break;
        case ANNOUNCE_FAILED:
            fprintf(stderr, "probe: cannot announce: %s\n", strerror(-error));
            status = EXIT_FAILED;
            break;
        }
    }
    free(to.all);
    return status;
}

int main(int argc, char **argv)
{
    /* As PID 1 of a container we would otherwise be deaf to these. */
    signal(SIGTERM, on_signal);
    signal(SIGINT, on_signal);

    if (argc < 2)
        return usage("what shall be done?", NULL);
    if (!strcmp(argv[1], "--help")) {
        fputs(help, stdout);
        return EXIT_OK;
    }
    if (!strcmp(argv[1], "--version")) {
        puts("probe " HELPERS_VERSION);
        return EXIT_OK;
    }
    if (!strcmp(argv[1], "announce"))
        return run_announce(argc - 2, argv + 2);
    return usage("unknown command", argv[1]);
}
