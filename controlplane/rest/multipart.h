/*
 * multipart/form-data (RFC 7578, RFC 2046 5.1.1), as clients upload files: a body cut into its parts, in
 * place. Pure: bytes in, views of them out. Refuses what is not whole, more than MULTIPART_PARTS_MAX parts,
 * and heads of parts over MULTIPART_HEAD_MAX bytes.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_REST_MULTIPART_H
#define VOXPOP_REST_MULTIPART_H

#include <stdbool.h>
#include <stddef.h>

#define MULTIPART_PARTS_MAX 16
#define MULTIPART_HEAD_MAX  4096
#define MULTIPART_TEXT_MAX  256 /* of a name, with its end */

struct multipart_part {
    char name[MULTIPART_TEXT_MAX];
    char filename[MULTIPART_TEXT_MAX]; /* as sent, "" when the part is no file */
    char type[MULTIPART_TEXT_MAX];     /* Content-Type, "" when there is none */
    bool file;
    const char *data; /* in the body */
    size_t length;
};

/* The boundary of a Content-Type; false: it is no multipart/form-data, or has none. */
bool multipart_boundary(const char *content_type, size_t length, char boundary[72]);

/* Number of parts, or -1: the body is broken. */
int multipart_parse(const char *body, size_t length, const char *boundary,
                    struct multipart_part parts[MULTIPART_PARTS_MAX]);

#endif
