/*
 * Member lists: what user clients see beside a channel (reference/gateway.md 14). A session subscribes to
 * ranges of a channel's list (op 14, op 37) and is told what is in them, then what changes.
 *
 *      list      members of a guild who see the same channels as far as a list shows; named by its overwrites
 *      window    the same ranges of a list, watched by any number of sessions: a topic
 *
 * A window is told at most once a LISTS_TICK_MS, by comparing what is in it with what was told last: however
 * many members change and however often, the work is that of the windows. Counts that change outside a window
 * are told every LISTS_COUNTS_MS.
 *
 * Subscriptions stand in the region with their session; lists and windows are made from them at every start,
 * and every window is then told anew.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_LISTS_H
#define VOXPOP_LISTS_H

#include "controlplane/presence/list_order.h"
#include "controlplane/sessions/control.h"

#include <jansson.h>

#define LISTS_TICK_MS   200u
#define LISTS_COUNTS_MS 2000u
#define LIST_RANGES     4u
#define LIST_RANGE_MAX  200u  /* places of one range */
#define LIST_SUBS_MAX   32u   /* of one session */
#define LIST_OFFLINE    1000u /* members of a guild up to which lists show those offline */
#define LIST_ID_MAX     12u

struct list_range {
    uint32_t first, last;
};

/* In the region, in session_control.lists. */
struct list_sub {
    uint64_t guild_id, channel_id;
    uint64_t list; /* key of the list that it was found to be */
    uint32_t ranges;
    uint32_t pad;
    struct list_range range[LIST_RANGES];
};
_Static_assert(sizeof(struct list_sub) == 64, "list_sub is a published format");

/* Something in a window, as it was told. */
struct list_told {
    uint64_t key;  /* user id, or the group's */
    uint64_t hash; /* of a member's item */
};

struct list_window {
    struct list_window *next;
    struct list_range range[LIST_RANGES];
    uint32_t ranges;
    uint32_t sessions, compressed;
    uint32_t topic;
    uint64_t topic_id;
    struct list_told *told[LIST_RANGES]; /* NULL: not told yet */
    uint32_t told_count[LIST_RANGES];
    uint64_t groups_hash, groups_ms; /* counts told, and when */
    bool behind;                     /* there are others by now */
};

struct member_list {
    struct member_list *next; /* of the same guild */
    uint64_t guild_id, key, channel_id;
    char id[LIST_ID_MAX];
    struct list_order order;
    struct list_window *windows;
    bool dirty;
};

/* Op 14 and op 37. False: not of that form. Within a transaction. */
bool lists_subscribe(struct control *c, uint32_t session, const json_t *d);
bool lists_subscribe_bulk(struct control *c, uint32_t session, const json_t *d);
/* The session's user may see other channels of the guild, or none. */
void lists_recheck(struct control *c, uint32_t session, uint64_t guild_id);
/* The session ends, or is in another slot now. */
void lists_end(struct control *c, uint32_t session);
void lists_moved(struct control *c, uint32_t session);
/* Others see something else of the user; of this guild (0: all of his). */
void lists_touch(struct control *c, uint64_t user_id, uint64_t guild_id);
/* Roles or permissions changed. */
void lists_recompute(struct control *c, uint64_t guild_id);
/* The guild is no more. */
void lists_guild_end(struct control *c, uint64_t guild_id);
/* DEADLINE_LISTS */
void lists_flush(struct control *c);

void lists_open(struct control *c);
void lists_close(struct control *c);

/* lists_tell.c: the window's watchers are told what changed in it. */
void list_tell(struct control *c, const struct member_list *l, struct list_window *w);
/* What is in it counts as told: nobody watches yet. */
void list_note(struct control *c, const struct member_list *l, struct list_window *w);
/* One session is told all of it. */
void list_tell_all(struct control *c, const struct member_list *l, const struct list_window *w,
                   uint32_t session);
/* Place of the member's group from above, as struct list_entry has it. */
uint32_t list_group_of(const struct guild_state *g, const struct member *m, bool online);
void list_window_forget(struct list_window *w);

#endif
