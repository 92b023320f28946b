/* site.h - what web answers: checks, the page and those who watch it, history, badges, metrics. */
#ifndef SITE_H
#define SITE_H

#include <uv.h>

#include "ask.h"
#include "server.h"
#include "settings.h"
#include "target.h"
#include "util.h"
#include "watch.h"

enum { SITE_ROUTES = 12 }; /* with the one that ends the table */

/* All is private. */
struct site {
    struct settings *settings;
    uv_loop_t *loop;
    struct asks asks;
    struct watch watch;
    /* What was logged last about each target. */
    enum target_state logged[ASK_TARGETS_MAX];
    enum target_stop logged_stop[ASK_TARGETS_MAX];
};

/* The places of the site, for a server. */
void site_routes(struct site *site, struct server_route routes[SITE_ROUTES]);

/* Begin. settings outlive it, and their targets call site_on_checked with site. */
void site_init(struct site *site, uv_loop_t *loop, struct settings *settings);

/* A target_changed: answer those who wait, tell those who watch, log a change of state. */
target_changed site_on_checked;

/* Its metrics in Prometheus text format. */
void site_metrics(const struct site *site, struct text *out);

/* End. Nobody waits or watches any more: the server has drained. */
void site_close(struct site *site);

#endif
