/* dburl_test.c - URLs taken apart, and refused without a word of theirs. */
/* wrap: strdup PQconninfoParse PQconnectStartParams */
#include "dburl.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char *__real_strdup(const char *s);
char *__wrap_strdup(const char *s);
PQconninfoOption *__real_PQconninfoParse(const char *conninfo, char **complaint);
PQconninfoOption *__wrap_PQconninfoParse(const char *conninfo, char **complaint);
PGconn *__real_PQconnectStartParams(const char *const *keywords, const char *const *values, int x);
PGconn *__wrap_PQconnectStartParams(const char *const *keywords, const char *const *values, int x);

static int calls, fail_at;
static char seen[3][512]; /* host, hostaddr, port of the last connection */

static bool fails(void)
{
    return ++calls == fail_at;
}

char *__wrap_strdup(const char *s)
{
    return fails() ? NULL : __real_strdup(s);
}

PQconninfoOption *__wrap_PQconninfoParse(const char *conninfo, char **complaint)
{
    return fails() ? NULL : __real_PQconninfoParse(conninfo, complaint);
}

PGconn *__wrap_PQconnectStartParams(const char *const *keywords, const char *const *values, int x)
{
    static const char *const wanted[] = {"host", "hostaddr", "port"};

    for (int i = 0; keywords[i]; i++)
        for (int w = 0; w < 3; w++)
            if (strcmp(keywords[i], wanted[w]) == 0)
                snprintf(seen[w], sizeof seen[w], "%s", values[i] ? values[i] : "");
    return fails() ? NULL : __real_PQconnectStartParams(keywords, values, x);
}

static void refused(const char *url, const char *expected)
{
    struct dburl u;
    char error[256];
    struct text text = TEXT_OVER(error);

    assert(!dburl_read(&u, url, &text));
    text_string(&text);
    if (!strstr(error, expected) || strstr(error, "SECRET"))
        fprintf(stderr, "url: %s\nsaid: %s\nexpected: %s\n", url, error, expected);
    assert(strstr(error, expected));
    assert(!strstr(error, "SECRET"));
}

static void described(const char *url, const char *expected)
{
    struct dburl u;
    char error[256], out[256];
    struct text text = TEXT_OVER(error);
    struct text description = TEXT_OVER(out);

    if (!dburl_read(&u, url, &text))
        fprintf(stderr, "%s: %s\n", url, text_string(&text));
    assert(text.len == 0);
    dburl_describe(&u, &description);
    if (strcmp(text_string(&description), expected) != 0)
        fprintf(stderr, "url: %s\nsaid: %s\nexpected: %s\n", url, out, expected);
    assert(strcmp(out, expected) == 0);
    dburl_free(&u);
}

static void test_good_ones(void)
{
    described("postgres://u:SECRET@db/app", "db:5432");
    described("postgresql://u:SECRET@db:6000/app?sslmode=require", "db:6000");
    described("host=db user=u password=SECRET", "db:5432");
    described("postgres://u:SECRET@a:1,b,[::1]:3/app", "a:1,b:5432,::1:3");
    described("host=a,b port=7 user=u", "a:7,b:7");
    described("postgres://u@/app?host=/run/postgresql", "/run/postgresql:5432");
    described("postgres://u@/app", "local socket:5432");
    described("hostaddr=10.0.0.1,10.0.0.2 user=u", "10.0.0.1:5432,10.0.0.2:5432");
    described("postgres://u@db/app?keepalives=0&keepalives_idle=%2030%20&keepalives_count="
              "&connect_timeout=-1&tcp_user_timeout=%2B5",
              "db:5432");
    described("postgres://u:SEC%2FRET%40@dokku-postgres-db:5432/db", "dokku-postgres-db:5432");
}

static void test_lookups(void)
{
    struct dburl u;
    char error[256];
    struct text text = TEXT_OVER(error);

    assert(dburl_read(&u, "host=db,10.0.0.1,/run,::1,x hostaddr=,,,,10.0.0.2 user=u", &text));
    assert(u.host_count == 5);
    assert(u.hosts[0].lookup);
    assert(!u.hosts[1].lookup && strcmp(u.hosts[1].address, "10.0.0.1") == 0);
    assert(!u.hosts[2].lookup && u.hosts[2].address[0] == '\0');
    assert(!u.hosts[3].lookup && strcmp(u.hosts[3].address, "::1") == 0);
    assert(!u.hosts[4].lookup && strcmp(u.hosts[4].address, "10.0.0.2") == 0);
    dburl_free(&u);
}

