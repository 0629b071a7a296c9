/*
 * A worker: one poll loop on one pinned core, and everything that it owns. One iteration (worker_step) is one transaction over the
 * region: take a burst, let the cores change, write what is to be told and sent; commit; publish; only then seal and send.
 *
 *      rx -> net -> tcp -> tls -> http, ws -> notices        verbs -> items, session queues -> records -> plans
 *                \-> voice                                                            commit; seal; tx
 *
 * The parts, each a file: worker.c (the loop), demux.c (whose packet it is), listen.c (what has no connection), stack.c (a connection from its opening to its end), app.c and app_http.c
 * (WebSocket and HTTP on top), send.c (items and records), verbs.c (what the control plane wants), transmit.c (plans to packets).
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_WORKER_H
#define VOXPOP_WORKER_H

#include "dataplane/base/spsc.h"
#include "dataplane/base/wheel.h"
#include "dataplane/capture/recorder.h"
#include "dataplane/conn_table.h"
#include "dataplane/fanout/queue.h"
#include "dataplane/fanout/topics.h"
#include "dataplane/http/request.h"
#include "dataplane/net/net.h"
#include "dataplane/port/port.h"
#include "dataplane/tcp/opening.h"
#include "dataplane/tcp/tcp.h"
#include "dataplane/tls/handshake.h"
#include "dataplane/tls/key_cache.h"
#include "dataplane/voice/voice.h"
#include "dataplane/way.h"
#include "dataplane/webrtc/webrtc.h"
#include "region.h"
#include "verb.h"

#define WORKER_BURST        32u
#define WORKER_RECEIVE      256u  /* packets taken in one iteration, about */
#define WORKER_PLANS        512u
#define WORKER_VERBS        64u   /* taken from the ring `command` in one iteration */
#define WORKER_FANOUT_SLICE 256u  /* deliveries of walks in one iteration */
#define WORKER_TIMERS       64u
#define WORKER_SERVED       512u  /* connections that are given their turn in one iteration */
#define WORKER_VOICE_CUT    8u    /* while voice is forwarded, an iteration does so much less of everything else */
#define WORKER_VOICE_US     100000u /* since the last voice packet */
#define WORKER_UNDO_RESERVE (96u << 10) /* undo bytes that one packet, verb or timer may need */
#define WORKER_HELD         1024u
#define WORKER_HANDED       256u /* packets of other workers in one iteration */
#define WORKER_PATIENCE_US  20000u  /* that sealed voice waits for a port that takes nothing */
#define WORKER_BODY_MAX     (256u << 10)
#define LISTEN_CHALLENGES_PER_SECOND 1000u
#define WORKER_LINGER_US    2000000u /* for our last words to somebody who was too slow, or failed to shake hands */
#define WORKER_READER_BYTES 4096u
#define WORKER_UPLOAD_BYTES (64u << 10) /* of an upload must come in the time that a request has */
#define WORKER_ITEMS_MAX    256u  /* items waiting on one connection; more: a slow reader */

/* Constant facts, the same for all workers of a process. */
struct worker_config {
    struct net_addresses addresses;
    struct tcp_config tcp;
    struct voice_config voice;
    uint16_t tls_port;
    uint16_t voice_port_base;
    uint32_t heartbeat_interval_ms;
    uint32_t voice_heartbeat_interval_ms;
    uint32_t payload_max;      /* bytes of a gateway message */
    uint32_t body_max;         /* bytes of an HTTP request body, <= WORKER_BODY_MAX */
    uint32_t upload_max;       /* bytes of a body with files; below body_max: none is longer than that */
    uint64_t handshake_us;     /* TCP's handshake and a first TLS record must be done within; all of TLS's, three times */
    uint64_t head_us;          /* an HTTP request must be complete within */
    uint64_t keep_alive_us;    /* an HTTP connection may be idle */
    uint64_t answer_us;        /* the control plane must have answered an HTTP request within */
    uint64_t reader_us;        /* a peer with a closed window must take WORKER_READER_BYTES within */
    uint64_t close_us;         /* a closing connection may linger */
    uint32_t unsent_max;       /* event references */
    uint32_t keep_max;
    uint32_t syn_max;          /* connections in TLS handshake */
    bool echo;                 /* the conformance echo endpoint /echo */
    uint64_t echo_max;         /* bytes of its messages */
    bool spin;                 /* idle policy */
};

