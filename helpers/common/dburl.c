/* dburl.c - see dburl.h. */
#include "dburl.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

/* Enough for every list we build: targets times the longest name, port or address. */
enum {
    NAME_MAX_LENGTH = 253,
    PORT_MAX_LENGTH = 15,
    LIST_SIZE = DBURL_TARGETS_MAX * (NAME_MAX_LENGTH + 1)
};

/* libpq 15 knows 41 options. */
enum { OPTIONS_MAX = 64 };

enum { HOSTS, ADDRESSES, PORTS }; /* dburl.lists */

static const char *option(const struct dburl *u, const char *keyword)
{
    for (const PQconninfoOption *o = u->options; o->keyword; o++)
        if (strcmp(o->keyword, keyword) == 0)
            return o->val ? o->val : "";
    return "";
}

/* libpq's complaints quote what they complain about, and that may be the password, or the part of
 * it that an unescaped character made look like a port. All from the first quote to the last is
 * left out; the complaint itself is constant text of libpq. */
static void add_complaint(struct text *error, const char *complaint)
{
    const char *first = strchr(complaint, '"');
    const char *last = strrchr(complaint, '"');
    size_t line;

    if (first && last > first) {
        text_add(error, (struct slice){complaint, (size_t)(first - complaint)});
        text_add_string(error, "...");
        complaint = last + 1;
    }
    line = strcspn(complaint, "\n");
    text_add(error, (struct slice){complaint, line});
}

static unsigned count_of(const char *list)
{
    unsigned n = 1;

    for (; *list; list++)
        n += *list == ',';
    return n;
}

/* Cut the next element off a list, as strsep does. */
static const char *next_of(char **list)
{
    char *element = *list;
    char *comma;

    if (!element)
        return "";
    comma = strchr(element, ',');
    if (comma)
        *comma++ = '\0';
    *list = comma;
    return element;
}

/* What may stand in the log: an "@" here is the rest of a password that was not escaped. */
static bool is_host_name(const char *name)
{
    return name[strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                             "0123456789.:%_-")] == '\0';
}

static bool is_socket(const char *name)
{
    return name[0] == '/';
}

static bool is_address(const char *name)
{
    unsigned char binary[16];

    return uv_inet_pton(AF_INET, name, binary) == 0 || uv_inet_pton(AF_INET6, name, binary) == 0;
}

/* What is not in the URL may be in libpq's own variables; they are read here, because libpq would
 * look up a name that it finds there by itself. */
static bool read_lists(struct dburl *u, struct text *error)
{
    static const char *const keywords[] = {"host", "hostaddr", "port"};
    static const char *const variables[] = {"PGHOST", "PGHOSTADDR", "PGPORT"};
    unsigned count[3];

    for (int i = 0; i < 3; i++) {
        const char *value = option(u, keywords[i]);
        u->lists[i] = strdup(value[0] ? value : env_string(variables[i], ""));
        if (!u->lists[i]) {
            text_add_string(error, "out of memory");
            return false;
        }
        count[i] = count_of(u->lists[i]);
    }
    u->host_count = u->lists[ADDRESSES][0] ? count[ADDRESSES] : count[HOSTS];
    if (u->lists[HOSTS][0] && count[HOSTS] != u->host_count)
        text_add_string(error, "it has not as many hostaddr as host");
    else if (count[PORTS] != u->host_count && count[PORTS] != 1) /* one port is for all hosts */
        text_add_string(error, "it has not as many ports as hosts");
    else if (u->host_count > DBURL_HOSTS_MAX)
        text_add_format(error, "it names more than %d hosts", DBURL_HOSTS_MAX);
    else
        return true;
    return false;
}

/* Take the lists apart. */
static bool read_hosts(struct dburl *u, struct text *error)
{
    char *rest[3] = {u->lists[HOSTS], u->lists[ADDRESSES], u->lists[PORTS]};

    for (unsigned i = 0; i < u->host_count; i++) {
        struct dburl_host *h = &u->hosts[i];
        h->name = next_of(&rest[HOSTS]);
        h->address = next_of(&rest[ADDRESSES]);
        h->port = i > 0 && !rest[PORTS] ? u->hosts[0].port : next_of(&rest[PORTS]);
        if (strlen(h->name) > NAME_MAX_LENGTH || strlen(h->address) >= DBURL_ADDRESS_SIZE ||
            strlen(h->port) > PORT_MAX_LENGTH) {
            text_add_string(error, "a host, address or port is too long");
            return false;
        }
        if (!is_socket(h->name) && !is_host_name(h->name)) {
            text_add_string(error, "a host name has a character that no host name has (in the "
                                   "password, write @ as %40, / as %2F, : as %3A)");
            return false;
        }
        if (h->address[0] == '\0' && is_address(h->name))
            h->address = h->name;
        h->lookup = h->name[0] && !is_socket(h->name) && h->address[0] == '\0';
    }
    return true;
}

/* A number as libpq reads it (parse_int_param): with a sign and spaces around it, if need be. */
static bool is_integer(const char *value)
{
    char *end;
    long number;

    errno = 0;
    number = strtol(value, &end, 10);
    return end != value && errno == 0 && number >= INT_MIN && number <= INT_MAX &&
           end[strspn(end, " \f\n\r\t\v")] == '\0';
}

