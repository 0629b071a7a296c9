/*
 * The whole route table walked: with what nobody should send, which must be answered with the protocol's own
 * error and leave everything as it was; and by members with every lesser set of permissions, who must find no
 * way up.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tests/unit/controlplane/store/fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define ID(x) ((unsigned long long)(x))

static struct fixture f;
static uint64_t role, top, message, foreign_guild, foreign_channel, foreign_role;
static char invite[16];

/* ---- the scene ---- */

static void make_scene(void)
{
    fixture_root = "/dev/shm"; /* what lasts is no matter here */
    fixture_open(&f);
    f.in_voice = f.voice;
    role = json_id_of(fixture_admin(&f, "role create", "{\"guild\":\"%llu\",\"name\":\"r\"}", ID(f.guild)),
                      "id");
    top =
        json_id_of(fixture_admin(&f, "role create",
                                 "{\"guild\":\"%llu\",\"name\":\"top\",\"permissions\":\"8\"}", ID(f.guild)),
                   "id");
    fixture_admin(&f, "role give", "{\"guild\":\"%llu\",\"account\":\"%llu\",\"role\":\"%llu\"}", ID(f.guild),
                  ID(f.other), ID(role));
    const json_t *g =
        fixture_admin(&f, "guild create", "{\"name\":\"far\",\"owner\":\"%llu\"}", ID(f.stranger));
    foreign_guild = json_id_of(g, "id");
    foreign_channel = json_id_of(g, "text_channel_id");
    foreign_role = json_id_of(fixture_admin(&f, "role create",
                                            "{\"guild\":\"%llu\",\"name\":\"f\",\"permissions\":\"8\"}",
                                            ID(foreign_guild)),
                              "id");
    message = json_id_of(fixture_admin(&f, "message send",
                                       "{\"channel\":\"%llu\",\"account\":\"%llu\",\"text\":\"x\"}",
                                       ID(f.text), ID(f.owner)),
                         "id");
    snprintf(invite, sizeof invite, "%s",
             json_string_value(json_object_get(fixture_admin(&f, "invite create",
                                                             "{\"channel\":\"%llu\",\"max_age\":\"0\"}",
                                                             ID(foreign_channel)),
                                               "code")));
    fixture_forget_effects(&f);
}

static bool scene_stands(void)
{
    const struct guild_state *g = model_guild(f.m, f.guild);
    return g && model_channel(f.m, f.text) && model_channel(f.m, f.voice) && model_role(g, role) &&
           model_role(g, top) && model_member(g, f.other) &&
           member_has_role(model_member(g, f.other), role) && model_member(g, f.owner) &&
           g->row.owner_id == f.owner && model_guild(f.m, foreign_guild) &&
           model_channel(f.m, foreign_channel);
}

static void mend_scene(void)
{
    fixture_forget_effects(&f);
    if (scene_stands())
        return;
    fixture_close(&f);
    make_scene();
}

/* What stands in for the names in braces. */
struct names {
    char channel[40], guild[40], message[40], user[40], role[40], overwrite[40], emoji[64], invite[64];
};

static void number(char *to, uint64_t id)
{
    snprintf(to, 40, "%llu", ID(id));
}

static struct names own_names(void)
{
    struct names n = {.emoji = "%F0%9F%91%8D"};
    number(n.channel, f.text);
    number(n.guild, f.guild);
    number(n.message, message);
    number(n.user, f.other);
    number(n.role, role);
    number(n.overwrite, f.other);
    strcpy(n.invite, invite);
    return n;
}

static void fill(const char *pattern, const struct names *n, char path[512])
{
    const struct {
        const char *name, *value;
    } all[] = {{"{channel}", n->channel},    {"{guild}", n->guild},   {"{message}", n->message},
               {"{user}", n->user},          {"{role}", n->role},     {"{overwrite}", n->overwrite},
               {"{emoji}", n->emoji},        {"{invite}", n->invite}, {"{place}", n->channel},
               {"{attachment}", n->message}, {"{file}", "x"}};
    size_t at = 0;
    while (*pattern && at < 500) {
        size_t i = 0;
        while (i < sizeof all / sizeof *all && strncmp(pattern, all[i].name, strlen(all[i].name)) != 0)
            i++;
        if (i == sizeof all / sizeof *all) {
            path[at++] = *pattern++;
            continue;
        }
        at += (size_t)snprintf(path + at, 512 - at, "%s", all[i].value);
        pattern += strlen(all[i].name);
    }
    path[at] = 0;
}

static int ask(const char *token, const struct rest_route_text *route, const struct names *n,
               const char *body)
{
    char path[512];
    fill(route->pattern, n, path);
    f.m->now_ms += 20000; /* every bucket is full again */
    return fixture_ask_keyed(&f, NULL, token, route->method, body, path);
}

