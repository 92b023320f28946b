/* floor.c - what libuv itself costs: it reads, parses nothing, and writes one constant answer with
 * uv_try_write. With --close it closes after that. The floor that our server is measured against.
 */
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

static bool close_after;
static char buffer[65536];
static uv_buf_t answer;

static void on_closed(uv_handle_t *handle)
{
    free(handle);
}

static void on_room(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    (void)handle;
    (void)suggested;
    *buf = uv_buf_init(buffer, sizeof(buffer));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    (void)buf;
    if (n == 0)
        return;
    if (n < 0 || uv_try_write(stream, &answer, 1) != (int)answer.len || close_after)
        uv_close((uv_handle_t *)stream, on_closed);
}

static void on_connection(uv_stream_t *listener, int status)
{
    uv_tcp_t *tcp = status ? NULL : malloc(sizeof(*tcp));
    if (!tcp)
        return;
    uv_tcp_init(listener->loop, tcp);
    if (uv_accept(listener, (uv_stream_t *)tcp) == 0)
        uv_read_start((uv_stream_t *)tcp, on_room, on_read);
    else
        uv_close((uv_handle_t *)tcp, on_closed);
}

int main(int argc, char **argv)
{
    static char keep[] = "HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
                         "Content-Type: text/plain\r\nContent-Length: 3\r\n\r\nok\n";
    static char last[] = "HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
                         "Content-Type: text/plain\r\nConnection: close\r\n"
                         "Content-Length: 3\r\n\r\nok\n";
    struct sockaddr_in address;
    uv_tcp_t listener;

    if (argc < 2) {
        fprintf(stderr, "usage: floor PORT [--close]\n");
        return 2;
    }
    close_after = argc > 2 && strcmp(argv[2], "--close") == 0;
    answer =
        close_after ? uv_buf_init(last, sizeof(last) - 1) : uv_buf_init(keep, sizeof(keep) - 1);
    signal(SIGPIPE, SIG_IGN);
    uv_tcp_init(uv_default_loop(), &listener);
    uv_ip4_addr("127.0.0.1", atoi(argv[1]), &address);
    if (uv_tcp_bind(&listener, (struct sockaddr *)&address, 0) || uv_tcp_nodelay(&listener, 1) ||
        uv_listen((uv_stream_t *)&listener, 1024, on_connection))
        return 1;
    return uv_run(uv_default_loop(), UV_RUN_DEFAULT);
}
