/* reply.c - see reply.h. */
#include "reply.h"

void reply_add(struct text *out, const struct dbfault *fault)
{
    if (!fault) {
        text_add_string(out, "DB is available\n");
        return;
    }
    text_add_string(out, "DB is not available. Error: ");
    dbfault_print(fault, out);
    text_add_char(out, '\n');
}
