/*
 * The herd: WebSocket clients by the million, on the dataplane's own TCP and TLS. Each has an address and a
 * port of its own in 198.19.0.0/16, shakes hands by OpenSSL in memory, upgrades, and from then on costs its
 * TCP and TLS state alone: its records are ours.
 *
 *   IDLE -> CONNECTING -> SHAKING -> UPGRADING -> OPEN -> (closed, or dead) -> IDLE
 *
 * Owns: the clients, their timers, who opens next, what is unacknowledged, and how long everything took.
 * Verifies: the handshake (with a CA, the certificate too), the answer to the upgrade, TCP and IP checksums
 * and every record that it opens, WebSocket framing. A record may be passed over unopened: then its length
 * must be the one that its receiver expects next, and its number counts. Anything wrong ends the run
 * (herd.wrong). Not verified: certificates, when no CA is given.
 *
 * A client's place follows from its address and port, so that nothing has to be looked up; each life of a
 * client has another port, and what still comes for an earlier one is ignored, as by a host that is gone.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_LOAD_HERD_H
#define VOXPOP_LOAD_HERD_H

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/base/wheel.h"
#include "dataplane/port/port.h"
#include "dataplane/tcp/tcp.h"
#include "dataplane/tls/handshake.h"
#include "dataplane/tls/key_cache.h"
#include "histogram.h"
#include "ws_conn.h"

#define HERD_MAX       (1u << 21)
#define HERD_TEXT_MAX  4096u /* bytes of a message, to us or from us */
#define HERD_CARRY_MAX 160u
#define HERD_ADDRESSES 65024u /* 198.19.1.0 … 198.19.254.255 */

enum herd_stage { HERD_IDLE, HERD_CONNECTING, HERD_SHAKING, HERD_UPGRADING, HERD_OPEN };

enum herd_flag {
    HERD_SLOW = 1,  /* reads nothing any more */
    HERD_BOUND = 2, /* its owner's: it has a session */
};

/* On the heap while it is needed. */
struct herd_rest {
    uint32_t carry; /* bytes of a frame that is not whole, at the front */
    uint32_t text;  /* bytes of the message so far, behind HERD_CARRY_MAX */
    uint8_t bytes[];
};

struct herd_client {
    struct tcp_conn tcp;
    struct tls_conn tls;
    struct ws_conn ws;
    struct tls_handshake *shaking; /* while it does */
    uint8_t *out;                  /* bytes from stream position `out_at` on that are not acknowledged */
    struct herd_rest *rest;        /* of a message that is not whole yet */
    uint64_t out_at;
    uint32_t out_length;
    uint32_t heard;        /* its owner's: events it got, which its heartbeats tell */
    uint64_t asked_us;     /* when it began to open, or sent its last heartbeat */
    uint64_t heartbeat_us; /* when it sends the next; UINT64_MAX: never */
    uint8_t stage;         /* enum herd_stage */
    uint8_t life;
    uint8_t flags; /* enum herd_flag */
    uint8_t owed;  /* heartbeats that were not answered yet */
};

struct herd_config {
    uint32_t count;
    const char *ca;        /* NULL: certificates are not verified */
    const char *target;    /* of the upgrade request, such as /?v=10&encoding=json */
    const uint8_t *server; /* its address, 16 bytes */
    uint16_t server_port;
    uint32_t window;       /* that open at a time, at most */
    double rate;           /* that begin to open a second; 0: whenever nothing else is to be done */
    bool resume;           /* all but the first by its ticket */
    uint64_t heartbeat_us; /* 0: none is sent by itself */
    uint32_t rto_max_us;   /* of its TCP; 0: as usual */
    uint64_t seed;
    void *user;
    /* A client is open. */
    void (*opened)(void *user, uint32_t client);
    /* A whole text message, opened. False: it is wrong. */
    bool (*text)(void *user, uint32_t client, const uint8_t *text, size_t length);
    /* Its heartbeat was answered. Or NULL. */
    void (*answered)(void *user, uint32_t client);
    /* Length of the record that may be passed over if it comes next; 0: none may. NULL: all are opened. */
    uint32_t (*expects)(void *user, uint32_t client);
    /* It came. */
    void (*passed)(void *user, uint32_t client);
};

struct herd {
    struct herd_config config;
    struct herd_client *client;
    struct wheel *timers;
    struct pool *blocks;
    struct tcp_config tcp;
    struct tcp_counters tcp_counters;
    struct tls_client *tls;
    struct tls_client_session *session; /* the ticket that all resume by */
    struct tls_key_cache *keys;
    struct port_queue *port;
    uint8_t mac[6], next_hop[6];
    bool have_next_hop;
    uint32_t addresses, ports; /* so many addresses with so many ports each, of each life */
    uint32_t want;             /* clients [0, want) are to be open */
    uint32_t next;             /* the first that never was */
    uint32_t *again;           /* clients to be opened again, a circle of `count` */
    uint32_t again_first, again_count;
    uint32_t opening, open;
    uint64_t now_us, began_us;
    double allowance; /* openings that the rate allows now */
    uint64_t allowance_us;
    uint64_t random;
    struct packet out[PORT_BURST_MAX]; /* [0, out_count) are to be sent, [out_count, out_room) are empty */
    unsigned out_count, out_room;
    /* what happened */
    uint64_t opened, resumed, lost, refused, died, records, records_opened, heartbeats, answers, unanswered;
    uint64_t received, sent, not_taken; /* frames */
    struct histogram opening_us, answer_us;
    char wrong[160]; /* the first thing that was wrong; empty: nothing */
    /* of the one record at work */
    uint8_t record[TLS_RECORD_MAX + 64], plain[TLS_RECORD_MAX + 64];
};

/* False, with a line on stderr: no memory, or TLS cannot be set up. */
bool herd_make(struct herd *h, const struct herd_config *config, struct port_queue *port);
void herd_free(struct herd *h);

/* Finds out who answers for the server's address. False: nobody. */
bool herd_meet(struct herd *h);

/* One iteration: takes what came, serves timers, opens more, sends. Returns how much there was to do. */
unsigned herd_step(struct herd *h, uint64_t now_us);

/* So many clients are to be open from now on (those beyond are left as they are). */
void herd_want(struct herd *h, uint32_t clients);

/* Sends a text message on an open client. */
void herd_send(struct herd *h, uint32_t client, const char *text, size_t length);
/* A heartbeat that was due at `due_us`: its answer is timed from there. */
void herd_heartbeat(struct herd *h, uint32_t client, uint64_t due_us);

/* Dies without a word, or with a RST. `again`: opens anew, in a new life, as its turn comes. */
void herd_die(struct herd *h, uint32_t client, bool again);
void herd_reset(struct herd *h, uint32_t client, bool again);

/* A client by its address and port; UINT32_MAX: nobody, or an earlier life. */
uint32_t herd_find(const struct herd *h, const uint8_t ip[16], uint16_t port);

/* Notes what is wrong, if nothing was yet. */
void herd_wrong(struct herd *h, uint32_t client, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
