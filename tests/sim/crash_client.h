/*
 * The client of the crash harness: our own TCP and record layer from the other side, on frames and virtual time, with a memory for
 * every byte that it was ever sent. It lives in the process that is not killed.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_CRASH_CLIENT_H
#define VOXPOP_CRASH_CLIENT_H

#include "dataplane/net/net.h"
#include "dataplane/tcp/tcp.h"
#include "dataplane/tls/record.h"

#define CLIENT_STREAM_MAX (64u << 10)

struct client {
    struct tcp_conn tcp;
    struct tls_conn tls;
    uint8_t sent[CLIENT_STREAM_MAX]; /* the sealed stream that it sends */
    uint32_t sent_length;            /* bytes sealed */
    uint32_t sent_offered;           /* of them given to TCP */
    uint8_t wire[CLIENT_STREAM_MAX]; /* what arrived, by stream position */
    uint8_t wire_known[CLIENT_STREAM_MAX];
    uint8_t text[CLIENT_STREAM_MAX]; /* what it says, opened */
    uint32_t text_length;
    uint32_t opened;                 /* bytes of the stream that are opened */
    bool reset, ended; /* by a RST, by a FIN */
};

extern const uint8_t client_ip[16], server_ip[16];
extern const uint8_t client_mac[6], server_mac[6];

/* Before the first frame. */
void client_start(struct client *c, uint64_t now_us);

/* The same from a port and with an ISN of its choice. The clients of a program share their memory for text: one speaks at a time. */
void client_start_from(struct client *c, uint16_t port, uint32_t iss, uint64_t now_us);

/* Says that it has said everything. */
void client_close(struct client *c);

/* From here on both ends speak TLS under these secrets, as after a handshake. */
void client_keys(struct client *c, const struct tls_secrets *secrets);

/* Queues a record of application data. */
void client_say(struct client *c, const void *data, size_t len);

/* Queues bytes as they are, before there are keys. */
void client_say_plainly(struct client *c, const void *data, size_t len);

/* A WebSocket text frame. */
void client_say_text(struct client *c, const char *text);

/* Takes a frame. Fails the test when a byte of the stream differs from the one that was sent at its position before. */
void client_frame(struct client *c, const uint8_t *frame, size_t len, uint64_t now_us);

/* The next frame to send, or 0. */
size_t client_next(struct client *c, uint8_t *frame, size_t room, uint64_t now_us);

void client_timer(struct client *c, uint64_t now_us);

#endif
