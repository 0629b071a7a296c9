/*
 * The way of a request: route -> who asks -> limits -> body -> what is named and may be -> handler. Whatever
 * refuses, answers. Order matters: an unknown route is 404 even without a token, because clients drop their
 * token on any 401.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/rest/call.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void rest_config_defaults(struct rest_config *c)
{
    *c = (struct rest_config){.gateway_url = "wss://localhost",
                              .region_id = "local",
                              .region_name = "Local",
                              .session_start_total = 1000,
                              .global = {50, 1000},
                              .limits = {
#define BUCKET_LIMIT(name, requests, ms, text) {requests, ms},
                                  REST_BUCKET_LIST(BUCKET_LIMIT)
#undef BUCKET_LIMIT
                              }};
}

struct rest *rest_open(struct model *m, const struct rest_config *c)
{
    struct rest *r = calloc(1, sizeof *r);
    if (!r)
        abort();
    r->m = m;
    r->config = *c;
    r->limits = limits_open();
    return r;
}

static void rest_free_answered(struct rest *r)
{
    while (r->answered) {
        struct rest_call *c = r->answered;
        r->answered = c->next;
        json_decref(c->body);
        free(c->query);
        free(c->reason);
        struct message files = {.attachments = c->files, .attachment_count = c->file_count};
        attachments_clear(&files);
        free(c);
    }
}

void rest_close(struct rest *r)
{
    rest_free_answered(r);
    limits_close(r->limits);
    json_out_free(&r->reply);
    free(r);
}

/* Takes "/api" and the version away; false: the path does not begin so. Files are served beside it. */
static bool path_strip(const char **path, size_t *length)
{
    static const char files[] = "/attachments/";
    const char *at = *path, *end = at + *length;
    if (*length >= sizeof files && !memcmp(at, files, sizeof files - 1))
        return true;
    if (*length < 5 || memcmp(at, "/api", 4))
        return false;
    at += 4;
    if (end - at >= 3 && at[0] == '/' && at[1] == 'v' && at[2] >= '0' && at[2] <= '9') {
        at += 2;
        while (at < end && *at >= '0' && *at <= '9')
            at++;
    }
    *path = at;
    *length = (size_t)(end - at);
    return true;
}

/* One limit; answers 429 when it is reached. */
static bool border_limit(struct rest_call *c, const struct rest_limit *l, uint32_t bucket, uint64_t major,
                         bool global)
{
    struct limit_state state;
    if (!l->requests)
        return true;
    bool pass = limits_take(c->rest->limits, bucket, c->user_id, major, l->requests, l->window_ms,
                            c->m->now_ms, &state);
    if (pass && global)
        return true; /* the route's own limit is what the headers tell */
    c->limit = state;
    c->limited = true;
    if (pass)
        return true;
    c->limit_global = global;
    return rest_limited(c, &state, 0, "You are being rate limited.");
}

static bool border_limits(struct rest_call *c)
{
    const struct rest_config *config = &c->rest->config;
    enum rest_bucket bucket = c->match.route->bucket;
    uint64_t major = c->match.channel_id ? c->match.channel_id : c->match.guild_id;
    if (!c->user_id)
        return true;
    if (c->match.channel_id ? !model_channel(c->m, major) : !model_guild(c->m, major))
        major = 0; /* made-up ids share one bucket */
    return border_limit(c, &config->global, REST_BUCKETS, 0, true) &&
           border_limit(c, &config->limits[bucket], bucket, major, false);
}

static bool border_authorize(struct rest_call *c, const struct rest_request *q)
{
    const struct user *u =
        q->authorization ? model_authenticate(c->m, q->authorization, q->authorization_length) : NULL;
    if (u)
        c->user_id = u->id;
    if (u || (c->match.route->flags & ROUTE_OPEN))
        return true;
    rest_error(c, 401, 0, "401: Unauthorized");
    return false;
}

/* A direct message channel: only the two, and only what makes sense between two. */
static bool border_direct(struct rest_call *c)
{
    c->permissions = model_channel_permissions(c->m, c->channel, c->user_id);
    if (!c->permissions) {
        rest_error(c, 403, 50001, "Missing Access");
        return false;
    }
    if (!(c->match.route->flags & ROUTE_DIRECT)) {
        rest_error(c, 403, 50003, "Cannot execute action on a DM channel");
        return false;
    }
    return true;
}

/* The guild, seen by a member of it, who has what the route asks for. */
static bool border_guild(struct rest_call *c)
{
    c->permissions = model_permissions(c->m, c->guild, c->channel, c->user_id);
    if (!model_member(c->guild, c->user_id) || (c->channel && !(c->permissions & PERM_VIEW_CHANNEL))) {
        rest_error(c, 403, 50001, "Missing Access");
        return false;
    }
    if (c->match.route->permission & ~c->permissions) {
        rest_error(c, 403, 50013, "Missing Permissions");
        return false;
    }
    return true;
}

