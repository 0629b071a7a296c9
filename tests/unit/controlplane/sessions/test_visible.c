/*
 * Who sees what, while that changes: permissions flip under a stream of events, and nobody is told of a
 * channel that he cannot see, nor misses one that he can.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "controlplane/protocol/intents.h"
#include "tests/unit/controlplane/sessions/world.h"

#define USERS    3
#define SESSIONS 9
#define CHANNELS 5
#define STEPS    200

struct stage {
    struct world *w;
    uint64_t channel[CHANNELS];
    struct client *client[SESSIONS];
    unsigned events; /* published so far */
};

static uint64_t user_of(const struct stage *s, int session)
{
    return s->w->user[session % USERS];
}

static bool sees(const struct stage *s, int session, uint64_t channel)
{
    const struct model *m = s->w->model;
    return model_permissions(m, model_guild(m, s->w->guild), model_channel(m, channel), user_of(s, session)) &
           PERM_VIEW_CHANNEL;
}

static void stage_open(struct stage *s)
{
    *s = (struct stage){.w = malloc(sizeof *s->w)};
    world_open(s->w);
    s->w->control.config.max_concurrency = 0;
    for (int i = 0; i < CHANNELS; i++)
        s->channel[i] = json_id(world_admin(s->w, "channel create", "{\"guild\":\"%llu\",\"name\":\"c%d\"}",
                                            (unsigned long long)s->w->guild, i),
                                "id");
    for (int i = 0; i < SESSIONS; i++) {
        s->client[i] = client_login(s->w, (unsigned)(i % USERS), (uint32_t)i % 2, INTENT_GUILD_MESSAGES, "");
        client_skip(s->client[i]);
    }
}

/* A random overwrite of a random channel changes, as after its commit. */
static void flip(struct stage *s)
{
    struct channel *have = model_channel(s->w->model, s->channel[rand() % CHANNELS]), now;
    uint64_t whom = rand() % 3 ? s->w->user[rand() % USERS] : s->w->guild;
    channel_copy(&now, have);
    size_t i = 0;
    while (i < now.overwrite_count && now.overwrites[i].id != whom)
        i++;
    if (i == now.overwrite_count) {
        now.overwrites = realloc(now.overwrites, (i + 1) * sizeof *now.overwrites);
        now.overwrite_count++;
    }
    bool allow = rand() % 2;
    now.overwrites[i] = (struct overwrite){.id = whom,
                                           .member = whom != s->w->guild,
                                           .allow = allow ? PERM_VIEW_CHANNEL : 0,
                                           .deny = allow ? 0 : PERM_VIEW_CHANNEL};
    model_put_channel(s->w->model, &now);
    channel_clear(&now);
    control_effect(&s->w->control,
                   &(struct effect){.kind = EFFECT_PERMISSIONS_CHANGED, .guild_id = s->w->guild});
}

static void say(struct stage *s, uint64_t channel)
{
    char body[160];
    int n = snprintf(body, sizeof body,
                     "\"op\":0,\"t\":\"MESSAGE_CREATE\",\"d\":{\"n\":%u,\"channel_id\":\"%llu\"}}",
                     ++s->events, (unsigned long long)channel);
    control_effect(&s->w->control, &(struct effect){.kind = EFFECT_EVENT,
                                                    .topic = EFFECT_TO_GUILD,
                                                    .guild_id = s->w->guild,
                                                    .name = "MESSAGE_CREATE",
                                                    .intent = INTENT_GUILD_MESSAGES,
                                                    .view_channel = channel,
                                                    .body = body,
                                                    .body_length = (size_t)n});
}

static void permissions_that_flip_under_load_let_nothing_through_and_lose_nothing(void **state)
{
    for (unsigned seed = 1; seed <= 4; seed++) {
        struct stage s;
        bool expected[SESSIONS][STEPS + 1] = {0};
        srand(seed);
        stage_open(&s);
        for (int step = 0; step < STEPS; step++) {
            for (int flips = rand() % 3; flips; flips--)
                flip(&s); /* the workers have not read it when the event follows */
            uint64_t channel = s.channel[rand() % CHANNELS];
            say(&s, channel);
            for (int i = 0; i < SESSIONS; i++)
                expected[i][s.events] = sees(&s, i, channel);
            if (rand() % 4 == 0)
                world_run(s.w);
            if (step == STEPS / 2) {
                world_run(s.w);
                world_restart(s.w);
                s.w->control.config.max_concurrency = 0;
            }
        }
        world_run(s.w);
        for (int i = 0; i < SESSIONS; i++) {
            unsigned last = 0;
            json_t *j;
            while ((j = client_next(s.client[i])) != NULL) {
                unsigned n = (unsigned)json_integer_value(json_object_get(json_object_get(j, "d"), "n"));
                for (last++; last < n; last++)
                    assert_false(expected[i][last]); /* it missed none */
                assert_true(expected[i][n]);         /* it may see this one */
                json_decref(j);
            }
            for (last++; last <= s.events; last++)
                assert_false(expected[i][last]);
        }
        world_close(s.w);
        free(s.w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(permissions_that_flip_under_load_let_nothing_through_and_lose_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
