/*
 * What is in a window, and telling it: all of it (SYNC), or what changed (INSERT, UPDATE, DELETE), by
 * comparing with what was told last; see lists.h.
 *
 * A client splices: an insertion moves everything behind it down, a deletion up. So changes are told for
 * windows of one range, whose places behind the range nobody looks at; windows of several ranges are told
 * whole.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/presence/lists.h"

#include <stdlib.h>

#include "controlplane/events/publish.h"
#include "controlplane/presence/presence.h"

#define GROUP_ONLINE  0xfffffffeu
#define GROUP_OFFLINE 0xffffffffu
#define KEY_GROUP     (1ull << 63) /* no snowflake has that bit */
#define OPS_MAX       24u          /* more changes than that: SYNC */

/* ---- groups ---- */

struct group {
    uint64_t role_id; /* of a hoisted role */
    uint32_t place;   /* list_entry.group */
    size_t first, count;
};

struct shape {
    struct group *groups; /* those with somebody in them, from above */
    size_t count;
    size_t online;
};

static bool hoisted(const struct guild_state *g, const struct role *r)
{
    return r->hoist && r->id != g->row.id;
}

uint32_t list_group_of(const struct guild_state *g, const struct member *m, bool online)
{
    uint32_t above = 0;
    if (!online)
        return GROUP_OFFLINE;
    for (size_t i = g->role_count; i-- > 0;) {
        if (!hoisted(g, g->roles[i]))
            continue;
        if (member_has_role(m, g->roles[i]->id))
            return above;
        above++;
    }
    return GROUP_ONLINE;
}

static void add_group(const struct list_order *o, struct shape *s, uint64_t role_id, uint32_t place)
{
    size_t first = list_order_above(o, place);
    size_t end = place == GROUP_OFFLINE ? o->count : list_order_above(o, place + 1);
    if (end > first)
        s->groups[s->count++] = (struct group){role_id, place, first, end - first};
    if (place != GROUP_OFFLINE)
        s->online += end - first;
}

static struct shape shape_of(const struct guild_state *g, const struct list_order *o)
{
    struct shape s = {.groups = calloc(g->role_count + 2, sizeof *s.groups)};
    uint32_t place = 0;
    if (!s.groups)
        abort();
    for (size_t i = g->role_count; i-- > 0;)
        if (hoisted(g, g->roles[i]))
            add_group(o, &s, g->roles[i]->id, place++);
    add_group(o, &s, 0, GROUP_ONLINE);
    add_group(o, &s, 0, GROUP_OFFLINE);
    return s;
}

/* ---- items ---- */

static void out_group(struct json_out *o, const struct group *g)
{
    out_object(o);
    if (g->role_id)
        out_field_id(o, "id", g->role_id);
    else
        out_field_string(o, "id", g->place == GROUP_ONLINE ? "online" : "offline");
    out_field_int(o, "count", (int64_t)g->count);
    out_object_end(o);
}

static void out_member(struct control *c, const struct guild_state *g, struct json_out *o, uint64_t user_id)
{
    struct member_ref who;
    struct presence_view v;
    out_object(o);
    out_key(o, "member");
    if (model_member_ref(c->model, g, user_id, &who)) {
        object_member(o, who.member, who.user);
        o->length--; /* the member's closing brace: one more field */
        presence_of(c, user_id, &v);
        v.shown.guild_id = 0;
        out_key(o, "presence");
        object_presence(o, &v.shown);
        out_object_end(o);
    } else {
        out_null(o);
    }
    out_object_end(o);
}

/* The item at a place of the list. False: the list ends before it. */
static bool out_item(struct control *c, const struct guild_state *g, const struct member_list *l,
                     const struct shape *s, size_t at, struct json_out *o, struct list_told *told)
{
    for (size_t i = 0; i < s->count; i++) {
        const struct group *group = &s->groups[i];
        if (at == 0) {
            *told = (struct list_told){KEY_GROUP | (group->role_id ? group->role_id : group->place), 0};
            out_object(o);
            out_key(o, "group");
            out_group(o, group);
            out_object_end(o);
            return true;
        }
        if (at <= group->count) {
            told->key = l->order.entries[group->first + at - 1]->user_id;
            out_member(c, g, o, told->key);
            return true;
        }
        at -= group->count + 1;
    }
    return false;
}

static uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t n)
{
    const uint8_t *p = bytes;
    for (size_t i = 0; i < n; i++)
        hash = (hash ^ p[i]) * 0x100000001b3ull;
    return hash;
}

/* What is in a range; group headers have no hash: their counts are told beside. */
static uint32_t look(struct control *c, const struct guild_state *g, const struct member_list *l,
                     const struct shape *s, const struct list_range *r, struct list_told *now)
{
    uint32_t n = 0;
    for (uint32_t at = r->first; at <= r->last; at++, n++) {
        json_out_reset(&c->item);
        if (!out_item(c, g, l, s, at, &c->item, &now[n]))
            break;
        now[n].hash =
            now[n].key & KEY_GROUP ? 0 : hash_bytes(0xcbf29ce484222325ull, c->item.data, c->item.length);
    }
    return n;
}

/* ---- telling ---- */

static void open_update(struct control *c, const struct guild_state *g, const struct member_list *l,
                        const struct shape *s)
{
    dispatch_begin(&c->out, "GUILD_MEMBER_LIST_UPDATE");
    out_object(&c->out);
    out_field_id(&c->out, "guild_id", g->row.id);
    out_field_string(&c->out, "id", l->id);
    out_field_int(&c->out, "member_count", (int64_t)g->members.count);
    out_field_int(&c->out, "online_count", (int64_t)s->online);
    out_key(&c->out, "groups");
    out_list(&c->out);
    for (size_t i = 0; i < s->count; i++)
        out_group(&c->out, &s->groups[i]);
    out_list_end(&c->out);
    out_key(&c->out, "ops");
    out_list(&c->out);
}

static void close_update(struct control *c)
{
    out_list_end(&c->out);
    out_object_end(&c->out);
    dispatch_end(&c->out);
}

static void out_range(struct json_out *o, const struct list_range *r)
{
    out_key(o, "range");
    out_list(o);
    out_int(o, r->first);
    out_int(o, r->last);
    out_list_end(o);
}

static void op_sync(struct control *c, const struct guild_state *g, const struct member_list *l,
                    const struct shape *s, const struct list_range *r)
{
    struct list_told told;
    out_object(&c->out);
    out_field_string(&c->out, "op", "SYNC");
    out_range(&c->out, r);
    out_key(&c->out, "items");
    out_list(&c->out);
    for (uint32_t at = r->first; at <= r->last && out_item(c, g, l, s, at, &c->out, &told); at++)
        ;
    out_list_end(&c->out);
    out_object_end(&c->out);
}

/* DELETE (no item), INSERT or UPDATE. */
static void op_one(struct control *c, const char *op, uint32_t index)
{
    out_object(&c->out);
    out_field_string(&c->out, "op", op);
    out_field_int(&c->out, "index", index);
}

static void op_item(struct control *c, const struct guild_state *g, const struct member_list *l,
                    const struct shape *s, const char *op, uint32_t index)
{
    struct list_told told;
    op_one(c, op, index);
    out_key(&c->out, "item");
    out_item(c, g, l, s, index, &c->out, &told);
    out_object_end(&c->out);
}

struct places {
    struct list_told *at;
    uint32_t count;
};

static uint32_t find(const struct places *p, uint32_t from, uint64_t key)
{
    while (from < p->count && p->at[from].key != key)
        from++;
    return from;
}

static void delete_at(struct control *c, const struct list_range *r, struct places *was, uint32_t i)
{
    op_one(c, "DELETE", r->first + i);
    out_object_end(&c->out);
    was->count--;
    memmove(was->at + i, was->at + i + 1, (was->count - i) * sizeof *was->at);
}

/* Operations that make `was` (which has room for both) into `now`; false: too many. */
static bool op_changes(struct control *c, const struct guild_state *g, const struct member_list *l,
                       const struct shape *s, const struct list_range *r, struct places *was,
                       const struct places *now, unsigned *ops)
{
    for (uint32_t i = was->count; i-- > 0;)
        if (find(now, 0, was->at[i].key) == now->count) {
            delete_at(c, r, was, i);
            if (++*ops > OPS_MAX)
                return false;
        }
    for (uint32_t i = 0; i < now->count && *ops <= OPS_MAX; i++) {
        bool here = i < was->count && was->at[i].key == now->at[i].key;
        if (here && was->at[i].hash == now->at[i].hash)
            continue;
        ++*ops;
        if (here) {
            op_item(c, g, l, s, "UPDATE", r->first + i);
            continue;
        }
        uint32_t later = find(was, i, now->at[i].key);
        if (later < was->count)
            delete_at(c, r, was, later);
        op_item(c, g, l, s, "INSERT", r->first + i);
        memmove(was->at + i + 1, was->at + i, (was->count - i) * sizeof *was->at);
        was->at[i] = now->at[i];
        was->count++;
    }
    return *ops <= OPS_MAX;
}

