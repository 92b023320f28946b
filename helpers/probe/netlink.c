#include "netlink.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

/* An answer is one message:
 *
 *   nlmsghdr | rtmsg | attribute*
 *   nlmsghdr | nlmsgerr            the question failed
 *   attribute = rtattr | octets    each part padded to a multiple of 4
 *
 * Lengths are checked against the octets received, and octets are copied out instead of pointed
 * at: a netlink buffer promises neither. */

enum { NETLINK_ANSWER_MAX = 8192 };

static size_t padded(size_t len)
{
    return (len + 3) & ~(size_t)3;
}

static int open_socket(uint32_t groups, int *fd)
{
    struct sockaddr_nl self = {.nl_family = AF_NETLINK, .nl_groups = groups};

    *fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (*fd < 0)
        return -errno;
    if (bind(*fd, (struct sockaddr *)&self, sizeof self) == 0)
        return 0;

    int error = -errno;
    close(*fd);
    *fd = -1;
    return error;
}

int netlink_open_news(int *fd)
{
    /* Routes too: the kernel announces that a link is up before it enters the link's routes. */
    return open_socket(RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE |
                           RTMGRP_IPV6_ROUTE,
                       fd);
}

void netlink_drain_news(int fd)
{
    unsigned char buf[NETLINK_ANSWER_MAX];

    /* ENOBUFS says that news was lost: there was news, which is all that counts here. */
    while (recv(fd, buf, sizeof buf, MSG_DONTWAIT) >= 0 || errno == ENOBUFS || errno == EINTR)
        continue;
}

int netlink_open(int *fd)
{
    return open_socket(0, fd);
}

/* Send one question and receive its answer. The kernel answers before sendto returns. */
static int ask(int fd, const void *question, size_t len, unsigned char *answer, size_t *answer_len)
{
    static const struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
    ssize_t n;

    do
        n = sendto(fd, question, len, 0, (const struct sockaddr *)&kernel, sizeof kernel);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return -errno;

    do
        n = recv(fd, answer, NETLINK_ANSWER_MAX, 0);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return -errno;

    *answer_len = (size_t)n;
    return 0;
}

/* Open the message in buf: its body is copied out, *at is where its attributes begin, *end where
 * they end. The error that it carries, if it does. */
static int open_answer(const unsigned char *buf, size_t len, struct rtmsg *body, size_t *at,
                       size_t *end)
{
    struct nlmsghdr head;
    struct nlmsgerr error;

    if (len < sizeof head)
        return -EBADMSG;
    memcpy(&head, buf, sizeof head);
    if (head.nlmsg_len < sizeof head || head.nlmsg_len > len)
        return -EBADMSG;
    size_t body_len = head.nlmsg_len - sizeof head;

    if (head.nlmsg_type == NLMSG_ERROR && body_len >= sizeof error) {
        memcpy(&error, buf + sizeof head, sizeof error);
        return error.error < 0 ? error.error : -EBADMSG;
    }
    if (head.nlmsg_type != RTM_NEWROUTE || body_len < sizeof *body)
        return -EBADMSG;

    memcpy(body, buf + sizeof head, sizeof *body);
    *at = sizeof head + padded(sizeof *body);
    *end = head.nlmsg_len;
    return 0;
}

/* Read the attribute at *at, which moves to the next one. *value is the offset of its octets. */
static bool next_attribute(const unsigned char *buf, size_t *at, size_t end, uint16_t *type,
                           size_t *value, size_t *value_len)
{
    struct rtattr attribute;

    if (*at >= end || end - *at < sizeof attribute)
        return false;
    memcpy(&attribute, buf + *at, sizeof attribute);
    if (attribute.rta_len < sizeof attribute || attribute.rta_len > end - *at)
        return false;

    *type = (uint16_t)(attribute.rta_type & NLA_TYPE_MASK);
    *value = *at + sizeof attribute;
    *value_len = attribute.rta_len - sizeof attribute;
    *at += padded(attribute.rta_len);
    return true;
}

int netlink_read_route(const unsigned char *buf, size_t len, struct netlink_route *route)
{
    struct rtmsg body;
    size_t at = 0, end = 0, value, value_len;
    uint16_t type;

    *route = (struct netlink_route){0};
    int error = open_answer(buf, len, &body, &at, &end);
    if (error == -ENETUNREACH || error == -EHOSTUNREACH || error == -EACCES || error == -EINVAL)
        return 0; /* no route, or one that refuses (unreachable, prohibit, blackhole) */
    if (error)
        return error;

    route->direct = body.rtm_type == RTN_UNICAST;
    route->prefix = body.rtm_dst_len;
    route->carrier = !(body.rtm_flags & (RTNH_F_DEAD | RTNH_F_LINKDOWN));
    while (next_attribute(buf, &at, end, &type, &value, &value_len)) {
        switch (type) {
        case RTA_OIF:
            if (value_len != sizeof route->interface)
                return -EBADMSG;
            memcpy(&route->interface, buf + value, value_len);
            break;
        case RTA_GATEWAY:
        case RTA_VIA: route->direct = false; break;
        default: break; /* the kernel says much more than we ask */
        }
    }
    return 0;
}

int netlink_ask_route(int fd, const struct sockaddr *to, struct netlink_route *route)
{
    struct {
        struct nlmsghdr head;
        struct rtmsg body;
        struct rtattr attribute;
        unsigned char address[sizeof(struct in6_addr)];
    } question = {0};
    unsigned char answer[NETLINK_ANSWER_MAX];
    size_t answer_len = 0;
    size_t address_len;

    if (to->sa_family == AF_INET) {
        address_len = sizeof(struct in_addr);
        memcpy(question.address, &((const struct sockaddr_in *)(const void *)to)->sin_addr,
               address_len);
    } else if (to->sa_family == AF_INET6) {
        address_len = sizeof(struct in6_addr);
        memcpy(question.address, &((const struct sockaddr_in6 *)(const void *)to)->sin6_addr,
               address_len);
    } else {
        return -EAFNOSUPPORT;
    }

    size_t len = offsetof(__typeof__(question), address) + address_len;
    question.head.nlmsg_len = (uint32_t)len;
    question.head.nlmsg_type = RTM_GETROUTE;
    question.head.nlmsg_flags = NLM_F_REQUEST;
    question.body.rtm_family = (unsigned char)to->sa_family;
    question.body.rtm_flags = RTM_F_FIB_MATCH; /* the route itself, with its prefix */
    question.body.rtm_dst_len = (unsigned char)(address_len * 8);
    question.attribute.rta_type = RTA_DST;
    question.attribute.rta_len = (unsigned short)(sizeof question.attribute + address_len);

    int error = ask(fd, &question, len, answer, &answer_len);
    return error ? error : netlink_read_route(answer, answer_len, route);
}
