/*
 * Copies and ends of the plain records.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/protocol/object.h"

#include <stdlib.h>
#include <string.h>

char *text_copy(const char *text)
{
    if (!text)
        return NULL;
    char *copy = strdup(text);
    if (!copy)
        abort();
    return copy;
}

static void *bytes_copy(const void *data, size_t count, size_t size)
{
    if (count == 0)
        return NULL;
    void *copy = malloc(count * size);
    if (!copy)
        abort();
    return memcpy(copy, data, count * size);
}

void user_copy(struct user *to, const struct user *from)
{
    *to = *from;
    to->username = text_copy(from->username);
    to->global_name = text_copy(from->global_name);
    to->avatar = text_copy(from->avatar);
}

void user_clear(struct user *u)
{
    free(u->username);
    free(u->global_name);
    free(u->avatar);
    *u = (struct user){0};
}

void role_copy(struct role *to, const struct role *from)
{
    *to = *from;
    to->name = text_copy(from->name);
}

void role_clear(struct role *r)
{
    free(r->name);
    *r = (struct role){0};
}

void channel_copy(struct channel *to, const struct channel *from)
{
    *to = *from;
    to->name = text_copy(from->name);
    to->topic = text_copy(from->topic);
    to->overwrites = bytes_copy(from->overwrites, from->overwrite_count, sizeof *from->overwrites);
}

void channel_clear(struct channel *c)
{
    free(c->name);
    free(c->topic);
    free(c->overwrites);
    *c = (struct channel){0};
}

void member_copy(struct member *to, const struct member *from)
{
    *to = *from;
    to->nick = text_copy(from->nick);
    to->roles = bytes_copy(from->roles, from->role_count, sizeof *from->roles);
}

void member_clear(struct member *m)
{
    free(m->nick);
    free(m->roles);
    *m = (struct member){0};
}

void guild_copy(struct guild *to, const struct guild *from)
{
    *to = *from;
    to->name = text_copy(from->name);
    to->icon = text_copy(from->icon);
    to->description = text_copy(from->description);
}

void guild_clear(struct guild *g)
{
    free(g->name);
    free(g->icon);
    free(g->description);
    *g = (struct guild){0};
}

void ban_copy(struct ban *to, const struct ban *from)
{
    *to = *from;
    to->reason = text_copy(from->reason);
}

void ban_clear(struct ban *b)
{
    free(b->reason);
    *b = (struct ban){0};
}

void attachments_copy(struct message *to, const struct message *from)
{
    to->attachments = bytes_copy(from->attachments, from->attachment_count, sizeof *from->attachments);
    to->attachment_count = from->attachment_count;
    for (size_t i = 0; i < to->attachment_count; i++) {
        struct attachment *a = &to->attachments[i];
        a->filename = text_copy(a->filename);
        a->content_type = text_copy(a->content_type);
        a->description = text_copy(a->description);
        a->data = NULL;
    }
}

void attachments_clear(struct message *m)
{
    for (size_t i = 0; i < m->attachment_count; i++) {
        free(m->attachments[i].filename);
        free(m->attachments[i].content_type);
        free(m->attachments[i].description);
        free(m->attachments[i].data);
    }
    free(m->attachments);
    m->attachments = NULL;
    m->attachment_count = 0;
}

void message_copy(struct message *to, const struct message *from)
{
    *to = *from;
    attachments_copy(to, from);
    to->content = text_copy(from->content);
    to->nonce = text_copy(from->nonce);
    to->embeds = text_copy(from->embeds);
    to->components = text_copy(from->components);
    to->mentions = text_copy(from->mentions);
    to->mention_roles = text_copy(from->mention_roles);
}

void message_clear(struct message *m)
{
    free(m->content);
    free(m->nonce);
    free(m->embeds);
    free(m->components);
    free(m->mentions);
    free(m->mention_roles);
    attachments_clear(m);
    *m = (struct message){0};
}

void message_view_clear(struct message_view *v)
{
    message_clear(&v->message);
    if (v->referenced)
        message_clear(v->referenced);
    free(v->referenced);
    for (size_t i = 0; i < v->reaction_count; i++)
        free(v->reactions[i].emoji);
    free(v->reactions);
    *v = (struct message_view){0};
}

bool member_has_role(const struct member *m, uint64_t role_id)
{
    for (size_t i = 0; i < m->role_count; i++)
        if (m->roles[i] == role_id)
            return true;
    return false;
}
