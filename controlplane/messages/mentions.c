/*
 * Mentions in the text of a message: <@user>, <@!user>, <@&role>, @everyone, @here; and emoji in paths.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/messages/messages.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct id_list {
    uint64_t ids[MENTIONS_MAX];
    size_t count;
};

static void list_add(struct id_list *l, uint64_t id)
{
    for (size_t i = 0; i < l->count; i++)
        if (l->ids[i] == id)
            return;
    if (l->count < MENTIONS_MAX)
        l->ids[l->count++] = id;
}

static char *list_text(const struct id_list *l)
{
    char text[MENTIONS_MAX * 21 + 1];
    size_t n = 0;
    if (l->count == 0)
        return NULL;
    for (size_t i = 0; i < l->count; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "%s%llu", i ? "," : "",
                              (unsigned long long)l->ids[i]);
    return text_copy(text);
}

static bool array_has(const json_t *list, const char *text)
{
    const json_t *v;
    size_t i;
    json_array_foreach(list, i, v)
    {
        if (json_is_string(v) && !strcmp(json_string_value(v), text))
            return true;
    }
    return false;
}

/* May this id (of the kind "users" or "roles") be mentioned? */
static bool mention_allowed(const json_t *allowed, const char *kind, uint64_t id)
{
    char text[24];
    if (!json_is_object(allowed) || array_has(json_object_get(allowed, "parse"), kind))
        return true;
    snprintf(text, sizeof text, "%llu", (unsigned long long)id);
    return array_has(json_object_get(allowed, kind), text);
}

static bool role_mentionable(const struct guild_state *g, uint64_t id, uint64_t may)
{
    const struct role *r = g ? model_role(g, id) : NULL;
    return r && (r->mentionable || (may & PERM_MENTION_EVERYONE));
}

/* <@...> at `at`: the id and whether it is a role's. */
static bool mention_parse(const char *at, uint64_t *id, bool *role)
{
    const char *digits = at + 2;
    *role = *digits == '&';
    digits += *digits == '&' || *digits == '!';
    size_t n = strspn(digits, "0123456789");
    return digits[n] == '>' && snowflake_parse(digits, n, id);
}

void message_mentions(struct message *to, const struct model *m, const struct guild_state *g, uint64_t may,
                      const json_t *allowed)
{
    struct id_list users = {.count = 0}, roles = {.count = 0};
    bool everyone = (may & PERM_MENTION_EVERYONE) &&
                    (!json_is_object(allowed) || array_has(json_object_get(allowed, "parse"), "everyone"));
    for (const char *at = to->content; *at; at++) {
        uint64_t id;
        bool role;
        if (*at == '@' && (!strncmp(at, "@everyone", 9) || !strncmp(at, "@here", 5)))
            to->mention_everyone |= everyone;
        if (at[0] != '<' || at[1] != '@' || !mention_parse(at, &id, &role))
            continue;
        if (role && role_mentionable(g, id, may) && mention_allowed(allowed, "roles", id))
            list_add(&roles, id);
        else if (!role && model_user(m, id) && mention_allowed(allowed, "users", id))
            list_add(&users, id);
    }
    to->mentions = list_text(&users);
    to->mention_roles = list_text(&roles);
}

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool percent_decode(const char *in, size_t length, char *out, size_t size)
{
    size_t n = 0;
    for (size_t i = 0; i < length; i++) {
        char c = in[i];
        if (c == '%') {
            int high = i + 2 < length ? hex(in[i + 1]) : -1, low = i + 2 < length ? hex(in[i + 2]) : -1;
            if (high < 0 || low < 0)
                return false;
            c = (char)(high << 4 | low);
            i += 2;
        }
        if ((unsigned char)c < 0x20 || n + 1 >= size)
            return false;
        out[n++] = c;
    }
    out[n] = 0;
    return n > 0;
}

static bool emoji_custom(const char *text)
{
    const char *colon = strchr(text, ':');
    uint64_t id;
    size_t name = colon ? (size_t)(colon - text) : 0;
    return name >= 2 && name <= 32 &&
           strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_") == name &&
           snowflake_parse(colon + 1, strlen(colon + 1), &id);
}

/* At most 16 characters, none of them ASCII but for the digits, # and * of keycaps. */
static bool emoji_unicode(const char *text)
{
    bool beyond_ascii = false;
    for (const unsigned char *at = (const unsigned char *)text; *at; at++) {
        beyond_ascii |= *at >= 0x80;
        if (*at < 0x80 && !strchr("0123456789#*", *at))
            return false;
    }
    json_t *valid = json_string(text); /* refuses what is not UTF-8 */
    bool sound = valid && beyond_ascii && text_code_points(text) <= 16;
    json_decref(valid);
    return sound;
}

bool emoji_decode(const char *path, size_t length, char text[EMOJI_TEXT_MAX])
{
    return percent_decode(path, length, text, EMOJI_TEXT_MAX) && (emoji_custom(text) || emoji_unicode(text));
}
