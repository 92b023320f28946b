#include "announce.h"

#include "netlink.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <time.h>
#include <unistd.h>

enum {
    ANNOUNCE_PERIOD_MS = 10,
    ANNOUNCE_PORT = 9, /* discard, RFC 863: nobody listens, and nobody minds */
};

/* Descriptors of one run. */
struct announcement {
    int news, questions; /* netlink */
    int voice[2];        /* UDP over IPv4 and IPv6; -1 where the kernel has none */
};

static volatile sig_atomic_t stopped;

void announce_stop(void)
{
    stopped = 1;
}

static uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void close_all(struct announcement *a)
{
    const int all[] = {a->news, a->questions, a->voice[0], a->voice[1]};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i] >= 0)
            close(all[i]);
}

static int open_all(struct announcement *a)
{
    *a = (struct announcement){-1, -1, {-1, -1}};

    int error = netlink_open_news(&a->news);
    if (!error)
        error = netlink_open(&a->questions);
    if (error)
        return error;

    a->voice[0] = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (a->voice[0] < 0)
        error = -errno;
    a->voice[1] = socket(AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    return a->voice[0] >= 0 || a->voice[1] >= 0 ? 0 : error;
}

/* Is this caller our neighbour on an interface that works? Before Docker is done with a link it has
 * another name, no address and no route; what is sent then teaches the callers a MAC that goes. */
static bool is_neighbour(const struct announcement *a, const struct sockaddr_storage *caller)
{
    struct netlink_route route;
    struct netlink_link link;

    return netlink_ask_route(a->questions, (const struct sockaddr *)caller, &route) == 0 &&
           route.interface != 0 && route.direct && route.addressed &&
           netlink_ask_link(a->questions, route.interface, &link) == 0 && link.usable;
}

/* An empty datagram: to send it the kernel has to find the neighbour, and to ask is to be heard.
 * It does not matter what becomes of the datagram. */
static void speak(const struct announcement *a, const struct sockaddr_storage *caller)
{
    if (caller->ss_family == AF_INET) {
        struct sockaddr_in to = *(const struct sockaddr_in *)(const void *)caller;
        to.sin_port = htons(ANNOUNCE_PORT);
        (void)sendto(a->voice[0], "", 0, 0, (struct sockaddr *)&to, sizeof to);
    } else {
        struct sockaddr_in6 to = *(const struct sockaddr_in6 *)(const void *)caller;
        to.sin6_port = htons(ANNOUNCE_PORT);
        (void)sendto(a->voice[1], "", 0, 0, (struct sockaddr *)&to, sizeof to);
    }
}

/* Speak to each caller that is a neighbour by now; true if there was one. */
static bool speak_to_neighbours(const struct announcement *a, const struct sockaddr_storage *to,
                                size_t count)
{
    bool spoken = false;
    for (size_t i = 0; i < count; i++) {
        if (is_neighbour(a, &to[i])) {
            speak(a, &to[i]);
            spoken = true;
        }
    }
    return spoken;
}

enum announce_result announce(const struct sockaddr_storage *to, size_t count,
                              const struct announce_limits *limits, void (*ready)(void), int *error)
{
    struct announcement a;
    enum announce_result result = ANNOUNCE_NO_INTERFACE;

    *error = open_all(&a);
    if (*error) {
        close_all(&a);
        return ANNOUNCE_FAILED;
    }

    /* First subscribe (open_all), then look: whatever comes between the two is news. */
    ready();
    uint64_t end = now_ms() + limits->wait_ms;
    while (!stopped) {
        if (speak_to_neighbours(&a, to, count) && result == ANNOUNCE_NO_INTERFACE) {
            result = ANNOUNCE_SPOKEN;
            end = now_ms() + limits->speak_ms;
        }

        uint64_t now = now_ms();
        if (now >= end)
            break;
        uint64_t pause = result == ANNOUNCE_SPOKEN ? ANNOUNCE_PERIOD_MS : end - now;
        struct pollfd news = {.fd = a.news, .events = POLLIN};
        if (poll(&news, 1, (int)(pause < 60000 ? pause : 60000)) > 0)
            netlink_drain_news(a.news);
    }

    close_all(&a);
    return stopped ? ANNOUNCE_STOPPED : result;
}
