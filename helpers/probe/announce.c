#include "announce.h"

#include "netlink.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

/* Whom to ask for.
 *
 * An ARP question is a broadcast that names its sender, and Linux believes it: a neighbour that
 * waits for our address takes it from any question we ask, whomever we ask for. The obvious one to
 * ask for is the caller itself. But for some hundred microseconds after our end of the link is up,
 * the bridge's port at the other end still drops what we send, and the kernel repeats a question
 * only after a second. Until then it would hold back even our answer to a caller that found us by
 * itself. (Measured: 35 of 150 first requests took that second.)
 *
 * So we ask for addresses at the upper end of the subnet, where Docker gives them out last: each is
 * a new question, that may be lost without harm. They come quickly at first and then at growing
 * distances, few in all: the kernel keeps each in its neighbour table for a while.
 *
 * IPv6 asks by multicast, which only the one asked for hears. There we speak to the callers, once
 * the port has had time to open. */

enum {
    ANNOUNCE_PORT = 9,       /* discard, RFC 863: nobody listens, and nobody minds */
    ANNOUNCE_SETTLED_MS = 20 /* the port at the other end surely forwards by then */
};

/* What one run needs. */
struct announcement {
    int news, questions; /* netlink */
    int voice4, voice6;  /* UDP; -1 where the kernel has none */
    const struct sockaddr_storage *to;
    size_t count;
};

static volatile sig_atomic_t stopped;

void announce_stop(void)
{
    stopped = 1;
}

static void close_all(struct announcement *a)
{
    const int all[] = {a->news, a->questions, a->voice4, a->voice6};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i] >= 0)
            close(all[i]);
}

static int open_all(struct announcement *a)
{
    a->news = a->questions = a->voice4 = a->voice6 = -1;

    int error = netlink_open_news(&a->news);
    if (!error)
        error = netlink_open(&a->questions);
    if (error)
        return error;

    a->voice4 = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (a->voice4 < 0)
        error = -errno;
    a->voice6 = socket(AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    return a->voice4 >= 0 || a->voice6 >= 0 ? 0 : error;
}

static uint32_t ipv4_of(const struct sockaddr_storage *address)
{
    return ntohl(((const struct sockaddr_in *)(const void *)address)->sin_addr.s_addr);
}

static bool is_one_of(uint32_t address, const struct sockaddr_storage *to, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (to[i].ss_family == AF_INET && ipv4_of(&to[i]) == address)
            return true;
    return false;
}

bool announce_stranger(const struct sockaddr_storage *caller, unsigned prefix, unsigned turn,
                       const struct sockaddr_storage *to, size_t count,
                       struct sockaddr_in *stranger)
{
    if (caller->ss_family != AF_INET || prefix < 1 || prefix > 30)
        return false;

    /* The first is the network, the second usually Docker's own end, the last is broadcast. */
    uint32_t size = 1u << (32 - prefix);
    uint32_t first = ipv4_of(caller) & ~(size - 1);
    uint32_t room = size - 3;
    for (uint32_t tried = 0; tried < room && tried <= count; tried++) {
        uint32_t address = first + 2 + (room - 1 - (turn + tried) % room);
        if (is_one_of(address, to, count))
            continue;
        *stranger = (struct sockaddr_in){.sin_family = AF_INET,
                                         .sin_addr.s_addr = htonl(address),
                                         .sin_port = htons(ANNOUNCE_PORT)};
        return true;
    }
    return false;
}

/* An empty datagram: to send it the kernel has to find the neighbour, and to ask is to be heard.
 * What becomes of the datagram does not matter. */
static void speak(const struct announcement *a, const struct sockaddr_storage *caller,
                  unsigned prefix, unsigned turn, uint64_t elapsed_ms)
{
    struct sockaddr_in stranger;

    if (announce_stranger(caller, prefix, turn, a->to, a->count, &stranger)) {
        (void)sendto(a->voice4, "", 0, 0, (struct sockaddr *)&stranger, sizeof stranger);
    } else if (elapsed_ms < ANNOUNCE_SETTLED_MS) {
        return;
    } else if (caller->ss_family == AF_INET) {
        struct sockaddr_in to = *(const struct sockaddr_in *)(const void *)caller;
        to.sin_port = htons(ANNOUNCE_PORT);
        (void)sendto(a->voice4, "", 0, 0, (struct sockaddr *)&to, sizeof to);
    } else {
        struct sockaddr_in6 to = *(const struct sockaddr_in6 *)(const void *)caller;
        to.sin6_port = htons(ANNOUNCE_PORT);
        (void)sendto(a->voice6, "", 0, 0, (struct sockaddr *)&to, sizeof to);
    }
}

/* Speak where callers are our neighbours by now; true if there was one. As long as Docker is not
 * done with a link it has no route, and what is sent then would teach a MAC that does not last. */
static bool speak_to_neighbours(const struct announcement *a, unsigned turn, uint64_t elapsed_ms)
{
    bool spoken = false;
    for (size_t i = 0; i < a->count; i++) {
        struct netlink_route route;
        if (netlink_ask_route(a->questions, (const struct sockaddr *)&a->to[i], &route) == 0 &&
            route.interface != 0 && route.direct && route.carrier) {
            speak(a, &a->to[i], route.prefix, turn, elapsed_ms);
            spoken = true;
        }
    }
    return spoken;
}

/* Sleep until there is news (fd; -1: none is awaited), or ms have passed. */
static void await_news(int fd, uint64_t ms)
{
    struct pollfd news = {.fd = fd, .events = POLLIN};
    if (poll(&news, 1, (int)(ms < 60000 ? ms : 60000)) > 0)
        netlink_drain_news(fd);
}

enum announce_result announce(const struct sockaddr_storage *to, size_t count,
                              const struct announce_limits *limits, void (*ready)(void), int *error)
{
    struct announcement a = {.to = to, .count = count};

    *error = open_all(&a);
    if (*error) {
        close_all(&a);
        return ANNOUNCE_FAILED;
    }

    /* First subscribe (open_all), then look: whatever comes between the two is news. */
    ready();
    enum announce_result result = ANNOUNCE_NO_INTERFACE;
    uint64_t start = clock_ms();
    while (!stopped && result == ANNOUNCE_NO_INTERFACE) {
        uint64_t waited = clock_ms() - start;
        if (speak_to_neighbours(&a, 0, 0))
            result = ANNOUNCE_SPOKEN;
        else if (waited >= limits->wait_ms)
            break;
        else
            await_news(a.news, limits->wait_ms - waited);
    }

    start = clock_ms();
    for (unsigned turn = 1; !stopped && result == ANNOUNCE_SPOKEN; turn++) {
        uint64_t elapsed = clock_ms() - start;
        if (elapsed >= limits->speak_ms)
            break;
        await_news(-1, 1 + elapsed / 2); /* growing pauses, whatever the news */
        (void)speak_to_neighbours(&a, turn, clock_ms() - start);
    }

    close_all(&a);
    return stopped ? ANNOUNCE_STOPPED : result;
}
