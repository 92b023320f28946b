/* settings.c - see settings.h. */
#include "settings.h"

/* The convention of the article that this all began with. */
#define DEFAULT_URL "http://db-checker:5000/ping"

#define BEFORE "CHECK_"
#define BEHIND "_URL"

enum { TIMEOUT_MS = 2500, TIMEOUT_MIN_MS = 100, TIMEOUT_MAX_MS = 60000 };

bool settings_name(const char *variable, char *name)
{
    struct slice rest = {variable, strcspn(variable, "=")};
    const size_t around = sizeof(BEFORE) - 1 + sizeof(BEHIND) - 1;

    if (rest.len <= around || rest.len - around >= TARGET_NAME_MAX ||
        !slice_starts(rest, SLICE(BEFORE)) ||
        !slice_is((struct slice){rest.at + rest.len - (sizeof(BEHIND) - 1), sizeof(BEHIND) - 1},
                  SLICE(BEHIND)))
        return false;
    rest = (struct slice){rest.at + sizeof(BEFORE) - 1, rest.len - around};
    for (size_t i = 0; i < rest.len; i++) {
        char c = rest.at[i];
        if (c >= 'A' && c <= 'Z')
            name[i] = (char)(c - 'A' + 'a');
        else if (c == '_')
            name[i] = '-';
        else if (c >= '0' && c <= '9')
            name[i] = c;
        else
            return false;
    }
    name[rest.len] = '\0';
    return true;
}

static bool add(struct settings *s, const char *name, const char *title, const char *url,
                target_changed *changed, void *data, struct text *error)
{
    if (s->count == ASK_TARGETS_MAX) {
        text_add_format(error, "there are more than %d targets", ASK_TARGETS_MAX);
        return false;
    }
    /* A check ends a little before the patience of who asked for it. */
    const char *wrong = target_init(&s->targets[s->count], slice_of(name), slice_of(title), url,
                                    s->timeout_ms - s->timeout_ms / 25, changed, data);
    if (wrong) {
        text_add_format(error, "the URL of the target \"%s\" %s", name, wrong);
        return false;
    }
    s->count++;
    return true;
}

bool settings_read(struct settings *s, char *const *environment, target_changed *changed,
                   void *data, struct text *error)
{
    char name[TARGET_NAME_MAX];

    s->count = 0;
    s->timeout_ms = TIMEOUT_MS;
    s->app = env_string("APP_NAME", "web");
    if (!env_duration("CHECK_TIMEOUT", TIMEOUT_MIN_MS, TIMEOUT_MAX_MS, &s->timeout_ms, error) ||
        !add(s, "db", "DB", env_string("CHECK_DB_URL", DEFAULT_URL), changed, data, error))
        return false;
    for (; *environment; environment++) {
        const char *url = *environment + strcspn(*environment, "=");
        if (!settings_name(*environment, name) || strcmp(name, "db") == 0 || url[0] == '\0' ||
            url[1] == '\0')
            continue;
        if (!add(s, name, name, url + 1, changed, data, error))
            return false;
    }
    return true;
}
