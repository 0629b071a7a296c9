/*
 * The log of every program: one line an event on stderr,
 *
 *   time=2026-01-02T03:04:05.678Z process=dataplane level=info event=ready workers=2 crypto=ipsec-mb
 *
 * at most so many a second of one event name; what was held back is told with the next line. Values are
 * numbers, addresses and words of ours, never a token, a key or the text of a message. Any thread may write.
 * Until log_limit says otherwise, what is less than info is not written.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_LOG_H
#define VOXPOP_LOG_H

#include <stdbool.h>
#include <stdint.h>

#define LOG_TEXT_MAX 512

enum log_level { LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG };

/* The name that stands behind process=. Kept, not copied. */
void log_process(const char *name);

/* log.level and log.lines_per_second: the least important level that is written, and lines of one event name.
 */
void log_limit(enum log_level least, uint32_t lines_per_second);

/* log_event(LOG_INFO, "session_open", "session=%u", …). A control character among what `format` makes becomes
 * a space. */
void log_event(enum log_level level, const char *event, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

struct log_text {
    char text[LOG_TEXT_MAX];
};

/* log_text(why).text is `why` as a value of the line: in quotes where a reader could mistake its end. Too
 * long a one is cut. */
struct log_text log_text(const char *value);

/* Whether a line of `event` may be written now; counts those that may not. `suppressed` is told and reset
 * with the first that may again. Apart for tests. */
bool log_admit(const char *event, uint64_t now_ms, uint32_t *suppressed);

#endif
