/*
 * Whole REST requests against a small guild: the first line is "METHOD path?query" (with a ! in front: asked
 * by a lesser member), the rest the body. Checks that every request is answered once, with a well-formed
 * head, and a body that is a JSON value where one is said to be.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/guilds/actions.h"
#include "controlplane/rest/rest.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHECK(x)                                                                                             \
    do {                                                                                                     \
        if (!(x))                                                                                            \
            abort();                                                                                         \
    } while (0)

#define MANAGER                                                                                              \
    (PERM_DEFAULT | PERM_MANAGE_CHANNELS | PERM_MANAGE_ROLES | PERM_MANAGE_MESSAGES | PERM_KICK_MEMBERS |    \
     PERM_MOVE_MEMBERS | PERM_MANAGE_GUILD | PERM_MANAGE_NICKNAMES)

static struct model *model;
static struct rest *rest;
static char tokens[2]
                  [TOKEN_TEXT_MAX]; /* of the owner, and of a member who may manage but is no administrator */
static char file[64];
static size_t answers;

static void remove_file(void)
{
    static const char *const ends[] = {"", "-wal", "-shm"};
    char name[96];
    for (size_t i = 0; i < 3; i++) {
        snprintf(name, sizeof name, "%s%s", file, ends[i]);
        unlink(name);
    }
}

/* Ids that inputs can name: the account is 1000, the guild 2000, its channels 3000 (text) and 4000 (voice).
 */
static void make_guild(void)
{
    struct user u = {.id = 1000, .username = (char *)"fuzz", .bot = true},
                v = {.id = 1001, .username = (char *)"two"};
    struct guild g = {.id = 2000, .owner_id = 1000, .name = (char *)"guild", .afk_timeout = 300};
    struct role r = {.id = 2000, .guild_id = 2000, .name = (char *)"@everyone", .permissions = PERM_DEFAULT};
    struct channel text = {.id = 3000, .guild_id = 2000, .name = (char *)"text"};
    struct channel voice = {
        .id = 4000, .guild_id = 2000, .name = (char *)"voice", .type = CHANNEL_VOICE, .bitrate = 64000};
    struct member m = {.guild_id = 2000, .user_id = 1000, .joined_at_ms = 1},
                  n = {.guild_id = 2000, .user_id = 1001};
    struct role some = {
        .id = 2001, .guild_id = 2000, .name = (char *)"some", .position = 1, .permissions = MANAGER};
    uint64_t some_id = some.id;
    n.roles = &some_id;
    n.role_count = 1;
    model_put_user(model, &u);
    model_put_user(model, &v);
    for (uint64_t i = 0; i < 2; i++) {
        struct token t = {.user_id = 1000 + i};
        if (!*tokens[i])
            token_make(model->token_key, t.user_id, tokens[i]);
        token_hash(tokens[i], strlen(tokens[i]), t.hash);
        model_put_token(model, &t);
    }
    model_put_guild(model, &g);
    model_put_role(model, &r);
    model_put_role(model, &some);
    model_put_channel(model, &text);
    model_put_channel(model, &voice);
    model_put_member(model, &m);
    model_put_member(model, &n);
}

static uint64_t in_voice(void *ctx, uint64_t guild_id, uint64_t user_id)
{
    return 4000;
}

static void drop_effect(void *ctx, const struct effect *e)
{
    if (e->kind != EFFECT_EVENT)
        return;
    char *whole = NULL;
    CHECK(asprintf(&whole, "{\"s\":1,%.*s", (int)e->body_length, e->body) > 0);
    json_t *d = json_loads(whole, 0, NULL);
    CHECK(d);
    json_decref(d);
    free(whole);
}

static void start(void)
{
    char error[256];
    struct rest_config config;
    snprintf(file, sizeof file, "/tmp/voxpop-fuzz-%d.db", (int)getpid());
    remove_file();
    atexit(remove_file);
    struct store_config c = {.path = file};
    struct store *s = store_open(&c, error, sizeof error);
    CHECK(s);
    model = model_open(s, 0, 0, 1750000000000, error, sizeof error);
    CHECK(model);
    model->sink = drop_effect;
    make_guild();
    rest_config_defaults(&config);
    for (size_t i = 0; i < REST_BUCKETS; i++)
        config.limits[i].requests = 0;
    config.global.requests = 0;
    config.voice_channel = in_voice;
    rest = rest_open(model, &config);
}

static void answered(void *ctx, const struct rest_reply *reply)
{
    answers++;
    CHECK(reply->length > 20 && !memcmp(reply->data, "HTTP/1.1 ", 9));
    const char *body = memmem(reply->data, reply->length, "\r\n\r\n", 4);
    CHECK(body);
    body += 4;
    size_t length = reply->length - (size_t)(body - reply->data);
    CHECK((reply->status == 204) == (length == 0));
    if (length == 0)
        return;
    json_t *j = json_loadb(body, length, 0, NULL);
    CHECK(j);
    json_decref(j);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!rest)
        start();
    const char *text = (const char *)data, *end = text + size;
    bool lesser = size && *text == '!';
    text += lesser;
    size -= lesser;
    const char *token = tokens[lesser];
    const char *line = memchr(text, '\n', size), *space = memchr(text, ' ', size);
    if (!line)
        line = end;
    if (!space || space > line)
        space = text;
    const char *path = space < line ? space + 1 : line, *mark = memchr(path, '?', (size_t)(line - path));
    struct rest_request q = {.method = rest_method_of(text, (size_t)(space - text)),
                             .path = path,
                             .path_length = (size_t)((mark ? mark : line) - path),
                             .query = mark ? mark + 1 : NULL,
                             .query_length = mark ? (size_t)(line - mark - 1) : 0,
                             .authorization = token,
                             .authorization_length = strlen(token),
                             .content_type = "application/json",
                             .content_type_length = 16,
                             .body = line < end ? line + 1 : NULL,
                             .body_length = line < end ? (size_t)(end - line - 1) : 0};
    size_t before = answers;
    rest_handle(rest, &q, answered, NULL);
    while (answers == before) {
        store_wait(model->store, 10000); /* the fuzzer's own alarm may end it early */
        store_drain(model->store, 64);
    }
    CHECK(answers == before + 1);
    if (!model_guild(model, 2000) || !model_channel(model, 3000) || !model_channel(model, 4000) ||
        !model_member(model_guild(model, 2000), 1001) || !model_role(model_guild(model, 2000), 2001) ||
        model_guild(model, 2000)->row.owner_id != 1000)
        make_guild(); /* the input has removed it */
    return 0;
}
