/*
 * Checking a configuration file against the table of keys, before libcyaml fills the struct: libcyaml takes
 * "12abc" for 12 and "maybe" for true, knows no ranges, and names the wrong line for an unknown key.
 * Private to config/.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_CONFIG_CHECK_H
#define VOXPOP_CONFIG_CHECK_H

#include "config/config.h"

#define CHECK_KEYS_MAX 128

struct check {
    const char *name; /* of the file */
    char *why;        /* CONFIG_WHY_MAX bytes */
    size_t used;
    unsigned errors;
    bool empty;                    /* nothing but comments */
    unsigned line[CHECK_KEYS_MAX]; /* where each key of config_keys stands; 0: it is not there */
};

/* Walks the whole document; every mistake becomes a line of `why`. */
void check_document(struct check *ck, const char *text, size_t length);

/* Adds an error; line 0: none to name. */
void check_error(struct check *ck, unsigned line, const char *path, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#endif
