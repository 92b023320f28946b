/* dbfault_test.c - libpq's words become ours, and names, files and passwords stay out. */
#include "dbfault.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define AT "connection to server at \"db.example\" (10.0.0.1), port 5432 failed: "

static void connect_is(const char *message, const char *expected)
{
    struct dbfault f = dbfault_connect(message);
    char printed[256];
    struct text text = TEXT_OVER(printed);

    dbfault_print(&f, &text);
    if (strcmp(text_string(&text), expected) != 0)
        fprintf(stderr, "message: %s\nprinted: %s\nexpected: %s\n", message, printed, expected);
    assert(strcmp(printed, expected) == 0);
}

static void lost_is(const char *message, const char *expected)
{
    struct dbfault f = dbfault_lost(message);
    char printed[256];
    struct text text = TEXT_OVER(printed);

    dbfault_print(&f, &text);
    assert(strcmp(text_string(&text), expected) == 0);
}

static void test_connect(void)
{
    connect_is("", "connect: failed");
    connect_is(AT "Connection refused\n\tIs the server running on that host and accepting TCP/IP "
                  "connections?\n",
               "connect: refused");
    connect_is(AT "FATAL:  28P01\n", "auth: the password is wrong (28P01)");
    connect_is(AT "FATAL:  28001\n", "auth: the server refuses (28001)");
    connect_is(AT "FATAL:  3D000\n", "auth: there is no such database (3D000)");
    connect_is(AT "FATAL:  53300\n", "connect: too many connections (53300)");
    connect_is(AT "FATAL:  57P03\n", "connect: the server is starting up or shutting down (57P03)");
    connect_is(AT "FATAL:  XX000\n", "connect: the server refuses (XX000)");
    connect_is(AT "fe_sendauth: no password supplied\n", "auth: the server wants a password");
    connect_is(AT "server closed the connection unexpectedly\n\tThis probably means …\n",
               "connect: the server closed the connection");
    connect_is(AT "Connection timed out\n", "timeout: no answer from the host");
    connect_is(AT "SCRAM exchange failed\n", "auth: SCRAM exchange failed");
}

static void test_several_hosts(void)
{
    connect_is(AT "Connection refused\n\tIs it?\n" AT "Connection refused\n", "connect: refused");
    connect_is(AT "Connection refused\n" AT "session is read-only\n",
               "connect: refused; session is read-only");
    connect_is(AT "Connection refused\n" AT "FATAL:  28P01\n",
               "auth: refused; the password is wrong (28P01)");
}

static void test_nothing_slips_through(void)
{
    connect_is(AT "server certificate for \"db.example\" does not match host name \"other\"\n",
               "connect: server certificate for ...");
    connect_is(AT "root certificate file \"/home/SECRET/root.crt\" does not exist\n",
               "connect: root certificate file ... does not exist");
    connect_is(AT "expected authentication request from server, but received \001\n",
               "auth: expected authentication request from server, but received ?");
    connect_is("out of memory", "connect: out of memory");
    connect_is("connection to server which nobody knows\n",
               "connect: connection to server which nobody knows");
}

static void test_lost(void)
{
    struct dbfault f = dbfault_sqlstate(DBFAULT_QUERY, "57P01");

    lost_is("", "query: the connection was lost");
    lost_is("server closed the connection unexpectedly\n\tThis …",
            "query: the server closed the connection");
    lost_is("lost synchronization with server: got message type \"S\"",
            "query: lost synchronization with server: got message type ...");
    assert(f.phase == DBFAULT_QUERY && strcmp(f.reason, "the server ended the session") == 0);
}

static void test_same(void)
{
    struct dbfault a = dbfault_make(DBFAULT_CONNECT, "%s", "refused");
    struct dbfault b = a;

    assert(dbfault_same(&a, &b));
    b.phase = DBFAULT_QUERY;
    assert(!dbfault_same(&a, &b));
    b = dbfault_make(DBFAULT_CONNECT, "reset");
    assert(!dbfault_same(&a, &b));
    b = a;
    strcpy(b.sqlstate, "57P01");
    assert(!dbfault_same(&a, &b));
}

int main(void)
{
    test_connect();
    test_several_hosts();
    test_nothing_slips_through();
    test_lost();
    test_same();
    return 0;
}
