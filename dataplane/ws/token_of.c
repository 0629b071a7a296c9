/*
 * A walk over two levels of objects; what lies deeper is passed over by its brackets and quotes alone.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "dataplane/ws/token_of.h"

#include <string.h>

struct walk {
    const uint8_t *at, *end;
};

struct text {
    const uint8_t *p;
    size_t length;
    bool plain; /* without escapes */
};

static void skip_space(struct walk *w)
{
    while (w->at < w->end && (*w->at == ' ' || *w->at == '\t' || *w->at == '\n' || *w->at == '\r'))
        w->at++;
}

static bool take(struct walk *w, uint8_t c)
{
    skip_space(w);
    if (w->at == w->end || *w->at != c)
        return false;
    w->at++;
    return true;
}

static bool take_string(struct walk *w, struct text *t)
{
    if (!take(w, '"'))
        return false;
    *t = (struct text){.p = w->at, .plain = true};
    for (; w->at < w->end && *w->at != '"'; w->at++) {
        if (*w->at < 0x20)
            return false;
        if (*w->at == '\\') {
            t->plain = false;
            if (++w->at == w->end)
                return false;
        }
    }
    t->length = (size_t)(w->at - t->p);
    return take(w, '"');
}

static bool text_is(const struct text *t, const char *what)
{
    return t->plain && t->length == strlen(what) && memcmp(t->p, what, t->length) == 0;
}

/* Any value, by the balance of its brackets. What is no JSON may pass here: it does not change what the token is. */
static bool skip_value(struct walk *w)
{
    struct text t;
    size_t depth = 0;
    const uint8_t *begin;
    skip_space(w);
    begin = w->at;
    while (w->at < w->end) {
        uint8_t c = *w->at;
        if (c == '"') {
            if (!take_string(w, &t))
                return false;
            continue;
        }
        if (!depth && (c == ',' || c == '}' || c == ']'))
            return w->at > begin;
        depth += c == '{' || c == '[';
        depth -= c == '}' || c == ']';
        w->at++;
    }
    return false;
}

/* Calls `each` for every member of the object until it fails. */
static bool take_object(struct walk *w, bool (*each)(struct walk *w, const struct text *key, void *to), void *to)
{
    struct text key;
    if (!take(w, '{'))
        return false;
    do {
        if (!take_string(w, &key) || !key.plain || !take(w, ':') || !each(w, &key, to))
            return false;
    } while (take(w, ','));
    return take(w, '}');
}

struct found {
    unsigned ops, ds, tokens;
    uint8_t op;
    struct text token;
};

static bool member_of_d(struct walk *w, const struct text *key, void *to)
{
    struct found *f = to;
    if (!text_is(key, "token"))
        return skip_value(w);
    f->tokens++;
    return take_string(w, &f->token) && f->token.plain;
}

static bool member_of_root(struct walk *w, const struct text *key, void *to)
{
    struct found *f = to;
    if (text_is(key, "op")) {
        f->ops++;
        skip_space(w);
        f->op = w->at < w->end ? *w->at : 0;
        w->at += w->at < w->end;
        skip_space(w);
        return w->at < w->end && (*w->at == ',' || *w->at == '}');
    }
    if (!text_is(key, "d"))
        return skip_value(w);
    f->ds++;
    return take_object(w, member_of_d, f);
}

bool gateway_token(const uint8_t *p, size_t len, const char **token, size_t *length)
{
    struct walk w = {p, p + len};
    struct found f = {0};
    if (!take_object(&w, member_of_root, &f) || f.ops != 1 || f.ds != 1 || f.tokens != 1 ||
        (f.op != '2' && f.op != '6'))
        return false;
    skip_space(&w);
    if (w.at != w.end)
        return false;
    *token = (const char *)f.token.p;
    *length = f.token.length;
    return true;
}
