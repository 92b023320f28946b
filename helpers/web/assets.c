/* assets.c - see assets.h. */
#include "assets.h"

/* The assembler reads the file, and counts it; its path is seen from helpers/, where make works. */
#define ASSET(name, file)                                                                   \
    __asm__(".pushsection .rodata\n" #name "_octets: .incbin \"web/page/" file "\"\n" #name \
            "_end: .balign 8\n" #name "_len: .quad " #name "_end - " #name                  \
            "_octets\n.popsection\n");                                                      \
    extern const char name##_octets[];                                                      \
    extern const uint64_t name##_len;                                                       \
    struct slice asset_##name(void)                                                         \
    {                                                                                       \
        return (struct slice){name##_octets, name##_len};                                   \
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