/* An answer that clients can read: an error has a message and a code, nothing is the server's own fault. */
static void assert_sound(const struct rest_route_text *route, const char *body)
{
    bool error = f.status >= 400;
    if (f.status >= 500 && json_integer_value(json_object_get(f.json, "code")) != 500000)
        fail_msg("%s %s with %s is answered %d", route->method, route->pattern, body ? body : "nothing",
                 f.status);
    if (error && (!json_is_string(json_object_get(f.json, "message")) ||
                  !json_is_integer(json_object_get(f.json, "code"))))
        fail_msg("%s %s with %s: no error object", route->method, route->pattern, body ? body : "nothing");
}

/* ---- what nobody should send ---- */

static void ids_that_are_not_there_or_not_ones_own_are_refused_on_every_route(void **state)
{
    (void)state;
    static const char *const wrong[] = {"0",
                                        "1",
                                        "18446744073709551615",
                                        "99999999999999999999999",
                                        "-1",
                                        "abc",
                                        "%00",
                                        "%2e%2e",
                                        "1%27%20OR%201=1--",
                                        "%F0%9F%91%8D",
                                        " ",
                                        "1e3"};
    struct rest_route_text route;
    make_scene();
    for (size_t i = 0; rest_route_at(i, &route); i++) {
        if (!strchr(route.pattern, '{'))
            continue;
        for (size_t k = 0; k < sizeof wrong / sizeof *wrong; k++) {
            struct names n;
            char *const each[] = {n.channel, n.guild, n.message, n.user, n.role, n.overwrite};
            for (size_t v = 0; v < 6; v++)
                snprintf(each[v], 40, "%s", wrong[k]);
            snprintf(n.emoji, sizeof n.emoji, "%s", wrong[k]);
            snprintf(n.invite, sizeof n.invite, "%s", wrong[k]);
            int status = ask(f.owner_token, &route, &n, "{}");
            assert_sound(&route, wrong[k]);
            if (status < 400)
                fail_msg("%s %s with %s is answered %d", route.method, route.pattern, wrong[k], status);
        }
        struct names far = own_names();
        number(far.guild, foreign_guild);
        number(far.channel, foreign_channel);
        if (strstr(route.pattern, "{guild}") || strstr(route.pattern, "{channel}")) {
            ask(f.owner_token, &route, &far, "{}");
            assert_true(f.status == 403 || f.status == 404 ||
                        (f.status == 400 && !strcmp(route.method, "PATCH"))); /* a list is asked for */
        }
        mend_scene();
    }
    assert_true(scene_stands());
    fixture_close(&f);
}

static void a_token_that_is_none_is_refused_on_every_route(void **state)
{
    (void)state;
    struct rest_route_text route;
    char cut[TOKEN_TEXT_MAX];
    make_scene();
    snprintf(cut, sizeof cut, "%.*s", (int)strlen(f.owner_token) - 1, f.owner_token);
    const char *const tokens[] = {NULL, "", "x", "' OR 1=1 --", cut};
    for (size_t i = 0; rest_route_at(i, &route); i++)
        for (size_t k = 0; k < sizeof tokens / sizeof *tokens; k++) {
            struct names n = own_names();
            bool open = !strcmp(route.pattern, "/gateway") || !strcmp(route.pattern, "/sticker-packs") ||
                        (!strcmp(route.method, "GET") && (!strncmp(route.pattern, "/invites", 8) ||
                                                          !strncmp(route.pattern, "/attachments", 12)));
            ask(tokens[k], &route, &n, "{}");
            assert_int_equal(f.status == 401, !open);
        }
    assert_int_equal(f.effect_count, 0);
    fixture_close(&f);
}

static const char *const fields[] = {"content",
                                     "name",
                                     "topic",
                                     "nick",
                                     "roles",
                                     "permissions",
                                     "color",
                                     "colors",
                                     "hoist",
                                     "position",
                                     "type",
                                     "parent_id",
                                     "permission_overwrites",
                                     "bitrate",
                                     "user_limit",
                                     "rate_limit_per_user",
                                     "nsfw",
                                     "allow",
                                     "deny",
                                     "embeds",
                                     "components",
                                     "nonce",
                                     "enforce_nonce",
                                     "allowed_mentions",
                                     "message_reference",
                                     "attachments",
                                     "flags",
                                     "tts",
                                     "messages",
                                     "max_age",
                                     "max_uses",
                                     "user_ids",
                                     "delete_message_seconds",
                                     "recipient_id",
                                     "communication_disabled_until",
                                     "mute",
                                     "channel_id",
                                     "suppress",
                                     "owner_id",
                                     "afk_channel_id",
                                     "description"};