/* What the path names must exist and be the asker's to see, and the route's permission must be there. */
static bool border_named(struct rest_call *c)
{
    struct model *m = c->m;
    const struct route_match *match = &c->match;
    c->channel = model_channel(m, match->channel_id);
    c->invite = match->invite_named ? model_invite(m, match->invite, strlen(match->invite)) : NULL;
    c->guild = model_guild(m, c->channel  ? c->channel->guild_id
                              : c->invite ? c->invite->guild_id
                                          : match->guild_id);
    if (match->channel_named && (!c->channel || (!c->guild && c->channel->guild_id))) {
        rest_unknown(c, 10003);
        return false;
    }
    if (match->guild_named && !c->guild) {
        rest_unknown(c, 10004);
        return false;
    }
    if (match->invite_named && !c->guild) {
        rest_unknown(c, 10006);
        return false;
    }
    if (c->invite) /* one need not be a member: the handlers judge */
        c->permissions = model_permissions(m, c->guild, NULL, c->user_id);
    else if (c->channel && !c->guild ? !border_direct(c) : c->guild && !border_guild(c))
        return false;
    if (match->bad_emoji) {
        rest_unknown(c, 10014);
        return false;
    }
    return true;
}

static void call_proceed(void *ctx)
{
    struct rest_call *c = ctx;
    if (!border_named(c))
        return;
    if ((c->match.route->flags & ROUTE_CHANGES) && c->guild && rest_wait(c, c->guild->row.id))
        return;
    c->match.route->handler(c);
}

bool rest_wait(struct rest_call *c, uint64_t id)
{
    bool full;
    if (change_wait(c->m, id, call_proceed, c, &full))
        return true;
    if (full)
        rest_error(c, 503, 0, "too many changes wait for this guild");
    return full;
}

static void call_replayed(struct store_op *op, void *ctx)
{
    struct rest_call *c = ctx;
    if (op->status == STORE_OK && op->replayed)
        rest_replayed(c, op);
    else if (op->status == STORE_NOT_FOUND)
        call_proceed(c); /* forgotten since: it was published long ago or never done */
    else
        rest_store_failed(c, op->status);
}

/* A request that the last process may have carried out is asked for its outcome first. */
static void call_start(struct rest_call *c)
{
    if (!(c->match.route->flags & ROUTE_ONCE) || !model_answered(c->m, &c->key)) {
        call_proceed(c);
        return;
    }
    rest_submit(c, store_op_new(STORE_REPLAY, call_replayed, c));
}

/* X-Audit-Log-Reason: percent-encoded, at most 512 characters; NULL when it is none of that. */
static char *reason_decode(const char *text, size_t length)
{
    char decoded[2048 + 1];
    if (!percent_decode(text, length, decoded, sizeof decoded))
        return NULL;
    json_t *valid = json_string(decoded); /* refuses what is not UTF-8 */
    char *reason = valid && text_code_points(decoded) <= 512 ? text_copy(decoded) : NULL;
    json_decref(valid);
    return reason;
}

void rest_handle(struct rest *r, const struct rest_request *q, rest_done_fn *done, void *ctx)
{
    struct rest_call *c = calloc(1, sizeof *c);
    const char *path = q->path;
    size_t length = q->path_length;
    if (!c)
        abort();
    rest_free_answered(r);
    *c = (struct rest_call){
        .rest = r, .m = r->m, .done = done, .ctx = ctx, .key = q->key, .keep_alive = q->keep_alive};
    if (q->query_length)
        c->query = strndup(q->query, q->query_length);
    if (q->reason_length)
        c->reason = reason_decode(q->reason, q->reason_length);
    if (!path_strip(&path, &length) || !route_find(q->method, path, length, &c->match)) {
        if (c->match.path_known)
            rest_error(c, 405, 0, "405: Method Not Allowed");
        else
            rest_error(c, 404, 0, "404: Not Found");
        return;
    }
    if (border_authorize(c, q) && border_limits(c) && rest_read_body(c, q))
        call_start(c);
}

void rest_submit(struct rest_call *c, struct store_op *op)
{
    if (c->match.route->flags & ROUTE_ONCE)
        op->key = c->key;
    if (store_submit(c->m->store, op))
        return;
    store_op_free(op);
    rest_error(c, 503, 0, "the store's queue is full");
}

struct change *rest_change(struct rest_call *c)
{
    return change_begin(c->m, &c->key, c->guild ? c->guild->row.id : 0);
}

static void call_committed(void *ctx, enum store_status status, int http_status, const char *body)
{
    struct rest_call *c = ctx;
    if (status == STORE_OK)
        rest_send(c, http_status, body);
    else
        rest_store_failed(c, status);
}

void rest_commit(struct rest_call *c, struct change *change)
{
    if (!change_submit(change, call_committed, c))
        rest_error(c, 503, 0, "the store's queue is full");
}

void rest_send_message(struct rest_call *c, const struct message_view *v)
{
    struct json_out body = {0};
    struct message_full full;
    model_message_full(c->m, v, &full);
    object_message(&body, &full);
    free((void *)full.mentions);
    rest_send_out(c, 200, &body);
}

void rest_replayed(struct rest_call *c, const struct store_op *op)
{
    int status = 204;
    char *body = NULL;
    switch (op->entry.kind) {
    case OUTBOX_MESSAGE_CREATE:
    case OUTBOX_MESSAGE_UPDATE:
        if (op->view_count)
            rest_send_message(c, &op->views[0]);
        else
            rest_unknown(c, 10008);
        return;
    case OUTBOX_CHANGE:
        change_recorded(op->entry.payload, &status, &body);
        rest_send(c, status, body);
        free(body);
        return;
    default:
        rest_send(c, 204, NULL);
        return;
    }
}
