/* url.c - fuzz URLs such as CHECK_DB_URL: what is read out of one lies within it, and put together
 * again it is the same; what is refused is refused in words of ours. */
#include "url.h"

#include <assert.h>
#include <stdlib.h>

#include "client.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool within(struct slice part, struct slice whole)
{
    return part.at >= whole.at && part.at + part.len <= whole.at + whole.len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *block = malloc(size + (size == 0));
    struct slice text = {block, size};
    struct url url;

    assert(block);
    if (size > 0)
        memcpy(block, data, size);
    if (!url_read(text, &url)) {
        static char room[2 * 4096];
        struct text again = TEXT_OVER(room);

        assert(within(url.scheme, text) && within(url.authority, text));
        assert(within(url.host, url.authority) && within(url.target, text));
        assert(url.host.len > 0 && url.host.len <= URL_HOST_MAX);
        text_add(&again, url.scheme);
        text_add(&again, SLICE("://"));
        text_add(&again, url.authority);
        text_add(&again, url.target);
        assert(again.full || slice_is(text_slice(&again), text));

        if (!client_refuses(&url)) {
            /* No URL may write a line of its own into the request. */
            unsigned lines = 0;
            text_clear(&again);
            client_write_request(&again, &url, NULL);
            for (size_t i = 0; i < again.len; i++) {
                lines += again.at[i] == '\n';
                assert(again.at[i] != '\0');
            }
            assert(!again.full && lines == 4);
        }
    }
    free(block);
    return 0;
}