static void count_line(void *ctx, const char *line)
{
    (void)line;
    (*(int *)ctx)++;
}

static void fields_of_wrong_types_are_refused_or_passed_over_on_every_route(void **state)
{
    (void)state;
    static const char *const values[] = {"null",
                                         "-1",
                                         "1e400",
                                         "99999999999999999999",
                                         "true",
                                         "\"\"",
                                         "[]",
                                         "{}",
                                         "[[]]",
                                         "[null,{\"id\":[]}]",
                                         "{\"id\":-1,\"parse\":5}",
                                         "\"'); DROP TABLE messages; --\"",
                                         "\"\\u0000\"",
                                         "\"\\ud800\""};
    struct rest_route_text route;
    int lines = 0;
    char path[128];
    make_scene();
    for (size_t i = 0; rest_route_at(i, &route); i++) {
        if (!strcmp(route.method, "GET") || !strcmp(route.method, "DELETE"))
            continue;
        static const char *const whole[] = {"",     "{",    "[",
                                            "null", "5",    "\"x\"",
                                            "[1]",  "[{}]", "[{\"id\":[]}]",
                                            "{}x",  "\xff", "{\"a\":1,\"a\":2}",
                                            "{}"};
        for (size_t k = 0; k < sizeof whole / sizeof *whole; k++) {
            struct names n = own_names();
            ask(f.owner_token, &route, &n, whole[k]);
            assert_sound(&route, whole[k]);
            mend_scene();
        }
        for (size_t k = 0; k < sizeof fields / sizeof *fields * (sizeof values / sizeof *values); k++) {
            struct names n = own_names();
            char body[256];
            snprintf(body, sizeof body, "{\"%s\":%s}", fields[k % (sizeof fields / sizeof *fields)],
                     values[k / (sizeof fields / sizeof *fields)]);
            ask(f.other_token, &route, &n, body);
            assert_sound(&route, body);
            if (k % 7 == 0) { /* and by who may everything */
                ask(f.owner_token, &route, &n, body);
                assert_sound(&route, body);
            }
            mend_scene();
        }
    }
    assert_true(scene_stands());
    snprintf(path, sizeof path, "%s", f.path);
    model_close(f.m);
    rest_close(f.rest);
    assert_true(store_check(path, count_line, &lines));
    fixture_attach(&f);
    fixture_close(&f);
}

/* ---- no way up ---- */

static uint64_t may(uint64_t user, uint64_t channel)
{
    return model_permissions(f.m, model_guild(f.m, f.guild), channel ? model_channel(f.m, channel) : NULL,
                             user);
}

/* Bodies by which somebody would get what they have not. */
static const char *attack(size_t i, char body[1024])
{
    static const char *const formats[] = {
        "{\"permissions\":\"9007199254740991\"}",
        "{\"permissions\":\"8\",\"name\":\"up\"}",
        "{\"type\":1,\"allow\":\"9007199254740991\",\"deny\":\"0\"}",
        "{\"type\":0,\"allow\":\"8\"}",
        "{\"roles\":[\"%1$llu\",\"%2$llu\"]}",
        "{\"owner_id\":\"%3$llu\"}",
        "{\"permission_overwrites\":[{\"id\":\"%3$llu\",\"type\":1,\"allow\":\"9007199254740991\"}]}",
        "{\"permission_overwrites\":[]}",
        "{\"name\":\"new\",\"type\":0,\"permission_overwrites\":[{\"id\":\"%3$llu\",\"type\":1,\"allow\":"
        "\"268435464\"}]}",
        "[{\"id\":\"%1$llu\",\"position\":99}]",
        "[{\"id\":\"%2$llu\",\"position\":1},{\"id\":\"%1$llu\",\"position\":9}]",
        "[{\"id\":\"%4$llu\",\"position\":1,\"lock_permissions\":true}]",
        "{\"communication_disabled_until\":null,\"nick\":\"x\",\"mute\":false}",
        "{\"user_ids\":[\"%5$llu\"]}",
        "{\"suppress\":false}",
        "{}"};
    if (i >= sizeof formats / sizeof *formats)
        return NULL;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-security"
#pragma GCC diagnostic ignored "-Wformat-extra-args"
    snprintf(body, 1024, formats[i], ID(role), ID(top), ID(f.other), ID(f.text), ID(f.owner));
#pragma GCC diagnostic pop
    return body;
}

