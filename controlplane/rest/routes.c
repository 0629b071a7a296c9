/*
 * The route table: every method and pattern with the permission it needs, its bucket, its handler and its
 * text; and the matcher. README's list of routes is generated from it.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/rest/call.h"

#include "controlplane/protocol/snowflake.h"

#include <stdio.h>
#include <string.h>

#define MUTATION     (ROUTE_ONCE)
#define CHANGE       (ROUTE_ONCE | ROUTE_CHANGES)
#define BUCKET(name) REST_BUCKET_##name

static const struct route routes[] = {
    {REST_GET, "/gateway", 0, BUCKET(NONE), ROUTE_OPEN, rest_gateway, "where the gateway is"},
    {REST_GET, "/gateway/bot", 0, BUCKET(READ), 0, rest_gateway_bot,
     "where the gateway is, and how fast to start"},

    {REST_GET, "/channels/{channel}", PERM_VIEW_CHANNEL, BUCKET(READ), ROUTE_DIRECT, rest_channel_get,
     "a channel"},
    {REST_PATCH, "/channels/{channel}", PERM_VIEW_CHANNEL | PERM_MANAGE_CHANNELS, BUCKET(GUILD_CHANGE),
     CHANGE | ROUTE_BODY, rest_channel_patch, "changes a channel"},
    {REST_DELETE, "/channels/{channel}", PERM_VIEW_CHANNEL | PERM_MANAGE_CHANNELS, BUCKET(GUILD_CHANGE),
     CHANGE, rest_channel_delete, "removes a channel"},
    {REST_PUT, "/channels/{channel}/permissions/{overwrite}", PERM_VIEW_CHANNEL | PERM_MANAGE_ROLES,
     BUCKET(GUILD_CHANGE), CHANGE | ROUTE_BODY, rest_overwrite_put, "sets a permission overwrite"},
    {REST_DELETE, "/channels/{channel}/permissions/{overwrite}", PERM_VIEW_CHANNEL | PERM_MANAGE_ROLES,
     BUCKET(GUILD_CHANGE), CHANGE, rest_overwrite_delete, "removes a permission overwrite"},
    {REST_POST, "/channels/{channel}/typing", PERM_VIEW_CHANNEL | PERM_SEND_MESSAGES, BUCKET(TYPING),
     ROUTE_DIRECT, rest_typing, "says that one is typing"},

    {REST_GET, "/channels/{channel}/messages", PERM_VIEW_CHANNEL, BUCKET(HISTORY), ROUTE_DIRECT,
     rest_messages_get, "messages, newest first: limit, before, after, around"},
    {REST_POST, "/channels/{channel}/messages", PERM_VIEW_CHANNEL | PERM_SEND_MESSAGES,
     BUCKET(MESSAGE_CREATE), MUTATION | ROUTE_BODY | ROUTE_FILES | ROUTE_DIRECT, rest_message_post,
     "sends a message"},
    {REST_POST, "/channels/{channel}/messages/bulk-delete",
     PERM_VIEW_CHANNEL | PERM_MANAGE_MESSAGES | PERM_READ_MESSAGE_HISTORY, BUCKET(MESSAGE_DELETE),
     MUTATION | ROUTE_BODY, rest_messages_delete, "deletes 2 to 100 messages"},
    {REST_GET, "/channels/{channel}/messages/pins", PERM_VIEW_CHANNEL, BUCKET(HISTORY), ROUTE_DIRECT,
     rest_pins_get, "pinned messages, the last pinned first: limit, before"},
    {REST_GET, "/channels/{channel}/pins", PERM_VIEW_CHANNEL, BUCKET(HISTORY), ROUTE_DIRECT,
     rest_pins_get_old, "the last 50 pinned messages"},
    {REST_GET, "/channels/{channel}/messages/{message}", PERM_VIEW_CHANNEL | PERM_READ_MESSAGE_HISTORY,
     BUCKET(HISTORY), ROUTE_DIRECT, rest_message_get, "a message"},
    {REST_PATCH, "/channels/{channel}/messages/{message}", PERM_VIEW_CHANNEL, BUCKET(MESSAGE_EDIT),
     MUTATION | ROUTE_BODY | ROUTE_FILES | ROUTE_DIRECT, rest_message_patch, "edits one's own message"},
    {REST_DELETE, "/channels/{channel}/messages/{message}", PERM_VIEW_CHANNEL, BUCKET(MESSAGE_DELETE),
     MUTATION | ROUTE_DIRECT, rest_message_delete,
     "deletes one's own message, or with MANAGE_MESSAGES anybody's"},
    {REST_PUT, "/channels/{channel}/pins/{message}", PERM_VIEW_CHANNEL | PERM_MANAGE_MESSAGES,
     BUCKET(MESSAGE_EDIT), MUTATION | ROUTE_DIRECT, rest_message_pin, "pins a message"},
    {REST_DELETE, "/channels/{channel}/pins/{message}", PERM_VIEW_CHANNEL | PERM_MANAGE_MESSAGES,
     BUCKET(MESSAGE_EDIT), MUTATION | ROUTE_DIRECT, rest_message_unpin, "unpins a message"},
    {REST_PUT, "/channels/{channel}/messages/pins/{message}", PERM_VIEW_CHANNEL | PERM_MANAGE_MESSAGES,
     BUCKET(MESSAGE_EDIT), MUTATION | ROUTE_DIRECT, rest_message_pin, "pins a message"},
    {REST_DELETE, "/channels/{channel}/messages/pins/{message}", PERM_VIEW_CHANNEL | PERM_MANAGE_MESSAGES,
     BUCKET(MESSAGE_EDIT), MUTATION | ROUTE_DIRECT, rest_message_unpin, "unpins a message"},
    {REST_PUT, "/channels/{channel}/messages/{message}/reactions/{emoji}/@me",
     PERM_VIEW_CHANNEL | PERM_READ_MESSAGE_HISTORY, BUCKET(REACTION), MUTATION | ROUTE_DIRECT,
     rest_reaction_put, "reacts"},
    {REST_DELETE, "/channels/{channel}/messages/{message}/reactions/{emoji}/@me", PERM_VIEW_CHANNEL,
     BUCKET(REACTION), MUTATION | ROUTE_DIRECT, rest_reaction_delete, "takes one's reaction back"},
    {REST_DELETE, "/channels/{channel}/messages/{message}/reactions/{emoji}/{user}",
     PERM_VIEW_CHANNEL | PERM_MANAGE_MESSAGES, BUCKET(REACTION), MUTATION, rest_reaction_delete_user,
     "removes somebody's reaction"},
    {REST_GET, "/channels/{channel}/messages/{message}/reactions/{emoji}",
     PERM_VIEW_CHANNEL | PERM_READ_MESSAGE_HISTORY, BUCKET(HISTORY), ROUTE_DIRECT, rest_reactions_get,
     "who reacted: limit, after"},
    {REST_DELETE, "/channels/{channel}/messages/{message}/reactions/{emoji}",
     PERM_VIEW_CHANNEL | PERM_MANAGE_MESSAGES, BUCKET(REACTION), MUTATION, rest_emoji_clear,
     "removes everybody's reactions with an emoji"},
    {REST_DELETE, "/channels/{channel}/messages/{message}/reactions",
     PERM_VIEW_CHANNEL | PERM_MANAGE_MESSAGES, BUCKET(REACTION), MUTATION, rest_reactions_clear,
     "removes every reaction"},
    {REST_POST, "/channels/{channel}/invites", PERM_VIEW_CHANNEL | PERM_CREATE_INSTANT_INVITE,
     BUCKET(GUILD_CHANGE), CHANGE | ROUTE_BODY, rest_invite_post,
     "makes an invite: max_age, max_uses, unique, temporary"},
    {REST_GET, "/channels/{channel}/invites", PERM_VIEW_CHANNEL | PERM_MANAGE_CHANNELS, BUCKET(READ), 0,
     rest_channel_invites, "the channel's invites"},
    {REST_GET, "/invites/{invite}", 0, BUCKET(READ), ROUTE_OPEN, rest_invite_get, "an invite: with_counts"},
    {REST_POST, "/invites/{invite}", 0, BUCKET(GUILD_CHANGE), CHANGE, rest_invite_join,
     "joins the guild, unless banned"},
    {REST_DELETE, "/invites/{invite}", 0, BUCKET(GUILD_CHANGE), CHANGE, rest_invite_delete,
     "voids an invite; needs MANAGE_CHANNELS in its channel, or MANAGE_GUILD"},
    {REST_GET, "/attachments/{place}/{attachment}/{file}", 0, BUCKET(NONE), ROUTE_OPEN, rest_file,
     "a file, to whoever knows its key; not under /api/v10"},

    {REST_GET, "/guilds/{guild}", 0, BUCKET(READ), 0, rest_guild_get, "a guild: with_counts"},
    {REST_PATCH, "/guilds/{guild}", PERM_MANAGE_GUILD, BUCKET(GUILD_CHANGE), CHANGE | ROUTE_BODY,
     rest_guild_patch, "changes a guild"},
    {REST_POST, "/guilds", 0, BUCKET(GUILD_CHANGE), MUTATION | ROUTE_BODY, rest_guild_post, "makes a guild"},
    {REST_DELETE, "/guilds/{guild}", 0, BUCKET(GUILD_CHANGE), CHANGE, rest_guild_delete,
     "removes a guild with everything in it; only for its owner"},
    {REST_GET, "/guilds/{guild}/preview", 0, BUCKET(READ), 0, rest_guild_preview, "a guild in short"},
    {REST_GET, "/guilds/{guild}/invites", PERM_MANAGE_GUILD, BUCKET(READ), 0, rest_guild_invites,
     "the guild's invites"},
    {REST_GET, "/guilds/{guild}/bans", PERM_BAN_MEMBERS, BUCKET(READ), 0, rest_bans_get,
     "who is banned, by id: limit, before, after"},
    {REST_GET, "/guilds/{guild}/bans/{user}", PERM_BAN_MEMBERS, BUCKET(READ), 0, rest_ban_get, "a ban"},
    {REST_PUT, "/guilds/{guild}/bans/{user}", PERM_BAN_MEMBERS, BUCKET(GUILD_CHANGE), CHANGE | ROUTE_BODY,
     rest_ban_put, "bans somebody, member or not: delete_message_seconds or delete_message_days"},
    {REST_DELETE, "/guilds/{guild}/bans/{user}", PERM_BAN_MEMBERS, BUCKET(GUILD_CHANGE), CHANGE,
     rest_ban_delete, "ends a ban"},
    {REST_POST, "/guilds/{guild}/bulk-ban", PERM_BAN_MEMBERS | PERM_MANAGE_GUILD, BUCKET(GUILD_CHANGE),
     CHANGE | ROUTE_BODY, rest_bans_post, "bans up to 200: user_ids, delete_message_seconds"},
    {REST_GET, "/guilds/{guild}/channels", 0, BUCKET(READ), 0, rest_guild_channels,
     "the channels one may see"},
    {REST_POST, "/guilds/{guild}/channels", PERM_MANAGE_CHANNELS, BUCKET(GUILD_CHANGE), CHANGE | ROUTE_BODY,
     rest_guild_channel_post, "makes a channel"},
    {REST_PATCH, "/guilds/{guild}/channels", PERM_MANAGE_CHANNELS, BUCKET(GUILD_CHANGE), CHANGE | ROUTE_LIST,
     rest_channels_patch, "moves channels: position, parent_id, lock_permissions"},
    {REST_GET, "/guilds/{guild}/roles", 0, BUCKET(READ), 0, rest_roles_get, "the roles"},
    {REST_POST, "/guilds/{guild}/roles", PERM_MANAGE_ROLES, BUCKET(GUILD_CHANGE), CHANGE | ROUTE_BODY,
     rest_role_post, "makes a role"},
    {REST_PATCH, "/guilds/{guild}/roles", PERM_MANAGE_ROLES, BUCKET(GUILD_CHANGE), CHANGE | ROUTE_LIST,
     rest_roles_patch, "moves roles: position"},
    {REST_GET, "/guilds/{guild}/roles/{role}", 0, BUCKET(READ), 0, rest_role_get, "a role"},
    {REST_PATCH, "/guilds/{guild}/roles/{role}", PERM_MANAGE_ROLES, BUCKET(GUILD_CHANGE), CHANGE | ROUTE_BODY,
     rest_role_patch, "changes a role"},
    {REST_DELETE, "/guilds/{guild}/roles/{role}", PERM_MANAGE_ROLES, BUCKET(GUILD_CHANGE), CHANGE,
     rest_role_delete, "removes a role"},
    {REST_GET, "/guilds/{guild}/members", 0, BUCKET(READ), 0, rest_members_get,
     "members by id: limit, after"},
    {REST_GET, "/guilds/{guild}/members/search", 0, BUCKET(READ), 0, rest_members_search,
     "members whose name begins so: query, limit"},
    {REST_PATCH, "/guilds/{guild}/members/@me", PERM_CHANGE_NICKNAME, BUCKET(GUILD_CHANGE),
     CHANGE | ROUTE_BODY, rest_member_self_patch, "changes one's own nickname"},
    {REST_GET, "/guilds/{guild}/members/{user}", 0, BUCKET(READ), 0, rest_member_get, "a member"},
    {REST_PATCH, "/guilds/{guild}/members/{user}", 0, BUCKET(GUILD_CHANGE), CHANGE | ROUTE_BODY,
     rest_member_patch,
     "changes a member: nick, roles, mute, deaf, channel_id, communication_disabled_until"},
    {REST_DELETE, "/guilds/{guild}/members/{user}", PERM_KICK_MEMBERS, BUCKET(GUILD_CHANGE), CHANGE,
     rest_member_delete, "kicks a member"},
    {REST_PUT, "/guilds/{guild}/members/{user}/roles/{role}", PERM_MANAGE_ROLES, BUCKET(GUILD_CHANGE), CHANGE,
     rest_member_role_put, "gives a member a role"},
    {REST_DELETE, "/guilds/{guild}/members/{user}/roles/{role}", PERM_MANAGE_ROLES, BUCKET(GUILD_CHANGE),
     CHANGE, rest_member_role_delete, "takes a role from a member"},
    {REST_GET, "/guilds/{guild}/voice-states/@me", 0, BUCKET(READ), 0, rest_voice_self_get,
     "one's own voice state"},
    {REST_PATCH, "/guilds/{guild}/voice-states/@me", 0, BUCKET(GUILD_CHANGE), CHANGE | ROUTE_BODY,
     rest_voice_self_patch, "one's own voice state in a stage: suppress, request_to_speak_timestamp"},
    {REST_GET, "/guilds/{guild}/voice-states/{user}", 0, BUCKET(READ), 0, rest_voice_get, "a voice state"},
    {REST_PATCH, "/guilds/{guild}/voice-states/{user}", 0, BUCKET(GUILD_CHANGE), CHANGE | ROUTE_BODY,
     rest_voice_patch, "somebody's voice state in a stage: suppress"},
    {REST_GET, "/guilds/{guild}/regions", 0, BUCKET(READ), 0, rest_voice_regions, "voice regions"},
    {REST_GET, "/voice/regions", 0, BUCKET(READ), 0, rest_voice_regions, "voice regions"},

    {REST_GET, "/users/@me", 0, BUCKET(READ), 0, rest_user_self, "oneself"},
    {REST_GET, "/users/@me/guilds", 0, BUCKET(READ), 0, rest_user_guilds,
     "one's guilds: limit, before, after, with_counts"},
    {REST_DELETE, "/users/@me/guilds/{guild}", 0, BUCKET(GUILD_CHANGE), CHANGE, rest_guild_leave,
     "leaves a guild"},
    {REST_POST, "/users/@me/channels", 0, BUCKET(GUILD_CHANGE), CHANGE | ROUTE_BODY, rest_direct_post,
     "the direct message channel with recipient_id"},
    {REST_GET, "/users/@me/relationships", 0, BUCKET(READ), 0, rest_relationships_get, "one's friends"},
    {REST_PUT, "/users/@me/relationships/{user}", 0, BUCKET(GUILD_CHANGE), ROUTE_ONCE | ROUTE_BODY,
     rest_relationship_put, "asks to be friends, accepts, or with type 2 blocks"},
    {REST_DELETE, "/users/@me/relationships/{user}", 0, BUCKET(GUILD_CHANGE), ROUTE_ONCE,
     rest_relationship_delete, "ends a friendship, takes a request or a block back"},
    {REST_GET, "/users/{user}", 0, BUCKET(READ), 0, rest_user, "a user"},
    {REST_GET, "/applications/@me", 0, BUCKET(READ), 0, rest_application, "one's application"},
    {REST_GET, "/oauth2/applications/@me", 0, BUCKET(READ), 0, rest_application, "one's application"},
    {REST_GET, "/sticker-packs", 0, BUCKET(READ), ROUTE_OPEN, rest_sticker_packs, "none"},
    {REST_GET, "/soundboard-default-sounds", 0, BUCKET(READ), 0, rest_sounds, "none"},
};

static const char *const method_names[] = {"GET", "POST", "PUT", "PATCH", "DELETE"};

enum rest_method rest_method_of(const char *method, size_t length)
{
    for (size_t i = 0; i < REST_OTHER; i++)
        if (strlen(method_names[i]) == length && !memcmp(method_names[i], method, length))
            return (enum rest_method)i;
    return REST_OTHER;
}

/* One segment against {name}: fills the match. False: the segment cannot be that. */
static bool route_capture(const char *name, size_t name_length, const char *segment, size_t length,
                          struct route_match *m)
{
    const struct {
        const char *name;
        uint64_t *id;
    } ids[] = {{"channel", &m->channel_id},
               {"guild", &m->guild_id},
               {"message", &m->message_id},
               {"user", &m->user_id},
               {"role", &m->role_id},
               {"overwrite", &m->overwrite_id},
               {"attachment", &m->attachment_id},
               {"place", &m->place_id}};
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        if (strlen(ids[i].name) != name_length || memcmp(ids[i].name, name, name_length))
            continue;
        m->channel_named |= ids[i].id == &m->channel_id;
        m->guild_named |= ids[i].id == &m->guild_id;
        return snowflake_parse(segment, length, ids[i].id) && *ids[i].id <= INT64_MAX;
    }
    if (name_length == 6 && !memcmp(name, "invite", 6)) {
        m->invite_named = true;
        snprintf(m->invite, sizeof m->invite, "%.*s", (int)(length < sizeof m->invite ? length : 0), segment);
    } else if (name_length == 5 && !memcmp(name, "emoji", 5)) {
        m->bad_emoji = !emoji_decode(segment, length, m->emoji);
    } /* {file}: whatever it was called */
    return length > 0;
}

