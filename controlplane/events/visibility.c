/*
 * See visibility.h. Each event is written once and pointed at for every session that it goes to.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/events/visibility.h"

#include <stdlib.h>

#include "controlplane/events/audience.h"
#include "controlplane/events/event_writer.h"
#include "controlplane/protocol/intents.h"

struct telling {
    struct control *c;
    const struct guild_state *g;
    uint64_t made, only;
    bool whatever; /* it was seen before or not */
    struct {
        uint64_t create, delete; /* positions in the log, 0: not written in this transaction */
    } * at;                      /* by channel of the guild */
};

static void forget_positions(struct telling *t)
{
    for (size_t i = 0; i < t->g->channel_count; i++)
        t->at[i].create = t->at[i].delete = 0;
}

static uint64_t write(struct telling *t, const struct channel *ch, bool create)
{
    struct control *c = t->c;
    struct channel bare = {.id = ch->id, .guild_id = ch->guild_id, .type = ch->type, .name = (char *)""};
    dispatch_channel(&c->out, create ? "CHANNEL_CREATE" : "CHANNEL_DELETE", create ? ch : &bare);
    if (!event_text_fits(c->out.length))
        return 0;
    return event_write(c->link, &(struct event_spec){.topic_id = ch->guild_id,
                                                     .classes = ~0ull,
                                                     .except_session = SESSION_NONE,
                                                     .text = c->out.data,
                                                     .length = c->out.length});
}

static void tell_session(struct telling *t, uint32_t session, size_t i, bool create)
{
    uint64_t *at = create ? &t->at[i].create : &t->at[i].delete;
    if (!*at)
        *at = write(t, t->g->channels[i], create);
    if (*at)
        event_dispatch(t->c->link, session, *at);
    if (link_long(t->c->link)) {
        link_cut(t->c->link);
        forget_positions(t); /* what they named may be gone when the next transaction begins */
    }
}

static void before(void *ctx, const struct audience *a, const struct audience_member *m)
{
    struct telling *t = ctx;
    const struct session_control *s = session_of(t->c, m->session);
    if (!(s->intents & INTENT_GUILDS))
        return;
    for (size_t i = 0; i < t->g->channel_count; i++) {
        const struct channel *ch = t->g->channels[i];
        if (ch->id == t->made || (t->only && ch->id != t->only))
            continue;
        bool now = model_permissions(t->c->model, t->g, ch, s->user_id) & PERM_VIEW_CHANNEL;
        if (t->whatever || now != audience_saw(a, m, ch->id))
            tell_session(t, m->session, i, now);
    }
}

static bool begin(struct telling *t, struct control *c, uint64_t guild_id)
{
    *t = (struct telling){.c = c, .g = model_guild(c->model, guild_id)};
    if (!t->g)
        return false;
    t->at = calloc(t->g->channel_count + 1, sizeof *t->at);
    if (!t->at)
        abort();
    return true;
}

void visibility_changed(struct control *c, uint64_t guild_id, uint64_t made, bool tell)
{
    struct telling t;
    if (!tell || !begin(&t, c, guild_id)) {
        audience_recompute(c, guild_id, NULL, NULL);
        return;
    }
    t.made = made;
    audience_recompute(c, guild_id, before, &t);
    free(t.at);
}

void visibility_told(struct control *c, uint64_t guild_id, uint64_t channel_id)
{
    const struct audience *a = audience_of(c, guild_id);
    struct telling t;
    if (!a || !begin(&t, c, guild_id))
        return;
    t.only = channel_id;
    t.whatever = true;
    for (uint32_t i = 0; i < a->count; i++)
        before(&t, a, &a->members[i]);
    free(t.at);
}
