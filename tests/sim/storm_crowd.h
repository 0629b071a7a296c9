/*
 * Gateway clients by the ten thousand for the worker simulation, each no more than what it needs to have a
 * session and to lose it: TCP without loss, TLS under the simulation's secrets, WebSocket, and of the gateway
 * hello, identify or resume, heartbeats, what "later" means, and a close look at what it is told: numbers
 * without a gap, and messages ("storm 17") in order, each once.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_STORM_CROWD_H
#define VOXPOP_STORM_CROWD_H

#include "sim_box.h"

#define CROWD_MAX       10240u
#define CROWD_TOKEN_MAX 96u

enum crowd_stage { CROWD_AWAY, CROWD_CONNECTING, CROWD_UPGRADING, CROWD_OPEN };

struct crowd_client {
    struct tls_conn tls;
    uint8_t stage;   /* enum crowd_stage */
    bool comes_back; /* away, and connects at retry_us */
    bool ready;      /* READY or RESUMED came on this connection */
    bool owes_ack;
    bool beat_is_out; /* a heartbeat that is not answered yet */
    uint16_t port;    /* grows with each connection */
    uint16_t tries;   /* of this connection's first packets */
    uint32_t iss, seq, una, ack;
    uint64_t retry_us;
    uint64_t beat_us;
    const char *token;
    char session_id[33];    /* "": none yet */
    uint32_t last_s;        /* number of the last event */
    uint32_t messages;      /* number of the next message */
    uint32_t guilds;        /* heard of on this session */
    uint16_t close_code;    /* of the last Close frame */
    uint32_t carry, length; /* bytes of a record, and of a frame, that are not whole */
    uint8_t record[2048];
    uint8_t frame[8192];
};

struct crowd {
    struct sim *sim;
    struct crowd_client *client; /* CROWD_MAX */
    uint32_t count;
    uint64_t late_us; /* a heartbeat's answer came after so long, the longest */
    uint32_t beats, resumed, identified;
    uint32_t later;  /* op 7 */
    uint32_t lost;   /* op 9 */
    uint32_t closes; /* Close frames */
    uint32_t resets; /* by the box */
};

void crowd_open(struct crowd *c, struct sim *s, uint32_t count);
void crowd_close(struct crowd *c);

/* It connects at `at_us`, again and again until it is through, as a kernel does: after 1, 2, 4 s more. */
void crowd_come(struct crowd *c, uint32_t k, uint64_t at_us);
/* Its connection is gone, by a RST. */
void crowd_drop(struct crowd *c, uint32_t k);
/* It is gone without a word. */
void crowd_vanish(struct crowd *c, uint32_t k);
void crowd_beat(struct crowd *c, uint32_t k);

/* Before sim_work: who is to connect does, what is owed is acknowledged. */
void crowd_act(struct crowd *c);
/* Behind it: what came is looked at. */
void crowd_hear(struct crowd *c);

#endif
