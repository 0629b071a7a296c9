/*
 * Bodies: JSON, or files with JSON beside them (reference/rest.md 6.3). What is wrong is answered here.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/rest/call.h"
#include "controlplane/rest/multipart.h"

#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define JSON_DEPTH_MAX 32

/* No deeper than JSON_DEPTH_MAX, judged before anything recursive looks at it. */
static bool json_shallow(const char *text, size_t length)
{
    int depth = 0;
    bool string = false;
    for (size_t i = 0; i < length; i++) {
        if (string) {
            if (text[i] == '\\')
                i++;
            else if (text[i] == '"')
                string = false;
        } else if (text[i] == '"') {
            string = true;
        } else if (text[i] == '{' || text[i] == '[') {
            if (++depth > JSON_DEPTH_MAX)
                return false;
        } else if (text[i] == '}' || text[i] == ']') {
            depth--;
        }
    }
    return true;
}

static bool content_is_json(const struct rest_request *q)
{
    static const char want[] = "application/json";
    size_t n = sizeof want - 1;
    return q->content_type && q->content_type_length >= n && !strncasecmp(q->content_type, want, n) &&
           (q->content_type_length == n || q->content_type[n] == ';' || q->content_type[n] == ' ');
}

static bool read_json(struct rest_call *c, const char *text, size_t length)
{
    bool list = c->match.route->flags & ROUTE_LIST;
    if (length > REST_BODY_MAX) {
        rest_error(c, 413, 40005, "Request entity too large");
        return false;
    }
    c->body = json_shallow(text, length)
                  ? json_loadb(text, length, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL)
                  : NULL;
    if (!c->body) {
        rest_error(c, 400, 50109, "The request body contains invalid JSON.");
        return false;
    }
    if (list ? !json_is_array(c->body) : !json_is_object(c->body)) {
        rest_invalid(c, NULL, "MODEL_TYPE_CONVERT",
                     list ? "Only iterables may be used in a ListType"
                          : "Only dictionaries may be used in a DictType");
        return false;
    }
    return true;
}

static bool type_sound(const char *type)
{
    static const char marks[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$&^_.+-";
    size_t main = strspn(type, marks), sub = type[main] == '/' ? strspn(type + main + 1, marks) : 0;
    return main && sub && main + sub < 100;
}

/* What stands in front of parameters; bytes of no kind when it is none. */
static char *type_of(const char *type)
{
    char *text = strndup(type_sound(type) ? type : "application/octet-stream", 200);
    if (!text)
        abort();
    text[strcspn(text, "; \t")] = 0;
    return text;
}

static void take_file(struct rest_call *c, const struct multipart_part *p)
{
    struct attachment *a = &c->files[c->file_count++];
    *a = (struct attachment){.size = (uint32_t)p->length,
                             .id = snowflake_next(&c->m->ids, c->m->now_ms),
                             .filename = attachment_name(p->filename),
                             .content_type = type_of(p->type),
                             .data = malloc(p->length + 1)};
    if (!a->data || RAND_bytes((unsigned char *)a->key, sizeof a->key) != 1)
        abort();
    memcpy(a->data, p->data, p->length);
}

static bool read_parts(struct rest_call *c, const struct rest_request *q, const char *boundary)
{
    struct multipart_part parts[MULTIPART_PARTS_MAX];
    int count = multipart_parse(q->body, q->body_length, boundary, parts);
    size_t files = 0;
    for (int i = 0; i < count; i++)
        files += parts[i].file;
    if (count < 0 || files > ATTACHMENTS_MAX) {
        rest_invalid(c, NULL, count < 0 ? "MULTIPART_INVALID" : "BASE_TYPE_MAX_LENGTH",
                     count < 0 ? "The body is no multipart/form-data." : "Must be 10 or fewer in length.");
        return false;
    }
    c->files = calloc(files + 1, sizeof *c->files);
    if (!c->files)
        abort();
    for (int i = 0; i < count; i++)
        if (!parts[i].file && !strcmp(parts[i].name, "payload_json") && !c->body &&
            !read_json(c, parts[i].data, parts[i].length))
            return false;
    for (int i = 0; i < count; i++)
        if (parts[i].file)
            take_file(c, &parts[i]);
    if (!c->body)
        c->body = json_object();
    return true;
}

bool rest_read_body(struct rest_call *c, const struct rest_request *q)
{
    char boundary[72];
    unsigned flags = c->match.route->flags;
    if (!(flags & (ROUTE_BODY | ROUTE_LIST)) || q->body_length == 0) {
        c->body = flags & ROUTE_LIST ? json_array() : json_object();
        return true;
    }
    if ((flags & ROUTE_FILES) && multipart_boundary(q->content_type, q->content_type_length, boundary))
        return read_parts(c, q, boundary);
    if (!content_is_json(q)) {
        rest_invalid(c, NULL, "CONTENT_TYPE_INVALID",
                     "Expected \"Content-Type\" header to be application/json.");
        return false;
    }
    return read_json(c, q->body, q->body_length);
}
