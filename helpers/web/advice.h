/* advice.h - what an operator may do about a check that did not go all the way. */
#ifndef ADVICE_H
#define ADVICE_H

#include "target.h"
#include "util.h"

/* Write a sentence or two to says, and commands, a line each, to commands; app is the name of this
 * app. Nothing is written where nothing is wrong. */
void advice_give(const struct target *t, const struct target_result *result, const char *app,
                 struct text *says, struct text *commands);

#endif