/* Generation of a session that has ended while events of its were in flight: no verb names it, no subscription finds it. */
#define SESSION_ENDED 0u

/* A segment to build and send after the commit. */
struct worker_plan {
    struct tcp_plan tcp;
    uint32_t connection;       /* index, UINT32_MAX: none (a RST) */
    uint32_t generation;
    uint32_t record;           /* where the fill begins to look, or POOL_NONE */
};

/* Who shakes hands for a worker: the helper thread, or (replay) a record of what it did. Functions as in tls/handshake.h. */
struct handshake_source {
    void *user;
    bool (*submit)(void *user, unsigned worker, uint64_t handle, bool first, const uint8_t *record, uint32_t len);
    void (*cancel)(void *user, unsigned worker, uint64_t handle);
    bool (*poll)(void *user, unsigned worker, struct tls_helper_result *out);
    bool lasting; /* handshakes under way go on although the worker is another */
};

struct worker {
    uint32_t index;
    const struct worker_config *config;
    struct region *region;
    struct worker_area *area;
    struct counters *counters;
    struct txn txn;
    bool open;                 /* a transaction is under way */
    struct pool *connections, *blocks, *records, *items;
    struct session *sessions;
    struct queue_env queues;
    struct topics topics;
    struct ring_end notice, command, fanout;
    struct ring_entry *walk;   /* the fan-out verb under way */
    struct route_tables *routes;
    struct route_neighbours *neighbours;
    unsigned route_half;
    struct handshake_source handshake; /* without functions: handshakes are refused */
    struct tls_key_cache *keys;
    struct voice *voice;
    struct webrtc *webrtc;     /* NULL: nobody shakes hands with peers, there are none */
    struct way *ways;          /* by member */
    struct way_epoch way_epoch;
    struct conn_table table;
    struct wheel *timers;
    struct tcp_counters tcp_counters;
    struct port_queue *port;
    struct port_info port_info;
    bool answers_link;         /* this worker answers ARP and neighbour solicitations */
    struct spsc *to_worker;    /* [workers]: packets handed to them; NULL with one worker */
    struct spsc **from_worker; /* [workers]: packets handed to us */
    bool handed;               /* the packet under way is one of those */
    struct capture_ring *capture;
    uint32_t capture_wanted;   /* as read at the start of the iteration */
    uint64_t received;         /* time stamp counter of the burst under way */
    struct recorder recorder;
    uint64_t now_us;
    uint64_t born_us;          /* nobody could be heard before; 0: this worker goes on for another (replay) */
    uint64_t unix_s;           /* set by the owner of the loop, before worker_step */
    uint32_t handshakes;       /* connections in TLS handshake */
    /* what has no connection yet, or no more (listen.c) */
    struct tcp_openings openings;
    struct wheel *opening_timers; /* by entry */
    struct tcp_waits waits;
    struct tcp_challenges challenges;
    struct net_budget wait_acks;
    struct net_budget link_news; /* to other workers (demux.c) */
    uint64_t reset_second;     /* RSTs to nobody's segments are limited per second */
    uint32_t resets;
    /* connections that wait for something other than a packet: output after a verb, or held-back input */
    uint32_t *ready; /* [connections], a circle */
    uint8_t *ready_mark;
    uint32_t ready_first, ready_count;
    uint32_t ahead[WORKER_BURST]; /* connections that packets of the burst are probably for: packet.tag is a
                                     place here, from 1 */
    struct worker_plan plans[WORKER_PLANS];
    unsigned plan_count;
    struct packet out[2 * WORKER_BURST]; /* answers made in place, sent after the commit */
    unsigned out_count;
    /* voice packets whose fan-out is not over */
    struct packet held[WORKER_HELD];
    struct packet *held_free[WORKER_HELD];
    unsigned held_free_count;
    /* sealed voice that the port's queue had no room for (transmit.c) */
    struct packet late[VOICE_BATCH];
    unsigned late_count;
    uint64_t late_us; /* when the port last took any */
    bool port_stuck;  /* it has taken nothing for so long that nothing waits for it */
    /* scratch of one record and one message */
    uint8_t record[TLS_RECORD_MAX + 64];
    uint8_t plain[TLS_RECORD_MAX + 64];
    uint8_t joined[TLS_RECORD_MAX + 256];
    uint8_t message[WORKER_BODY_MAX + (64u << 10)];
};

