/* netlink_test.c - the kernel's answers, right, cut short and wrong; and a real one. */
/* wrap: socket bind sendto recv */
#include "../probe/netlink.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int __real_socket(int domain, int type, int protocol);
int __wrap_socket(int domain, int type, int protocol);
int __real_bind(int fd, const struct sockaddr *address, socklen_t len);
int __wrap_bind(int fd, const struct sockaddr *address, socklen_t len);
ssize_t __real_sendto(int fd, const void *buf, size_t len, int flags, const struct sockaddr *to,
                      socklen_t to_len);
ssize_t __wrap_sendto(int fd, const void *buf, size_t len, int flags, const struct sockaddr *to,
                      socklen_t to_len);
ssize_t __real_recv(int fd, void *buf, size_t len, int flags);
ssize_t __wrap_recv(int fd, void *buf, size_t len, int flags);

static int calls, fail_at, fail_with;

static bool fails(void)
{
    if (++calls != fail_at)
        return false;
    errno = fail_with;
    return true;
}

int __wrap_socket(int domain, int type, int protocol)
{
    return fails() ? -1 : __real_socket(domain, type, protocol);
}

int __wrap_bind(int fd, const struct sockaddr *address, socklen_t len)
{
    return fails() ? -1 : __real_bind(fd, address, len);
}

ssize_t __wrap_sendto(int fd, const void *buf, size_t len, int flags, const struct sockaddr *to,
                      socklen_t to_len)
{
    return fails() ? -1 : __real_sendto(fd, buf, len, flags, to, to_len);
}

ssize_t __wrap_recv(int fd, void *buf, size_t len, int flags)
{
    return fails() ? -1 : __real_recv(fd, buf, len, flags);
}

/* A message that is put together. */
static unsigned char message[512];
static size_t message_len;

static void begin(uint16_t type, const void *body, size_t len)
{
    struct nlmsghdr head = {.nlmsg_type = type};
    memset(message, 0xa5, sizeof(message));
    memcpy(message, &head, sizeof(head));
    memcpy(message + sizeof(head), body, len);
    message_len = sizeof(head) + ((len + 3) & ~(size_t)3);
}

static void attribute(uint16_t type, const void *value, size_t len)
{
    struct rtattr head = {.rta_type = type, .rta_len = (unsigned short)(sizeof(head) + len)};
    memcpy(message + message_len, &head, sizeof(head));
    memcpy(message + message_len + sizeof(head), value, len);
    message_len += (sizeof(head) + len + 3) & ~(size_t)3;
}

/* Read it from a heap block of its exact size. */
static int read_message(struct netlink_route *route)
{
    uint32_t len = (uint32_t)message_len;
    unsigned char *block = malloc(message_len);
    assert(block);
    memcpy(message, &len, sizeof(len));
    memcpy(block, message, message_len);
    int error = netlink_read_route(block, message_len, route);
    free(block);
    return error;
}

static void direct_route(struct rtmsg body)
{
    uint32_t interface = 7;
    struct in_addr destination = {0}, source = {0};
    begin(RTM_NEWROUTE, &body, sizeof(body));
    attribute(RTA_DST, &destination, sizeof(destination));
    attribute(RTA_OIF, &interface, sizeof(interface));
    attribute(RTA_PREFSRC, &source, sizeof(source));
}

static const struct rtmsg connected = {
    .rtm_family = AF_INET, .rtm_type = RTN_UNICAST, .rtm_dst_len = 24};

static void reads_routes(void)
{
    struct netlink_route route;
    struct in_addr gateway = {0};
    struct rtmsg body = connected;

    direct_route(connected);
    assert(read_message(&route) == 0);
    assert(route.interface == 7 && route.prefix == 24 && route.direct && route.carrier);

    direct_route(connected);
    attribute(RTA_GATEWAY, &gateway, sizeof(gateway));
    assert(read_message(&route) == 0 && !route.direct && route.interface == 7);

    direct_route(connected);
    attribute(RTA_VIA, &gateway, sizeof(gateway));
    assert(read_message(&route) == 0 && !route.direct);

    body.rtm_type = RTN_LOCAL;
    direct_route(body);
    assert(read_message(&route) == 0 && !route.direct);

    body = connected;
    body.rtm_flags = RTNH_F_LINKDOWN;
    direct_route(body);
    assert(read_message(&route) == 0 && route.direct && !route.carrier);
}

