/* dbnames.c - see dbnames.h. */
#include "dbnames.h"

#include <string.h>

void dbnames_init(struct dbnames *n, uv_loop_t *loop, const struct dburl *url, dbnames_call *done,
                  void *data)
{
    *n = (struct dbnames){.loop = loop, .url = url, .done = done, .data = data};
}

bool dbnames_running(const struct dbnames *n)
{
    return n->running;
}

bool dbnames_stuck(const struct dbnames *n)
{
    return n->looking;
}

static void dbnames_add(struct dbnames *n, const struct dburl_host *host, const char *address)
{
    for (unsigned i = 0; i < n->count; i++)
        if (n->targets[i].host == host && strcmp(n->targets[i].address, address) == 0)
            return;
    if (n->count < DBURL_TARGETS_MAX) {
        struct dburl_target *t = &n->targets[n->count++];
        struct text copy = TEXT_OVER(t->address);
        text_add_string(&copy, address);
        text_string(&copy);
        t->host = host;
    }
}

static void dbnames_add_all(struct dbnames *n, const struct addrinfo *found)
{
    char address[DBURL_ADDRESS_SIZE];

    for (; found; found = found->ai_next)
        if (uv_ip_name(found->ai_addr, address, sizeof address) == 0)
            dbnames_add(n, &n->url->hosts[n->host], address);
}

static void dbnames_miss(struct dbnames *n, int error)
{
    n->unresolved++;
    switch (error) {
    case UV_EAI_NONAME:
    case UV_EAI_NODATA:
        n->fault = dbfault_make(DBFAULT_RESOLVE, "the name of the host is unknown");
        break;
    case UV_EAI_AGAIN:
        n->fault = dbfault_make(DBFAULT_RESOLVE, "no usable answer from the name server");
        break;
    default: n->fault = dbfault_make(DBFAULT_RESOLVE, "%s", uv_strerror(error));
    }
}

static void on_lookup(uv_getaddrinfo_t *lookup, int status, struct addrinfo *found);

static void dbnames_go_on(struct dbnames *n)
{
    static const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};

    for (; n->host < n->url->host_count; n->host++) {
        const struct dburl_host *host = &n->url->hosts[n->host];
        int error;

        if (!host->lookup) {
            dbnames_add(n, host, host->address);
            continue;
        }
        if (n->looking)
            return; /* the late one; on_lookup goes on when it is back */
        n->lookup.data = n;
        error = uv_getaddrinfo(n->loop, &n->lookup, on_lookup, host->name, NULL, &hints);
        if (error == 0) {
            n->looking = true;
            return;
        }
        dbnames_miss(n, error);
    }
    n->running = false;
    n->done(n->data);
}

static void on_lookup(uv_getaddrinfo_t *lookup, int status, struct addrinfo *found)
{
    struct dbnames *n = lookup->data;

    n->looking = false;
    if (!n->late) {
        if (status == 0)
            dbnames_add_all(n, found);
        else
            dbnames_miss(n, status);
        n->host++;
    }
    n->late = false; /* who runs now asks anew */
    uv_freeaddrinfo(found);
    if (n->running)
        dbnames_go_on(n);
    else
        n->done(n->data);
}

void dbnames_start(struct dbnames *n)
{
    n->host = n->count = n->unresolved = 0;
    n->running = true;
    dbnames_go_on(n);
}

void dbnames_stop(struct dbnames *n, const struct dbfault *why)
{
    n->running = false;
    n->late = n->looking;
    n->unresolved++;
    n->fault = *why;
}

void dbnames_cancel(struct dbnames *n)
{
    n->running = false;
    n->late = n->looking;
    if (n->looking)
        (void)uv_cancel((uv_req_t *)&n->lookup); /* UV_EBUSY: it is in its thread */
}
