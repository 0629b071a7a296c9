/*
 * Compressing events; see deflate.h.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/events/deflate.h"

#include <stdlib.h>
#include <zlib.h>

#define LEVEL      6
#define FLUSH_ROOM 16u /* what a sync flush adds, at most */

struct deflater {
    z_stream stream;
    struct {
        uint8_t *bytes;
        size_t room;
    } out[DEFLATER_TEXTS];
};

struct deflater *deflater_open(void)
{
    struct deflater *d = calloc(1, sizeof *d);
    if (!d ||
        deflateInit2(&d->stream, LEVEL, Z_DEFLATED, -MAX_WBITS, MAX_MEM_LEVEL, Z_DEFAULT_STRATEGY) != Z_OK)
        abort();
    return d;
}

void deflater_close(struct deflater *d)
{
    if (!d)
        return;
    deflateEnd(&d->stream);
    for (unsigned i = 0; i < DEFLATER_TEXTS; i++)
        free(d->out[i].bytes);
    free(d);
}

static void make_room(struct deflater *d, unsigned at, size_t room)
{
    if (room <= d->out[at].room)
        return;
    free(d->out[at].bytes);
    d->out[at].room = room;
    if (!(d->out[at].bytes = malloc(room)))
        abort();
}

struct deflated deflater_text(struct deflater *d, unsigned at, const char *text, size_t length, size_t max)
{
    size_t room = deflateBound(&d->stream, length) + FLUSH_ROOM;
    make_room(d, at, room);
    deflateReset(&d->stream);
    d->stream.next_in = (Bytef *)(uintptr_t)text;
    d->stream.avail_in = (uInt)length;
    d->stream.next_out = d->out[at].bytes;
    d->stream.avail_out = (uInt)room;
    int result = deflate(&d->stream, Z_SYNC_FLUSH);
    size_t deflated = room - d->stream.avail_out;
    if (result != Z_OK || d->stream.avail_in || !d->stream.avail_out || deflated > max)
        return (struct deflated){0};
    return (struct deflated){.bytes = d->out[at].bytes,
                             .length = deflated,
                             .check = (uint32_t)adler32(1, (const Bytef *)text, (uInt)length)};
}
