/*
 * The effects of what has become durable (guilds/effect.h), each in a transaction of its own that also counts
 * it; see publish.h.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/events/publish.h"

#include <stdlib.h>

#include "controlplane/events/audience.h"
#include "controlplane/events/visibility.h"
#include "controlplane/presence/lists.h"
#include "controlplane/presence/presence.h"
#include "controlplane/protocol/intents.h"
#include "controlplane/protocol/opcodes.h"
#include "controlplane/routes/maps.h"
#include "controlplane/sessions/gateway.h"
#include "controlplane/sessions/session_table.h"
#include "controlplane/sessions/snapshot.h"
#include "controlplane/voice/voice.h"

/* After a death, the deletion of a channel finds nobody recorded as having seen it: everybody is told. */
static uint64_t view_of(const struct control *c, const struct effect *e)
{
    return e->recovered && !model_channel(c->model, e->view_channel) ? 0 : e->view_channel;
}

static void publish_effect(struct control *c, const struct effect *e)
{
    uint64_t full[EVENT_EXCEPTIONS_MAX];
    size_t n = 0;
    if (e->author_id)
        full[n++] = e->author_id;
    for (size_t i = 0; i < e->mentioned_count && n < EVENT_EXCEPTIONS_MAX; i++)
        full[n++] = e->mentioned[i];
    const struct publication p = {.intents = e->intent,
                                  .view_channel = view_of(c, e),
                                  .direct = e->topic == EFFECT_TO_USER,
                                  .except_session = SESSION_NONE,
                                  .always_user = e->always_user,
                                  .exceptions = full,
                                  .exception_count = n,
                                  .text = e->body,
                                  .length = e->body_length,
                                  .redacted = e->redacted,
                                  .redacted_length = e->redacted_length};
    if (e->topic == EFFECT_TO_GUILD)
        publish_guild(c, e->guild_id, &p);
    else
        publish_user(c, e->user_id, &p);
    if (strcmp(e->name, "GUILD_MEMBER_UPDATE") == 0)
        lists_touch(c, e->always_user, e->guild_id);
    else if (strncmp(e->name, "GUILD_ROLE_", 11) == 0)
        lists_recompute(c, e->guild_id);
}

/* A new member's sessions take part from here on; who was there already sees that it is online. */
static void joined(struct control *c, const struct effect *e)
{
    const struct guild_state *g = model_guild(c->model, e->guild_id);
    struct presence_view v;
    if (!g)
        return;
    map_put(c->owner_map, e->guild_id, THIS_BOX);
    lists_touch(c, e->user_id, e->guild_id);
    for (uint32_t i = session_first_of(c, e->user_id); i != SESSION_NONE; i = session_next_of(c, i)) {
        const struct session_control *s = session_of(c, i);
        if (s->kind == SESSION_GATEWAY && shard_has(s, e->guild_id))
            snapshot_guild(c, i, g);
    }
    if (!presence_of(c, e->user_id, &v))
        return;
    v.shown.guild_id = e->guild_id;
    dispatch_presence_update(&c->out, &v.shown);
    publish_guild(c, e->guild_id,
                  &(struct publication){.intents = INTENT_GUILD_PRESENCES,
                                        .except_session = SESSION_NONE,
                                        .text = c->out.data,
                                        .length = c->out.length});
}

static void left(struct control *c, const struct effect *e)
{
    uint32_t slot = voice_slot_of(c, e->guild_id, e->user_id);
    if (slot != SESSION_NONE)
        voice_leave(c, slot);
    lists_touch(c, e->user_id, e->guild_id);
    dispatch_guild_delete(&c->out, e->guild_id, false);
    for (uint32_t i = session_first_of(c, e->user_id); i != SESSION_NONE; i = session_next_of(c, i)) {
        const struct session_control *s = session_of(c, i);
        if (s->kind != SESSION_GATEWAY || !shard_has(s, e->guild_id))
            continue;
        if (s->intents & INTENT_GUILDS)
            publish_session(c, i, &c->out);
        lists_recheck(c, i, e->guild_id);
        audience_leave(c, e->guild_id, i);
    }
}

/* Its GUILD_DELETE went out as an event of the same change. */
static void guild_deleted(struct control *c, const struct effect *e)
{
    voice_empty(c, e->guild_id, 0);
    audience_end(c, e->guild_id);
    map_remove(c->owner_map, e->guild_id);
}

static void revoked(struct control *c, uint64_t user_id)
{
    for (uint32_t i = session_first_of(c, user_id), next; i != SESSION_NONE; i = next) {
        next = session_next_of(c, i);
        if (session_of(c, i)->kind != SESSION_GATEWAY)
            continue;
        gateway_end(c, i, GATEWAY_CLOSE_AUTHENTICATION_FAILED);
        next = session_first_of(c, user_id); /* its voice slots went with it */
    }
}

static void carry_out(struct control *c, const struct effect *e)
{
    switch (e->kind) {
    case EFFECT_EVENT:
        publish_effect(c, e);
        break;
    case EFFECT_GUILD_JOINED:
        joined(c, e);
        break;
    case EFFECT_GUILD_LEFT:
        left(c, e);
        break;
    case EFFECT_GUILD_DELETED:
        guild_deleted(c, e);
        break;
    case EFFECT_CHANNEL_MADE:
        visibility_changed(c, e->guild_id, e->channel_id, false);
        break;
    case EFFECT_PERMISSIONS_CHANGED:
        if (e->recovered)
            visibility_told(c, e->guild_id, e->channel_id);
        visibility_changed(c, e->guild_id, 0, !e->recovered);
        voice_permissions_changed(c, e->guild_id);
        break;
    case EFFECT_CHANNEL_DELETED:
        voice_empty(c, e->guild_id, e->channel_id);
        visibility_changed(c, e->guild_id, 0, false);
        break;
    case EFFECT_VOICE:
        voice_moderate(c, e);
        break;
    case EFFECT_ACCOUNT_REVOKED:
        revoked(c, e->user_id);
        break;
    case EFFECT_FRIENDS:
        presence_befriend(c, e->user_id, e->always_user);
        presence_befriend(c, e->always_user, e->user_id);
        break;
    case EFFECT_PUBLISHED:
        break;
    }
}

/* In the effect's transaction: this one is carried out. */
static void note_published(struct control *c, const struct effect *e)
{
    struct control_area *a = c->link->area;
    if (!e->outbox_id)
        return;
    txn_touch(&c->link->txn, a, sizeof *a, &a->stamp);
    if (e->kind == EFFECT_PUBLISHED) {
        a->outbox_published = e->outbox_id;
        a->outbox_current = 0;
        a->outbox_step = 0;
        return;
    }
    if (a->outbox_current != e->outbox_id) {
        a->outbox_current = e->outbox_id;
        a->outbox_step = 0;
    }
    a->outbox_step++;
}

/* Did the process before this one carry it out? */
static bool done_before(struct control *c, const struct effect *e)
{
    if (!c->skip_effects || !e->outbox_id || e->outbox_id != c->skip_row)
        return false;
    c->skip_effects--;
    return true;
}

void control_effect(void *ctx, const struct effect *e)
{
    struct control *c = ctx;
    if (done_before(c, e))
        return;
    if (!c->link->depth)
        link_wait(c->link);
    link_begin(c->link);
    carry_out(c, e);
    note_published(c, e);
    link_end(c->link);
}
