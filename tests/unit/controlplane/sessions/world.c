/*
 * See world.h.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tests/unit/controlplane/sessions/world.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "controlplane/guilds/actions.h"
#include "controlplane/guilds/change.h"
#include "controlplane/guilds/model_admin.h"
#include "controlplane/presence/presence.h"
#include "controlplane/protocol/intents.h"
#include "controlplane/routes/maps.h"
#include "controlplane/voice/voice.h"

static const struct region_geometry geometry = {.workers = WORLD_WORKERS,
                                                .connections = WORLD_CONNECTIONS,
                                                .blocks = 4,
                                                .descriptors = 4,
                                                .items = 4,
                                                .chunks = 64,
                                                .topic_chunks = 4,
                                                .rooms = 4,
                                                .members = 8,
                                                .sessions = 64,
                                                .topics = 16,
                                                .control_blocks = 32,
                                                .log_segments = 4,
                                                .ring_bytes = 1 << 20,
                                                .capture_bytes = 1 << 16,
                                                .undo_bytes = 128 << 10};

/* A killed process frees nothing; here, what REST holds of requests in flight is what would have gone with
 * it. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:rest_handle";
}

/* ---- lives ---- */

static uint64_t voice_channel(void *ctx, uint64_t guild_id, uint64_t user_id)
{
    uint32_t slot = voice_slot_of(ctx, guild_id, user_id);
    return slot == SESSION_NONE ? 0 : session_of(ctx, slot)->channel_id;
}

static bool voice_state(void *ctx, uint64_t guild_id, uint64_t user_id, struct voice_state *state, char *id)
{
    uint32_t slot = voice_slot_of(ctx, guild_id, user_id);
    if (slot == SESSION_NONE)
        return false;
    voice_state_of(ctx, slot, state, id);
    return true;
}

static void live(struct world *w)
{
    char why[256];
    struct store_config sc = {.path = w->path};
    struct rest_config rc;
    struct store *s = store_open(&sc, why, sizeof why);
    assert(s);
    w->model = model_open(s, 1, 1, (int64_t)w->now_ms, why, sizeof why);
    assert(w->model);
    rest_config_defaults(&rc);
    rc.gateway_url = "wss://pop.test";
    rc.voice_channel = voice_channel;
    rc.voice_state = voice_state;
    rc.hook_ctx = &w->control;
    w->rest = rest_open(w->model, &rc);
    link_open(&w->link, &w->region);
    control_open(&w->control, &w->link, w->model, &w->config, w->now_ms);
    assert(effects_recover(w->model, w->link.area->outbox_published) == STORE_OK);
    requests_open(&w->requests, &w->control, w->rest);
    w->lives++;
}

static void die(struct world *w)
{
    control_close(&w->control);
    model_close(w->model);
    rest_close(w->rest);
    requests_close(&w->requests);
    link_close_link(&w->link);
}

void world_restart(struct world *w)
{
    die(w);
    live(w);
}

/* ---- dying in the middle ---- */

struct part {
    const void *at;
    size_t size;
    void *copy;
};

/* Everything in the region that the control plane changes in place, but for the words that tell what is
 * handled and what lies behind the tails. */
static unsigned parts(struct world *w, struct part p[16])
{
    unsigned n = 0;
    struct control_area *a = w->link.area;
    struct pool *s = w->link.sessions, *t = w->link.topics;
    p[n++] = (struct part){&a->outbox_published, sizeof a->outbox_published, NULL};
    p[n++] = (struct part){&a->poisoned, sizeof *a - offsetof(struct control_area, poisoned), NULL};
    p[n++] = (struct part){s, sizeof *s, NULL};
    p[n++] = (struct part){pool_at(s, 0), (size_t)s->stride * s->fresh, NULL};
    p[n++] = (struct part){t, sizeof *t, NULL};
    p[n++] = (struct part){pool_at(t, 0), (size_t)t->stride * t->fresh, NULL};
    p[n++] = (struct part){w->link.blocks, sizeof(struct pool), NULL};
    p[n++] = (struct part){w->link.log, 16, NULL};
    for (uint32_t k = 0; k < WORLD_WORKERS; k++) {
        p[n++] = (struct part){w->link.worker[k].notice.ring, sizeof(struct ring), NULL};
        p[n++] = (struct part){w->link.worker[k].command.ring, sizeof(struct ring), NULL};
        p[n++] = (struct part){w->link.worker[k].fanout.ring, sizeof(struct ring), NULL};
    }
    return n;
}

