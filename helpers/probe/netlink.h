/* netlink.h - ask the kernel which way packets go (rtnetlink), and hear when that changes.
 *
 * Nothing here needs a capability: any user may ask, in any network namespace. Descriptors are
 * close-on-exec; whoever opens one closes it. Functions that can fail return 0 or -errno. */
#ifndef NETLINK_H
#define NETLINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "util.h"

/* The route to one destination. */
struct netlink_route {
    uint32_t interface; /* the index of the interface that packets leave by; 0: there is no way */
    uint8_t prefix;     /* length of the prefix that the route is for */
    bool direct;        /* the destination is a neighbour: unicast, and no gateway on the way */
    bool carrier;       /* the link of that interface works */
};

/* Open the news: a descriptor that becomes readable whenever a link, an address or a route changes
 * in this network namespace. */
int netlink_open_news(int *fd) MUST_CHECK;

/* Throw away all news that has come. What changed is not read: ask for it. */
void netlink_drain_news(int fd);

/* Open a descriptor to ask with. */
int netlink_open(int *fd) MUST_CHECK;

/* Ask which way to an address (AF_INET or AF_INET6). That there is none is an answer. */
int netlink_ask_route(int fd, const struct sockaddr *to, struct netlink_route *route) MUST_CHECK;

/* Read the kernel's answer, buf[0..len), to that question. -EBADMSG: it is none. */
int netlink_read_route(const unsigned char *buf, size_t len,
                       struct netlink_route *route) MUST_CHECK;

#endif
