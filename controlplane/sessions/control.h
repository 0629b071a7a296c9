/*
 * The live half of the control plane as one core: it takes inputs (a notice, a durable effect, a deadline, an
 * operator's verb) and `now`, and gives back verbs and events through the region's rings. No socket, no
 * clock, no thread in here.
 *
 * What is in the region (session_control, topics, blocks) is the state. What is in `struct control` can be
 * computed from it and from the model, and is, at every start (control_open): indices, audiences, rooms,
 * deadlines.
 *
 *      gateway session    session_control, kind GATEWAY     sessions/
 *      voice state        session_control, kind VOICE       voice/
 *      topic of a guild   topic_control                     events/
 *
 * One thread: the loop's.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_CONTROL_H
#define VOXPOP_CONTROL_H

#include "controlplane/deadlines.h"
#include "controlplane/guilds/model.h"
#include "controlplane/index_map.h"
#include "controlplane/inputs.h"
#include "controlplane/region_link.h"

#define SESSION_ID_TEXT 33 /* 16 bytes in hex and a NUL */

/* What the core is told at start; strings are not copied. */
struct control_config {
    const char *gateway_url;    /* wss://…, told as resume_gateway_url */
    const char *voice_endpoint; /* host[:port][/path], without a scheme */
    const char *voice_ip;       /* IPv4 literal that clients without an IPv4 connection are told */
    uint16_t voice_port_base;   /* worker k has base + k */
    uint8_t voice_modes[4];     /* enum voice_mode, in the order offered; 0 ends */
    uint32_t voice_members_per_core; /* a room with more has parts on several workers */
    uint32_t keep_gateway_ms;   /* a session outlives its connection by so long */
    uint32_t keep_voice_ms;
    uint32_t identify_gateway_ms; /* a connection must identify within */
    uint32_t identify_voice_ms;
    uint32_t payloads_per_minute;
    uint32_t identify_gap_ms;    /* between two identifies of one account and shard; 0: not limited */
    uint32_t intents_allowed;    /* 4014 for others */
    uint16_t box;                /* this one's number; session ids bear it */
    uint32_t max_concurrency;    /* identifies of one account within 5 s; 0: not limited */
    uint32_t identifies_per_day; /* of one account; 0: not limited */
    uint32_t identifies_per_second; /* of all; 0: not limited */
    uint32_t resumes_per_second;
};

void control_config_defaults(struct control_config *c);

/* A session's membership in a guild's audience. */
struct audience_member {
    uint32_t session;
    uint16_t class;  /* permission class (topic.h) */
    bool compressed; /* as session_control.compress says */
};

/* Sessions that see the same channels of a guild. */
struct permission_class {
    uint64_t *visible; /* channel ids, ascending; NULL: all */
    size_t count;
    bool used;
};

/* A guild as the live half sees it: who is to be told, and who is in voice. */
struct audience {
    uint64_t guild_id;
    uint32_t topic; /* POOL_NONE: none left, everything is dispatched to each session apart */
    struct audience_member *members;
    uint32_t count, capacity;
    uint32_t compressed;                          /* members that want compressed events */
    struct index_map at;                          /* session + 1 -> place in members */
    struct permission_class class[TOPIC_CLASSES]; /* 0: sees every channel */
    bool overflow; /* more classes would be needed: restricted events are dispatched to each session apart */
    struct member_list *lists; /* presence/lists.h */
    uint32_t *voice;           /* voice slots of the guild */
    uint32_t voice_count, voice_capacity;
};

/* A voice channel with somebody connected to its voice gateway. */
struct voice_room {
    uint64_t channel_id, guild_id;
    uint32_t parts;              /* workers that have a part of it, a bit each */
    uint32_t told;               /* of them, as the workers know it */
    uint32_t index[WORKERS_MAX]; /* of the room in each of them */
    uint32_t members[WORKERS_MAX];
    uint32_t topic;
    uint32_t *slots; /* voice slots with a member in it */
    uint32_t count, capacity;
};

/* A worker's voice members and rooms, as far as they are handed out: indices in the order they are to be
 * used. */
struct voice_pool {
    uint32_t *members; /* free ones, a ring */
    uint32_t member_head, member_free;
    uint32_t *generations; /* by member: the last one used */
    uint32_t *rooms;       /* free ones, a stack */
    uint32_t room_free;
};

/* Links of the sessions of one user. */
struct user_link {
    uint32_t next, prev;
};

struct map_writer;  /* routes/maps.h */
struct member_list; /* presence/lists.h */

struct control {
    struct region_link *link;
    struct model *model;
    struct inputs inputs;
    struct control_config config;
    uint64_t now_ms; /* unix time */
    struct deadlines deadlines;
    struct json_out out;  /* for one payload at a time */
    struct json_out item; /* for one item of a list */
    bool lists_due;       /* DEADLINE_LISTS is on its way */
    /* sessions */
    struct index_map by_connection; /* handle -> session */
    struct index_map by_id;         /* first 8 bytes of the id -> session */
    struct index_map by_user;       /* user id -> first of its sessions */
    struct user_link *user_links;   /* by session */
    struct index_map starts;        /* user id -> struct starts */
    struct turns *turns;            /* sessions/turns.h */
    uint32_t gateway_sessions, voice_sessions;
    /* audiences and rooms */
    struct index_map audiences; /* guild id -> struct audience */
    struct index_map topics;    /* kind ^ id -> topic index */
    struct index_map rooms;     /* channel id -> struct voice_room */
    struct index_map by_member; /* member + 1 -> voice slot */
    struct voice_pool *pools;   /* by worker */
    /* routes/ */
    struct map_writer *voice_map, *owner_map;
    /* outbox rows that the predecessor has published in part */
    uint64_t skip_row;
    uint32_t skip_effects;
    /* op 8 in several steps */
    uint64_t chunk_entry; /* its entry number + 1 */
    uint64_t *chunk_ids;
    size_t chunk_count;
    /* REST: taken by rest_input when the loop has one (NULL in tests) */
    input_fn *rest_input;
    void *rest_ctx;
};

/*
 * After link_open and model_open: rebuilds everything from the region, takes up or sets aside the input under
 * way. Effects of the outbox come next (effects_recover), then inputs.
 */
void control_open(struct control *c, struct region_link *l, struct model *m,
                  const struct control_config *config, uint64_t now_ms);
void control_close(struct control *c);

/* Handles one input or one step of one; false: nothing to do now. */
bool control_step(struct control *c, uint64_t now_ms);
/* Carries out deadlines that are due, at most `max`; returns how many. */
unsigned control_timers(struct control *c, uint64_t now_ms, unsigned max);
/* The model's sink. */
void control_effect(void *ctx, const struct effect *e);
/* An entry of the notice rings (the inputs' handler). */
enum input_result control_input(void *ctx, uint32_t worker, const struct ring_entry *e, uint64_t *cursor);

static inline struct session_control *session_of(const struct control *c, uint32_t index)
{
    return session_control_at(c->link->region, index);
}

/* Before a session_control is changed. */
static inline struct session_control *session_touch(struct control *c, uint32_t index)
{
    struct session_control *s = session_of(c, index);
    txn_touch(&c->link->txn, s, sizeof *s, &s->stamp);
    return s;
}

#endif