/* The next input is handled up to its last store, and then the process dies: nothing of it may be left. */
static void die_in_the_middle(struct world *w)
{
    struct part p[16];
    struct ring_entry *e = NULL;
    uint32_t worker;
    for (worker = 0; worker < WORLD_WORKERS && !e; worker++) {
        struct ring_end end = w->link.worker[worker].notice;
        e = ring_next(&end);
    }
    if (w->control.inputs.current)
        e = w->control.inputs.current;
    if (!e || e->type == NOTICE_REQUEST) /* the store has a hand in those: see world_restart */
        return;
    unsigned n = parts(w, p);
    for (unsigned i = 0; i < n; i++) {
        p[i].copy = malloc(p[i].size + 1);
        memcpy(p[i].copy, p[i].at, p[i].size);
    }
    uint64_t cursor = w->control.inputs.current ? w->link.area->handling_cursor : 0;
    w->control.now_ms = w->now_ms;
    link_begin(&w->link);
    control_input(&w->control, worker - 1, e, &cursor);
    die(w);
    w->link.depth = 0;
    live(w);
    for (unsigned i = 0; i < n; i++) {
        assert(memcmp(p[i].copy, p[i].at, p[i].size) == 0);
        free(p[i].copy);
    }
}

/* ---- time and work ---- */

static bool handle_one(struct world *w)
{
    if (w->die_in_each)
        die_in_the_middle(w);
    if (!control_step(&w->control, w->now_ms))
        return false;
    /* A request that is with the store is lived through at every second attempt, or it would never be
     * answered. */
    if (w->die_after_each && !(w->requests.pending && w->lives % 2))
        world_restart(w);
    return true;
}

static bool drain(struct world *w)
{
    if (!w->requests.pending && w->answered && !w->model->changing.count)
        return false;
    assert(store_wait(w->model->store, 10000));
    store_drain(w->model->store, 64);
    return true;
}

void world_run(struct world *w)
{
    bool any = true;
    w->answered = true;
    while (any) {
        any = dataplane_run(w);
        while (handle_one(w))
            any = true;
        any |= control_timers(&w->control, w->now_ms, 1000) != 0;
        any |= drain(w);
    }
    map_flush(w->control.voice_map, &w->link);
    map_flush(w->control.owner_map, &w->link);
}

void world_pass(struct world *w, uint64_t ms)
{
    w->now_ms += ms;
    world_run(w);
}

static void admin_answer(void *ctx, json_t *result)
{
    struct world *w = ctx;
    json_decref(w->result);
    w->result = result;
    w->answered = true;
}

const json_t *world_admin(struct world *w, const char *verb, const char *args_format, ...)
{
    char text[512];
    va_list args;
    va_start(args, args_format);
    vsnprintf(text, sizeof text, args_format, args);
    va_end(args);
    json_t *parsed = json_loads(text, 0, NULL);
    assert(parsed);
    w->answered = false;
    w->model->now_ms = (int64_t)w->now_ms;
    assert(admin_call(w->model, verb, parsed, admin_answer, w));
    json_decref(parsed);
    while (!w->answered) {
        assert(store_wait(w->model->store, 10000));
        store_drain(w->model->store, 64);
    }
    world_run(w);
    return w->result;
}

uint64_t json_id(const json_t *o, const char *key)
{
    const char *text = json_string_value(json_object_get(o, key));
    return text ? strtoull(text, NULL, 10) : 0;
}

static void make_guild(struct world *w)
{
    static const char *const names[] = {"ann", "bob", "cyd"};
    for (int i = 0; i < 3; i++) {
        const json_t *r = world_admin(w, "account create", "{\"name\":\"%s\"}", names[i]);
        w->user[i] = json_id(r, "id");
        strcpy(w->token[i], json_string_value(json_object_get(r, "token")));
    }
    const json_t *g = world_admin(w, "guild create", "{\"name\":\"demo\",\"owner\":\"%llu\"}",
                                  (unsigned long long)w->user[0]);
    w->guild = json_id(g, "id");
    w->text = json_id(g, "text_channel_id");
    w->voice = json_id(g, "voice_channel_id");
    for (int i = 1; i < 3; i++)
        world_admin(w, "guild join", "{\"guild\":\"%llu\",\"account\":\"%llu\"}",
                    (unsigned long long)w->guild, (unsigned long long)w->user[i]);
}

