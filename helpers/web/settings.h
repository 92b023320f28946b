/* settings.h - what the environment says about web: whom to check, how patiently, and our name. */
#ifndef SETTINGS_H
#define SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "ask.h"
#include "target.h"
#include "util.h"

struct settings {
    struct target targets[ASK_TARGETS_MAX]; /* the first one is "db" */
    unsigned count;
    uint64_t timeout_ms; /* from a request to its answer */
    const char *app;     /* what we are called */
};

/* Read them from a list of NAME=VALUE that ends with NULL; changed is called with data after each
 * check of a target. False: one is wrong, and error says which and why, without its value. */
bool settings_read(struct settings *settings, char *const *environment, target_changed *changed,
                   void *data, struct text *error) MUST_CHECK;

/* The name in CHECK_<NAME>_URL as it stands in paths: CHECK_USER_API_URL=... is "user-api". False:
 * the variable is none of ours. name has room for TARGET_NAME_MAX. */
bool settings_name(const char *variable, char *name) MUST_CHECK;

#endif
