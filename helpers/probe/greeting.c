/* greeting.c - see greeting.h. */
#include "greeting.h"

#include <stdbool.h>

/* As SLICE, for tables. */
#define OCTETS(literal)              \
    {                                \
        literal, sizeof(literal) - 1 \
    }

static uint32_t little_endian(const char *at, unsigned octets)
{
    uint32_t number = 0;
    while (octets-- > 0)
        number = number << 8 | (unsigned char)at[octets];
    return number;
}

/* MySQL and MariaDB speak first: length (3 octets), number 0, then version 10 of the protocol. An
 * error packet (0xff: host blocked, too many connections) is no welcome. */
static enum exchange_verdict read_mysql(void *reader, char *buf, size_t len, bool end)
{
    (void)reader;
    (void)end;
    if (len < 5)
        return EXCHANGE_MORE;
    return little_endian(buf, 3) > 1 && buf[3] == 0 && buf[4] == 10 ? EXCHANGE_DONE
                                                                    : EXCHANGE_WRONG;
}

/* MongoDB: length, number, number of the question, kind (OP_REPLY 1 or OP_MSG 2013). */
#define MONGO_NUMBER "ines"

static enum exchange_verdict read_mongo(void *reader, char *buf, size_t len, bool end)
{
    (void)reader;
    (void)end;
    if (len < 16)
        return EXCHANGE_MORE;
    uint32_t kind = little_endian(buf + 12, 4);
    bool to_us = memcmp(buf + 8, MONGO_NUMBER, 4) == 0;
    return little_endian(buf, 4) > 16 && to_us && (kind == 1 || kind == 2013) ? EXCHANGE_DONE
                                                                              : EXCHANGE_WRONG;
}

static const struct greeting greetings[] = {
    /* To be connected is all that can be asked. */
    {.scheme = "tcp"},
    /* SSLRequest: Yes or No. */
    {.scheme = "postgres",
     .port = 5432,
     .say = OCTETS("\0\0\0\x08\x04\xd2\x16\x2f"),
     .answers = {OCTETS("S"), OCTETS("N")}},
    {.scheme = "redis",
     .port = 6379,
     .say = OCTETS("PING\r\n"),
     .answers = {OCTETS("+PONG\r\n"), OCTETS("-NOAUTH ")}},
    {.scheme = "mysql", .port = 3306, .read = read_mysql},
    /* OP_QUERY, which every version still answers for this one question: isMaster? */
    {.scheme = "mongo",
     .port = 27017,
     .say =
         OCTETS("\x3a\0\0\0" MONGO_NUMBER "\0\0\0\0\xd4\x07\0\0" /* length 58, number, kind 2004 */
                "\0\0\0\0admin.$cmd\0"                           /* flags, collection */
                "\0\0\0\0\xff\xff\xff\xff"                       /* skip 0, return 1 and close */
                "\x13\0\0\0\x10isMaster\0\x01\0\0\0\0"),         /* {isMaster: 1} */
     .read = read_mongo},
    /* Protocol 0-9-1: it begins (method frame on channel 0), or names the version it wants. */
    {.scheme = "amqp",
     .port = 5672,
     .say = OCTETS("AMQP\0\0\x09\x01"),
     .answers = {OCTETS("\x01\0\0"), OCTETS("AMQP")}},
    {.scheme = "memcached",
     .port = 11211,
     .say = OCTETS("version\r\n"),
     .answers = {OCTETS("VERSION ")}},
    {.scheme = "nats", .port = 4222, .answers = {OCTETS("INFO ")}},
};

static const struct {
    const char *name, *scheme;
} aliases[] = {
    {"postgresql", "postgres"},
    {"mariadb", "mysql"},
    {"mongodb", "mongo"},
    {"rabbitmq", "amqp"},
};

const struct greeting *greeting_of(struct slice scheme)
{
    for (size_t i = 0; i < sizeof(aliases) / sizeof(*aliases); i++)
        if (slice_is_nocase(scheme, slice_of(aliases[i].name)))
            scheme = slice_of(aliases[i].scheme);
    for (size_t i = 0; i < sizeof(greetings) / sizeof(*greetings); i++)
        if (slice_is_nocase(scheme, slice_of(greetings[i].scheme)))
            return &greetings[i];
    return NULL;
}

enum exchange_verdict greeting_read(void *reader, char *buf, size_t len, bool end)
{
    const struct greeting *greeting = reader;
    struct slice answer = {buf, len};

    if (greeting->read)
        return greeting->read(NULL, buf, len, end);
    for (size_t i = 0; i < GREETING_ANSWERS_MAX; i++) {
        struct slice right = greeting->answers[i];
        if (right.len == 0)
            continue;
        if (slice_starts(answer, right))
            return EXCHANGE_DONE;
        if (slice_starts(right, answer))
            return EXCHANGE_MORE;
    }
    return EXCHANGE_WRONG;
}