/* ---- worker.c ---- */

/* Attaches to its part of the region and recovers what a former life left. NULL, with a line in `why`, when there is no memory. */
struct worker *worker_new(struct region *r, uint32_t index, const struct worker_config *config, struct port_queue *port,
                          struct tls_helper *helper, uint64_t now_us, char *why);
void worker_free(struct worker *w);

/* Peers of WebRTC are served from now on, with this helper. False: no memory. */
bool worker_serve_webrtc(struct worker *w, struct dtls_helper *helper);

/* The same with handshakes from elsewhere; NULL: they are refused. */
struct worker *worker_new_with(struct region *r, uint32_t index, const struct worker_config *config, struct port_queue *port,
                               const struct handshake_source *handshake, uint64_t now_us, char *why);

/*
 * One iteration at time `now_us`. Returns whether there was anything to do. What it does is a function of the region, of what port,
 * rings and handshake source give, of now_us and of w->unix_s: capture/record.h and replay.h rely on it.
 */
bool worker_step(struct worker *w, uint64_t now_us);

/* When worker_step wants to be called although nothing arrived; UINT64_MAX: no timer is set. */
uint64_t worker_deadline(const struct worker *w);

/* Opens the transaction, if it is not; ends it and begins another when the undo log runs short. */
void worker_open(struct worker *w);
void worker_commit(struct worker *w);

/* Saves a connection before it is changed; the hot lines alone (include/connection.h) when nothing else will be. */
void conn_touch(struct worker *w, struct connection *c);
void conn_touch_hot(struct worker *w, struct connection *c);

/* `most` of something in one iteration, or less while voice is forwarded. */
unsigned worker_at_most(const struct worker *w, unsigned most);

/* Asks for conn_service() later in this or the next iteration. */
void worker_ready(struct worker *w, uint32_t connection);

/* Room in the notice ring for anything that one connection may cause. */
bool worker_may_notify(const struct worker *w);

/* Writes a notice; the caller has made sure of room, or handles false. */
bool worker_notify(struct worker *w, enum notice what, const void *body, uint32_t length);

/* ---- demux.c ---- */

/* Fetches what the packets of a burst will need. */
void worker_ahead(struct worker *w, struct packet *burst, unsigned n);
void worker_packet(struct worker *w, struct packet *p);

/* ---- parts.c ---- */

/* To another worker's part of a room (voice_env.hand); and a packet that may be such a one: true: it was. */
bool parts_hand(void *user, uint32_t worker, uint64_t channel_id, const struct voice_frame *f);
bool parts_packet(struct worker *w, struct packet *p);

/* The core that owns a TCP connection. */
uint32_t worker_of_tuple(const struct worker *w, const struct tcp_tuple *tuple);

/* ---- stack.c ---- */

static inline struct connection *conn_at(const struct worker *w, uint32_t index)
{
    return pool_at(w->connections, index);
}

static inline uint32_t conn_index(const struct worker *w, const struct connection *c)
{
    return (uint32_t)(((const uint8_t *)c - (const uint8_t *)pool_at(w->connections, 0)) / CONNECTION_STRIDE);
}

