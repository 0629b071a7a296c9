/*
 * The region: one piece of shared memory that is the state of the box. The supervisor creates it; both
 * processes attach; either may die at any store and its next life goes on from what stands here. Offsets and
 * indices only: it is mapped anywhere.
 *
 * Field group -> its one writer
 *
 *      region_header, geometry, secrets              supervisor (voxpop supervise), before anyone attaches;
 *                                                    secrets.token_*: control plane; secrets.tickets: from
 *                                                    then on the dataplane's main thread
 *      region_header.process[p]                      process p, about itself
 *      SECTION_CONTROL, SESSIONS_CONTROL, TOPICS,    control plane's main thread
 *        EVENT_LOG, CONTROL_BLOCKS, CONTROL_TXN
 *      SECTION_ROUTES and the maps                   control plane's main thread (readers: their own
 * seen-generation) SECTION_SESSIONS [s]                          the worker named by
 * session_control[s].worker PART_* of worker k                            worker k, except: ring from the
 * control plane: tail           control plane's main thread ring to the control plane: head, done control
 * plane's main thread capture ring: head                          the capture writer capture control the
 * operator's tool (voxpop capture)
 *
 * Attach: magic, version, layout hash and size must be equal, or the region is refused with one line that
 * says so ("cold start needed"). Another boot id means another life of the box: the supervisor discards what
 * it finds and creates anew.
 *
 * Hugepages where a hugetlbfs is mounted and has room, ordinary shared memory otherwise.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_LAYOUT_H
#define VOXPOP_LAYOUT_H

#include "block.h"
#include "capture_ring.h"
#include "connection.h"
#include "counters.h"
#include "event_log.h"
#include "half_open.h"
#include "ring.h"
#include "peer.h"
#include "room.h"
#include "route.h"
#include "session.h"
#include "ticket_keys.h"
#include "topic.h"

#define REGION_MAGIC   0x706f7078766f7021ull /* "!poxvpop" */
#define REGION_VERSION 4u
#define WORKERS_MAX    32u

enum region_section {
    SECTION_CONTROL,          /* struct control_area */
    SECTION_CONTROL_TXN,      /* struct txn_log + undo area */
    SECTION_CONTROL_BLOCKS,   /* struct pool + blocks of the control plane */
    SECTION_CONTROL_COUNTERS, /* struct counters */
    SECTION_SESSIONS_CONTROL, /* struct pool + struct session_control[] */
    SECTION_SESSIONS,         /* struct session[] */
    SECTION_TOPICS,           /* struct pool + struct topic_control[] */
    SECTION_EVENT_LOG,        /* struct event_log + segments */
    SECTION_ROUTES,           /* struct route_tables: prefix -> next hop */
    SECTION_VOICE_MAP,        /* struct route_map: ssrc, or voice address -> room and core (route_voice_*) */
    SECTION_OWNER_MAP,        /* struct route_map: guild, user or room -> owning box */
    SECTION_BOX_MAP,          /* struct route_map: region -> boxes */
    SECTION_PEER_IDENTITY,    /* struct peer_identity */
    SECTION_COUNT
};

enum worker_part {
    PART_AREA,         /* struct worker_area */
    PART_COUNTERS,     /* struct counters */
    PART_TXN,          /* struct txn_log + undo area */
    PART_CONNECTIONS,  /* struct pool + struct connection[] */
    PART_BLOCKS,       /* struct pool + struct block[] */
    PART_DESCRIPTORS,  /* struct pool + struct tx_record[] */
    PART_ITEMS,        /* struct pool + struct tx_item[] */
    PART_CHUNKS,       /* struct pool + struct session_chunk[] */
    PART_TOPICS,       /* struct topic[topics] */
    PART_TOPIC_CHUNKS, /* struct pool + struct topic_chunk[] */
    PART_ROOMS,        /* struct pool + struct room[] */
    PART_MEMBERS,      /* struct pool + struct voice_member[] */
    PART_NEIGHBOURS,   /* struct route_neighbours */
    PART_PINS,         /* uint32_t[log_segments] */
    PART_RING_NOTICE,  /* worker -> control plane */
    PART_RING_COMMAND, /* control plane -> worker */
    PART_RING_FANOUT,  /* control plane -> worker */
    PART_CAPTURE,      /* struct capture_ring + bytes */
    PART_HALF_OPEN,    /* struct half_open_table + half_open_entries() */
    PART_TIME_WAIT,    /* struct time_wait_table + time_wait_entries() */
    PART_PEERS,        /* struct voice_peer[members] */
    PART_COUNT
};

/* How much of everything. All counts are per worker unless said otherwise. */
struct region_geometry {
    uint32_t workers;
    uint32_t connections;
    uint32_t blocks;
    uint32_t descriptors;
    uint32_t items;
    uint32_t chunks;
    uint32_t topic_chunks;
    uint32_t rooms;
    uint32_t members;
    uint32_t sessions;       /* of the box */
    uint32_t topics;         /* of the box */
    uint32_t control_blocks; /* of the box */
    uint32_t log_segments;   /* of the box, a power of two */
    uint32_t ring_bytes;     /* each ring, a power of two */
    uint32_t capture_bytes;  /* a power of two */
    uint32_t undo_bytes;
};
_Static_assert(sizeof(struct region_geometry) == 64, "region_geometry is a published format");

