/*
 * ISO 8601 (RFC 3339) to milliseconds.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/protocol/timestamp.h"

#include <stddef.h>
#include <stdio.h>
#include <time.h>

/* ".789000" to milliseconds; moves on. */
static int fraction_ms(const char **at)
{
    int ms = 0, digits = 0;
    if (**at != '.')
        return 0;
    for ((*at)++; **at >= '0' && **at <= '9'; (*at)++, digits++)
        if (digits < 3)
            ms = ms * 10 + (**at - '0');
    for (; digits < 3; digits++)
        ms *= 10;
    return ms;
}

/* "Z" or "+hh:mm", to the end of the text. */
static bool offset_minutes(const char *at, int *minutes)
{
    int hours, rest, used = 0;
    *minutes = 0;
    if (*at == 'Z')
        return at[1] == 0;
    if ((*at != '+' && *at != '-') || sscanf(at + 1, "%2d:%2d%n", &hours, &rest, &used) != 2 || at[1 + used])
        return false;
    *minutes = (hours * 60 + rest) * (*at == '-' ? -1 : 1);
    return hours >= 0 && hours < 24 && rest >= 0 && rest < 60;
}

bool timestamp_parse(const char *text, int64_t *unix_ms)
{
    struct tm t = {0};
    int used = 0, minutes;
    if (sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d%n", &t.tm_year, &t.tm_mon, &t.tm_mday, &t.tm_hour, &t.tm_min,
               &t.tm_sec, &used) != 6)
        return false;
    if (t.tm_year < 1970 || t.tm_mon < 1 || t.tm_mon > 12 || t.tm_mday < 1 || t.tm_mday > 31 ||
        t.tm_hour < 0 || t.tm_hour > 23 || t.tm_min < 0 || t.tm_min > 59 || t.tm_sec < 0 || t.tm_sec > 60)
        return false;
    const char *at = text + used;
    int ms = fraction_ms(&at);
    if (!offset_minutes(at, &minutes))
        return false;
    t.tm_year -= 1900;
    t.tm_mon -= 1;
    *unix_ms = ((int64_t)timegm(&t) - minutes * 60) * 1000 + ms;
    return true;
}