static inline uint64_t conn_handle(const struct worker *w, const struct connection *c)
{
    return connection_handle(w->index * w->region->header->geometry.connections + conn_index(w, c), c->generation);
}

/*
 * Fetches a connection that will be served soon, and when that has come, what it points to. Always inline:
 * gcc 12 takes a function that only fetches for one without effect and drops the call.
 */
static inline __attribute__((always_inline)) void conn_ahead(const struct worker *w, uint32_t index)
{
    const uint8_t *p = pool_at(w->connections, index);
    for (unsigned line = 0; line < CONNECTION_LINES; line++)
        if (connection_line_is_hot(line))
            __builtin_prefetch(p + line * CONNECTION_LINE, 1);
    wheel_ahead(w->timers, index);
}

static inline __attribute__((always_inline)) void conn_ahead_more(const struct worker *w, uint32_t index)
{
    const struct connection *c = conn_at(w, index);
    if (c->session != SESSION_NONE)
        __builtin_prefetch(&w->sessions[c->session], 1);
    if (c->record_head != POOL_NONE)
        __builtin_prefetch(pool_at(w->records, c->record_head), 1);
}

/* A slot for an opening whose third packet is here: to be given to TCP next. NULL: no slot is free. */
struct connection *conn_open(struct worker *w, const struct half_open *h);

/* A TCP segment to one of our addresses, its checksum good. `index`: the connection that it is probably for,
 * or UINT32_MAX. */
void conn_segment(struct worker *w, const struct tcp_tuple *tuple, const struct tcp_segment *s,
                  uint32_t index);

/*
 * ICMP told of a segment of ours that did not pass; mtu: because it is longer than that, 0: for another reason. What came of it, as a
 * reason to count (DROP_NONE: its segments are smaller now).
 */
enum drop_reason conn_path_error(struct worker *w, const struct tcp_tuple *tuple, uint32_t seq, uint16_t mtu);

/* Reads what can be read, plans what can be sent, sets the timer. */
void conn_service(struct worker *w, struct connection *c);

/* Plans what can be sent and sets the timer. */
void conn_output(struct worker *w, struct connection *c);

/* Its timer has come. */
void conn_timer(struct worker *w, struct connection *c);

/* Orderly end: what is described and queued is still sent, then close_notify and FIN. The control plane is told. */
void conn_finish(struct worker *w, struct connection *c, enum drop_reason why);

/* Refuses what the TLS layer refused: sends its alert and ends. */
void conn_refuse(struct worker *w, struct connection *c, const struct tls_refusal *why);

/* At once: RST. */
void conn_abort(struct worker *w, struct connection *c, enum drop_reason why);

/* What the helper thread made of a handshake record. */
void conn_handshake(struct worker *w, const struct tls_helper_result *r);

/* Its session leaves it (it is closing, or the session has another connection now). */
void conn_detach_session(struct worker *w, struct connection *c);

/* Are there records in flight that only its session can make again? */
bool conn_needs_session(const struct worker *w, const struct connection *c);

/* The same as conn_detach_session, as soon as no record in flight needs the session: now, or in send_acked. */
void conn_leave_session(struct worker *w, struct connection *c);

/* After a restart: what must be known of connections that stand in the region. */
void conn_recover(struct worker *w);

/* ---- listen.c ---- */

/* A segment for which there is no connection; the one that it has opened, which is to be given it, or NULL. */
struct connection *listen_segment(struct worker *w, const struct tcp_tuple *tuple, const struct tcp_segment *s);

/* A connection has come to TIME-WAIT: what is left of it is remembered without its slot. */
void listen_time_wait(struct worker *w, const struct connection *c);

/* A RST for a segment that belongs to nobody, or deserves one. */
void listen_reset(struct worker *w, const struct tcp_tuple *tuple, const struct tcp_segment *s);