enum region_process_name { PROCESS_SUPERVISOR, PROCESS_DATAPLANE, PROCESS_CONTROLPLANE, PROCESS_COUNT };

struct region_process {
    _Atomic uint32_t pid;        /* 0: not running, by its own word */
    _Atomic uint32_t lives;      /* times it attached */
    _Atomic uint64_t started_ms; /* unix time */
    _Atomic uint64_t alive_us;   /* CLOCK_MONOTONIC, stored at least every 100 ms */
    _Atomic uint32_t ready;      /* 1: serving */
    uint32_t pad[9];
};
_Static_assert(sizeof(struct region_process) == 64, "region_process is a published format");

/* Keys that must outlive a process. */
struct region_secrets {
    uint8_t tcp_isn[16];          /* RFC 6528 */
    uint8_t rss_key[40];          /* Toeplitz */
    struct ticket_keys tickets;   /* of TLS */
    uint8_t token_hmac[32];       /* tokens are signed with it. Writer: control plane, from its store */
    uint8_t seed[32];             /* of the workers' generators */
    _Atomic uint32_t token_ready; /* 1: token_hmac is there. Writer: control plane */
    uint8_t syn_cookie[16];
    uint8_t tables[16]; /* of hash tables whose keys strangers choose */
    uint8_t pad[172];
};
_Static_assert(sizeof(struct region_secrets) == 512, "region_secrets is a published format");

struct region_header {
    uint64_t magic;
    uint32_t version;
    uint32_t header_size;
    uint64_t layout_hash;
    uint8_t boot_id[16];
    uint64_t size;
    uint64_t created_ms;
    uint64_t pad0[1];
    struct region_geometry geometry;
    struct region_process process[PROCESS_COUNT];
    struct region_secrets secrets;
    uint64_t section[16];           /* offsets, by enum region_section */
    uint64_t part[WORKERS_MAX][32]; /* offsets, by worker and enum worker_part */
};
_Static_assert(SECTION_COUNT <= 16 && PART_COUNT <= 32, "region_header has outgrown its room");
_Static_assert(offsetof(struct region_header, geometry) == 64, "region_header is a published format");
_Static_assert(offsetof(struct region_header, section) == 128 + 64 * PROCESS_COUNT + 512,
               "region_header is a published format");

/* Writer: worker k. What it tells of itself, and what must outlive it that has no other place. */
struct worker_area {
    uint64_t stamp;
    uint64_t walk_number; /* ring entry of the walk under way, 0: none */
    uint32_t walk_chunk;  /* its cursor */
    uint32_t walk_slot;
    uint32_t connections_open;
    uint32_t handshakes;
    uint64_t loop_us; /* time of the last iteration, CLOCK_MONOTONIC */
    uint32_t core;
    uint32_t pad0[3];
    uint8_t port_mac[8];
    uint64_t port_rx_packets, port_tx_packets, port_rx_bytes, port_tx_bytes; /* the port's own counters */
    uint64_t port_rx_missed, port_tx_full, port_steered, port_passed;
    uint32_t port_link; /* 1: up */
    uint32_t port_mtu;
    char port_name[32];
    /* Bucket b: less than 2^b microseconds. Part of no transaction. */
    uint64_t voice_residence[RESIDENCE_BUCKETS]; /* voice packets, from reception to transmission */
    uint64_t voice_iteration[RESIDENCE_BUCKETS]; /* iterations that forwarded voice */
    uint64_t voice_us; /* when voice came last */
    uint8_t pad1[80];
};
_Static_assert(sizeof(struct worker_area) == 512, "worker_area is a published format");

/* Writer: control plane's main thread. */
struct control_area {
    uint64_t stamp;
    uint64_t outbox_published; /* highest outbox row whose event is in the log */
    uint64_t handling_number;  /* ring entry being handled (number + 1), 0: none */
    uint32_t handling_worker;
    uint32_t handling_deaths; /* lives that ended while handling it */
    uint64_t poisoned;        /* inputs set aside */
    uint32_t ssrc_next;
    uint32_t outbox_step;     /* effects of row outbox_current that are published */
    uint64_t outbox_current;  /* outbox row being published: outbox_published < it */
    uint64_t handling_cursor; /* how far the entry being handled got in earlier transactions */
    uint64_t reply_number;    /* request whose answer is partly sent (number + 1), 0: none */
    uint32_t reply_worker;
    uint32_t draining;       /* 1: clients are asked to go, and none is admitted (sessions/drain.h) */
    uint32_t drain_at;       /* sessions below it have been asked */
    uint32_t drain_asked;    /* how many were */
    uint64_t drain_began_ms; /* unix time */
    uint64_t drain_over_ms;  /* the last wave's time */
    uint64_t turns_until_ms; /* until then somebody may wait for his turn (sessions/turns.h) */
    uint8_t pad1[400];
};
_Static_assert(sizeof(struct control_area) == 512, "control_area is a published format");

#endif
