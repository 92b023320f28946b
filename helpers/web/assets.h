/* assets.h - the files of page/, held in the program. */
#ifndef ASSETS_H
#define ASSETS_H

#include <stdint.h>

#include "slice.h"

struct slice asset_page_html(void);
struct slice asset_page_css(void);
struct slice asset_page_js(void);
struct slice asset_icon_svg(void);

/* A number that changes with the contents of what the page loads (FNV-1a): it stands in the
 * addresses, so browsers may keep those for ever. */
uint64_t asset_digest(void);

#endif
