/* guard.h - octets that end where the readable memory ends: whoever reads one too many is killed,
 * with or without a sanitizer. */
#ifndef GUARD_H
#define GUARD_H

#include <assert.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>

enum { GUARD_PAGE = 4096, GUARD_ROOM = 32 * GUARD_PAGE };

/* A copy of the octets whose end is the end of a page before one that cannot be read. There is one
 * such place: the next call moves it away. */
static inline char *guard(const void *octets, size_t len)
{
    static char *room;
    if (!room) {
        room = mmap(NULL, GUARD_ROOM + GUARD_PAGE, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        assert(room != MAP_FAILED);
        assert(mprotect(room + GUARD_ROOM, GUARD_PAGE, PROT_NONE) == 0);
    }
    assert(len <= GUARD_ROOM);
    if (len > 0)
        memmove(room + GUARD_ROOM - len, octets, len);
    return room + GUARD_ROOM - len;
}

#endif
