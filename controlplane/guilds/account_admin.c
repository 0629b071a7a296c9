/*
 * Accounts, tokens and friends; see account_admin.h.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/guilds/account_admin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "controlplane/guilds/actions.h"
#include "controlplane/protocol/intents.h"

/* A verb under way. */
struct job {
    struct model *m;
    const struct job_verb *verb;
    json_t *args;
    admin_done_fn *done;
    void *ctx;
    struct change *change; /* what it changes, if it does */
    bool waits;            /* for another change; then it is run again */
    json_t *result;
};

struct job_verb {
    struct admin_verb_text text;
    /* The answer (stolen), and a change in job->change that must be durable first. NULL: the change is a
     * step, the verb is run again behind it. */
    json_t *(*run)(struct job *j);
};

static json_t *fail(const char *why)
{
    return json_pack("{s:s}", "error", why);
}

static json_t *id_json(uint64_t id)
{
    char text[24];
    snprintf(text, sizeof text, "%llu", (unsigned long long)id);
    return json_string(text);
}

/* The account named by an id or by its name. */
static const struct account *named(const struct job *j, const char *key)
{
    const char *text = json_string_value(json_object_get(j->args, key));
    const struct account *a;
    uint64_t id;
    if (text && snowflake_parse(text, strlen(text), &id) && (a = model_account(j->m, id)))
        return a;
    for (size_t i = 0; text && (a = id_map_next(&j->m->accounts, &i));)
        if (strcmp(a->user.username, text) == 0)
            return a;
    return NULL;
}

/* ---- intents ---- */

static const struct {
    const char *name;
    uint32_t bit;
} intent_names[] = {{"members", INTENT_GUILD_MEMBERS},
                    {"presences", INTENT_GUILD_PRESENCES},
                    {"content", INTENT_MESSAGE_CONTENT}};
#define INTENT_NAMES (sizeof intent_names / sizeof *intent_names)

static json_t *intents_json(uint32_t intents)
{
    json_t *list = json_array();
    for (size_t i = 0; i < INTENT_NAMES; i++)
        if (intents & intent_names[i].bit)
            json_array_append_new(list, json_string(intent_names[i].name));
    return list;
}

/* "members,content", "all" or "none". */
static bool intents_parse(const char *text, uint32_t *intents)
{
    *intents = text && strcmp(text, "all") == 0 ? INTENTS_PRIVILEGED : 0;
    if (!text || *intents || strcmp(text, "none") == 0)
        return text != NULL;
    for (size_t n; *text; text += n + (text[n] == ',')) {
        size_t i = 0;
        n = strcspn(text, ",");
        while (i < INTENT_NAMES &&
               (strlen(intent_names[i].name) != n || memcmp(intent_names[i].name, text, n)))
            i++;
        if (i == INTENT_NAMES)
            return false;
        *intents |= intent_names[i].bit;
    }
    return true;
}

/* ---- accounts ---- */

static size_t token_count(const struct model *m, uint64_t user_id)
{
    struct token list[64];
    return model_tokens(m, user_id, list, sizeof list / sizeof *list);
}

static json_t *account_show(struct job *j)
{
    const struct account *a = named(j, "account");
    if (!a)
        return fail("no such account");
    json_t *guilds = json_array(), *friends = json_array();
    for (size_t i = 0; i < a->guild_count; i++)
        json_array_append_new(guilds, id_json(a->guilds[i]->row.id));
    for (size_t i = 0; i < a->relation_count; i++)
        if (a->relations[i].type == RELATION_FRIEND)
            json_array_append_new(friends, id_json(a->relations[i].user_id));
    return json_pack("{s:o, s:s, s:b, s:o, s:o, s:o, s:I}", "id", id_json(a->user.id), "name",
                     a->user.username, "bot", (int)a->user.bot, "intents", intents_json(a->intents_allowed),
                     "guilds", guilds, "friends", friends, "tokens",
                     (json_int_t)token_count(j->m, a->user.id));
}