void world_open(struct world *w)
{
    memset(w, 0, sizeof *w);
    strcpy(w->dir, "/tmp/voxpop-world-XXXXXX");
    assert(mkdtemp(w->dir));
    snprintf(w->path, sizeof w->path, "%s/store.db", w->dir);
    w->size = region_bytes(&geometry);
    w->memory = mmap(NULL, w->size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert(w->memory != MAP_FAILED);
    region_format(&w->region, w->memory, &geometry, (const uint8_t *)"a boot, sixteen.");
    control_config_defaults(&w->config);
    w->config.gateway_url = "wss://pop.test";
    w->config.voice_endpoint = "pop.test:443";
    w->config.voice_ip = "198.18.0.1";
    w->now_ms = WORLD_MS;
    dataplane_open(w);
    live(w);
    w->answered = true;
    make_guild(w);
}

void world_close(struct world *w)
{
    char command[160];
    die(w);
    for (unsigned i = 0; i < w->client_count; i++) {
        for (unsigned k = 0; k < w->clients[i].count; k++)
            free(w->clients[i].text[k]);
        free(w->clients[i].http);
    }
    json_decref(w->result);
    munmap(w->memory, w->size);
    snprintf(command, sizeof command, "rm -rf '%s'", w->dir);
    assert(system(command) == 0);
}

/* ---- clients ---- */

void notice(struct world *w, uint32_t worker, enum notice type, const void *data, size_t length)
{
    struct fake_worker *f = &w->worker[worker];
    txn_begin(&f->txn);
    struct ring_entry *e = ring_reserve(&f->notice, &f->txn, (uint16_t)type, (uint32_t)length);
    assert(e);
    memcpy(e->payload, data, length);
    txn_commit(&f->txn);
    txn_publish(&f->txn);
}

static struct client *connect_client(struct world *w, uint32_t worker, uint8_t kind, uint8_t version)
{
    uint32_t at = w->worker[worker].connections++;
    struct pool *p = region_part(&w->region, worker, PART_CONNECTIONS);
    struct connection *n = connection_at(&w->region, worker, at);
    assert(at < WORLD_CONNECTIONS && w->client_count < 64);
    p->fresh = at + 1;
    *n = (struct connection){.generation = 7, .kind = kind, .version = version, .session = SESSION_NONE};
    struct client *c = &w->clients[w->client_count++];
    *c = (struct client){.handle = connection_handle(worker * WORLD_CONNECTIONS + at, 7),
                         .worker = worker,
                         .session = SESSION_NONE,
                         .open = true};
    return c;
}

struct client *client_open(struct world *w, uint32_t worker, uint8_t kind, uint8_t version)
{
    struct client *c = connect_client(w, worker, kind, version);
    struct notice_open o = {.connection = c->handle, .kind = kind, .version = version};
    notice(w, worker, NOTICE_OPEN, &o, sizeof o);
    return c;
}

void client_say(struct world *w, struct client *c, const char *format, ...)
{
    union {
        struct notice_message n;
        char bytes[8192];
    } m = {.n = {.connection = c->handle, .session = c->session, .opcode = 1}};
    va_list args;
    va_start(args, format);
    int n = vsnprintf(m.bytes + sizeof m.n, sizeof m - sizeof m.n, format, args);
    va_end(args);
    notice(w, c->worker, NOTICE_MESSAGE, &m, sizeof m.n + (size_t)n);
}

void client_gone(struct world *w, struct client *c, uint16_t code)
{
    struct connection *n = connection_of(&w->region, c->handle, NULL);
    struct notice_closed v = {
        .connection = c->handle, .session = c->session, .code = code, .by_peer = 1, .kind = n->kind};
    n->kind = CONNECTION_FREE;
    c->open = false;
    if (c->session != SESSION_NONE)
        w->sessions[c->session].client = NULL;
    notice(w, c->worker, NOTICE_CLOSED, &v, sizeof v);
}

json_t *client_next(struct client *c)
{
    if (c->read == c->count)
        return NULL;
    json_t *j = json_loads(c->text[c->read++], 0, NULL);
    assert(j);
    return j;
}

json_t *client_expect(struct client *c, const char *event, uint32_t s)
{
    json_t *j = client_next(c);
    const char *t = json_string_value(json_object_get(j, "t"));
    if (!t || strcmp(t, event) != 0 || json_integer_value(json_object_get(j, "s")) != (json_int_t)s) {
        fprintf(stderr, "expected %s %u, got %s\n", event, s, c->read ? c->text[c->read - 1] : "nothing");
        abort();
    }
    json_t *d = json_incref(json_object_get(j, "d"));
    json_decref(j);
    return d;
}

json_t *client_expect_op(struct client *c, int op)
{
    for (json_t *j; (j = client_next(c)) != NULL; json_decref(j)) {
        if (json_integer_value(json_object_get(j, "op")) != op)
            continue;
        json_t *d = json_incref(json_object_get(j, "d"));
        json_decref(j);
        return d;
    }
    fprintf(stderr, "no message with op %d\n", op);
    abort();
}

unsigned client_count_events(struct client *c, const char *event)
{
    unsigned n = 0;
    for (json_t *j; (j = client_next(c)) != NULL; json_decref(j)) {
        const char *t = json_string_value(json_object_get(j, "t"));
        n += t && strcmp(t, event) == 0;
    }
    return n;
}

void client_skip(struct client *c)
{
    c->read = c->count;
}

struct client *client_login(struct world *w, unsigned who, uint32_t worker, uint32_t intents,
                            const char *extra)
{
    struct client *c = client_open(w, worker, CONNECTION_GATEWAY, 10);
    client_say(w, c, "{\"op\":2,\"d\":{\"token\":\"%s\",\"properties\":{},\"intents\":%u%s}}", w->token[who],
               intents, extra);
    world_run(w);
    client_skip(c);
    return c;
}

/* A request on a connection of the test's. */
static void ask(struct world *w, struct client *c, uint8_t method, const char *const texts[REQUEST_TEXTS])
{
    static union {
        struct notice_request n;
        char bytes[8192];
    } m;
    m.n = (struct notice_request){.method = method, .keep_alive = 1};
    size_t at = sizeof m.n;
    m.n.connection = c->handle;
    for (int i = 0; i < REQUEST_TEXTS; i++) {
        m.n.length[i] = (uint32_t)strlen(texts[i]);
        memcpy(m.bytes + at, texts[i], m.n.length[i]);
        at += m.n.length[i];
    }
    c->http_length = 0;
    notice(w, 0, NOTICE_REQUEST, &m, at);
}

struct client *client_http(struct world *w, uint8_t method, const char *const texts[REQUEST_TEXTS])
{
    struct client *c = connect_client(w, 0, CONNECTION_HTTP, 0);
    ask(w, c, method, texts);
    return c;
}

void client_ask(struct world *w, struct client *c, unsigned who, uint8_t method, const char *path,
                const char *body)
{
    char full[256], authorization[128];
    snprintf(full, sizeof full, "/api/v10%s", path);
    char *query = strchr(full, '?');
    if (query)
        *query++ = 0;
    snprintf(authorization, sizeof authorization, "Bot %s", w->token[who]);
    const char *texts[REQUEST_TEXTS] = {[REQUEST_PATH] = full,
                                        [REQUEST_QUERY] = query ? query : "",
                                        [REQUEST_AUTHORIZATION] = authorization,
                                        [REQUEST_CONTENT_TYPE] = body ? "application/json" : "",
                                        [REQUEST_REASON] = "",
                                        [REQUEST_IF_MATCH] = "",
                                        [REQUEST_BODY] = body ? body : ""};
    ask(w, c, method, texts);
}

struct client *client_request(struct world *w, unsigned who, uint8_t method, const char *path,
                              const char *body)
{
    struct client *c = connect_client(w, 0, CONNECTION_HTTP, 0);
    client_ask(w, c, who, method, path, body);
    return c;
}