static bool equal(const struct places *a, const struct places *b)
{
    for (uint32_t i = 0; a->count == b->count && i < a->count; i++)
        if (a->at[i].key != b->at[i].key || a->at[i].hash != b->at[i].hash)
            return false;
    return a->count == b->count;
}

/* Adds what has to be said of one range; keeps what it then holds. Returns how many operations. */
static unsigned tell_range(struct control *c, const struct guild_state *g, const struct member_list *l,
                           const struct shape *s, struct list_window *w, uint32_t k)
{
    const struct list_range *r = &w->range[k];
    uint32_t most = r->last - r->first + 1;
    struct places now = {calloc(most, sizeof *now.at), 0}, was = {calloc(2 * most + 1, sizeof *was.at), 0};
    size_t begin = c->out.length;
    bool comma = c->out.comma;
    unsigned ops = 0;
    if (!now.at || !was.at)
        abort();
    now.count = look(c, g, l, s, r, now.at);
    if (w->told[k])
        memcpy(was.at, w->told[k], (was.count = w->told_count[k]) * sizeof *was.at);
    bool told = w->told[k] != NULL;
    if (!told || !equal(&was, &now)) {
        if (!told || w->ranges > 1 || !op_changes(c, g, l, s, r, &was, &now, &ops)) {
            c->out.length = begin;
            c->out.comma = comma;
            op_sync(c, g, l, s, r);
            ops = 1;
        }
    }
    free(w->told[k]);
    free(was.at);
    w->told[k] = now.at;
    w->told_count[k] = now.count;
    return ops;
}

static uint64_t groups_hash(const struct guild_state *g, const struct shape *s)
{
    uint64_t hash = hash_bytes(0xcbf29ce484222325ull, &g->members.count, sizeof g->members.count);
    for (size_t i = 0; i < s->count; i++) {
        hash = hash_bytes(hash, &s->groups[i].role_id, sizeof s->groups[i].role_id);
        hash = hash_bytes(hash, &s->groups[i].count, sizeof s->groups[i].count);
    }
    return hash;
}

static void tell(struct control *c, const struct member_list *l, struct list_window *w, bool quietly)
{
    const struct guild_state *g = model_guild(c->model, l->guild_id);
    unsigned ops = 0;
    if (!g)
        return;
    struct shape s = shape_of(g, &l->order);
    uint64_t hash = groups_hash(g, &s);
    open_update(c, g, l, &s);
    for (uint32_t k = 0; k < w->ranges; k++)
        ops += tell_range(c, g, l, &s, w, k);
    close_update(c);
    if (ops || quietly || (hash != w->groups_hash && c->now_ms >= w->groups_ms + LISTS_COUNTS_MS)) {
        w->groups_hash = hash;
        w->groups_ms = c->now_ms;
        if (!quietly)
            publish_topic(c, w->topic, l->guild_id, w->compressed != 0, &c->out);
    }
    w->behind = hash != w->groups_hash;
    free(s.groups);
}

void list_tell(struct control *c, const struct member_list *l, struct list_window *w)
{
    tell(c, l, w, false);
}

void list_note(struct control *c, const struct member_list *l, struct list_window *w)
{
    tell(c, l, w, true);
}

void list_tell_all(struct control *c, const struct member_list *l, const struct list_window *w,
                   uint32_t session)
{
    const struct guild_state *g = model_guild(c->model, l->guild_id);
    if (!g)
        return;
    struct shape s = shape_of(g, &l->order);
    open_update(c, g, l, &s);
    for (uint32_t k = 0; k < w->ranges; k++)
        op_sync(c, g, l, &s, &w->range[k]);
    close_update(c);
    publish_session(c, session, &c->out);
    free(s.groups);
}

void list_window_forget(struct list_window *w)
{
    for (uint32_t k = 0; k < LIST_RANGES; k++)
        free(w->told[k]);
}
