/*
 * A client of the replay tests, on frames and virtual time: our own TCP, a handshake by OpenSSL, our record
 * layer from the other side, WebSocket text and voice.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_PARTICIPANT_H
#define VOXPOP_PARTICIPANT_H

#include "dataplane/net/net.h"
#include "dataplane/tcp/tcp.h"
#include "dataplane/tls/handshake.h"
#include "room.h"

#define STREAM_MAX  (64u << 10)
#define TCP_PORT_OF 50000u /* + index */
#define VOICE_PORT  6000u  /* + index */
#define SSRC_OF     1000u  /* + index */
#define BLOCKS      32u

extern const uint8_t client_ip[16], server_ip[16];
extern const uint8_t client_mac[6], server_mac[6];

struct participant {
    uint32_t index;
    struct tcp_conn tcp;
    struct tcp_config config;
    struct {
        struct pool pool;
        struct block block[BLOCKS];
    } blocks;
    struct tls_handshake *handshake; /* until it is done */
    struct tls_conn tls;
    uint8_t sent[STREAM_MAX]; /* what it sends, sealed */
    uint32_t sent_length, sent_offered;
    uint8_t wire[STREAM_MAX]; /* what arrived, by position */
    uint32_t opened;
    uint8_t text[STREAM_MAX]; /* of it, opened */
    uint32_t text_length;
    uint32_t voice_sent;
    uint16_t voice_port; /* where its room is */
    enum voice_mode mode;
};

/* Begins to connect. */
void participant_start(struct participant *c, uint32_t index, struct tls_client *tls, uint64_t now_us);
void participant_end(struct participant *c);

/* Queues application data; a text frame. */
void participant_say(struct participant *c, const void *data, size_t len);
void participant_say_text(struct participant *c, const char *text);

/* The next frame it sends, or 0. */
size_t participant_next(struct participant *c, uint8_t *frame, size_t room, uint64_t now_us);

void participant_frame(struct participant *c, const uint8_t *frame, size_t len, uint64_t now_us);
void participant_timer(struct participant *c, uint64_t now_us);

/* Whether it was told this. */
bool participant_heard(const struct participant *c, const char *text);

/* The key of a member, and the next voice packet sealed with it: "frame INDEX NUMBER". */
void voice_key(uint32_t index, uint8_t key[32]);
size_t participant_talk(struct participant *c, uint8_t *frame);

#endif
