/*
 * The log's lines and their rate limit; see log.h.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "config/log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LINE_MAX_BYTES 1024
#define TAIL_BYTES     32 /* kept free for suppressed= and the end of the line */
#define NAMES          64 /* event names that are limited apart; the rest share the last slot */

struct slot {
    char name[32];
    uint64_t second;
    uint32_t lines;
    uint32_t suppressed;
};

static struct {
    pthread_mutex_t lock;
    struct slot slot[NAMES];
    const char *process;
    enum log_level least;
    uint32_t lines_per_second;
} state = {.lock = PTHREAD_MUTEX_INITIALIZER, .process = "voxpop", .least = LOG_INFO, .lines_per_second = 20};

void log_process(const char *name)
{
    pthread_mutex_lock(&state.lock);
    state.process = name;
    pthread_mutex_unlock(&state.lock);
}

void log_limit(enum log_level least, uint32_t lines_per_second)
{
    pthread_mutex_lock(&state.lock);
    state.least = least;
    state.lines_per_second = lines_per_second;
    pthread_mutex_unlock(&state.lock);
}

static struct slot *slot_of(const char *event)
{
    for (int i = 0; i < NAMES - 1; i++) {
        struct slot *s = &state.slot[i];
        if (!s->name[0])
            snprintf(s->name, sizeof s->name, "%s", event);
        if (strncmp(s->name, event, sizeof s->name - 1) == 0)
            return s;
    }
    return &state.slot[NAMES - 1];
}

static bool admit(const char *event, uint64_t now_ms, uint32_t *suppressed)
{
    struct slot *s = slot_of(event);
    if (s->second != now_ms / 1000) {
        s->second = now_ms / 1000;
        s->lines = 0;
    }
    if (++s->lines > state.lines_per_second) {
        s->suppressed++;
        return false;
    }
    *suppressed = s->suppressed;
    s->suppressed = 0;
    return true;
}

bool log_admit(const char *event, uint64_t now_ms, uint32_t *suppressed)
{
    pthread_mutex_lock(&state.lock);
    bool admitted = admit(event, now_ms, suppressed);
    pthread_mutex_unlock(&state.lock);
    return admitted;
}

struct log_text log_text(const char *value)
{
    struct log_text out;
    size_t n = 0;
    if (*value && !strpbrk(value, " =\"\\\t\n")) {
        snprintf(out.text, sizeof out.text, "%s", value);
        return out;
    }
    out.text[n++] = '"';
    for (; *value && n < sizeof out.text - 3; value++) {
        if (*value == '"' || *value == '\\')
            out.text[n++] = '\\';
        out.text[n++] = *value;
    }
    out.text[n++] = '"';
    out.text[n] = 0;
    return out;
}

/* `time=… process=… level=… event=…`, and its length. */
static size_t write_head(char *line, const struct timespec *now, enum log_level level, const char *event)
{
    static const char *const level_name[] = {
        [LOG_ERROR] = "error", [LOG_WARNING] = "warning", [LOG_INFO] = "info", [LOG_DEBUG] = "debug"};
    char stamp[32];
    struct tm utc;
    gmtime_r(&now->tv_sec, &utc);
    strftime(stamp, sizeof stamp, "%FT%T", &utc);
    return (size_t)snprintf(line, LINE_MAX_BYTES / 2, "time=%s.%03ldZ process=%.32s level=%s event=%.64s",
                            stamp, now->tv_nsec / 1000000, state.process, level_name[level], event);
}

static size_t write_values(char *line, size_t room, const char *format, va_list args)
{
    line[0] = ' ';
    int n = vsnprintf(line + 1, room - 1, format, args);
    size_t length = n < 0 ? 0 : (size_t)n < room - 1 ? (size_t)n : room - 2;
    for (size_t i = 1; i <= length; i++)
        if ((unsigned char)line[i] < ' ')
            line[i] = ' ';
    return length + 1;
}

void log_event(enum log_level level, const char *event, const char *format, ...)
{
    char line[LINE_MAX_BYTES];
    struct timespec now;
    uint32_t suppressed;
    va_list args;
    clock_gettime(CLOCK_REALTIME, &now);
    pthread_mutex_lock(&state.lock);
    if (level <= state.least &&
        admit(event, (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000, &suppressed)) {
        size_t n = write_head(line, &now, level, event);
        va_start(args, format);
        n += write_values(line + n, sizeof line - TAIL_BYTES - n, format, args);
        va_end(args);
        if (suppressed)
            n += (size_t)snprintf(line + n, TAIL_BYTES - 1, " suppressed=%u", suppressed);
        line[n++] = '\n';
        /* One write a line, so that lines of several processes on one terminal do not mix. */
        ssize_t written = write(STDERR_FILENO, line, n);
        (void)written; /* nobody reads the log: nothing can be said about it */
    }
    pthread_mutex_unlock(&state.lock);
}