/* These libpq looks at only once it has reached a server, or not at all. An empty one is as if it
 * were not there. */
static bool check_integers(const struct dburl *u, struct text *error)
{
    static const char *const keywords[] = {"connect_timeout",  "keepalives",
                                           "keepalives_idle",  "keepalives_interval",
                                           "keepalives_count", "tcp_user_timeout"};

    for (size_t i = 0; i < sizeof(keywords) / sizeof(*keywords); i++) {
        const char *value = option(u, keywords[i]);
        if (value[0] && !is_integer(value)) {
            text_add_format(error, "%s is not an integer", keywords[i]);
            return false;
        }
    }
    return true;
}

/* Start a connection with the URL's options, but these hosts, addresses and ports. */
static PGconn *start(const struct dburl *u, const char *hosts, const char *addresses,
                     const char *ports)
{
    const char *keywords[OPTIONS_MAX];
    const char *values[OPTIONS_MAX];
    size_t n = 0;

    for (const PQconninfoOption *o = u->options; o->keyword && n < OPTIONS_MAX - 8; o++) {
        if (!o->val || strcmp(o->keyword, "host") == 0 || strcmp(o->keyword, "hostaddr") == 0 ||
            strcmp(o->keyword, "port") == 0 || strcmp(o->keyword, "gssencmode") == 0)
            continue;
        keywords[n] = o->keyword;
        values[n++] = o->val;
    }
    keywords[n] = "host";
    values[n++] = hosts;
    keywords[n] = "hostaddr";
    values[n++] = addresses;
    keywords[n] = "port";
    values[n++] = ports;
    keywords[n] = "gssencmode"; /* there is no Kerberos in the static build */
    values[n++] = "disable";
    keywords[n] = "fallback_application_name";
    values[n++] = "checker";
    keywords[n] = NULL;
    values[n] = NULL;
    return PQconnectStartParams(keywords, values, 0);
}

static void list_add(struct text *list, size_t i, const char *element)
{
    if (i > 0)
        text_add_char(list, ',');
    text_add_string(list, element);
}

/* PQconninfoParse does not look at values: sslmode, ports. Connecting does, before anything else.
 * So let libpq connect to sockets that cannot be there, and see whether it gets as far as that. */
static bool try_values(const struct dburl *u, struct text *error)
{
    char hosts[DBURL_HOSTS_MAX * sizeof "/dev/null,"];
    struct text list = TEXT_OVER(hosts);
    const struct slice expected = SLICE("connection to server on socket");
    const char *line;
    PGconn *conn;
    bool good = true;

    for (unsigned i = 0; i < u->host_count; i++)
        list_add(&list, i, "/dev/null");
    conn = start(u, text_string(&list), NULL, u->lists[PORTS]);
    if (!conn) {
        text_add_string(error, "out of memory");
        return false;
    }
    for (line = PQerrorMessage(conn); good && *line; line += *line == '\n') {
        good = *line == '\t' || slice_starts(slice_of(line), expected);
        if (!good)
            add_complaint(error, line);
        line = strchrnul(line, '\n');
    }
    PQfinish(conn);
    return good;
}

bool dburl_read(struct dburl *u, const char *url, struct text *error)
{
    char *complaint = NULL;

    *u = (struct dburl){.options = PQconninfoParse(url, &complaint)};
    if (!u->options) {
        add_complaint(error, complaint ? complaint : "out of memory");
        PQfreemem(complaint);
        return false;
    }
    if (option(u, "service")[0]) {
        text_add_string(error, "it names a service file, and there is none here");
    } else if (strcmp(option(u, "gssencmode"), "require") == 0) {
        text_add_string(error, "it asks for GSSAPI encryption, which this program does not have");
    } else if (!option(u, "user")[0] && !env_string("PGUSER", "")[0]) {
        /* libpq would ask the system who we are, and an image of one file cannot say. */
        text_add_string(error, "it names no user");
    } else if (check_integers(u, error) && read_lists(u, error) && try_values(u, error) &&
               read_hosts(u, error)) {
        return true;
    }
    dburl_free(u);
    return false;
}

void dburl_free(struct dburl *u)
{
    PQconninfoFree(u->options);
    for (int i = 0; i < 3; i++)
        free(u->lists[i]);
    *u = (struct dburl){.options = NULL};
}

void dburl_describe(const struct dburl *u, struct text *out)
{
    for (unsigned i = 0; i < u->host_count; i++) {
        const struct dburl_host *h = &u->hosts[i];
        list_add(out, i, h->name[0] ? h->name : h->address[0] ? h->address : "local socket");
        text_add_char(out, ':');
        text_add_string(out, h->port[0] ? h->port : "5432");
    }
}

PGconn *dburl_connect(const struct dburl *u, const struct dburl_target *targets, size_t count)
{
    char hosts[LIST_SIZE], addresses[LIST_SIZE], ports[LIST_SIZE];
    struct text host_list = TEXT_OVER(hosts);
    struct text address_list = TEXT_OVER(addresses);
    struct text port_list = TEXT_OVER(ports);

    for (size_t i = 0; i < count; i++) {
        list_add(&host_list, i, targets[i].host->name);
        list_add(&address_list, i, targets[i].address);
        list_add(&port_list, i, targets[i].host->port);
    }
    return start(u, text_string(&host_list), text_string(&address_list), text_string(&port_list));
}
