/* lookup.c - see lookup.h. */
#include "lookup.h"

#include <arpa/inet.h>
#include <stdlib.h>

#include "url.h"

/* What the thread works on: it outlives the lookup when it must. */
struct lookup_job {
    uv_getaddrinfo_t request;
    struct lookup *owner; /* NULL: nobody waits any more */
    char host[URL_HOST_MAX + 1];
    char port[6];
};

static void on_closed(uv_handle_t *handle)
{
    struct lookup *l = handle->data;
    l->done(l, l->data);
}

/* The one way out. */
static void end(struct lookup *l, int error)
{
    if (l->ending)
        return;
    l->ending = true;
    l->error = error;
    if (error)
        l->count = 0;
    if (l->job) {
        l->job->owner = NULL;
        (void)uv_cancel((uv_req_t *)&l->job->request); /* works while no thread has begun it */
        l->job = NULL;
    }
    uv_close((uv_handle_t *)&l->timer, on_closed);
}

static void on_time(uv_timer_t *timer)
{
    struct lookup *l = timer->data;
    end(l, l->count > 0 ? 0 : l->error);
}

static void on_answer(uv_getaddrinfo_t *request, int status, struct addrinfo *list)
{
    struct lookup_job *job = (struct lookup_job *)request; /* its first member */
    struct lookup *l = job->owner;

    if (l) {
        for (struct addrinfo *a = list; a && l->count < LOOKUP_ADDRESSES_MAX; a = a->ai_next) {
            if (a->ai_addrlen > sizeof(l->addresses[0]))
                continue;
            memcpy(&l->addresses[l->count++], a->ai_addr, a->ai_addrlen);
        }
        l->job = NULL;
        end(l, status == 0 && l->count == 0 ? UV_EAI_NODATA : status);
    }
    uv_freeaddrinfo(list);
    free(job);
}

/* An address needs no thread, and must not wait behind names that do. */
static bool read_literal(struct lookup *l, const char *host, uint16_t port)
{
    union lookup_address *address = &l->addresses[0];

    if (uv_ip4_addr(host, port, &address->v4) != 0 && uv_ip6_addr(host, port, &address->v6) != 0)
        return false;
    l->count = 1;
    return true;
}

/* 0: a thread will answer; else why none can. */
static int ask(struct lookup *l, uv_loop_t *loop, struct lookup_job *job)
{
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};

    job->owner = l;
    return uv_getaddrinfo(loop, &job->request, on_answer, job->host, job->port, &hints);
}

void lookup_start(struct lookup *l, uv_loop_t *loop, struct slice host, uint16_t port,
                  uint64_t timeout_ms, lookup_done *done, void *data)
{
    struct lookup_job *job = host.len <= URL_HOST_MAX ? malloc(sizeof(*job)) : NULL;

    l->error = UV_ETIMEDOUT;
    l->count = 0;
    l->job = NULL;
    l->ending = false;
    l->done = done;
    l->data = data;
    uv_timer_init(loop, &l->timer); /* cannot fail */
    l->timer.data = l;

    if (!job) {
        l->error = host.len <= URL_HOST_MAX ? UV_ENOMEM : UV_EAI_NONAME;
        timeout_ms = 0;
    } else {
        struct text port_text = TEXT_OVER(job->port);
        memcpy(job->host, host.at, host.len);
        job->host[host.len] = '\0';
        text_add_number(&port_text, port);
        text_string(&port_text);

        if (read_literal(l, job->host, port)) {
            timeout_ms = 0;
        } else {
            int error = ask(l, loop, job);
            if (!error) {
                l->job = job;
                job = NULL;
            } else {
                l->error = error;
                timeout_ms = 0;
            }
        }
    }
    free(job);
    uv_timer_start(&l->timer, on_time, timeout_ms, 0);
}

void lookup_cancel(struct lookup *l)
{
    end(l, UV_ECANCELED);
}

const char *lookup_reason(int error)
{
    switch (error) {
    case UV_EAI_NONAME:
    case UV_EAI_NODATA: return "no such host";
    case UV_EAI_AGAIN:
    case UV_ETIMEDOUT: return "the name server does not answer";
    case UV_EAI_FAIL: return "the name server fails";
    default: return uv_strerror(error);
    }
}

const char *lookup_text(const union lookup_address *address, char *text)
{
    const void *octets = address->any.sa_family == AF_INET6 ? (const void *)&address->v6.sin6_addr
                                                            : (const void *)&address->v4.sin_addr;
    if (!inet_ntop(address->any.sa_family, octets, text, LOOKUP_TEXT_MAX))
        text[0] = '\0';
    return text;
}
