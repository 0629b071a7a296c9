/*
 * Lists, windows and who watches them; see lists.h.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/presence/lists.h"

#include <stdio.h>
#include <stdlib.h>

#include "controlplane/events/audience.h"
#include "controlplane/presence/presence.h"
#include "controlplane/sessions/payload.h"
#include "controlplane/sessions/session_table.h"

/* ---- which list ---- */

/* MurmurHash3, x86, 32 bits, seed 0. */
static uint32_t murmur3(const char *text, size_t length)
{
    uint32_t hash = 0, k;
    for (size_t i = 0; i < length; i += 4) {
        size_t n = length - i < 4 ? length - i : 4;
        k = 0;
        for (size_t b = 0; b < n; b++)
            k |= (uint32_t)(uint8_t)text[i + b] << 8 * b;
        k *= 0xcc9e2d51u;
        k = k << 15 | k >> 17;
        hash ^= k * 0x1b873593u;
        if (n == 4) {
            hash = hash << 13 | hash >> 19;
            hash = hash * 5 + 0xe6546b64u;
        }
    }
    hash ^= (uint32_t)length;
    hash = (hash ^ hash >> 16) * 0x85ebca6bu;
    hash = (hash ^ hash >> 13) * 0xc2b2ae35u;
    return hash ^ hash >> 16;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* "everyone", or a number for the overwrites that say who sees the channel. */
static void list_id(const struct guild_state *g, const struct channel *ch, char id[LIST_ID_MAX])
{
    char(*part)[32] = calloc(ch->overwrite_count + 1, sizeof *part), *text;
    size_t n = 0, size;
    bool hidden = false;
    const struct role *everyone = model_role(g, g->row.id);
    FILE *f = open_memstream(&text, &size);
    if (!part || !f)
        abort();
    for (size_t i = 0; i < ch->overwrite_count; i++) {
        const struct overwrite *o = &ch->overwrites[i];
        if (!((o->allow | o->deny) & PERM_VIEW_CHANNEL))
            continue;
        bool allow = o->allow & PERM_VIEW_CHANNEL;
        hidden |= o->id == g->row.id && !allow;
        snprintf(part[n++], sizeof *part, "%s:%llu", allow ? "allow" : "deny", (unsigned long long)o->id);
    }
    hidden |= everyone && !(everyone->permissions & PERM_VIEW_CHANNEL);
    qsort(part, n, sizeof *part, by_text);
    for (size_t i = 0; i < n; i++)
        fprintf(f, "%s%s", i ? "," : "", part[i]);
    fclose(f);
    if (hidden)
        snprintf(id, LIST_ID_MAX, "%u", murmur3(text, size));
    else
        snprintf(id, LIST_ID_MAX, "everyone");
    free(text);
    free(part);
}

static uint64_t mix(uint64_t a, uint64_t b)
{
    uint64_t h = (a ^ 0x9e3779b97f4a7c15ull) * 0xff51afd7ed558ccdull;
    h = (h ^ h >> 32 ^ b) * 0xc4ceb9fe1a85ec53ull;
    return (h ^ h >> 29) >> 2 | 1; /* the top bits say of what kind a topic is */
}

static uint64_t list_key(const struct guild_state *g, const struct channel *ch, char id[LIST_ID_MAX])
{
    uint64_t key = g->row.id;
    list_id(g, ch, id);
    for (const char *p = id; *p; p++)
        key = mix(key, (uint8_t)*p);
    return key;
}

/* ---- who is in it ---- */

static bool sees(const struct control *c, const struct member_list *l, const struct guild_state *g,
                 uint64_t user_id)
{
    const struct channel *ch = model_channel(c->model, l->channel_id);
    return ch && model_permissions(c->model, g, ch, user_id) & PERM_VIEW_CHANNEL;
}

static bool refresh(struct control *c, struct member_list *l, const struct guild_state *g, uint64_t user_id)
{
    const struct member *m = model_member(g, user_id);
    const struct user *u = model_user(c->model, user_id);
    struct presence_view v;
    if (!m || !u || !sees(c, l, g, user_id))
        return list_order_set(&l->order, user_id, false, 0, "");
    bool online = presence_of(c, user_id, &v);
    const char *name = m->nick ? m->nick : u->global_name ? u->global_name : u->username;
    return list_order_set(&l->order, user_id, online || g->members.count <= LIST_OFFLINE,
                          list_group_of(g, m, online), name);
}

/* Of a large guild only those are looked at who have a session. */
static void fill(struct control *c, struct member_list *l)
{
    const struct guild_state *g = model_guild(c->model, l->guild_id);
    const struct audience *a = audience_of(c, l->guild_id);
    const struct member *m;
    list_order_free(&l->order);
    if (g && g->members.count <= LIST_OFFLINE)
        for (size_t at = 0; (m = id_map_next(&g->members, &at)) != NULL;)
            refresh(c, l, g, m->user_id);
    else
        for (uint32_t i = 0; g && a && i < a->count; i++)
            refresh(c, l, g, session_of(c, a->members[i].session)->user_id);
}

/* ---- lists and windows ---- */

static struct member_list *list_find(const struct audience *a, uint64_t key)
{
    struct member_list *l = a ? a->lists : NULL;
    while (l && l->key != key)
        l = l->next;
    return l;
}

static struct member_list *list_make(struct control *c, struct audience *a, uint64_t key, uint64_t channel_id,
                                     const char *id)
{
    struct member_list *l = list_find(a, key);
    if (l)
        return l;
    if (!(l = calloc(1, sizeof *l)))
        abort();
    *l =
        (struct member_list){.next = a->lists, .guild_id = a->guild_id, .key = key, .channel_id = channel_id};
    snprintf(l->id, sizeof l->id, "%s", id);
    a->lists = l;
    fill(c, l);
    return l;
}

static uint64_t window_id(const struct member_list *l, const struct list_sub *s)
{
    uint64_t id = l->key;
    for (uint32_t i = 0; i < s->ranges; i++)
        id = mix(id, (uint64_t)s->range[i].first << 32 | s->range[i].last);
    return id;
}

static struct list_window *window_find(const struct member_list *l, const struct list_sub *s)
{
    uint64_t id = window_id(l, s);
    struct list_window *w = l->windows;
    while (w && w->topic_id != id)
        w = w->next;
    return w;
}

static struct list_window *window_make(struct control *c, struct member_list *l, const struct list_sub *s)
{
    struct list_window *w = window_find(l, s);
    if (w)
        return w;
    uint64_t id = window_id(l, s);
    uint32_t topic = topic_find(c, TOPIC_LIST, id, c->link->depth > 0);
    if (topic == POOL_NONE)
        return NULL;
    if (!(w = calloc(1, sizeof *w)))
        abort();
    *w = (struct list_window){.next = l->windows, .ranges = s->ranges, .topic = topic, .topic_id = id};
    memcpy(w->range, s->range, sizeof w->range);
    l->windows = w;
    return w;
}

static void window_drop(struct control *c, struct audience *a, struct member_list *l, struct list_window *w)
{
    struct list_window **at = &l->windows;
    struct member_list **list = &a->lists;
    topic_end(c, TOPIC_LIST, w->topic_id);
    while (*at != w)
        at = &(*at)->next;
    *at = w->next;
    list_window_forget(w);
    free(w);
    if (l->windows)
        return;
    while (*list != l)
        list = &(*list)->next;
    *list = l->next;
    list_order_free(&l->order);
    free(l);
}

static void mark(struct control *c, struct member_list *l)
{
    l->dirty = true;
    if (c->lists_due)
        return;
    c->lists_due = true;
    deadlines_add(&c->deadlines, c->now_ms + LISTS_TICK_MS, DEADLINE_LISTS, 0);
}

/* ---- subscriptions ---- */

static uint32_t subs_read(const struct control *c, uint32_t session, struct list_sub list[LIST_SUBS_MAX])
{
    return chain_read(&session_of(c, session)->lists, c->link->blocks, 0, list,
                      LIST_SUBS_MAX * sizeof(struct list_sub)) /
           (uint32_t)sizeof(struct list_sub);
}

static void subs_write(struct control *c, uint32_t session, const struct list_sub *list, uint32_t n)
{
    struct session_control *s = session_touch(c, session);
    chain_free(&s->lists, c->link->blocks, &c->link->txn);
    if (n) /* without a block left it is forgotten at the next start */
        chain_append(&s->lists, c->link->blocks, &c->link->txn, list, n * (uint32_t)sizeof *list);
}

static void leave(struct control *c, uint32_t session, const struct list_sub *s)
{
    struct audience *a = audience_of(c, s->guild_id);
    struct member_list *l = list_find(a, s->list);
    struct list_window *w = l ? window_find(l, s) : NULL;
    if (!w)
        return;
    topic_unsubscribe(c, w->topic, session);
    w->compressed -= session_of(c, session)->compress && w->compressed;
    if (!--w->sessions)
        window_drop(c, a, l, w);
}

/* The session watches it from here on, and is told all of it. False: it may not, or there is no topic left.
 */
static bool join(struct control *c, uint32_t session, struct list_sub *s, bool tell)
{
    const struct guild_state *g = model_guild(c->model, s->guild_id);
    const struct channel *ch = model_channel(c->model, s->channel_id);
    struct audience *a = audience_of(c, s->guild_id);
    char id[LIST_ID_MAX];
    if (!g || !ch || ch->guild_id != g->row.id || !a ||
        index_map_get(&a->at, (uint64_t)session + 1) == INDEX_NONE || !audience_sees(c, a, session, ch->id))
        return false;
    s->list = list_key(g, ch, id);
    struct member_list *l = list_make(c, a, s->list, ch->id, id);
    struct list_window *w = window_make(c, l, s);
    if (!w)
        return false;
    w->sessions++;
    w->compressed += session_of(c, session)->compress != 0;
    if (!tell)
        return true;
    if (w->sessions > 1)
        list_tell(c, l, w); /* those who watch already, so that what follows holds for all */
    else
        list_note(c, l, w);
    list_tell_all(c, l, w, session);
    topic_subscribe(c, w->topic, session, 0);
    return true;
}

static bool parse_ranges(const json_t *list, struct list_sub *s)
{
    s->ranges = 0;
    if (!json_is_array(list))
        return false;
    for (size_t i = 0; i < json_array_size(list) && i < LIST_RANGES; i++) {
        const json_t *pair = json_array_get(list, i);
        json_int_t first = json_integer_value(json_array_get(pair, 0)),
                   last = json_integer_value(json_array_get(pair, 1));
        if (json_array_size(pair) != 2 || !json_is_integer(json_array_get(pair, 0)) ||
            !json_is_integer(json_array_get(pair, 1)) || first < 0 || last < first || last > 100000000)
            return false;
        if (last - first >= LIST_RANGE_MAX)
            last = first + LIST_RANGE_MAX - 1;
        s->range[s->ranges++] = (struct list_range){(uint32_t)first, (uint32_t)last};
    }
    return true;
}

/* The guild's subscriptions as the client names them: they take the place of all that there were. */
static bool parse_channels(const json_t *channels, uint64_t guild_id, struct list_sub *list, uint32_t *count)
{
    const char *key;
    json_t *ranges;
    if (channels && !json_is_null(channels) && !json_is_object(channels))
        return false;
    json_object_foreach((json_t *)(uintptr_t)channels, key, ranges)
    {
        struct list_sub s = {.guild_id = guild_id};
        if (!snowflake_parse(key, strlen(key), &s.channel_id) || !parse_ranges(ranges, &s))
            return false;
        if (s.ranges && *count < LIST_SUBS_MAX)
            list[(*count)++] = s;
    }
    return true;
}

static bool same(const struct list_sub *a, const struct list_sub *b)
{
    return a->guild_id == b->guild_id && a->channel_id == b->channel_id && a->ranges == b->ranges &&
           memcmp(a->range, b->range, a->ranges * sizeof *a->range) == 0;
}

static bool subscribe(struct control *c, uint32_t session, uint64_t guild_id, const json_t *d)
{
    struct list_sub have[LIST_SUBS_MAX], want[LIST_SUBS_MAX], now[LIST_SUBS_MAX];
    uint32_t haves = subs_read(c, session, have), wants = 0, n = 0;
    const json_t *channels = json_object_get(d, "channels");
    if (!json_is_object(d) || !parse_channels(channels, guild_id, want, &wants))
        return false;
    if (!channels && json_object_size(d)) /* something else of the guild is meant */
        return true;
    for (uint32_t i = 0; i < haves; i++) {
        uint32_t k = 0;
        while (k < wants && !same(&have[i], &want[k]))
            k++;
        if (have[i].guild_id != guild_id || k < wants)
            now[n++] = have[i];
        else
            leave(c, session, &have[i]);
        if (have[i].guild_id == guild_id && k < wants)
            want[k] = want[--wants]; /* it watches that already */
    }
    for (uint32_t i = 0; i < wants && n < LIST_SUBS_MAX; i++)
        if (join(c, session, &want[i], true))
            now[n++] = want[i];
    subs_write(c, session, now, n);
    return true;
}

bool lists_subscribe(struct control *c, uint32_t session, const json_t *d)
{
    uint64_t guild_id;
    return payload_id(json_object_get(d, "guild_id"), &guild_id) && subscribe(c, session, guild_id, d);
}

bool lists_subscribe_bulk(struct control *c, uint32_t session, const json_t *d)
{
    json_t *all = json_object_get(d, "subscriptions"), *one;
    const char *key;
    if (!json_is_object(all))
        return false;
    json_object_foreach(all, key, one)
    {
        uint64_t guild_id;
        if (!snowflake_parse(key, strlen(key), &guild_id) || !subscribe(c, session, guild_id, one))
            return false;
        link_cut_if_long(c->link);
    }
    return true;
}

void lists_end(struct control *c, uint32_t session)
{
    struct list_sub list[LIST_SUBS_MAX];
    uint32_t n = subs_read(c, session, list);
    for (uint32_t i = 0; i < n; i++)
        leave(c, session, &list[i]);
    if (n)
        subs_write(c, session, NULL, 0);
}

void lists_moved(struct control *c, uint32_t session)
{
    struct list_sub list[LIST_SUBS_MAX];
    uint32_t n = subs_read(c, session, list);
    for (uint32_t i = 0; i < n; i++) {
        struct member_list *l = list_find(audience_of(c, list[i].guild_id), list[i].list);
        struct list_window *w = l ? window_find(l, &list[i]) : NULL;
        if (w)
            topic_subscribe(c, w->topic, session, 0);
    }
}

/* ---- what changes ---- */

static void touch(struct control *c, const struct guild_state *g, uint64_t user_id)
{
    struct audience *a = audience_of(c, g->row.id);
    for (struct member_list *l = a ? a->lists : NULL; l; l = l->next) {
        refresh(c, l, g, user_id);
        mark(c, l);
    }
}

void lists_touch(struct control *c, uint64_t user_id, uint64_t guild_id)
{
    const struct account *account = model_account(c->model, user_id);
    const struct guild_state *g = guild_id ? model_guild(c->model, guild_id) : NULL;
    if (g)
        touch(c, g, user_id);
    for (size_t i = 0; !guild_id && account && i < account->guild_count; i++)
        touch(c, account->guilds[i], user_id);
}

/* Does the subscription still stand for the same list? */
static bool still(const struct control *c, uint32_t session, const struct list_sub *s)
{
    const struct guild_state *g = model_guild(c->model, s->guild_id);
    const struct channel *ch = model_channel(c->model, s->channel_id);
    const struct audience *a = audience_of(c, s->guild_id);
    char id[LIST_ID_MAX];
    return g && ch && a && audience_sees(c, a, session, ch->id) && list_key(g, ch, id) == s->list;
}

void lists_recheck(struct control *c, uint32_t session, uint64_t guild_id)
{
    struct list_sub list[LIST_SUBS_MAX];
    uint32_t n = subs_read(c, session, list), kept = 0;
    bool changed = false;
    for (uint32_t i = 0; i < n; i++) {
        struct list_sub s = list[i];
        if (s.guild_id != guild_id || still(c, session, &s)) {
            list[kept++] = s;
            continue;
        }
        changed = true;
        leave(c, session, &s);
        if (join(c, session, &s, true))
            list[kept++] = s;
    }
    if (changed)
        subs_write(c, session, list, kept);
}

void lists_recompute(struct control *c, uint64_t guild_id)
{
    struct audience *a = audience_of(c, guild_id);
    if (!a || !a->lists)
        return;
    for (uint32_t i = 0; i < a->count; i++) {
        if (session_of(c, a->members[i].session)->lists.length)
            lists_recheck(c, a->members[i].session, guild_id);
        link_cut_if_long(c->link);
    }
    for (struct member_list *l = a->lists; l; l = l->next) {
        fill(c, l);
        mark(c, l);
    }
}

void lists_guild_end(struct control *c, uint64_t guild_id)
{
    struct audience *a = audience_of(c, guild_id);
    while (a && a->lists) {
        struct member_list *l = a->lists;
        if (l->windows)
            window_drop(c, a, l, l->windows); /* and the list with its last one */
        else
            abort();
    }
}

void lists_flush(struct control *c)
{
    const struct index_slot *s;
    c->lists_due = false;
    for (size_t at = 0; (s = index_map_next(&c->audiences, &at)) != NULL;) {
        struct audience *a = (struct audience *)(uintptr_t)s->value;
        for (struct member_list *l = a->lists; l; l = l->next) {
            if (!l->dirty)
                continue;
            l->dirty = false;
            for (struct list_window *w = l->windows; w; w = w->next) {
                list_tell(c, l, w);
                if (w->behind)
                    mark(c, l);
                link_cut_if_long(c->link);
            }
        }
    }
}

/* ---- start and end ---- */

void lists_open(struct control *c)
{
    for (uint32_t i = 0; i < c->link->sessions->fresh; i++) {
        struct list_sub list[LIST_SUBS_MAX];
        uint32_t n = session_of(c, i)->kind == SESSION_GATEWAY ? subs_read(c, i, list) : 0;
        for (uint32_t k = 0; k < n; k++) {
            struct member_list *l;
            if (join(c, i, &list[k], false) &&
                (l = list_find(audience_of(c, list[k].guild_id), list[k].list)) != NULL)
                mark(c, l);
        }
    }
}

void lists_close(struct control *c)
{
    const struct index_slot *s;
    for (size_t at = 0; (s = index_map_next(&c->audiences, &at)) != NULL;) {
        struct audience *a = (struct audience *)(uintptr_t)s->value;
        while (a->lists) {
            struct member_list *l = a->lists;
            while (l->windows) {
                struct list_window *w = l->windows;
                l->windows = w->next;
                list_window_forget(w);
                free(w);
            }
            a->lists = l->next;
            list_order_free(&l->order);
            free(l);
        }
    }
}
