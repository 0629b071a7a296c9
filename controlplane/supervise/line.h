/*
 * The supervisor's log: one key=value line an event on stderr.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_SUPERVISE_LINE_H
#define VOXPOP_SUPERVISE_LINE_H

/* Writes "time=… process=supervise level=… event=…" and what `format` adds, in one write(2). */
void line(const char *level, const char *event, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
