/* assets.c - see assets.h. */
#include "assets.h"

/* The assembler reads the file; its path is seen from helpers/, where make works. */
#define ASSET(name, file)                                                                  \
    __asm__(".pushsection .rodata\n" #name "_start: .incbin \"web/page/" file "\"\n" #name \
            "_end:\n.popsection\n");                                                       \
    extern const char name##_start[], name##_end[];                                        \
    struct slice asset_##name(void)                                                        \
    {                                                                                      \
        return (struct slice){name##_start, (size_t)(name##_end - name##_start)};          \
    }

ASSET(page_html, "page.html")
ASSET(page_css, "page.css")
ASSET(page_js, "page.js")
ASSET(icon_svg, "icon.svg")

uint64_t asset_digest(void)
{
    const struct slice files[] = {asset_page_css(), asset_page_js()};
    uint64_t digest = 0xcbf29ce484222325;

    for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++)
        for (size_t at = 0; at < files[i].len; at++)
            digest = (digest ^ (unsigned char)files[i].at[at]) * 0x100000001b3;
    return digest;
}
