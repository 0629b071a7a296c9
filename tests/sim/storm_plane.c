/*
 * SPDX-License-Identifier: Apache-2.0
 */
#include "storm_plane.h"

#include <assert.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "config/log.h"
#include "controlplane/events/publish.h"
#include "controlplane/guilds/model_admin.h"
#include "controlplane/presence/presence.h"
#include "controlplane/protocol/intents.h"
#include "controlplane/protocol/payloads.h"
#include "controlplane/sessions/control.h"
#include "token.h"

#define ACCOUNTS_MAX 128u
#define UNIX_MS      1750000000000ull
#define TURN_MAX     512u /* inputs, and deadlines, in one turn */

static struct {
    struct region_link link;
    struct control control;
    struct model *model;
    char dir[64];
    uint64_t guild, channel;
    char token[ACCOUNTS_MAX][TOKEN_TEXT_MAX];
    uint32_t messages; /* said so far */
    uint64_t inputs;
} plane;

static uint64_t unix_ms(uint64_t now_us)
{
    return UNIX_MS + now_us / 1000;
}

static void keep_result(void *ctx, json_t *result)
{
    *(json_t **)ctx = result;
}

/* The operator's verb, to its end. */
static json_t *admin(const char *verb, const char *format, ...)
{
    char text[256];
    json_t *result = NULL;
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    json_t *args = json_loads(text, 0, NULL);
    assert(admin_call(plane.model, verb, args, keep_result, &result));
    json_decref(args);
    while (!result) {
        assert(store_wait(plane.model->store, 60000));
        store_drain(plane.model->store, 64);
    }
    assert(!json_object_get(result, "error"));
    return result;
}

static uint64_t id_in(const json_t *o, const char *key)
{
    return strtoull(json_string_value(json_object_get(o, key)), NULL, 10);
}

static void make_guild(unsigned accounts)
{
    uint64_t account[ACCOUNTS_MAX] = {0};
    assert(accounts <= ACCOUNTS_MAX);
    for (unsigned i = 0; i < accounts; i++) {
        json_t *made = admin("account create", "{\"name\":\"bot%u\"}", i);
        account[i] = id_in(made, "id");
        snprintf(plane.token[i], TOKEN_TEXT_MAX, "%s", json_string_value(json_object_get(made, "token")));
        json_decref(made);
    }
    json_t *g =
        admin("guild create", "{\"name\":\"storm\",\"owner\":\"%llu\"}", (unsigned long long)account[0]);
    plane.guild = id_in(g, "id");
    plane.channel = id_in(g, "text_channel_id");
    json_decref(g);
    for (unsigned i = 1; i < accounts; i++)
        json_decref(admin("guild join", "{\"guild\":\"%llu\",\"account\":\"%llu\"}",
                          (unsigned long long)plane.guild, (unsigned long long)account[i]));
}

void plane_open(struct region *r, uint64_t now_us, unsigned accounts)
{
    char path[96], why[256];
    struct store_config sc = {.path = path};
    struct control_config config;
    log_limit(LOG_ERROR, 100);
    memset(&plane, 0, sizeof plane);
    strcpy(plane.dir, "/tmp/voxpop-storm-XXXXXX");
    assert(mkdtemp(plane.dir));
    snprintf(path, sizeof path, "%s/store.db", plane.dir);
    struct store *s = store_open(&sc, why, sizeof why);
    assert(s);
    plane.model = model_open(s, 1, 1, (int64_t)unix_ms(now_us), why, sizeof why);
    assert(plane.model);
    control_config_defaults(&config);
    config.gateway_url = "wss://pop.test";
    config.max_concurrency = config.identifies_per_day = 0;
    link_open(&plane.link, r);
    control_open(&plane.control, &plane.link, plane.model, &config, unix_ms(now_us));
    make_guild(accounts);
}

void plane_close(void)
{
    char command[128];
    control_close(&plane.control);
    model_close(plane.model);
    link_close_link(&plane.link);
    snprintf(command, sizeof command, "rm -rf '%s'", plane.dir);
    assert(system(command) == 0);
}

void plane_turn(uint64_t now_us)
{
    for (unsigned i = 0; i < TURN_MAX && control_step(&plane.control, unix_ms(now_us)); i++)
        plane.inputs++;
    control_timers(&plane.control, unix_ms(now_us), TURN_MAX);
}

void plane_say(void)
{
    struct control *c = &plane.control;
    char text[32];
    snprintf(text, sizeof text, "storm %u", plane.messages++);
    link_begin(&plane.link);
    dispatch_begin(&c->out, "MESSAGE_CREATE");
    out_object(&c->out);
    out_field_id(&c->out, "channel_id", plane.channel);
    out_field_string(&c->out, "content", text);
    out_object_end(&c->out);
    dispatch_end(&c->out);
    publish_guild(c, plane.guild,
                  &(struct publication){.intents = INTENT_GUILD_MESSAGES,
                                        .view_channel = plane.channel,
                                        .except_session = SESSION_NONE,
                                        .text = c->out.data,
                                        .length = c->out.length});
    link_end(&plane.link);
}

void plane_pace(uint32_t identifies, uint32_t resumes)
{
    plane.control.config.identifies_per_second = identifies;
    plane.control.config.resumes_per_second = resumes;
}

const char *plane_token(unsigned account)
{
    return plane.token[account];
}

uint32_t plane_said(void)
{
    return plane.messages;
}

uint64_t plane_inputs(void)
{
    return plane.inputs;
}

uint64_t plane_resumed(void)
{
    return plane.link.counters->count[COUNT_resumes];
}

uint32_t plane_sessions(void)
{
    return plane.control.gateway_sessions;
}

uint64_t plane_online(void)
{
    return presence_online_count(&plane.control, plane.guild);
}

uint64_t plane_drops(enum drop_reason why)
{
    return plane.link.counters->drop[why];
}
