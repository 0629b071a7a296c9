/*
 * The log's lines and their rate limit; see log.h.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LOG_LINE_MAX 1024
#define LOG_NAMES    64 /* event names that are limited apart; the rest share the last slot */

struct log_slot {
    char name[32];
    uint64_t second;
    uint32_t lines;
    uint32_t suppressed;
};

static struct log_slot log_slots[LOG_NAMES];
static const char *log_name = "controlplane";

void log_process(const char *name)
{
    log_name = name;
}

static struct log_slot *log_slot_of(const char *event)
{
    for (int i = 0; i < LOG_NAMES - 1; i++) {
        if (!log_slots[i].name[0])
            snprintf(log_slots[i].name, sizeof log_slots[i].name, "%s", event);
        if (strncmp(log_slots[i].name, event, sizeof log_slots[i].name - 1) == 0)
            return &log_slots[i];
    }
    return &log_slots[LOG_NAMES - 1];
}

int log_admit(const char *event, uint64_t now_ms, uint32_t *suppressed)
{
    struct log_slot *s = log_slot_of(event);
    if (s->second != now_ms / 1000) {
        s->second = now_ms / 1000;
        s->lines = 0;
    }
    if (++s->lines > LOG_LINES_PER_SECOND) {
        s->suppressed++;
        return 0;
    }
    *suppressed = s->suppressed;
    s->suppressed = 0;
    return 1;
}

void log_event(const char *event, const char *format, ...)
{
    char line[LOG_LINE_MAX];
    struct timespec ts;
    uint32_t suppressed;
    clock_gettime(CLOCK_REALTIME, &ts);
    if (!log_admit(event, (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000, &suppressed))
        return;
    int n = snprintf(line, sizeof line, "ts=%lld.%03ld process=%s event=%s ", (long long)ts.tv_sec,
                     ts.tv_nsec / 1000000, log_name, event);
    va_list args;
    va_start(args, format);
    n += vsnprintf(line + n, sizeof line - (size_t)n, format, args);
    va_end(args);
    if (n > (int)sizeof line - 32)
        n = (int)sizeof line - 32;
    if (suppressed)
        n += snprintf(line + n, sizeof line - (size_t)n, " suppressed=%u", suppressed);
    line[n++] = '\n';
    /* One write a line, so that lines of several processes on one terminal do not mix. */
    if (write(STDERR_FILENO, line, (size_t)n) < 0)
        return; /* nobody reads the log: nothing can be said about it */
}
