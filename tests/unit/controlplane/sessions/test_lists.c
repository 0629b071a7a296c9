/*
 * Member lists: a client that applies what it is told sees what a client that comes now is told of anew.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "controlplane/presence/lists.h"
#include "controlplane/protocol/intents.h"
#include "tests/unit/controlplane/sessions/world.h"

#define ID(x)  ((unsigned long long)(x))
#define PEOPLE 12
#ifdef __SANITIZE_ADDRESS__ /* where a tenth takes as long */
#define ABSENT 100000u
#else
#define ABSENT 1000000u
#endif

static void finish(struct world *w)
{
    world_close(w);
    free(w);
}

/* ---- a client with a list ---- */

struct watcher {
    struct client *client;
    unsigned read;
    json_t *items[400]; /* as user clients keep them: by place */
    unsigned count;
    json_t *groups;
    unsigned syncs, updates;
};

static void watcher_free(struct watcher *k)
{
    for (unsigned i = 0; i < 400; i++)
        json_decref(k->items[i]);
    json_decref(k->groups);
}

static void splice_in(struct watcher *k, unsigned at, json_t *item)
{
    json_decref(k->items[399]);
    memmove(k->items + at + 1, k->items + at, (399 - at) * sizeof *k->items);
    k->items[at] = json_incref(item);
}

static void splice_out(struct watcher *k, unsigned at)
{
    json_decref(k->items[at]);
    memmove(k->items + at, k->items + at + 1, (399 - at) * sizeof *k->items);
    k->items[399] = NULL;
}

static void apply(struct watcher *k, json_t *op)
{
    const char *name = json_string_value(json_object_get(op, "op"));
    unsigned at = (unsigned)json_integer_value(json_object_get(op, "index"));
    json_t *item = json_object_get(op, "item"), *range = json_object_get(op, "range");
    if (strcmp(name, "SYNC") == 0) {
        unsigned first = (unsigned)json_integer_value(json_array_get(range, 0)),
                 last = (unsigned)json_integer_value(json_array_get(range, 1));
        k->syncs++;
        for (unsigned i = first; i <= last; i++) {
            json_decref(k->items[i]);
            k->items[i] = json_incref(json_array_get(json_object_get(op, "items"), i - first));
        }
    } else if (strcmp(name, "INSERT") == 0) {
        splice_in(k, at, item);
    } else if (strcmp(name, "DELETE") == 0) {
        splice_out(k, at);
    } else {
        assert_string_equal(name, "UPDATE");
        json_decref(k->items[at]);
        k->items[at] = json_incref(item);
    }
}

static void listen(struct watcher *k)
{
    for (; k->read < k->client->count; k->read++) {
        json_t *j = json_loads(k->client->text[k->read], 0, NULL), *op;
        json_t *d = json_object_get(j, "d");
        const char *t = json_string_value(json_object_get(j, "t"));
        size_t i;
        if (t && strcmp(t, "GUILD_MEMBER_LIST_UPDATE") == 0) {
            k->updates++;
            json_array_foreach(json_object_get(d, "ops"), i, op) apply(k, op);
            json_decref(k->groups);
            k->groups = json_incref(json_object_get(d, "groups"));
        }
        json_decref(j);
    }
}

/* The place's name: a group's id, or a user's id and status. */
static void name_of(const json_t *item, char name[64])
{
    const json_t *group = json_object_get(item, "group"), *member = json_object_get(item, "member");
    *name = 0;
    if (group)
        snprintf(name, 64, "%s", json_string_value(json_object_get(group, "id")));
    else if (member)
        snprintf(name, 64, "%s %s %s",
                 json_string_value(json_object_get(json_object_get(member, "user"), "id")),
                 json_string_value(json_object_get(json_object_get(member, "presence"), "status")),
                 json_string_value(json_object_get(member, "nick")));
}

static void same_list(const struct watcher *a, const struct watcher *b, unsigned first, unsigned last)
{
    char x[64], y[64];
    for (unsigned i = first; i <= last; i++) {
        name_of(a->items[i], x);
        name_of(b->items[i], y);
        assert_string_equal(x, y);
    }
}

/* ---- a world with people ---- */

struct town {
    struct world *w;
    uint64_t person[PEOPLE];
    char token[PEOPLE][TOKEN_TEXT_MAX];
    struct client *client[PEOPLE];
    uint64_t role;
};