static bool route_fits(const char *pattern, const char *path, size_t length, struct route_match *m)
{
    const char *end = path + length;
    while (*pattern == '/' && path < end && *path == '/') {
        pattern++;
        path++;
        size_t want = strcspn(pattern, "/");
        const char *slash = memchr(path, '/', (size_t)(end - path));
        size_t have = slash ? (size_t)(slash - path) : (size_t)(end - path);
        if (*pattern == '{') {
            if (!route_capture(pattern + 1, want - 2, path, have, m))
                return false;
        } else if (want != have || memcmp(pattern, path, want)) {
            return false;
        }
        pattern += want;
        path += have;
    }
    return !*pattern && path == end;
}

bool route_find(enum rest_method method, const char *path, size_t length, struct route_match *match)
{
    bool known = false;
    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
        *match = (struct route_match){.route = &routes[i]};
        if (!route_fits(routes[i].pattern, path, length, match))
            continue;
        known = true;
        if (routes[i].method == method)
            return true;
    }
    *match = (struct route_match){.path_known = known};
    return false;
}

/* The bits of a set, by name. */
static void permission_text(uint64_t set, char *text, size_t size)
{
    size_t n = 0;
    *text = 0;
    for (; set; set &= set - 1)
        n += (size_t)snprintf(text + n, size - n, "%s%s", n ? ", " : "", permission_name(set));
}

bool rest_route_at(size_t i, struct rest_route_text *text)
{
    static char permissions[256];
    static const char *const buckets[] = {
#define BUCKET_TEXT(name, requests, ms, what) #name,
        REST_BUCKET_LIST(BUCKET_TEXT)
#undef BUCKET_TEXT
    };
    if (i >= sizeof routes / sizeof *routes)
        return false;
    permission_text(routes[i].permission, permissions, sizeof permissions);
    *text = (struct rest_route_text){method_names[routes[i].method], routes[i].pattern, permissions,
                                     buckets[routes[i].bucket], routes[i].text};
    return true;
}
