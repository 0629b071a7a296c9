/*
 * The supervisor's log; see line.h.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/supervise/line.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

void line(const char *level, const char *event, const char *format, ...)
{
    char text[1024], stamp[32];
    struct timespec now;
    struct tm utc;
    va_list args;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    strftime(stamp, sizeof stamp, "%FT%T", &utc);
    int n = snprintf(text, sizeof text, "time=%s.%03ldZ process=supervise level=%s event=%s%s", stamp,
                     now.tv_nsec / 1000000, level, event, *format ? " " : "");
    va_start(args, format);
    n += vsnprintf(text + n, sizeof text - (size_t)n, format, args);
    va_end(args);
    size_t length = (size_t)n < sizeof text - 1 ? (size_t)n : sizeof text - 2;
    text[length] = '\n';
    ssize_t written = write(STDERR_FILENO, text, length + 1);
    (void)written; /* nobody to tell */
}
