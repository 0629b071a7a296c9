/*
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/sessions/visitors.h"

#include "controlplane/guilds/actions.h"
#include "controlplane/sessions/session_table.h"

#define AFTER_START_MS 60000u
#define AGAIN_MS       1000u

static bool is_there(const struct control *c, uint64_t user_id)
{
    for (uint32_t i = session_first_of(c, user_id); i != SESSION_NONE; i = session_next_of(c, i))
        if (session_of(c, i)->kind == SESSION_GATEWAY)
            return true;
    return false;
}

/* One change at a time in a guild: where one is under way, another look is taken later. */
static void leave(struct control *c, uint64_t guild_id, uint64_t user_id)
{
    struct model *m = c->model;
    if (id_map_get(&m->changing, guild_id)) {
        deadlines_add(&c->deadlines, c->now_ms + AGAIN_MS, DEADLINE_VISITORS, 0);
        return;
    }
    struct change *change = change_begin(m, NULL, guild_id);
    action_member_leave(change, m, guild_id, user_id);
    if (!change_submit(change, NULL, NULL))
        deadlines_add(&c->deadlines, c->now_ms + AGAIN_MS, DEADLINE_VISITORS, 0);
}

void visitors_open(struct control *c)
{
    deadlines_add(&c->deadlines, c->now_ms + AFTER_START_MS, DEADLINE_VISITORS, 0);
}

void visitors_gone(struct control *c, uint64_t user_id)
{
    const struct account *account = model_account(c->model, user_id);
    if (!account || is_there(c, user_id))
        return;
    for (size_t i = 0; i < account->guild_count; i++) {
        const struct guild_state *g = account->guilds[i];
        const struct member *mb = model_member(g, user_id);
        if (mb && mb->temporary)
            leave(c, g->row.id, user_id);
    }
}

void visitors_due(struct control *c)
{
    const struct guild_state *g;
    const struct member *mb;
    for (size_t i = 0; (g = id_map_next(&c->model->guilds, &i)) != NULL;)
        for (size_t k = 0; (mb = id_map_next(&g->members, &k)) != NULL;)
            if (mb->temporary && !is_there(c, mb->user_id))
                leave(c, g->row.id, mb->user_id);
}