static json_t *account_set(struct job *j)
{
    const struct account *a = named(j, "account");
    const char *text = json_string_value(json_object_get(j->args, "intents"));
    uint32_t intents;
    if (!a)
        return fail("no such account");
    if (!intents_parse(text, &intents))
        return fail("intents: all, none, or some of members,presences,content");
    j->change = change_begin(j->m, NULL, 0);
    action_account_intents(j->change, a->user.id, intents);
    return json_pack("{s:o, s:o}", "account", id_json(a->user.id), "intents", intents_json(intents));
}

static void drop_relations(struct job *j, const struct account *a)
{
    for (size_t i = 0; i < a->relation_count; i++) {
        const struct account *other = model_account(j->m, a->relations[i].user_id);
        if (!other)
            continue;
        action_relation(j->change, a, other, RELATION_NONE);
        action_relation(j->change, other, a, RELATION_NONE);
    }
}

static void job_again(void *ctx);

/* Leaves its guilds first, one change at a time. */
static json_t *account_delete(struct job *j)
{
    const struct account *a = named(j, "account");
    if (!a)
        return fail("no such account");
    for (size_t i = 0; i < a->guild_count; i++)
        if (a->guilds[i]->row.owner_id == a->user.id)
            return fail("owns a guild: delete or hand that over first");
    if (a->guild_count) {
        const struct guild_state *g = a->guilds[0];
        bool full;
        if (change_wait(j->m, g->row.id, job_again, j, &full)) {
            j->waits = true;
            return NULL;
        }
        if (full)
            return fail("too many changes wait for its guild, try again");
        j->change = change_begin(j->m, NULL, g->row.id);
        action_member_leave(j->change, j->m, g->row.id, a->user.id);
        return NULL;
    }
    j->change = change_begin(j->m, NULL, 0);
    drop_relations(j, a);
    action_account_intents(j->change, a->user.id, INTENTS_PRIVILEGED);
    action_tokens_revoke(j->change, a->user.id);
    struct store_row *r = change_row(j->change, ROW_USER);
    r->remove = true;
    r->user.id = a->user.id;
    return json_pack("{s:o}", "account", id_json(a->user.id));
}

static json_t *token_list(struct job *j)
{
    const struct account *a = named(j, "account");
    struct token list[64];
    if (!a)
        return fail("no such account");
    json_t *tokens = json_array();
    size_t n = model_tokens(j->m, a->user.id, list, sizeof list / sizeof *list);
    for (size_t i = 0; i < n && i < sizeof list / sizeof *list; i++) {
        char hash[17];
        for (unsigned k = 0; k < 8; k++)
            snprintf(hash + 2 * k, 3, "%02x", list[i].hash[k]);
        json_array_append_new(
            tokens, json_pack("{s:s, s:I}", "hash", hash, "created_ms", (json_int_t)list[i].created_ms));
    }
    return json_pack("{s:o, s:o}", "account", id_json(a->user.id), "tokens", tokens);
}

/* ---- friends ---- */

static json_t *friends(struct job *j, bool add)
{
    const struct account *a = named(j, "account"), *b = named(j, "friend");
    if (!a || !b || a == b)
        return fail(a && b ? "nobody is a friend of himself" : "no such account");
    if (a->user.bot || b->user.bot)
        return fail("bots have no friends");
    bool are = model_relation(a, b->user.id) == RELATION_FRIEND;
    if (are == add)
        return fail(add ? "are friends already" : "are no friends");
    j->change = change_begin(j->m, NULL, 0);
    (add ? action_befriend : action_unfriend)(j->change, a, b);
    return json_pack("{s:o, s:o}", "account", id_json(a->user.id), "friend", id_json(b->user.id));
}

static json_t *friend_add(struct job *j)
{
    return friends(j, true);
}

static json_t *friend_remove(struct job *j)
{
    return friends(j, false);
}

static json_t *friend_list(struct job *j)
{
    static const char *const types[] = {"none", "friend", "blocked", "incoming", "outgoing"};
    const struct account *a = named(j, "account");
    if (!a)
        return fail("no such account");
    json_t *list = json_array();
    for (size_t i = 0; i < a->relation_count; i++) {
        const struct user *u = model_user(j->m, a->relations[i].user_id);
        json_array_append_new(list,
                              json_pack("{s:o, s:s, s:s}", "account", id_json(a->relations[i].user_id),
                                        "name", u ? u->username : "", "is", types[a->relations[i].type % 5]));
    }
    return list;
}

