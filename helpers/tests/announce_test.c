/* announce_test.c - whom to ask for, and how an announcement ends. What it is for, that callers'
 * first packets do not wait, is shown between containers in tests/probe.bats. */
/* wrap: netlink_open_news netlink_open netlink_ask_route socket sendto */
#include "../probe/announce.h"
#include "../probe/netlink.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

int __real_netlink_open_news(int *fd);
int __wrap_netlink_open_news(int *fd);
int __real_netlink_open(int *fd);
int __wrap_netlink_open(int *fd);
int __wrap_netlink_ask_route(int fd, const struct sockaddr *to, struct netlink_route *route);
int __real_socket(int domain, int type, int protocol);
int __wrap_socket(int domain, int type, int protocol);
ssize_t __wrap_sendto(int fd, const void *buf, size_t len, int flags, const struct sockaddr *to,
                      socklen_t to_len);

static int calls, fail_at, asked, ready_calls;
static int answers_from = 1; /* the question from which on there is a route */
static struct netlink_route route;
static struct sockaddr_storage spoken[64];
static unsigned spoken_count;
static bool no_ipv4, no_ipv6;

static bool fails(void)
{
    return ++calls == fail_at;
}

int __wrap_netlink_open_news(int *fd)
{
    return fails() ? -ENOBUFS : __real_netlink_open_news(fd);
}

int __wrap_netlink_open(int *fd)
{
    return fails() ? -ENOBUFS : __real_netlink_open(fd);
}

int __wrap_netlink_ask_route(int fd, const struct sockaddr *to, struct netlink_route *found)
{
    (void)fd;
    (void)to;
    *found = ++asked >= answers_from ? route : (struct netlink_route){0};
    return 0;
}

int __wrap_socket(int domain, int type, int protocol)
{
    if ((domain == AF_INET && no_ipv4) || (domain == AF_INET6 && no_ipv6)) {
        errno = EAFNOSUPPORT;
        return -1;
    }
    return __real_socket(domain, type, protocol);
}

ssize_t __wrap_sendto(int fd, const void *buf, size_t len, int flags, const struct sockaddr *to,
                      socklen_t to_len)
{
    (void)fd;
    (void)buf;
    (void)flags;
    assert(len == 0);
    if (spoken_count < sizeof(spoken) / sizeof(*spoken))
        memcpy(&spoken[spoken_count++], to, to_len);
    errno = EHOSTUNREACH; /* what becomes of it does not matter */
    return -1;
}

static void on_ready(void)
{
    assert(asked == 0); /* subscribed, and not yet looked */
    ready_calls++;
}

static struct sockaddr_storage ipv4(const char *text)
{
    struct sockaddr_storage address = {0};
    struct sockaddr_in *v4 = (struct sockaddr_in *)&address;
    v4->sin_family = AF_INET;
    assert(inet_pton(AF_INET, text, &v4->sin_addr) == 1);
    return address;
}

static struct sockaddr_storage ipv6(const char *text)
{
    struct sockaddr_storage address = {0};
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&address;
    v6->sin6_family = AF_INET6;
    assert(inet_pton(AF_INET6, text, &v6->sin6_addr) == 1);
    return address;
}

static void is_ipv4(const struct sockaddr_in *address, const char *expected)
{
    char text[INET_ADDRSTRLEN];
    inet_ntop(AF_INET, &address->sin_addr, text, sizeof(text));
    assert(strcmp(text, expected) == 0);
    assert(address->sin_port == htons(9));
}

static void chooses_strangers(void)
{
    struct sockaddr_storage to[] = {ipv4("10.1.2.3"), ipv4("10.1.2.254"), ipv4("10.1.2.252")};
    struct sockaddr_storage v6 = ipv6("fd00::2");
    struct sockaddr_in stranger;

    /* Down from the upper end, but for the callers. */
    assert(announce_stranger(&to[0], 24, 1, to, 3, &stranger));
    is_ipv4(&stranger, "10.1.2.253");
    assert(announce_stranger(&to[0], 24, 3, to, 3, &stranger));
    is_ipv4(&stranger, "10.1.2.251");
    assert(announce_stranger(&to[0], 16, 0, to, 3, &stranger));
    is_ipv4(&stranger, "10.1.255.254");

    /* Never the network, its gateway or broadcast, however long it lasts. */
    for (unsigned turn = 0; turn < 600; turn++) {
        assert(announce_stranger(&to[0], 24, turn, to, 3, &stranger));
        uint32_t last = ntohl(stranger.sin_addr.s_addr) & 255;
        assert(last >= 2 && last <= 253 && last != 252);
    }

    /* Where a subnet has no stranger, there is none. */
    assert(!announce_stranger(&to[0], 31, 0, to, 3, &stranger));
    assert(!announce_stranger(&to[0], 32, 0, to, 3, &stranger));
    assert(!announce_stranger(&to[0], 0, 0, to, 3, &stranger));
    assert(!announce_stranger(&v6, 64, 0, &v6, 1, &stranger));
    struct sockaddr_storage tiny[] = {ipv4("10.1.2.2")};
    assert(!announce_stranger(&tiny[0], 30, 0, tiny, 1, &stranger));
}