static void reads_refusals(void)
{
    const int none[] = {ENETUNREACH, EHOSTUNREACH, EACCES, EINVAL};
    struct netlink_route route;
    struct nlmsgerr error = {.error = -EPERM};

    begin(NLMSG_ERROR, &error, sizeof(error));
    assert(read_message(&route) == -EPERM);
    for (size_t i = 0; i < sizeof(none) / sizeof(*none); i++) {
        error.error = -none[i];
        begin(NLMSG_ERROR, &error, sizeof(error));
        assert(read_message(&route) == 0 && route.interface == 0);
    }
    error.error = 0; /* heard, but that is no answer */
    begin(NLMSG_ERROR, &error, sizeof(error));
    assert(read_message(&route) == -EBADMSG);
    begin(NLMSG_ERROR, &error, 2);
    assert(read_message(&route) == -EBADMSG);
    begin(RTM_NEWLINK, &connected, sizeof(connected));
    assert(read_message(&route) == -EBADMSG);
    begin(RTM_NEWROUTE, &connected, 4);
    assert(read_message(&route) == -EBADMSG);
}

static void reads_nonsense(void)
{
    struct netlink_route route;
    uint32_t len;
    unsigned char short_head[8] = {0};
    struct rtattr liar = {.rta_type = RTA_OIF, .rta_len = 200};

    assert(netlink_read_route(short_head, sizeof(short_head), &route) == -EBADMSG);

    /* A length beyond what came, or below its own head. */
    direct_route(connected);
    len = (uint32_t)message_len + 1;
    memcpy(message, &len, sizeof(len));
    assert(netlink_read_route(message, message_len, &route) == -EBADMSG);
    len = 3;
    memcpy(message, &len, sizeof(len));
    assert(netlink_read_route(message, message_len, &route) == -EBADMSG);

    /* An attribute that says it is longer than the message, or shorter than itself. */
    begin(RTM_NEWROUTE, &connected, sizeof(connected));
    memcpy(message + message_len, &liar, sizeof(liar));
    message_len += 8;
    assert(read_message(&route) == 0 && route.interface == 0);
    begin(RTM_NEWROUTE, &connected, sizeof(connected));
    liar.rta_len = 1;
    memcpy(message + message_len, &liar, sizeof(liar));
    message_len += 8;
    assert(read_message(&route) == 0 && route.interface == 0);

    begin(RTM_NEWROUTE, &connected, sizeof(connected));
    attribute(RTA_OIF, "ab", 2);
    assert(read_message(&route) == -EBADMSG);

    /* Cut anywhere, no octet beyond is read, and nothing is made up. */
    direct_route(connected);
    size_t whole = message_len;
    for (size_t cut = 0; cut < whole; cut++) {
        message_len = cut < 4 ? 4 : cut;
        (void)!read_message(&route);
        assert(route.interface == 0 || route.interface == 7);
    }
}

static struct sockaddr_in localhost(void)
{
    return (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static void asks_the_kernel(void)
{
    struct sockaddr_in to = localhost();
    struct sockaddr_in6 to6 = {.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback};
    struct sockaddr other = {.sa_family = AF_UNIX};
    struct netlink_route route;
    int news, fd;

    fail_at = 0;
    assert(netlink_open_news(&news) == 0);
    netlink_drain_news(news);
    assert(netlink_open(&fd) == 0);
    assert(netlink_ask_route(fd, (struct sockaddr *)&to, &route) == 0);
    assert(route.interface != 0 && !route.direct); /* ourselves are no neighbour */
    assert(netlink_ask_route(fd, (struct sockaddr *)&to6, &route) == 0);
    assert(netlink_ask_route(fd, &other, &route) == -EAFNOSUPPORT);
    close(news);
    close(fd);
}

static void fails_call_by_call(void)
{
    struct sockaddr_in to = localhost();
    struct netlink_route route;
    int fd;

    for (fail_at = 1; fail_at <= 4; fail_at++) {
        calls = 0;
        fail_with = EMFILE;
        int error = netlink_open(&fd); /* socket, bind */
        if (fail_at <= 2) {
            assert(error == -EMFILE && fd == -1);
            continue;
        }
        assert(error == 0);
        assert(netlink_ask_route(fd, (struct sockaddr *)&to, &route) == -EMFILE);
        close(fd);
    }

    /* To be interrupted is not to fail. */
    for (fail_at = 3; fail_at <= 4; fail_at++) {
        calls = 0;
        fail_with = EINTR;
        assert(netlink_open(&fd) == 0);
        assert(netlink_ask_route(fd, (struct sockaddr *)&to, &route) == 0);
        close(fd);
    }

    /* Lost news are news. */
    fail_at = 0;
    assert(netlink_open_news(&fd) == 0);
    calls = 0;
    fail_at = 1;
    fail_with = ENOBUFS;
    netlink_drain_news(fd);
    assert(calls == 2);
    close(fd);
    fail_at = 0;
}

int main(void)
{
    reads_routes();
    reads_refusals();
    reads_nonsense();
    asks_the_kernel();
    fails_call_by_call();
    return 0;
}
