/*
 * A client of the worker simulation that may behave badly: our own TCP and record layer from the other side,
 * under secrets that both ends know from the start. It can stop reading, answer nothing, and vanish.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_SIM_CLIENT_H
#define VOXPOP_SIM_CLIENT_H

#include "dataplane/net/net.h"
#include "dataplane/tcp/tcp.h"
#include "dataplane/tls/record.h"

#define SIM_STREAM_MAX (512u << 10)
#define SIM_BLOCKS     600u
#define SIM_TEXT_MAX   65536u
#define SIM_ALERT_NONE 256u

struct sim_client {
    struct tcp_conn tcp;
    struct tcp_config config;
    struct {
        struct pool pool;
        struct block block[SIM_BLOCKS];
    } blocks;
    struct tls_conn tls;
    uint8_t sent[SIM_STREAM_MAX];
    uint32_t sent_length, sent_offered;
    uint64_t heard;             /* bytes of application data */
    uint8_t text[SIM_TEXT_MAX]; /* the first of them */
    uint32_t longest;           /* bytes of content of one record */
    uint16_t heard_alert;       /* description of the last alert; SIM_ALERT_NONE: none */
    bool upgraded;
    bool reads;     /* what arrives is taken from TCP */
    bool deaf;      /* frames to it are lost */
    bool thankless; /* of them those that carry something */
    bool silent;    /* it answers nothing: its ACKs wait */
};

extern const uint8_t sim_client_ip[16], sim_server_ip[16];
extern const uint8_t sim_client_mac[6], sim_server_mac[6];

/* The secrets that every connection of the simulation has, and what they are for: TLS_AES_128_GCM_SHA256
 * unless said. */
void sim_secrets(struct tls_secrets *s);
void sim_secrets_for(uint16_t suite, uint16_t record_limit);

/* Connects from `port`; a record that passes for a ClientHello goes first. */
void sim_client_start(struct sim_client *c, uint16_t port, uint32_t iss, uint64_t now_us);

/* Queues a record. False: its stream is at its end. */
bool sim_client_record(struct sim_client *c, enum tls_content type, const void *data, size_t len);

/* A WebSocket frame appended at `to`; returns its length. */
size_t sim_frame(uint8_t *to, uint8_t opcode, bool fin, const void *data, size_t len);

void sim_client_frame(struct sim_client *c, const struct tcp_segment *s, uint64_t now_us);
size_t sim_client_next(struct sim_client *c, uint8_t *frame, size_t room, uint64_t now_us);
void sim_client_read(struct sim_client *c);
void sim_client_timer(struct sim_client *c, uint64_t now_us);

#endif
