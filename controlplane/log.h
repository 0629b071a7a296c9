/*
 * The operator's log: one key=value line an event on stderr, rate-limited per event name. Never a token, a
 * key or the text of a message: values are numbers, addresses and words of ours. SPDX-License-Identifier:
 * Apache-2.0
 */
#ifndef VOXPOP_LOG_H
#define VOXPOP_LOG_H

#include <stdint.h>

#define LOG_LINES_PER_SECOND 20u /* of one event name; more are counted and told with the next line */

/* log_event("session_open", "session=%u user=%" PRIu64, ...) writes `ts=… process=controlplane
 * event=session_open session=…`. */
void log_event(const char *event, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The name that stands behind process=; "controlplane" until it is set. Kept, not copied. */
void log_process(const char *name);

/* Whether a line of `event` may be written now; counts those that may not. `suppressed` is told and reset
 * with the first that may again. Apart for tests. */
int log_admit(const char *event, uint64_t now_ms, uint32_t *suppressed);

#endif
