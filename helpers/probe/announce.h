/* announce.h - make our neighbours know a new interface the moment it is up.
 *
 * Docker names a container before its interface works. Whoever asks then gets no ARP answer, and
 * the kernel asks again only a second later. So this runs in the container's network namespace
 * beforehand, waits for the interface that leads straight to the callers, and makes the kernel
 * itself ask something there: every caller that waits for us hears who we are and sends at once. */
#ifndef ANNOUNCE_H
#define ANNOUNCE_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "util.h"

enum announce_result {
    ANNOUNCE_SPOKEN,       /* an interface came, and we spoke */
    ANNOUNCE_NO_INTERFACE, /* none came in time */
    ANNOUNCE_STOPPED,      /* announce_stop was called */
    ANNOUNCE_FAILED,       /* *error says why (-errno) */
};

struct announce_limits {
    uint64_t wait_ms;  /* for the interface */
    uint64_t speak_ms; /* how long to speak */
};

/* Wait and speak. `to` holds `count` callers' addresses; their ports are not looked at. `ready` is
 * called once nothing can be missed any more. */
enum announce_result announce(const struct sockaddr_storage *to, size_t count,
                              const struct announce_limits *limits, void (*ready)(void),
                              int *error) MUST_CHECK;

/* Make a running announce() return soon; may be called in a signal handler. */
void announce_stop(void);

/* The address to ask for in turn `turn`: one of the same subnet (`prefix` long) as caller, counted
 * down from its upper end, that is not in `to`. False: the subnet has none. IPv4 only. */
bool announce_stranger(const struct sockaddr_storage *caller, unsigned prefix, unsigned turn,
                       const struct sockaddr_storage *to, size_t count,
                       struct sockaddr_in *stranger) MUST_CHECK;

#endif
