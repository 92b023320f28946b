/* netlink.h - ask the kernel about routes and links (rtnetlink), and hear when they change.
 *
 * Nothing here needs a capability: any user may ask, in any network namespace. Descriptors are
 * close-on-exec; whoever opens one closes it. Functions that can fail return 0 or -errno. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

/* The route to one destination. */
struct netlink_route {
    uint32_t interface; /* index of the interface that packets leave by; 0: there is none */
    bool direct;        /* unicast and without a gateway: the destination is a neighbour */
    bool addressed;     /* the interface has an address to send from */
};

/* One interface. */
struct netlink_link {
    bool usable; /* up, and running: its carrier is there */
};

/* Open the news: a descriptor that becomes readable whenever a link, an address or a route changes
 * in this network namespace. */
int netlink_open_news(int *fd) __attribute__((warn_unused_result));

/* Throw away all news that has come. What changed is not read: ask for it. */
void netlink_drain_news(int fd);

/* Open a descriptor to ask with. */
int netlink_open(int *fd) __attribute__((warn_unused_result));

/* Ask which way to an address (AF_INET or AF_INET6). No way there is an answer (interface 0). */
int netlink_ask_route(int fd, const struct sockaddr *to, struct netlink_route *route)
    __attribute__((warn_unused_result));

/* Ask for the state of an interface. That it is gone is an answer (not usable). */
int netlink_ask_link(int fd, uint32_t interface, struct netlink_link *link)
    __attribute__((warn_unused_result));

/* Read the kernel's answers, buf[0..len), to either question. -EBADMSG: not an answer to that. */
int netlink_read_route(const unsigned char *buf, size_t len, struct netlink_route *route)
    __attribute__((warn_unused_result));
int netlink_read_link(const unsigned char *buf, size_t len, struct netlink_link *link)
    __attribute__((warn_unused_result));
