/*
 * multipart/form-data: the first line is the Content-Type, the rest the body. Parts lie within the body, in
 * order, and none of them holds the delimiter.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/rest/multipart.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(x)                                                                                             \
    do {                                                                                                     \
        if (!(x))                                                                                            \
            abort();                                                                                         \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct multipart_part parts[MULTIPART_PARTS_MAX];
    const char *text = (const char *)data, *line = memchr(text, '\n', size);
    char boundary[72], delimiter[80];
    if (!line || !multipart_boundary(text, (size_t)(line - text), boundary))
        return 0;
    CHECK(*boundary && strlen(boundary) <= 70);
    size_t length = size - (size_t)(line + 1 - text);
    char *body = malloc(length ? length : 1); /* exactly as long, so that a read beyond it is seen */
    memcpy(body, line + 1, length);
    snprintf(delimiter, sizeof delimiter, "\r\n--%s", boundary);
    const char *at = body;
    int n = multipart_parse(body, length, boundary, parts);
    CHECK(n >= -1 && n <= MULTIPART_PARTS_MAX);
    for (int i = 0; i < n; i++) {
        const struct multipart_part *p = &parts[i];
        CHECK(p->data >= at && p->data + p->length <= body + length && *p->name);
        CHECK(strlen(p->name) < MULTIPART_TEXT_MAX && strlen(p->filename) < MULTIPART_TEXT_MAX);
        CHECK(!memmem(p->data, p->length, delimiter, strlen(delimiter)));
        at = p->data + p->length;
    }
    free(body);
    return 0;
}
