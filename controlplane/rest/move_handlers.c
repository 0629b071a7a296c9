/*
 * Positions: several channels or several roles moved at once, by a list of {id, position, ...}.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/rest/call.h"

#include <stdlib.h>
#include <string.h>

#define MOVES_MAX 500

static bool moves_sound(struct rest_call *c)
{
    if (json_array_size(c->body) <= MOVES_MAX)
        return true;
    rest_invalid(c, NULL, "BASE_TYPE_MAX_LENGTH", "Must be 500 or fewer in length.");
    return false;
}

/* The id of an entry, which `c->body` is for the time being; false when it has answered. */
static bool move_id(struct rest_call *c, uint64_t *id)
{
    bool given = false;
    *id = 0;
    if (!json_is_object(c->body) || !field_id(c, "id", id, &given))
        return json_is_object(c->body) ? false
                                       : (rest_invalid(c, NULL, "MODEL_TYPE_CONVERT",
                                                       "Only dictionaries may be used in a DictType"),
                                          false);
    if (given)
        return true;
    rest_invalid(c, "id", "BASE_TYPE_REQUIRED", "This field is required");
    return false;
}

/* The record of this id in `now`, which has `count`, from the model when it is new; NULL: there is no such
 * channel, which is answered. */
static struct channel *moved_channel(struct rest_call *c, struct channel *now, size_t *count, uint64_t id)
{
    const struct channel *have = model_channel(c->m, id);
    for (size_t i = 0; i < *count; i++)
        if (now[i].id == id)
            return &now[i];
    if (!have || have->guild_id != c->guild->row.id) {
        rest_unknown(c, 10003);
        return NULL;
    }
    if (!(model_permissions(c->m, c->guild, have, c->user_id) & PERM_MANAGE_CHANNELS)) {
        rest_error(c, 403, 50013, "Missing Permissions");
        return NULL;
    }
    channel_copy(&now[*count], have);
    return &now[(*count)++];
}

/* The overwrites of the category that the channel is moved to: only who may give them all may ask for that.
 */
static bool lock_permissions(struct rest_call *c, struct channel *now)
{
    const struct channel *parent = model_channel(c->m, now->parent_id);
    bool lock = false;
    if (!field_bool(c, "lock_permissions", &lock, NULL))
        return false;
    if (!lock || !parent)
        return true;
    uint64_t own = model_permissions(c->m, c->guild, model_channel(c->m, now->id), c->user_id);
    if (!(own & PERM_ADMINISTRATOR)) { /* else one would get by a move what one may not give */
        rest_error(c, 403, 50013, "Missing Permissions");
        return false;
    }
    free(now->overwrites);
    now->overwrites = malloc((parent->overwrite_count + 1) * sizeof *now->overwrites);
    if (!now->overwrites)
        abort();
    memcpy(now->overwrites, parent->overwrites, parent->overwrite_count * sizeof *now->overwrites);
    now->overwrite_count = parent->overwrite_count;
    return true;
}

static bool move_channel(struct rest_call *c, struct channel *list, size_t *count)
{
    uint64_t id, parent = 0;
    bool given;
    struct channel *now = move_id(c, &id) ? moved_channel(c, list, count, id) : NULL;
    int64_t position = now ? now->position : 0;
    if (!now || !field_int(c, "position", 0, 10000, &position, NULL) ||
        !field_id(c, "parent_id", &parent, &given))
        return false;
    const struct channel *p = given ? model_channel(c->m, parent) : NULL;
    if (given && (!p || p->guild_id != c->guild->row.id || p->type != CHANNEL_CATEGORY ||
                  now->type == CHANNEL_CATEGORY)) {
        rest_invalid(c, "parent_id", "CHANNEL_PARENT_INVALID_TYPE", "Not a category of this guild");
        return false;
    }
    now->position = (uint16_t)position;
    if (given || field_is_null(c, "parent_id"))
        now->parent_id = parent;
    return lock_permissions(c, now);
}

void rest_channels_patch(struct rest_call *c)
{
    json_t *whole = c->body, *each;
    size_t i, count = 0;
    bool good = moves_sound(c);
    struct channel *now = calloc(json_array_size(whole) + 1, sizeof *now);
    if (!now)
        abort();
    for (i = 0; good && (each = json_array_get(whole, i)); i++) {
        c->body = each;
        good = move_channel(c, now, &count);
    }
    c->body = whole;
    if (good) {
        struct change *change = rest_change(c);
        action_channels_update(change, now, count);
        rest_commit(c, change);
    }
    for (i = 0; i < count; i++)
        channel_clear(&now[i]);
    free(now);
}

/* Both where it was and where it goes must be below the asker's highest role. */
static bool move_role(struct rest_call *c, struct role *list, size_t *count)
{
    uint64_t id;
    uint32_t rank = model_rank(c->guild, c->user_id);
    const struct role *have = move_id(c, &id) ? model_role(c->guild, id) : NULL;
    int64_t position = have ? have->position : 0;
    if (!have) {
        if (!c->done_called)
            rest_unknown(c, 10011);
        return false;
    }
    if (!field_int(c, "position", 0, 1000, &position, NULL))
        return false;
    bool everyone = id == c->guild->row.id;
    if ((everyone && position) || (!everyone && !position)) {
        rest_invalid(c, "position", "NUMBER_TYPE_MIN", "@everyone is the lowest role, at 0.");
        return false;
    }
    if (position == have->position)
        return true;
    if (have->position >= rank || (uint32_t)position >= rank) {
        rest_error(c, 403, 50013, "Missing Permissions");
        return false;
    }
    role_copy(&list[*count], have);
    list[(*count)++].position = (uint16_t)position;
    return true;
}

static int role_order(const void *a, const void *b)
{
    const struct role *x = *(const struct role *const *)a, *y = *(const struct role *const *)b;
    if (x->position != y->position)
        return x->position < y->position ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

/* All roles as they will be. */
static char *roles_reply(const struct guild_state *g, const struct role *now, size_t count)
{
    const struct role **all = calloc(g->role_count + 1, sizeof *all);
    struct json_out body = {0};
    if (!all)
        abort();
    for (size_t i = 0; i < g->role_count; i++) {
        all[i] = g->roles[i];
        for (size_t k = 0; k < count; k++)
            if (now[k].id == all[i]->id)
                all[i] = &now[k];
    }
    qsort(all, g->role_count, sizeof *all, role_order);
    out_list(&body);
    for (size_t i = 0; i < g->role_count; i++)
        object_role(&body, all[i]);
    out_list_end(&body);
    free(all);
    return json_out_take(&body);
}

void rest_roles_patch(struct rest_call *c)
{
    json_t *whole = c->body, *each;
    size_t i, count = 0;
    bool good = moves_sound(c);
    struct role *now = calloc(json_array_size(whole) + 1, sizeof *now);
    if (!now)
        abort();
    for (i = 0; good && (each = json_array_get(whole, i)); i++) {
        c->body = each;
        good = move_role(c, now, &count);
    }
    c->body = whole;
    if (good) {
        struct change *change = rest_change(c);
        char *reply = roles_reply(c->guild, now, count);
        action_roles_update(change, now, count);
        change_reply(change, 200, reply);
        free(reply);
        rest_commit(c, change);
    }
    for (i = 0; i < count; i++)
        role_clear(&now[i]);
    free(now);
}