/* Nobody but those who had it has more than the attacker was given. */
static void assert_no_way_up(const struct rest_route_text *route, const char *body, uint64_t given,
                             uint64_t in_text)
{
    const struct guild_state *g = model_guild(f.m, f.guild);
    if (!g || !model_member(g, f.other))
        return;
    uint64_t all = given, now = may(f.other, 0), more = now & ~all;
    bool up = more || g->row.owner_id != f.owner || member_has_role(model_member(g, f.other), top) ||
              (model_role(g, top) && model_role(g, top)->permissions != PERM_ADMINISTRATOR) ||
              (model_channel(f.m, f.text) && (may(f.other, f.text) & ~in_text)) || !model_member(g, f.owner);
    for (size_t i = 0; i < g->channel_count && !up; i++)
        up = may(f.other, g->channels[i]->id) & ~all;
    if (up)
        fail_msg("%s %s with %s: up from %llx to %llx", route->method, route->pattern, body, ID(given),
                 ID(now));
}

/* `other` has these permissions by its role, and in the text channel two less. */
static void set_up(uint64_t permissions)
{
    char deny[64];
    const uint64_t less = PERM_MENTION_EVERYONE | PERM_MANAGE_MESSAGES;
    const struct channel *c = model_channel(f.m, f.text);
    if (model_role(model_guild(f.m, f.guild), role)->permissions != permissions)
        fixture_admin(&f, "role update", "{\"guild\":\"%llu\",\"role\":\"%llu\",\"permissions\":\"%llu\"}",
                      ID(f.guild), ID(role), ID(permissions));
    for (size_t i = 0; i < c->overwrite_count; i++)
        if (c->overwrites[i].id == role && c->overwrites[i].deny == less)
            return;
    snprintf(deny, sizeof deny, "{\"type\":0,\"deny\":\"%llu\"}", ID(less));
    f.m->now_ms += 20000;
    assert_int_equal(
        fixture_ask(&f, f.owner_token, "PUT", deny, "/channels/%llu/permissions/%llu", ID(f.text), ID(role)),
        204);
}

static void walk_with(uint64_t permissions)
{
    struct rest_route_text route;
    char body[1024];
    for (size_t i = 0; rest_route_at(i, &route); i++) {
        if (!strcmp(route.method, "GET"))
            continue;
        bool list = !strcmp(route.method, "PATCH") &&
                    (strstr(route.pattern, "}/channels") || strstr(route.pattern, "}/roles"));
        for (size_t k = 0; attack(k, body); k++) {
            if ((*body == '[') != (list && !strstr(route.pattern, "{role}")))
                continue;
            if (!strcmp(route.method, "DELETE") && strcmp(body, "{}") != 0)
                continue; /* takes no body */
            mend_scene();
            set_up(permissions);
            uint64_t given = may(f.other, 0), in_text = may(f.other, f.text);
            const uint64_t users[] = {f.other, f.owner}, roles[] = {role, top, f.guild};
            for (size_t v = 0; v < 6; v++) {
                struct names n = own_names();
                number(n.user, users[v % 2]);
                number(n.role, roles[v / 2]);
                number(n.overwrite, v % 2 ? roles[v / 2] : f.other);
                bool matters =
                    (v < 2 || strstr(route.pattern, "{role}") || strstr(route.pattern, "{overwrite}")) &&
                    (v % 2 == 0 || strstr(route.pattern, "{user}") || strstr(route.pattern, "{overwrite}"));
                if (!matters)
                    continue;
                ask(f.other_token, &route, &n, attack(k, body));
                assert_sound(&route, body);
                assert_no_way_up(&route, body, given, in_text);
                fixture_forget_effects(&f);
            }
        }
    }
}

static void no_lesser_set_of_permissions_finds_a_way_up(void **state)
{
    (void)state;
    static const uint64_t sets[] = {
#define SET_OF(name, bit) PERM_##name,
        PERMISSION_LIST(SET_OF)
#undef SET_OF
            0,
        PERM_ALL & ~(uint64_t)PERM_ADMINISTRATOR, PERM_MANAGE_ROLES | PERM_MANAGE_CHANNELS,
        PERM_MANAGE_GUILD | PERM_MANAGE_ROLES | PERM_VIEW_CHANNEL,
        PERM_KICK_MEMBERS | PERM_BAN_MEMBERS | PERM_MODERATE_MEMBERS | PERM_MANAGE_NICKNAMES};
    make_scene();
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++)
        if (sets[i] != PERM_ADMINISTRATOR)
            walk_with(sets[i]);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_that_are_not_there_or_not_ones_own_are_refused_on_every_route),
        cmocka_unit_test(a_token_that_is_none_is_refused_on_every_route),
        cmocka_unit_test(fields_of_wrong_types_are_refused_or_passed_over_on_every_route),
        cmocka_unit_test(no_lesser_set_of_permissions_finds_a_way_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
