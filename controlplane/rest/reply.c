/*
 * Replies: HTTP/1.1 responses with the headers that clients look at, and the error bodies of
 * reference/rest.md 3 and 4.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/rest/call.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "controlplane/protocol/http_head.h"

static void head_limits(struct json_out *o, const struct rest_call *c, int status)
{
    static const char *const names[REST_BUCKETS] = {
#define BUCKET_NAME(name, requests, ms, text) #name,
        REST_BUCKET_LIST(BUCKET_NAME)
#undef BUCKET_NAME
    };
    const struct limit_state *l = &c->limit;
    int64_t reset = c->m->now_ms + l->reset_after_ms;
    if (!c->limited)
        return;
    http_head_line(o, "X-RateLimit-Limit: %u\r\nX-RateLimit-Remaining: %u\r\n", l->limit, l->remaining);
    http_head_line(o, "X-RateLimit-Reset: %lld.%03d\r\nX-RateLimit-Reset-After: %lld.%03d\r\n",
         (long long)(reset / 1000), (int)(reset % 1000), (long long)(l->reset_after_ms / 1000),
         (int)(l->reset_after_ms % 1000));
    uint64_t id = UINT64_C(0xCBF29CE484222325);
    for (const char *at = names[c->match.route->bucket]; *at; at++)
        id = (id ^ (unsigned char)*at) * UINT64_C(0x100000001B3);
    http_head_line(o, "X-RateLimit-Bucket: %016llx\r\n", (unsigned long long)id);
    if (status == 429)
        http_head_line(o, "Retry-After: %lld.%03d\r\n", (long long)(l->retry_after_ms / 1000),
             (int)(l->retry_after_ms % 1000));
}

/* The whole response; type NULL: no body. `extra` are header lines. */
static void send_whole(struct rest_call *c, int status, const char *type, const char *extra, const void *body,
                       size_t length)
{
    struct json_out *o = &c->rest->reply;
    assert(!c->done_called);
    c->done_called = true;
    json_out_reset(o);
    http_head_open(o, status, c->m->now_ms);
    if (type)
        http_head_line(o, "Content-Type: %s\r\n%s", type, extra);
    if (status != 204)
        http_head_line(o, "Content-Length: %zu\r\n", length);
    head_limits(o, c, status);
    if (status == 429)
        http_head_line(o, "X-RateLimit-Scope: user\r\n%s", c->limit_global ? "X-RateLimit-Global: true\r\n" : "");
    http_head_close(o, c->keep_alive);
    out_bytes(o, body, length);
    struct rest_reply reply = {.status = status,
                               .data = o->data,
                               .length = o->length,
                               .keep_alive = c->keep_alive,
                               .user_id = c->user_id};
    c->done(c->ctx, &reply);
    c->next = c->rest->answered;
    c->rest->answered = c;
}

void rest_send(struct rest_call *c, int status, const char *json)
{
    send_whole(c, status, json ? "application/json" : NULL, "", json, json ? strlen(json) : 0);
}

/* Types that a browser runs, styles with or shows as a page are served as plain text. */
static const char *harmless(const char *type)
{
    static const char *const active[] = {"html", "script", "xml", "svg",  "css",
                                         "json", "wasm",   "pdf", "flash"};
    for (size_t i = 0; i < sizeof active / sizeof *active; i++)
        if (strcasestr(type, active[i]))
            return "text/plain; charset=utf-8";
    return type;
}

void rest_send_file(struct rest_call *c, const struct attachment *a)
{
    char extra[512];
    snprintf(extra, sizeof extra,
             "Content-Disposition: attachment; filename=\"%s\"\r\nX-Content-Type-Options: nosniff\r\n"
             "Content-Security-Policy: default-src 'none'; sandbox\r\n"
             "Cross-Origin-Resource-Policy: same-site\r\nCache-Control: private, max-age=86400\r\n",
             a->filename);
    send_whole(c, 200, harmless(a->content_type), extra, a->data, a->size);
}

