/* report.h - results for programs: JSON, and Prometheus text. */
#ifndef REPORT_H
#define REPORT_H

#include "target.h"
#include "util.h"

/* The status that web answers a result with. */
unsigned report_status(enum target_state state);

/* One result as a line of text, behind the target's name where there are several. */
void report_line(const struct target *t, const struct target_result *result, bool named,
                 struct text *out);

/* One result as a JSON object. */
void report_result(const struct target *t, const struct target_result *result, struct text *out);

/* What is remembered about targets, as a JSON document. */
void report_history(const struct target *targets, unsigned count, uint64_t now_ms,
                    struct text *out);

/* Counts and states of targets as metrics. */
void report_metrics(const struct target *targets, unsigned count, struct text *out);

#endif