/* The time of a half-open connection has come. */
void listen_timer(struct worker *w, uint32_t index);

/* Attaches to the tables and sets the timers of what stands in them. False: no memory. */
bool listen_attach(struct worker *w);

/* ---- app.c ---- */

/* Application bytes of a connection, in order. */
void app_input(struct worker *w, struct connection *c, uint8_t *data, size_t len);

/* WebSocket bytes of a connection, in order. */
void app_websocket_input(struct worker *w, struct connection *c, uint8_t *data, size_t len);

/* The request whose head is at p becomes a WebSocket, or is refused. */
void app_upgrade(struct worker *w, struct connection *c, const uint8_t *p, const struct http_request *r);

/* The layer above TCP wants to be called at c->deadline_us. */
void app_timer(struct worker *w, struct connection *c);

/* Ends a WebSocket with a close frame. */
/* The code after which this connection's client comes again and resumes: 4000, on the voice gateway 4015 (reference/voice.md 7). */
uint16_t app_code_again(const struct connection *c);
void app_close(struct worker *w, struct connection *c, uint16_t code, const uint8_t *reason, size_t length, bool after_events);

/* Tells the control plane, once, that the connection is gone. False: its ring is full, to be tried again. */
bool app_closed(struct worker *w, struct connection *c);

/* ---- app_http.c ---- */

void app_http_input(struct worker *w, struct connection *c, const uint8_t *data, size_t len);

/* Goes on with requests that waited for an answer before them. */
void app_continue(struct worker *w, struct connection *c);

/* Is a request, or a part of one, waiting for something? */
bool app_http_busy(const struct connection *c);

/* A part of an answer has come from the control plane. False: nobody waits for it any more. */
bool app_http_answered(struct worker *w, struct connection *c);

/* Refuses what it asked for, and ends. */
void app_http_refuse(struct worker *w, struct connection *c, enum drop_reason why);

/* Its deadline has come. */
void app_http_timer(struct worker *w, struct connection *c);

/* ---- send.c ---- */

struct send_stream {
    struct worker *worker;
    struct connection *connection;
    uint32_t record; /* where to look first */
};

/* Adds an item behind the others; NULL: none free, or too many on this connection (counted). */
struct tx_item *send_item(struct worker *w, struct connection *c, enum source_kind kind, uint8_t flags);

/* Something generated. False: as above. */
bool send_generated(struct worker *w, struct connection *c, enum generated_kind what, uint64_t argument, uint8_t flags);

/* Private bytes, all of them. False: no item or no block was free; nothing is queued. */
bool send_bytes(struct worker *w, struct connection *c, enum source_kind kind, uint8_t opcode, const void *data, uint32_t len,
                uint8_t flags);

size_t send_extend(void *stream, size_t room);
size_t send_fill(void *stream, uint64_t pos, uint8_t *dst, size_t len);

/* Gives back the records that TCP has acknowledged; those that are too many for this transaction in the next (conn_service). */
void send_acked(struct worker *w, struct connection *c);

/* Gives back everything. False: too much for this transaction, to be called again in the next. */
bool send_release(struct worker *w, struct connection *c);

/* The end of the record list within which a plan's first byte lies, as a hint for send_fill. */
uint32_t send_hint(const struct connection *c, uint64_t pos);

/* ---- verbs.c ---- */

/* Takes verbs; returns how many, or how many deliveries a walk made. */
unsigned verbs_command(struct worker *w);
unsigned verbs_fanout(struct worker *w);

/* ---- transmit.c ---- */

/* Builds and sends the plans and the answers made in place. */
void transmit(struct worker *w);

/* Seals and sends voice. Returns datagrams sent. */
unsigned transmit_voice(struct worker *w);

/* Sends what peers of WebRTC are told. Returns how many datagrams. */
unsigned transmit_webrtc(struct worker *w);

/* Sends the ARP requests and solicitations that are due. Returns how many. */
unsigned transmit_solicitations(struct worker *w);

#endif
