/*
 * What the files of the herd share and nobody else sees.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_LOAD_HERD_INTERNAL_H
#define VOXPOP_LOAD_HERD_INTERNAL_H

#include "herd.h"

/* The upgrade of every client has the same key, so that the answer is known (RFC 6455 1.3). */
#define HERD_WS_KEY "dGhlIHNhbXBsZSBub25jZQ=="

static inline uint32_t herd_index(const struct herd *h, const struct herd_client *c)
{
    return (uint32_t)(c - h->client);
}

static inline uint64_t herd_handle(const struct herd *h, const struct herd_client *c)
{
    return (uint64_t)c->life << 32 | herd_index(h, c);
}

uint64_t herd_draw(struct herd *h);
struct tcp_env herd_env(struct herd *h, struct herd_client *c);

/* herd.c: sends what is to be sent, sets the timer; ends its life when TCP is through with it. */
void herd_output(struct herd *h, struct herd_client *c);
void herd_is_open(struct herd *h, struct herd_client *c);

/* herd_link.c: frames. */
unsigned herd_receive(struct herd *h);
void herd_emit(struct herd *h, const struct tcp_plan *p, struct herd_client *c);
void herd_flush(struct herd *h);

/* herd_stream.c: bytes. */
void herd_begin_tls(struct herd *h, struct herd_client *c);
void herd_read(struct herd *h, struct herd_client *c, const struct tcp_out *out);
size_t herd_extend(void *stream, size_t room);
size_t herd_fill(void *stream, uint64_t pos, uint8_t *dst, size_t len);
void herd_acked(struct herd_client *c);
void herd_say(struct herd *h, struct herd_client *c, const uint8_t *text, size_t length);
void herd_forget(struct herd *h, struct herd_client *c);

#endif
