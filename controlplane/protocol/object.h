/*
 * The plain records of the model: a user, a guild, a role, a channel, an overwrite, a member, a message. The
 * store writes and reads them, the model holds them, the payload builders take them. Nothing here knows SQL,
 * JSON or a socket.
 *
 * Text is UTF-8 with a terminating NUL on the heap of its record; NULL is the protocol's null. Ids are
 * snowflakes, 0 is none. Times end in _ms and count from the Unix epoch, 0 is never.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_OBJECT_H
#define VOXPOP_OBJECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum channel_type {
    CHANNEL_TEXT = 0,
    CHANNEL_DM = 1,
    CHANNEL_VOICE = 2,
    CHANNEL_CATEGORY = 4,
    CHANNEL_ANNOUNCEMENT = 5,
    CHANNEL_STAGE = 13
};

enum message_type { MESSAGE_DEFAULT = 0, MESSAGE_REPLY = 19 };

struct user {
    uint64_t id;
    char *username;
    char *global_name;
    char *avatar;
    uint32_t flags;
    bool bot;
};

struct role {
    uint64_t id, guild_id;
    uint64_t permissions;
    char *name;
    uint32_t color;
    uint16_t position;
    bool hoist, managed, mentionable;
};

struct overwrite {
    uint64_t id; /* of a role or a user */
    uint64_t allow, deny;
    bool member; /* false: a role */
};

struct channel {
    uint64_t id, guild_id, parent_id;
    uint64_t last_message_id;
    uint64_t recipients[2]; /* of a direct message, the lower id first; it has no guild */
    int64_t last_pin_ms;
    char *name, *topic;
    uint32_t bitrate;             /* bits a second */
    uint32_t rate_limit_per_user; /* seconds */
    uint16_t position, user_limit;
    uint8_t type; /* enum channel_type */
    bool nsfw;
    struct overwrite *overwrites;
    size_t overwrite_count;
};

struct member {
    uint64_t guild_id, user_id;
    char *nick;
    int64_t joined_at_ms;
    int64_t timeout_until_ms;
    uint64_t *roles; /* ids, without @everyone */
    size_t role_count;
    bool deaf, mute;
    bool temporary; /* joined by a temporary invite, and has had no role since */
};

struct guild {
    uint64_t id, owner_id;
    uint64_t afk_channel_id, system_channel_id;
    char *name, *icon, *description;
    uint32_t afk_timeout; /* seconds */
};

/* A ban keeps somebody out who may have been a member. */
struct ban {
    uint64_t guild_id, user_id;
    char *reason;
};

/* An invitation; its code is the id in digits of base 62. */
struct invite {
    uint64_t id, guild_id, channel_id, inviter_id;
    int64_t created_ms;
    uint32_t max_age_s; /* 0: for ever */
    uint32_t max_uses;  /* 0: any number */
    uint32_t uses;
    bool temporary; /* whoever joins by it leaves with the last session, unless given a role meanwhile */
};

/* A file of a message. Whoever knows the key may read it. */
struct attachment {
    uint64_t id;
    uint64_t key[2];
    char *filename, *content_type, *description;
    char *data; /* only on its way to the store */
    uint32_t size;
};

struct message {
    uint64_t id, channel_id, author_id;
    uint64_t reference_id; /* the message replied to, in the same channel */
    char *content;         /* never NULL */
    char *nonce;           /* as JSON text: a string or an integer */
    char *embeds;          /* JSON array text, or NULL for none */
    char *components;      /* JSON array text, or NULL for none */
    char *mentions;        /* ids of users separated by commas, or NULL */
    char *mention_roles;   /* ids of roles separated by commas, or NULL */
    struct attachment *attachments;
    size_t attachment_count;
    int64_t edited_at_ms;
    uint32_t flags;
    uint8_t type; /* enum message_type */
    bool tts, mention_everyone, pinned;
};

/* One emoji's reactions on a message. */
struct reaction {
    char *emoji; /* unicode text, or name:id */
    uint32_t count;
    bool me; /* the reader is among them */
};

/* A message as it is shown: with what it answers and what was thrown at it. */
struct message_view {
    struct message message;
    struct message *referenced; /* NULL when deleted or none */
    struct reaction *reactions;
    size_t reaction_count;
};

/* Deep copies and their ends. A copy owns its text; *_clear frees what the record owns, not the record. */
char *text_copy(const char *text);
void user_copy(struct user *to, const struct user *from);
void user_clear(struct user *u);
void role_copy(struct role *to, const struct role *from);
void role_clear(struct role *r);
void channel_copy(struct channel *to, const struct channel *from);
void channel_clear(struct channel *c);
void member_copy(struct member *to, const struct member *from);
void member_clear(struct member *m);
void guild_copy(struct guild *to, const struct guild *from);
void guild_clear(struct guild *g);
void ban_copy(struct ban *to, const struct ban *from);
void ban_clear(struct ban *b);
/* Without the data. */
void attachments_copy(struct message *to, const struct message *from);
void attachments_clear(struct message *m);
void message_copy(struct message *to, const struct message *from);
void message_clear(struct message *m);
void message_view_clear(struct message_view *v);

bool member_has_role(const struct member *m, uint64_t role_id);

#endif
