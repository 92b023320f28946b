/* page.h - the page a person looks at.
 *
 * What stands on it is worked out once, here, as a view: texts and states by name, and the bars of
 * the last checks. The template shows a view; so does the script of the page, which gets the next
 * views as events. */
#ifndef PAGE_H
#define PAGE_H

#include <stdint.h>

#include "ask.h"
#include "target.h"
#include "util.h"

enum {
    PAGE_TEXTS_MAX = 64,
    PAGE_STATES_MAX = 40,
    PAGE_ROOM = 16 * 1024,      /* for the texts of a view */
    PAGE_MAX = 64 * 1024,       /* a page, */
    PAGE_EVENT_MAX = 32 * 1024, /* an event */
};

struct page_field {
    const char *name;
    struct slice value;
};

/* One of the targets beside the first: what is said about it. Its name is the operator's, so these
 * are kept apart from the texts and states, whose names are the page's. */
struct page_other {
    const char *name;
    const char *state;
    struct slice says;
};

struct page_bar {
    unsigned height; /* of 48 */
    bool available;
};

struct page_view {
    struct page_field texts[PAGE_TEXTS_MAX];
    struct page_field states[PAGE_STATES_MAX];
    struct page_other others[ASK_TARGETS_MAX - 1];
    unsigned text_count, state_count, other_count;
    struct page_bar bars[HISTORY_LAST]; /* the newest last */
    struct text room;
    char room_text[PAGE_ROOM];
};

/* What the page is about. */
struct page_subject {
    const char *app;              /* our own name */
    const struct target *targets; /* the first one is shown, the others are listed */
    unsigned count;
    uint64_t now_ms;
};

void page_look(struct page_view *view, const struct page_subject *subject);

/* The whole page. */
void page_write(const struct page_view *view, const struct page_subject *subject, struct text *out);

/* The view as a server-sent event. */
void page_write_event(const struct page_view *view, struct text *out);

/* The badge of a target, as SVG. */
void page_write_badge(const struct target *t, const struct target_result *result, struct text *out);

#endif
