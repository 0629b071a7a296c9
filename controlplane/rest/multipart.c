/*
 * See multipart.h.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/rest/multipart.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/* What is left to read. */
struct cursor {
    const char *at, *end;
};

static bool token_char(char c)
{
    return c > 0x20 && c < 0x7f && !strchr("()<>@,;:\\\"/[]?=", c);
}

static void skip_spaces(struct cursor *c)
{
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\t'))
        c->at++;
}

/* token, or "quoted": browsers and clients write a quote inside as \" or %22. False: neither, or too long. */
static bool read_value(struct cursor *c, char *out, size_t size)
{
    size_t n = 0;
    bool quoted = c->at < c->end && *c->at == '"';
    c->at += quoted;
    while (c->at < c->end && (quoted ? *c->at != '"' : token_char(*c->at))) {
        char ch = *c->at++;
        if (quoted && ch == '\\' && c->at < c->end && (*c->at == '"' || *c->at == '\\'))
            ch = *c->at++;
        else if (quoted && ch == '%' && c->end - c->at >= 2 && !memcmp(c->at, "22", 2)) {
            ch = '"';
            c->at += 2;
        }
        if (n + 1 >= size || !ch)
            return false;
        out[n++] = ch;
    }
    out[n] = 0;
    if (!quoted)
        return n > 0;
    if (c->at >= c->end)
        return false;
    c->at++;
    return true;
}

/* "; name=value" repeatedly: the value of `key` into out, "" when it is not there. False: malformed. */
static bool read_parameters(struct cursor c, const char *key, char *out, size_t size, bool *found)
{
    *out = 0;
    *found = false;
    for (skip_spaces(&c); c.at < c.end; skip_spaces(&c)) {
        char value[MULTIPART_TEXT_MAX];
        if (*c.at++ != ';')
            return false;
        skip_spaces(&c);
        if (c.at == c.end)
            return true;
        const char *name = c.at;
        while (c.at < c.end && token_char(*c.at))
            c.at++;
        size_t length = (size_t)(c.at - name);
        if (!length || c.at == c.end || *c.at++ != '=' || !read_value(&c, value, sizeof value))
            return false;
        if (length == strlen(key) && !strncasecmp(name, key, length)) {
            if (strlen(value) >= size)
                return false;
            memcpy(out, value, strlen(value) + 1);
            *found = true;
        }
    }
    return true;
}

bool multipart_boundary(const char *content_type, size_t length, char boundary[72])
{
    static const char want[] = "multipart/form-data";
    size_t n = sizeof want - 1;
    bool found;
    if (!content_type || length < n || strncasecmp(content_type, want, n))
        return false;
    struct cursor c = {content_type + n, content_type + length};
    /* RFC 2046 5.1.1: 1 to 70 characters */
    return read_parameters(c, "boundary", boundary, 71, &found) && found && *boundary;
}

static bool field_is(const char *line, size_t length, const char *name)
{
    size_t n = strlen(name);
    return length > n && !strncasecmp(line, name, n) && line[n] == ':';
}

/* One line of a part's head. */
static bool read_field(const char *line, size_t length, struct multipart_part *p)
{
    static const char form[] = "form-data";
    const char *value = memchr(line, ':', length);
    bool found;
    if (!value)
        return false;
    struct cursor c = {value + 1, line + length};
    skip_spaces(&c);
    if (field_is(line, length, "Content-Type")) {
        size_t n = (size_t)(c.end - c.at);
        if (n >= sizeof p->type || memchr(c.at, 0, n))
            return false;
        memcpy(p->type, c.at, n);
        p->type[n] = 0;
    } else if (field_is(line, length, "Content-Disposition")) {
        if ((size_t)(c.end - c.at) < sizeof form - 1 || strncasecmp(c.at, form, sizeof form - 1))
            return false;
        c.at += sizeof form - 1;
        return read_parameters(c, "name", p->name, sizeof p->name, &found) && found &&
               read_parameters(c, "filename", p->filename, sizeof p->filename, &p->file);
    }
    return true;
}

/* The head of a part up to and with its empty line. */
static bool read_head(struct cursor *c, struct multipart_part *p)
{
    const char *limit = c->end - c->at > MULTIPART_HEAD_MAX ? c->at + MULTIPART_HEAD_MAX : c->end;
    for (;;) {
        const char *line = c->at, *end = memmem(line, (size_t)(limit - line), "\r\n", 2);
        if (!end)
            return false;
        c->at = end + 2;
        if (end == line)
            return *p->name != 0;
        if (!read_field(line, (size_t)(end - line), p))
            return false;
    }
}

/* Behind a delimiter: 1 another part follows, 0 it was the last, -1 neither. */
static int after_delimiter(struct cursor *c)
{
    if (c->end - c->at >= 2 && !memcmp(c->at, "--", 2))
        return 0;
    skip_spaces(c);
    if (c->end - c->at < 2 || memcmp(c->at, "\r\n", 2))
        return -1;
    c->at += 2;
    return 1;
}

int multipart_parse(const char *body, size_t length, const char *boundary,
                    struct multipart_part parts[MULTIPART_PARTS_MAX])
{
    char delimiter[80];
    size_t n = (size_t)snprintf(delimiter, sizeof delimiter, "\r\n--%s", boundary);
    struct cursor c = {body, body + length};
    int count = 0;
    /* The first delimiter may stand at the very beginning, without its line end; a preamble is passed over.
     */
    if (length >= n - 2 && !memcmp(body, delimiter + 2, n - 2))
        c.at += n - 2;
    else if ((c.at = memmem(body, length, delimiter, n)))
        c.at += n;
    else
        return -1;
    for (;;) {
        int more = after_delimiter(&c);
        if (more <= 0)
            return more ? -1 : count;
        if (count == MULTIPART_PARTS_MAX)
            return -1;
        struct multipart_part *p = &parts[count++];
        *p = (struct multipart_part){.file = false};
        if (!read_head(&c, p))
            return -1;
        p->data = c.at;
        const char *end = c.end - c.at >= (ptrdiff_t)n - 2 && !memcmp(c.at, delimiter + 2, n - 2)
                              ? c.at /* nothing in the part */
                              : memmem(c.at, (size_t)(c.end - c.at), delimiter, n);
        if (!end)
            return -1;
        p->length = (size_t)(end - c.at);
        c.at = end + (end == p->data && memcmp(end, "\r\n", 2) ? n - 2 : n);
    }
}
