/* parser.c - our parser, http-parser (Debian) and a floor, on the same octets, side by side.
 *
 *   parser [ROUNDS]
 *
 * Each input lies in a heap block of exactly its size. In every round each reader reads it some
 * thousand times, one reader after the other; of all rounds the fastest counts, so that what else
 * the machine does matters little. The floor looks each octet up in a table and does nothing
 * else. All three fill an array of fields (the floor excepted). */
#include <http_parser.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "http1.h"

struct input {
    const char *name;
    const char *octets;
    bool response;
    double most; /* of http-parser's time */
};

static const struct input inputs[] = {
    {"GET /ping", "GET /ping HTTP/1.1\r\nHost: x\r\n\r\n", false, 0.25},
    {"proxied GET",
     "GET /check_db HTTP/1.1\r\n"
     "Host: web.example.com\r\n"
     "Connection: close\r\n"
     "X-Forwarded-For: 203.0.113.7\r\n"
     "X-Forwarded-Port: 80\r\n"
     "X-Forwarded-Proto: http\r\n"
     "X-Request-Start: 1700000000.123\r\n"
     "User-Agent: curl/7.88.1\r\n"
     "Accept: */*\r\n"
     "\r\n",
     false, 0.35},
    {"browser GET",
     "GET /status/page?theme=dark HTTP/1.1\r\n"
     "Host: web.example.com\r\n"
     "Connection: keep-alive\r\n"
     "Cache-Control: max-age=0\r\n"
     "sec-ch-ua: \"Chromium\";v=\"118\", \"Google Chrome\";v=\"118\", \"Not=A?Brand\";v=\"99\"\r\n"
     "sec-ch-ua-mobile: ?0\r\n"
     "sec-ch-ua-platform: \"Linux\"\r\n"
     "Upgrade-Insecure-Requests: 1\r\n"
     "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
     "Chrome/118.0.0.0 Safari/537.36\r\n"
     "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;"
     "q=0.8\r\n"
     "Sec-Fetch-Site: none\r\n"
     "Sec-Fetch-Mode: navigate\r\n"
     "Sec-Fetch-User: ?1\r\n"
     "Sec-Fetch-Dest: document\r\n"
     "Accept-Encoding: gzip, deflate, br\r\n"
     "Accept-Language: en-US,en;q=0.9\r\n"
     "Cookie: session=0123456789abcdef0123456789\r\n"
     "\r\n",
     false, 0.35},
    {"200 with 8 fields",
     "HTTP/1.1 200 OK\r\n"
     "Server: nginx/1.22.1\r\n"
     "Date: Wed, 15 Nov 2023 10:00:00 GMT\r\n"
     "Content-Type: text/html; charset=utf-8\r\n"
     "Content-Length: 1256\r\n"
     "Last-Modified: Tue, 14 Nov 2023 09:00:00 GMT\r\n"
     "Connection: keep-alive\r\n"
     "ETag: \"65533e50-4e8\"\r\n"
     "Accept-Ranges: bytes\r\n"
     "\r\n",
     true, 0.35},
};

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Each reader reads the octets n times and says whether all went well. */
typedef bool reader(char *octets, size_t len, bool response, unsigned n);

static struct http1_request request;
static struct http1_response response;

static bool read_ours(char *octets, size_t len, bool is_response, unsigned n)
{
    unsigned good = 0;
    for (unsigned i = 0; i < n; i++) {
        enum http1_result result =
            is_response
                ? http1_read_response(octets, len, 0, HTTP1_GET, &http1_limits_default, &response)
                : http1_read_request(octets, len, 0, &http1_limits_default, &request);
        good += result == HTTP1_DONE;
    }
    return good == n;
}

/* What http-parser reports goes into an array like ours, so that both do the same work. */
struct seen {
    struct slice name, value;
};
static struct seen seen[HTTP1_FIELDS_MAX];
static unsigned seen_count;
static struct slice seen_url;
static unsigned complete;

static int on_url(http_parser *p, const char *at, size_t len)
{
    (void)p;
    seen_url = (struct slice){at, len};
    return 0;
}

static int on_name(http_parser *p, const char *at, size_t len)
{
    (void)p;
    seen[seen_count].name = (struct slice){at, len};
    return 0;
}

static int on_value(http_parser *p, const char *at, size_t len)
{
    (void)p;
    seen[seen_count++].value = (struct slice){at, len};
    return 0;
}

static int on_head(http_parser *p)
{
    (void)p;
    complete++;
    return 1; /* no body follows */
}

static bool read_theirs(char *octets, size_t len, bool is_response, unsigned n)
{
    static const http_parser_settings settings = {.on_url = on_url,
                                                  .on_header_field = on_name,
                                                  .on_header_value = on_value,
                                                  .on_headers_complete = on_head};
    http_parser parser;
    complete = 0;
    for (unsigned i = 0; i < n; i++) {
        seen_count = 0;
        http_parser_init(&parser, is_response ? HTTP_RESPONSE : HTTP_REQUEST);
        if (http_parser_execute(&parser, &settings, octets, len) != len)
            return false;
    }
    return complete == n;
}

static unsigned char table[256];

static bool read_floor(char *octets, size_t len, bool is_response, unsigned n)
{
    bool good = true;
    (void)is_response;
    for (unsigned i = 0; i < n; i++) {
        const char *p = octets;
        const char *end = octets + len;
        while (p < end && table[(unsigned char)*p])
            p++;
        good &= p == end;
        __asm__ volatile("" ::: "memory"); /* each time anew */
    }
    return good;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        reader *read;
    } readers[] = {{"ours", read_ours}, {"http-parser", read_theirs}, {"floor", read_floor}};
    enum { READERS = 3, TIMES = 20000 };
    unsigned rounds = argc > 1 ? (unsigned)atoi(argv[1]) : 100;
    bool within = true;

    memset(table, 1, sizeof(table));
    printf("%-18s %6s %10s %14s %9s %11s %8s\n", "input", "octets", "ours", "http-parser", "floor",
           "ours/theirs", "at most");
    for (size_t i = 0; i < sizeof(inputs) / sizeof(*inputs); i++) {
        const struct input *in = &inputs[i];
        size_t len = strlen(in->octets);
        char *octets = malloc(len);
        double best[READERS] = {1e9, 1e9, 1e9};
        if (!octets)
            return 1;
        memcpy(octets, in->octets, len);
        for (unsigned round = 0; round < rounds; round++) {
            for (unsigned r = 0; r < READERS; r++) {
                uint64_t start = now_ns();
                if (!readers[r].read(octets, len, in->response, TIMES)) {
                    fprintf(stderr, "%s does not read: %s\n", readers[r].name, in->name);
                    return 1;
                }
                double took = (double)(now_ns() - start) / TIMES;
                if (took < best[r])
                    best[r] = took;
            }
        }
        free(octets);
        printf("%-18s %6zu %7.1f ns %11.1f ns %6.1f ns %11.3f %8.2f%s\n", in->name, len, best[0],
               best[1], best[2], best[0] / best[1], in->most,
               best[0] / best[1] <= in->most ? "" : "  above");
        within = within && best[0] / best[1] <= in->most;
    }
    return within ? 0 : 3;
}