bool rest_limited(struct rest_call *c, const struct limit_state *state, int code, const char *message)
{
    char body[192], more[24] = "";
    c->limit = *state;
    c->limited = true;
    if (code)
        snprintf(more, sizeof more, ",\"code\":%d", code);
    snprintf(body, sizeof body, "{\"message\":\"%s\",\"retry_after\":%lld.%03d,\"global\":%s%s}", message,
             (long long)(state->retry_after_ms / 1000), (int)(state->retry_after_ms % 1000),
             c->limit_global ? "true" : "false", more);
    rest_send(c, 429, body);
    return false;
}

void rest_send_out(struct rest_call *c, int status, struct json_out *body)
{
    char *text = json_out_take(body);
    rest_send(c, status, text);
    free(text);
}

static void error_fields(struct json_out *o, int code, const char *message)
{
    out_object(o);
    out_field_string(o, "message", message);
    out_field_int(o, "code", code);
}

void rest_error(struct rest_call *c, int status, int code, const char *message)
{
    struct json_out o = {0};
    error_fields(&o, code, message);
    out_object_end(&o);
    rest_send_out(c, status, &o);
}

void rest_invalid(struct rest_call *c, const char *field, const char *reason, const char *text)
{
    struct json_out o = {0};
    error_fields(&o, 50035, "Invalid Form Body");
    out_key(&o, "errors");
    out_object(&o);
    if (field) {
        out_key(&o, field);
        out_object(&o);
    }
    out_key(&o, "_errors");
    out_list(&o);
    out_object(&o);
    out_field_string(&o, "code", reason);
    out_field_string(&o, "message", text);
    out_object_end(&o);
    out_list_end(&o);
    if (field)
        out_object_end(&o);
    out_object_end(&o);
    out_object_end(&o);
    rest_send_out(c, 400, &o);
}

void rest_unknown(struct rest_call *c, int code)
{
    static const struct {
        int code;
        const char *what;
    } table[] = {
        {10003, "Unknown Channel"}, {10004, "Unknown Guild"},      {10006, "Unknown Invite"},
        {10007, "Unknown Member"},  {10008, "Unknown Message"},    {10009, "Unknown permission overwrite"},
        {10011, "Unknown Role"},    {10013, "Unknown User"},       {10014, "Unknown Emoji"},
        {10026, "Unknown Ban"},     {10065, "Unknown Voice State"}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (table[i].code == code) {
            rest_error(c, 404, code, table[i].what);
            return;
        }
    rest_error(c, 404, 0, "404: Not Found");
}

void rest_store_failed(struct rest_call *c, enum store_status status)
{
    switch (status) {
    case STORE_NOT_FOUND:
        rest_unknown(c, 10008);
        break;
    case STORE_NOT_AUTHOR:
        if (c->match.route->method == REST_PATCH)
            rest_error(c, 403, 50005, "Cannot edit a message authored by another user");
        else
            rest_error(c, 403, 50013, "Missing Permissions");
        break;
    case STORE_EMPTY:
        rest_error(c, 400, 50006, "Cannot send an empty message");
        break;
    case STORE_BAD_REFERENCE:
        rest_invalid(c, "message_reference", "REPLIES_UNKNOWN_MESSAGE", "Unknown message");
        break;
    case STORE_TOO_MANY_REACTIONS:
        rest_error(c, 403, 30010, "Maximum number of reactions reached (20)");
        break;
    case STORE_TOO_MANY_PINS:
        rest_error(c, 400, 30003, "Maximum number of pins reached (250)");
        break;
    case STORE_MAY_NOT_ADD:
        rest_error(c, 403, 50013, "Missing Permissions");
        break;
    default:
        rest_error(c,
                   status == STORE_DISK_FULL  ? 507
                   : status == STORE_POISONED ? 500
                                              : 503,
                   0, store_status_text(status));
        break;
    }
}
