/* advice.c - see advice.h. */
#include "advice.h"

/* What the checker's reason begins with: "PHASE: ...". */
static bool is_phase(const struct target_result *result, struct slice phase)
{
    struct slice reason = slice_of(result->reason);
    return slice_starts(reason, phase) && reason.len > phase.len && reason.at[phase.len] == ':';
}

static void database_advice(const struct target *t, const struct target_result *result,
                            struct text *says, struct text *commands)
{
    int host = (int)t->url.host.len;
    const char *service = t->url.host.at;

    text_add_format(says, "%.*s runs and answers, so look at its database. ", host, service);
    if (slice_starts(slice_of(result->reason), SLICE("not configured"))) {
        text_add(says, SLICE("It was not told which one: link one to it."));
        text_add_format(commands, "dokku postgres:link <database> %.*s", host, service);
        return;
    }
    if (is_phase(result, SLICE("resolve")))
        text_add(says, SLICE("Its name is not known: it does not run, or is not linked."));
    else if (is_phase(result, SLICE("connect")))
        text_add(says, SLICE("It does not accept connections."));
    else if (is_phase(result, SLICE("auth")))
        text_add(says, SLICE("It refuses the login: its password may have changed since."));
    else
        text_add(says, SLICE("It accepts connections, but does not answer in time."));
    text_add_format(commands,
                    "dokku postgres:info <database>\n"
                    "dokku postgres:logs <database>\n"
                    "dokku logs %.*s",
                    host, service);
}

void advice_give(const struct target *t, const struct target_result *result, const char *app,
                 struct text *says, struct text *commands)
{
    int host = (int)t->url.host.len;
    const char *service = t->url.host.at;

    switch (result->stop) {
    case TARGET_NOWHERE: break;
    case TARGET_RESOLVE:
        text_add_format(says,
                        "%s does not know the name %.*s. Link the two; if they are linked, see "
                        "which layer fails.",
                        app, host, service);
        text_add_format(commands,
                        "dokku interservice:link %s %.*s\n"
                        "dokku interservice:status %s",
                        app, host, service, app);
        break;
    case TARGET_CONNECT:
        text_add_format(says,
                        "%.*s has an address, but nothing accepts connections on port %u there. "
                        "See whether it runs, and on which port it listens.",
                        host, service, client_port(&t->url));
        text_add_format(commands,
                        "dokku interservice:status %s\n"
                        "dokku ps:report %.*s\n"
                        "dokku logs %.*s",
                        app, host, service, host, service);
        break;
    case TARGET_ANSWER:
        text_add_format(says, "%.*s accepts connections, but does not answer as it should.", host,
                        service);
        text_add_format(commands, "dokku logs %.*s\ndokku ps:restart %.*s", host, service, host,
                        service);
        break;
    case TARGET_STATUS:
        text_add_format(says,
                        "%.*s answers, but with a status that says nothing about %s. Is it the "
                        "right app and path?",
                        host, service, t->title);
        text_add_format(commands,
                        "dokku interservice:list %s\n"
                        "dokku logs %.*s",
                        app, host, service);
        break;
    case TARGET_DATABASE: database_advice(t, result, says, commands); break;
    }
}
