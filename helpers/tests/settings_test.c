/* settings_test.c - targets from the environment, and what is refused there. */
#include "settings.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

static struct settings settings;
static char room[256];
static struct text error;

static void on_changed(struct target *t, void *data)
{
    (void)t;
    (void)data;
}

static bool read_these(char *const *environment)
{
    error = TEXT_OVER(room);
    bool read = settings_read(&settings, environment, on_changed, NULL, &error);
    text_string(&error);
    return read;
}

static void names(void)
{
    static const struct {
        const char *variable, *name;
    } ours[] = {{"CHECK_API_URL=x", "api"},
                {"CHECK_USER_API_URL", "user-api"},
                {"CHECK_URL_URL=", "url"},
                {"CHECK_A1_URL", "a1"}};
    const char *const others[] = {"CHECK_URL",   "CHECK__UR",   "CHECK_TIMEOUT", "XCHECK_A_URL",
                                  "CHECK_A_URI", "CHECK_a_URL", "CHECK_A.B_URL", "",
                                  "=CHECK_A_URL"};
    char name[TARGET_NAME_MAX];
    char longest[128] = "CHECK_";

    for (size_t i = 0; i < sizeof(ours) / sizeof(*ours); i++) {
        assert(settings_name(ours[i].variable, name));
        assert(strcmp(name, ours[i].name) == 0);
    }
    for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
        assert(!settings_name(others[i], name));
    memset(longest + 6, 'A', TARGET_NAME_MAX);
    memcpy(longest + 6 + TARGET_NAME_MAX - 1, "_URL", 5);
    assert(settings_name(longest, name) && strlen(name) == TARGET_NAME_MAX - 1);
    memcpy(longest + 6 + TARGET_NAME_MAX - 1, "A_URL", 6);
    assert(!settings_name(longest, name));
}

static void defaults(void)
{
    char *none[] = {NULL};

    assert(read_these(none));
    assert(settings.count == 1 && settings.timeout_ms == 2500);
    assert(strcmp(settings.app, "web") == 0);
    assert(strcmp(settings.targets[0].place, "db-checker:5000") == 0);
    assert(strcmp(settings.targets[0].title, "DB") == 0);
}

static void targets(void)
{
    char db[] = "CHECK_DB_URL=http://ignored/", api[] = "CHECK_API_URL=http://api:80/health",
         empty[] = "CHECK_NOTHING_URL=", bare[] = "CHECK_BARE_URL", path[] = "PATH=/bin";
    char *environment[] = {path, db, api, empty, bare, NULL};

    setenv("CHECK_DB_URL", "http://other:1/", 1);
    setenv("CHECK_TIMEOUT", "1s", 1);
    assert(read_these(environment));
    assert(settings.count == 2 && settings.timeout_ms == 1000);
    assert(strcmp(settings.targets[0].place, "other:1") == 0);
    assert(strcmp(settings.targets[1].name, "api") == 0);
}

static void refusals(void)
{
    char wrong[] = "CHECK_API_URL=http://me:SECRET@api/";
    char *environment[ASK_TARGETS_MAX + 2] = {wrong, NULL};
    static char many[ASK_TARGETS_MAX + 1][64];

    assert(!read_these(environment));
    assert(strstr(room, "\"api\"") && !strstr(room, "SECRET"));

    for (unsigned i = 0; i <= ASK_TARGETS_MAX; i++) {
        snprintf(many[i], sizeof(many[i]), "CHECK_N%u_URL=http://a/", i);
        environment[i] = many[i];
    }
    environment[ASK_TARGETS_MAX + 1] = NULL;
    assert(!read_these(environment));
    assert(strstr(room, "more than 32"));

    setenv("CHECK_TIMEOUT", "5ms", 1);
    assert(!read_these(environment));
    assert(strstr(room, "CHECK_TIMEOUT"));
    unsetenv("CHECK_TIMEOUT");
    setenv("CHECK_DB_URL", "db-checker", 1);
    assert(!read_these(environment));
    assert(strstr(room, "\"db\""));
    unsetenv("CHECK_DB_URL");
}

int main(void)
{
    names();
    defaults();
    targets();
    refusals();
    return 0;
}