static enum announce_result run(const struct sockaddr_storage *to, size_t count, uint64_t wait_ms,
                                uint64_t speak_ms, int *error)
{
    const struct announce_limits limits = {wait_ms, speak_ms};
    calls = asked = ready_calls = 0;
    spoken_count = 0;
    return announce(to, count, &limits, on_ready, error);
}

static void speaks_where_there_is_a_route(void)
{
    struct sockaddr_storage to[] = {ipv4("10.1.2.3"), ipv6("fd00::2")};
    int error;

    route = (struct netlink_route){.interface = 3, .prefix = 24, .direct = true, .carrier = true};
    assert(run(to, 1, 1000, 0, &error) == ANNOUNCE_SPOKEN);
    assert(ready_calls == 1 && spoken_count == 1);
    is_ipv4((struct sockaddr_in *)&spoken[0], "10.1.2.254");

    /* Again and again, at growing distances, each time somebody else. */
    assert(run(to, 1, 1000, 100, &error) == ANNOUNCE_SPOKEN);
    assert(spoken_count >= 3 && spoken_count <= 16);
    assert(((struct sockaddr_in *)&spoken[1])->sin_addr.s_addr !=
           ((struct sockaddr_in *)&spoken[2])->sin_addr.s_addr);

    /* IPv6, and subnets without strangers: the caller itself, once the port surely forwards. */
    assert(run(&to[1], 1, 1000, 100, &error) == ANNOUNCE_SPOKEN);
    assert(spoken_count >= 1);
    assert(spoken[0].ss_family == AF_INET6);
    assert(((struct sockaddr_in6 *)&spoken[0])->sin6_port == htons(9));
    route.prefix = 32;
    assert(run(&to[0], 1, 1000, 100, &error) == ANNOUNCE_SPOKEN);
    is_ipv4((struct sockaddr_in *)&spoken[0], "10.1.2.3");
}

static void waits_for_it(void)
{
    struct sockaddr_storage to[] = {ipv4("10.1.2.3")};
    int error;

    route = (struct netlink_route){.interface = 3, .prefix = 24, .direct = true, .carrier = true};
    answers_from = 2; /* not at the first look, nor is there ever news: at the end of the wait */
    assert(run(to, 1, 50, 0, &error) == ANNOUNCE_SPOKEN);
    answers_from = 1000000;
    assert(run(to, 1, 30, 0, &error) == ANNOUNCE_NO_INTERFACE);
    assert(ready_calls == 1 && spoken_count == 0);
    answers_from = 1;
    route.direct = false;
    assert(run(to, 1, 0, 0, &error) == ANNOUNCE_NO_INTERFACE);
    route.direct = true;
    route.carrier = false;
    assert(run(to, 1, 0, 0, &error) == ANNOUNCE_NO_INTERFACE);
    route.carrier = true;
}

static void fails_call_by_call(void)
{
    struct sockaddr_storage to[] = {ipv4("10.1.2.3")};
    int error;

    for (fail_at = 1; fail_at <= 2; fail_at++) {
        assert(run(to, 1, 1000, 0, &error) == ANNOUNCE_FAILED);
        assert(error == -ENOBUFS && ready_calls == 0);
    }
    fail_at = 0;
    no_ipv6 = true;
    assert(run(to, 1, 1000, 0, &error) == ANNOUNCE_SPOKEN);
    no_ipv4 = true;
    assert(run(to, 1, 1000, 0, &error) == ANNOUNCE_FAILED);
    assert(error == -EAFNOSUPPORT);
    no_ipv4 = no_ipv6 = false;
}

static void on_alarm(int number)
{
    (void)number;
    announce_stop(); /* NOLINT(bugprone-signal-handler,cert-sig30-c): made for this */
}

static void stops(void)
{
    struct sockaddr_storage to[] = {ipv4("10.1.2.3")};
    struct itimerval soon = {.it_value = {.tv_usec = 50000}};
    int error;

    answers_from = 1000000;
    signal(SIGALRM, on_alarm);
    setitimer(ITIMER_REAL, &soon, NULL);
    assert(run(to, 1, 50000, 0, &error) == ANNOUNCE_STOPPED);
}

int main(void)
{
    chooses_strangers();
    speaks_where_there_is_a_route();
    waits_for_it();
    fails_call_by_call();
    stops(); /* for good */
    return 0;
}
