/* greeting_test.c - what servers say first, whole, in pieces, and wrong. */
#include "../probe/greeting.h"

#include <assert.h>
#include <stdio.h>

#include "guard.h"

#define OCTETS(literal) literal, sizeof(literal) - 1

static enum exchange_verdict judge(const char *scheme, const char *octets, size_t len)
{
    const struct greeting *greeting = greeting_of(slice_of(scheme));
    assert(greeting);
    return greeting_read((void *)(uintptr_t)greeting, guard(octets, len), len, false);
}

/* Each beginning of it waits for more, the whole is right. */
static void right(const char *scheme, const char *octets, size_t len)
{
    for (size_t part = 0; part < len; part++)
        assert(judge(scheme, octets, part) == EXCHANGE_MORE);
    assert(judge(scheme, octets, len) == EXCHANGE_DONE);
}

static void wrong(const char *scheme, const char *octets, size_t len)
{
    assert(judge(scheme, octets, len) == EXCHANGE_WRONG);
}

int main(void)
{
    right("postgres", OCTETS("S"));
    right("postgres", OCTETS("N"));
    wrong("postgres", OCTETS("E\0\0\0\x40SFATAL"));
    right("redis", OCTETS("+PONG\r\n"));
    right("redis", OCTETS("-NOAUTH "));
    wrong("redis", OCTETS("-DENIED Redis is running in protected mode"));
    wrong("redis", OCTETS("HTTP/1.1 400 Bad Request\r\n"));
    right("mysql", OCTETS("\x4a\0\0\0\x0a"));
    wrong("mysql", OCTETS("\x45\0\0\0\xff\x69\x04Host is blocked"));
    wrong("mysql", OCTETS("\x4a\0\0\x01\x0a"));
    wrong("mysql", OCTETS("\0\0\0\0\x0a"));
    wrong("mysql", OCTETS("SSH-2.0"));
    right("mongo", OCTETS("\x2a\x01\0\0\x05\0\0\0ines\x01\0\0\0"));
    right("mongo", OCTETS("\x2a\x01\0\0\x05\0\0\0ines\xdd\x07\0\0"));
    wrong("mongo", OCTETS("\x2a\x01\0\0\x05\0\0\0else\x01\0\0\0"));
    wrong("mongo", OCTETS("\x2a\x01\0\0\x05\0\0\0ines\x02\0\0\0"));
    wrong("mongo", OCTETS("\x04\0\0\0\x05\0\0\0ines\x01\0\0\0"));
    right("amqp", OCTETS("\x01\0\0"));
    right("amqp", OCTETS("AMQP"));
    wrong("amqp", OCTETS("\x08\0\0"));
    right("memcached", OCTETS("VERSION "));
    wrong("memcached", OCTETS("ERROR\r\n"));
    right("nats", OCTETS("INFO "));
    wrong("nats", OCTETS("-ERR "));

    /* Other names for the same, in any case. */
    assert(greeting_of(SLICE("PostgreSQL")) == greeting_of(SLICE("postgres")));
    assert(greeting_of(SLICE("mariadb")) == greeting_of(SLICE("mysql")));
    assert(greeting_of(SLICE("mongodb")) == greeting_of(SLICE("mongo")));
    assert(greeting_of(SLICE("rabbitmq")) == greeting_of(SLICE("amqp")));
    assert(!greeting_of(SLICE("gopher")));
    assert(!greeting_of(SLICE("")));

    /* The one question that counts its own octets. */
    const struct greeting *mongo = greeting_of(SLICE("mongo"));
    assert(mongo->say.len == (unsigned char)mongo->say.at[0]);
    return 0;
}