/* ---- made-up members ---- */

#define GENERATE_MAX 2000

/* Rows alone: nobody is told of members that were never there. */
static json_t *guild_generate(struct job *j)
{
    uint64_t id = 0;
    const char *text = json_string_value(json_object_get(j->args, "guild"));
    json_int_t count = json_integer_value(json_object_get(j->args, "count"));
    const struct guild_state *g =
        text && snowflake_parse(text, strlen(text), &id) ? model_guild(j->m, id) : NULL;
    bool full;
    if (!g || count < 1 || count > GENERATE_MAX)
        return fail(g ? "count: 1 to 2000" : "no such guild");
    if (change_wait(j->m, id, job_again, j, &full)) {
        j->waits = true;
        return NULL;
    }
    if (full)
        return fail("too many changes wait for this guild, try again");
    j->change = change_begin(j->m, NULL, id);
    for (json_int_t i = 0; i < count; i++) {
        char name[40];
        uint64_t user = snowflake_next(&j->m->ids, j->m->now_ms);
        snprintf(name, sizeof name, "member%zu", g->members.count + (size_t)i);
        change_row(j->change, ROW_USER)->user = (struct user){.id = user, .username = text_copy(name)};
        change_row(j->change, ROW_MEMBER)->member =
            (struct member){.guild_id = id, .user_id = user, .joined_at_ms = j->m->now_ms};
    }
    return json_pack("{s:s, s:I}", "guild", text, "made", count);
}

static const struct job_verb verbs[] = {
    {{"account show", "account", "one account: intents, guilds, friends"}, account_show},
    {{"account set", "account, intents", "sets the privileged intents it may ask for"}, account_set},
    {{"account delete", "account", "ends memberships, friendships and tokens, then the account"},
     account_delete},
    {{"token list", "account", "its tokens, by the beginning of their hash"}, token_list},
    {{"guild generate", "guild, count", "fills a guild with made-up members"}, guild_generate},
    {{"friend add", "account, friend", "makes two user accounts friends"}, friend_add},
    {{"friend remove", "account, friend", "ends their friendship"}, friend_remove},
    {{"friend list", "account", "its friends, requests and blocks"}, friend_list},
};

static void job_end(struct job *j, json_t *result)
{
    j->done(j->ctx, result);
    json_decref(j->args);
    free(j);
}

static void job_run(struct job *j);

static void job_committed(void *ctx, enum store_status status, int http_status, const char *body)
{
    struct job *j = ctx;
    json_t *result = j->result;
    if (status == STORE_OK && !result) {
        job_run(j);
        return;
    }
    if (status != STORE_OK) {
        json_decref(result);
        result = fail(store_status_text(status));
    }
    job_end(j, result);
}

static void job_run(struct job *j)
{
    j->change = NULL;
    j->waits = false;
    j->result = j->verb->run(j);
    if (j->waits)
        return;
    if (!j->change) {
        job_end(j, j->result);
    } else if (!change_submit(j->change, job_committed, j)) {
        json_decref(j->result);
        job_end(j, fail("the store's queue is full, try again"));
    }
}

static void job_again(void *ctx)
{
    job_run(ctx);
}

bool account_admin_call(struct model *m, const char *verb, const json_t *args, admin_done_fn *done, void *ctx)
{
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        if (strcmp(verbs[i].text.verb, verb))
            continue;
        struct job *j = calloc(1, sizeof *j);
        if (!j)
            abort();
        *j = (struct job){.m = m, .verb = &verbs[i], .args = json_deep_copy(args), .done = done, .ctx = ctx};
        job_run(j);
        return true;
    }
    return false;
}

const struct admin_verb_text *account_admin_verb_at(size_t i)
{
    return i < sizeof verbs / sizeof *verbs ? &verbs[i].text : NULL;
}
