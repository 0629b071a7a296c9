/*
 * The files of page/, carried in the program (embed.py makes the table).
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_NOC_PAGE_H
#define VOXPOP_NOC_PAGE_H

#include <stddef.h>

struct page_file {
    const char *path; /* NULL: the end */
    const char *type;
    const unsigned char *body;
    size_t length;
};

extern const struct page_file page_files[];

#endif