static void town_open(struct town *t)
{
    t->w = malloc(sizeof *t->w);
    world_open(t->w);
    for (int i = 0; i < PEOPLE; i++) {
        const json_t *made =
            world_admin(t->w, "account create", "{\"name\":\"person%02d\",\"bot\":false}", i);
        t->person[i] = json_id(made, "id");
        snprintf(t->token[i], TOKEN_TEXT_MAX, "%s", json_string_value(json_object_get(made, "token")));
        t->client[i] = NULL;
        world_admin(t->w, "guild join", "{\"guild\":\"%llu\",\"account\":\"%llu\"}", ID(t->w->guild),
                    ID(t->person[i]));
    }
    char path[96];
    snprintf(path, sizeof path, "/guilds/%llu/roles", ID(t->w->guild));
    struct client *c = client_request(t->w, 0, 3, path, "{\"name\":\"crew\",\"hoist\":true}");
    world_run(t->w);
    json_t *role = json_loads(strstr(c->http, "\r\n\r\n") + 4, 0, NULL);
    t->role = json_id(role, "id");
    json_decref(role);
}

static void come(struct town *t, int i)
{
    t->client[i] = client_open(t->w, (uint32_t)i % 2, CONNECTION_GATEWAY, 9);
    client_say(t->w, t->client[i], "{\"op\":2,\"d\":{\"token\":\"%s\",\"properties\":{},\"capabilities\":1}}",
               t->token[i]);
    world_run(t->w);
}

static void watch(struct town *t, struct watcher *k, int i, const char *ranges)
{
    watcher_free(k);
    *k = (struct watcher){.client = t->client[i]};
    client_say(t->w, t->client[i], "{\"op\":14,\"d\":{\"guild_id\":\"%llu\",\"channels\":{\"%llu\":%s}}}",
               ID(t->w->guild), ID(t->w->text), ranges);
    world_run(t->w);
    listen(k);
}

static void set_status(struct town *t, int i, const char *status)
{
    client_say(t->w, t->client[i],
               "{\"op\":3,\"d\":{\"status\":\"%s\",\"activities\":[],\"since\":null,\"afk\":false}}", status);
}

static void settle(struct town *t, struct watcher *k)
{
    world_pass(t->w, 600); /* presence's gap and the list's tick */
    world_pass(t->w, 600);
    if (k)
        listen(k);
}

static void a_list_begins_with_groups_and_members_in_their_order(void **state)
{
    struct town t;
    struct watcher k = {0};
    char name[64], want[64];
    town_open(&t);
    come(&t, 1);
    come(&t, 0);
    watch(&t, &k, 0, "[[0,99]]");
    assert_int_equal(k.syncs, 1);
    name_of(k.items[0], name);
    assert_string_equal(name, "online");
    for (int i = 0; i < 2; i++) {
        name_of(k.items[1 + i], name);
        snprintf(want, sizeof want, "%llu online (null)", ID(t.person[i]));
        assert_string_equal(name, want);
    }
    name_of(k.items[3], name);
    assert_string_equal(name, "offline");
    assert_non_null(k.items[3 + PEOPLE - 2 + 3]); /* with the world's own three */
    assert_null(k.items[3 + PEOPLE - 2 + 4]);
    assert_int_equal(json_array_size(k.groups), 2);
    watcher_free(&k);
    finish(t.w);
}

static void a_change_of_one_member_is_told_as_such(void **state)
{
    struct town t;
    struct watcher k = {0};
    char name[64], want[64];
    town_open(&t);
    come(&t, 0);
    watch(&t, &k, 0, "[[0,99]]");
    come(&t, 5);
    settle(&t, &k);
    assert_int_equal(k.syncs, 1); /* the first one: not a list again */
    name_of(k.items[2], name);
    snprintf(want, sizeof want, "%llu online (null)", ID(t.person[5]));
    assert_string_equal(name, want);
    unsigned before = k.updates;
    for (int i = 0; i < 40; i++) {
        set_status(&t, 5, i % 2 ? "idle" : "dnd");
        world_pass(t.w, 10);
    }
    settle(&t, &k);
    assert_in_range(k.updates - before, 1, 4); /* however often it changed */
    name_of(k.items[2], name);
    snprintf(want, sizeof want, "%llu idle (null)", ID(t.person[5]));
    assert_string_equal(name, want);
    world_admin(t.w, "role give", "{\"guild\":\"%llu\",\"account\":\"%llu\",\"role\":\"%llu\"}",
                ID(t.w->guild), ID(t.person[5]), ID(t.role));
    settle(&t, &k);
    name_of(k.items[0], name);
    snprintf(want, sizeof want, "%llu", ID(t.role));
    assert_string_equal(name, want);
    name_of(k.items[1], name);
    snprintf(want, sizeof want, "%llu idle (null)", ID(t.person[5]));
    assert_string_equal(name, want);
    watcher_free(&k);
    finish(t.w);
}

