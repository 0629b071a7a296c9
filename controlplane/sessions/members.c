/*
 * Op 8: members on demand (reference/gateway.md 9). Always answered, also with nothing; as many steps as
 * there are chunks that do not fit one transaction.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/sessions/gateway.h"

#include <stdlib.h>
#include <strings.h>

#include "controlplane/events/event_writer.h"
#include "controlplane/events/publish.h"
#include "controlplane/protocol/intents.h"
#include "controlplane/protocol/opcodes.h"
#include "controlplane/sessions/payload.h"

#define CHUNK_MEMBERS   1000u
#define QUERY_LIMIT_MAX 100u

static int by_id(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static bool name_begins(const char *name, const char *query)
{
    return name && strncasecmp(name, query, strlen(query)) == 0;
}

static bool matches(const struct control *c, const struct member *m, const char *query)
{
    const struct user *u = model_user(c->model, m->user_id);
    return u && (name_begins(u->username, query) || name_begins(u->global_name, query) ||
                 name_begins(m->nick, query));
}

static size_t find_by_query(const struct control *c, const struct guild_state *g, uint32_t session,
                            const struct members_request *r, uint64_t *ids)
{
    bool all = !*r->query && !r->limit;
    size_t n = 0, limit = !r->limit || r->limit > QUERY_LIMIT_MAX ? QUERY_LIMIT_MAX : r->limit;
    const struct member *m;
    if (all && !(session_of(c, session)->intents & INTENT_GUILD_MEMBERS))
        return 0;
    for (size_t at = 0; (m = id_map_next(&g->members, &at)) != NULL;)
        if (all || matches(c, m, r->query))
            ids[n++] = m->user_id;
    qsort(ids, n, sizeof *ids, by_id);
    return all || n < limit ? n : limit;
}

/* The members asked for, ascending: the same in every step of the entry. */
static void find(struct control *c, uint32_t session, const struct members_request *r, uint64_t entry)
{
    const struct guild_state *g = model_guild(c->model, r->guild_id);
    if (c->chunk_entry == entry + 1)
        return;
    c->chunk_entry = entry + 1;
    c->chunk_count = 0;
    if (!g || !model_member(g, session_of(c, session)->user_id))
        return;
    c->chunk_ids = realloc(c->chunk_ids, (g->members.count + PAYLOAD_USERS_MAX + 1) * sizeof *c->chunk_ids);
    if (!c->chunk_ids)
        abort();
    if (r->query) {
        c->chunk_count = find_by_query(c, g, session, r, c->chunk_ids);
        return;
    }
    for (size_t i = 0; i < r->user_count; i++)
        if (model_member(g, r->user_ids[i]))
            c->chunk_ids[c->chunk_count++] = r->user_ids[i];
}

static void add_not_found(struct control *c, const struct members_request *r, const struct guild_state *g)
{
    out_key(&c->out, "not_found");
    out_list(&c->out);
    for (size_t i = 0; i < r->user_count; i++)
        if (!g || !model_member(g, r->user_ids[i]))
            out_id(&c->out, r->user_ids[i]);
    out_list_end(&c->out);
}

static void add_presences(struct control *c, const struct member_ref *members, size_t count)
{
    struct presence_view v;
    out_key(&c->out, "presences");
    out_list(&c->out);
    for (size_t i = 0; i < count; i++) {
        if (!presence_of(c, members[i].user->id, &v))
            continue;
        out_object(&c->out);
        out_key(&c->out, "user");
        out_object(&c->out);
        out_field_id(&c->out, "id", v.shown.user_id);
        out_object_end(&c->out);
        out_field_string(&c->out, "status", v.shown.status);
        out_field_raw(&c->out, "activities", v.shown.activities);
        out_field_raw(&c->out, "client_status", v.shown.client_status);
        out_object_end(&c->out);
    }
    out_list_end(&c->out);
}

/* One chunk, into c->out. */
static void encode(struct control *c, const struct members_request *r, const struct member_ref *members,
                   size_t count, uint32_t index, uint32_t chunks, bool presences)
{
    dispatch_guild_members_chunk(&c->out, r->guild_id, members, count, index, chunks, NULL);
    /* The builder has closed d and the envelope: what was asked for besides goes in before both ends. */
    c->out.length -= 2;
    c->out.comma = true;
    if (r->user_count && !index)
        add_not_found(c, r, model_guild(c->model, r->guild_id));
    if (presences)
        add_presences(c, members, count);
    if (r->nonce)
        out_field_string(&c->out, "nonce", r->nonce);
    out_object_end(&c->out);
    out_object_end(&c->out);
}

static void chunk(struct control *c, uint32_t session, const struct members_request *r, uint32_t index,
                  uint32_t chunks)
{
    struct member_ref members[CHUNK_MEMBERS];
    const struct guild_state *g = model_guild(c->model, r->guild_id);
    size_t count = 0;
    for (size_t i = (size_t)index * CHUNK_MEMBERS;
         i < c->chunk_count && i < ((size_t)index + 1) * CHUNK_MEMBERS; i++)
        if (g && model_member_ref(c->model, g, c->chunk_ids[i], &members[count]))
            count++;
    bool presences = r->presences && session_of(c, session)->intents & INTENT_GUILD_PRESENCES;
    encode(c, r, members, count, index, chunks, presences);
    if (!event_text_fits(c->out.length) && presences)
        encode(c, r, members, count, index, chunks, false);
    while (!event_text_fits(c->out.length)) { /* members with very many roles: better some than none */
        count /= 2;
        encode(c, r, members, count, index, chunks, false);
    }
    publish_session(c, session, &c->out);
}

enum input_result gateway_members(struct control *c, uint32_t session, const json_t *d, uint64_t entry,
                                  uint64_t *cursor)
{
    struct members_request r;
    if (!members_request_parse(d, &r)) {
        gateway_refuse(c, session_of(c, session)->connection, GATEWAY_CLOSE_DECODE_ERROR, DROP_CONTROL_JSON,
                       "decode error");
        return INPUT_DONE;
    }
    find(c, session, &r, entry);
    uint32_t chunks = c->chunk_count ? (uint32_t)((c->chunk_count + CHUNK_MEMBERS - 1) / CHUNK_MEMBERS) : 1;
    while (*cursor < chunks) {
        chunk(c, session, &r, (uint32_t)*cursor, chunks);
        (*cursor)++;
        if (*cursor < chunks && link_long(c->link))
            return INPUT_MORE;
    }
    c->chunk_entry = 0;
    return INPUT_DONE;
}
