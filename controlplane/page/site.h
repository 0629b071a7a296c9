/*
 * The page that a browser finds at `/` of the box: chat, presence and voice. Its files (site/) are carried in
 * the program as they are: there is no build step, and nothing else is served.
 *
 * Refuses to be more than it is: the policy that goes with every file lets nothing in but these files and
 * connections to the box itself.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_SITE_H
#define VOXPOP_SITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "controlplane/protocol/json_out.h"

struct site_file {
    const char *path; /* NULL: the end */
    const char *type;
    const unsigned char *body;
    size_t length;
};

extern const struct site_file site_files[]; /* made by embed.py */

/* The file at this path, or NULL. */
const struct site_file *site_find(const char *path, size_t length);

/* The whole HTTP/1.1 response with it, into `out`. */
void site_reply(struct json_out *out, const struct site_file *f, int64_t now_ms, bool keep_alive);

#endif