static void whatever_happens_a_watcher_sees_what_a_newcomer_sees(void **state)
{
    for (unsigned seed = 1; seed <= 3; seed++) {
        struct town t;
        struct watcher k = {0}, whole = {0}, fresh = {0};
        town_open(&t);
        come(&t, 0);
        watch(&t, &k, 0, "[[2,9]]");
        come(&t, 1);
        watch(&t, &whole, 1, "[[0,99],[100,199]]");
        srand(seed);
        for (int step = 0; step < 18; step++) {
            int i = 2 + rand() % (PEOPLE - 3);
            switch (t.client[i] ? rand() % 4 : 0) {
            case 0:
                if (!t.client[i])
                    come(&t, i);
                break;
            case 1:
                client_gone(t.w, t.client[i], 1000);
                t.client[i] = NULL;
                break;
            case 2:
                set_status(&t, i, rand() % 2 ? "idle" : "invisible");
                break;
            case 3:
                world_admin(t.w, "role give", "{\"guild\":\"%llu\",\"account\":\"%llu\",\"role\":\"%llu\"}",
                            ID(t.w->guild), ID(t.person[i]), ID(t.role));
                break;
            }
            world_run(t.w);
            if (step == 9)
                world_restart(t.w);
            if (step % 3 == 0)
                world_pass(t.w, 300);
        }
        settle(&t, &k);
        listen(&whole);
        come(&t, PEOPLE - 1);
        settle(&t, &k);
        listen(&whole);
        watch(&t, &fresh, PEOPLE - 1, "[[0,99]]");
        same_list(&k, &fresh, 2, 9);
        same_list(&whole, &fresh, 0, 40);
        watcher_free(&k);
        watcher_free(&whole);
        watcher_free(&fresh);
        finish(t.w);
    }
}

static void who_may_not_see_the_channel_is_told_nothing_of_its_list(void **state)
{
    struct town t;
    struct watcher k = {0};
    char path[128], body[128];
    town_open(&t);
    come(&t, 0);
    watch(&t, &k, 0, "[[0,99]]");
    assert_int_equal(k.updates, 1);
    snprintf(path, sizeof path, "/channels/%llu/permissions/%llu", ID(t.w->text), ID(t.w->guild));
    snprintf(body, sizeof body, "{\"type\":0,\"deny\":\"%llu\"}", ID(PERM_VIEW_CHANNEL));
    client_request(t.w, 0, 4, path, body);
    world_run(t.w);
    settle(&t, &k);
    unsigned before = k.updates;
    come(&t, 3);
    settle(&t, &k);
    assert_int_equal(k.updates, before);
    watch(&t, &k, 0, "[[0,99]]");
    assert_int_equal(k.updates, before);
    watcher_free(&k);
    finish(t.w);
}

static void an_empty_object_ends_it_and_wrong_forms_close_the_connection(void **state)
{
    static const char *const wrong[] = {"{\"guild_id\":\"%llu\",\"channels\":[]}",
                                        "{\"guild_id\":\"%llu\",\"channels\":{\"x\":[[0,99]]}}",
                                        "{\"guild_id\":\"%llu\",\"channels\":{\"1\":[[0]]}}",
                                        "{\"guild_id\":\"%llu\",\"channels\":{\"1\":[[5,1]]}}",
                                        "{\"guild_id\":\"%llu\",\"channels\":{\"1\":7}}",
                                        "[%llu]"};
    struct town t;
    struct watcher k = {0};
    town_open(&t);
    come(&t, 0);
    watch(&t, &k, 0, "[[0,99]]");
    client_say(t.w, t.client[0], "{\"op\":37,\"d\":{\"subscriptions\":{\"%llu\":{}}}}", ID(t.w->guild));
    world_run(t.w);
    unsigned before = k.updates;
    come(&t, 3);
    settle(&t, &k);
    assert_int_equal(k.updates, before);
    for (unsigned i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char d[128];
        snprintf(d, sizeof d, wrong[i], ID(t.w->guild));
        come(&t, 4);
        client_say(t.w, t.client[4], "{\"op\":14,\"d\":%s}", d);
        world_run(t.w);
        assert_int_equal(t.client[4]->close_code, 4002);
    }
    struct client *bot = client_login(t.w, 0, 0, 1, "");
    client_say(t.w, bot, "{\"op\":14,\"d\":{}}");
    world_run(t.w);
    assert_int_equal(bot->close_code, 4001);
    watcher_free(&k);
    finish(t.w);
}