static void test_refused(void)
{
    refused("postgres//u:SECRET@h/db", "missing ...");
    refused("postgres://u:SECRET@h/db?SECRET=1", "invalid URI query parameter");
    refused("postgres://u:SECRET%zz@h/db", "invalid percent-encoded token");
    refused("postgres://u:SECRET@h/db?sslmode=SECRET", "invalid sslmode value");
    refused("postgres://u:SECRET@h/db?target_session_attrs=SECRET", "invalid target_session_attrs");
    refused("postgres://u:SECRET@h:99999/db", "invalid port number");
    refused("postgres://u:1SEC/SECRET@h/db", "it names no user");
    refused("user=u host=h port=SECRET", "invalid integer value");
    refused("postgres://u@h/db?keepalives=maybe", "keepalives is not an integer");
    refused("postgres://u@h/db?keepalives_idle=abc", "keepalives_idle is not an integer");
    refused("postgres://u@h/db?keepalives_interval=1s", "keepalives_interval is not an integer");
    refused("postgres://u@h/db?keepalives_count=1.5", "keepalives_count is not an integer");
    refused("postgres://u@h/db?tcp_user_timeout=99999999999", "tcp_user_timeout is not an integer");
    refused("postgres://u@h/db?connect_timeout=99999999999999999999", "connect_timeout is not");
    refused("postgres://u@h/db?connect_timeout=SECRET", "connect_timeout is not an integer");
    refused("postgres://u:SE@SECRET@h/db", "a host name has a character");
    refused("postgres://h/db", "it names no user");
    refused("user=u host=a,b port=1,2,3", "as many ports as hosts");
    refused("user=u host=a,b hostaddr=10.0.0.1", "as many hostaddr as host");
    refused("user=u host=1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17", "more than 16 hosts");
    refused("user=u service=SECRET", "service file");
    refused("user=u host=h gssencmode=require", "GSSAPI");
    refused("user=u hostaddr="
            "1111111111111111111111111111111111111111111111111111111111111111111111111111",
            "too long");
}

static void test_environment(void)
{
    setenv("PGHOST", "from-env", 1);
    setenv("PGPORT", "7000", 1);
    setenv("PGUSER", "somebody", 1);
    described("dbname=x", "from-env:7000");
    unsetenv("PGHOST");
    unsetenv("PGPORT");
    unsetenv("PGUSER");
}

/* The lists that libpq gets are parallel, and one target is one entry in each. */
static void test_connect(void)
{
    struct dburl u;
    struct dburl_target targets[3] = {{.address = "127.0.0.1"}, {.address = "127.0.0.2"}};
    char error[256];
    struct text text = TEXT_OVER(error);
    PGconn *conn;

    assert(dburl_read(&u, "host=a,/run port=1,2 user=u", &text));
    targets[0].host = targets[1].host = &u.hosts[0];
    targets[2].host = &u.hosts[1];
    conn = dburl_connect(&u, targets, 3);
    assert(conn);
    PQfinish(conn);
    assert(strcmp(seen[0], "a,a,/run") == 0);
    assert(strcmp(seen[1], "127.0.0.1,127.0.0.2,") == 0);
    assert(strcmp(seen[2], "1,1,2") == 0);
    dburl_free(&u);
}

static void test_each_call_fails(void)
{
    struct dburl u;
    char error[256] = "";
    struct text text;
    bool good = false;
    int n;

    for (n = 1; !good; n++) {
        text = TEXT_OVER(error);
        calls = 0;
        fail_at = n;
        good = dburl_read(&u, "host=db user=u", &text);
        assert(good || strcmp(text_string(&text), "out of memory") == 0);
    }
    fail_at = 0;
    assert(n == 7); /* one parse, three lists, one try, and then all is well */
    dburl_free(&u);
}

int main(void)
{
    unsetenv("PGHOST");
    unsetenv("PGPORT");
    unsetenv("PGHOSTADDR");
    unsetenv("PGUSER");
    test_good_ones();
    test_lookups();
    test_refused();
    test_environment();
    test_connect();
    test_each_call_fails();
    return 0;
}