/* A million who are not here, in the model alone. */
static void make_million(struct town *t)
{
    struct user u = {.username = "somebody"};
    struct member m = {.guild_id = t->w->guild, .joined_at_ms = (int64_t)WORLD_MS};
    for (uint64_t i = 1; i <= ABSENT; i++) {
        u.id = m.user_id = i << 22;
        model_put_user(t->w->model, &u);
        model_put_member(t->w->model, &m);
    }
}

/* What a client was told since: how many bytes, and the last list's member_count. */
static size_t told_since(const struct client *c, unsigned from, json_int_t *members)
{
    size_t bytes = 0;
    for (unsigned i = from; i < c->count; i++) {
        json_t *j = json_loads(c->text[i], 0, NULL), *d = json_object_get(j, "d");
        const char *event = json_string_value(json_object_get(j, "t"));
        if (event && strcmp(event, "GUILD_MEMBER_LIST_UPDATE") == 0)
            *members = json_integer_value(json_object_get(d, "member_count"));
        bytes += strlen(c->text[i]);
        json_decref(j);
    }
    return bytes;
}

static void of_a_million_members_a_watcher_is_told_what_he_looks_at(void **state)
{
    struct town t;
    struct watcher k = {0};
    json_int_t members = 0;
    char name[64], want[64];
    town_open(&t);
    make_million(&t);
    for (int i = 0; i < PEOPLE; i++)
        come(&t, i);
    assert_true(told_since(t.client[0], 0, &members) < 64u << 10); /* READY and the guild */
    unsigned from = t.client[0]->count;
    watch(&t, &k, 0, "[[0,99]]");
    assert_true(told_since(t.client[0], from, &members) < 16u << 10);
    assert_int_equal(members, ABSENT + PEOPLE + 3); /* with the world's own three */
    assert_int_equal(json_array_size(k.groups), 1); /* those who are not here are counted, and not listed */
    assert_int_equal(json_integer_value(json_object_get(json_array_get(k.groups, 0), "count")), PEOPLE);
    for (int i = 0; i < PEOPLE; i++) {
        name_of(k.items[1 + i], name);
        snprintf(want, sizeof want, "%llu online (null)", ID(t.person[i]));
        assert_string_equal(name, want);
    }
    assert_null(k.items[1 + PEOPLE]);
    from = t.client[1]->count;
    client_say(
        t.w, t.client[1],
        "{\"op\":37,\"d\":{\"subscriptions\":{\"%llu\":{\"channels\":{\"%llu\":[[0,99],[500000,500099]]}}}}}",
        ID(t.w->guild), ID(t.w->text));
    world_run(t.w);
    assert_true(told_since(t.client[1], from, &members) < 16u << 10);
    from = t.client[0]->count;
    set_status(&t, 7, "dnd");
    settle(&t, &k);
    assert_int_equal(k.syncs, 1); /* at first */
    assert_true(told_since(t.client[0], from, &members) < 4u << 10);
    name_of(k.items[8], name);
    snprintf(want, sizeof want, "%llu dnd (null)", ID(t.person[7]));
    assert_string_equal(name, want);
    watcher_free(&k);
    finish(t.w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_list_begins_with_groups_and_members_in_their_order),
        cmocka_unit_test(a_change_of_one_member_is_told_as_such),
        cmocka_unit_test(whatever_happens_a_watcher_sees_what_a_newcomer_sees),
        cmocka_unit_test(who_may_not_see_the_channel_is_told_nothing_of_its_list),
        cmocka_unit_test(of_a_million_members_a_watcher_is_told_what_he_looks_at),
        cmocka_unit_test(an_empty_object_ends_it_and_wrong_forms_close_the_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
