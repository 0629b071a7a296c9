/*
 * The table of commands; see command.h.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/command.h"

static const struct option bot[] = {{"bot", NULL, NULL, false, "a bot account"}, {0}};
static const struct option owner[] = {{"owner", "ACCOUNT", NULL, true, "the account that owns it"}, {0}};
static const struct option type[] = {
    {"type", "TYPE", "text|voice|category|announcement|stage", false, "what it is for; text unless given"},
    {0}};
static const struct option permissions[] = {
    {"permissions", "BITS", NULL, false, "permission bits as a number; none unless given"}, {0}};
static const struct option guild_update[] = {
    {"name", "NAME", NULL, false, "its new name"},
    {"owner", "ACCOUNT", NULL, false, "the member it belongs to from here on"},
    {0}};
static const struct option guild_import[] = {
    {"owner", "ACCOUNT", NULL, false, "the account that owns it; the one in the file unless given"}, {0}};
static const struct option channel_update[] = {
    {"name", "NAME", NULL, false, "its new name"},
    {"topic", "TEXT", NULL, false, "its topic; an empty one takes it away"},
    {0}};
static const struct option role_update[] = {
    {"name", "NAME", NULL, false, "its new name"},
    {"permissions", "BITS", NULL, false, "permission bits as a number"},
    {0}};
static const struct option nick[] = {{"nick", "NAME", NULL, true, "the nickname; an empty one takes it away"},
                                     {0}};
static const struct option ban[] = {
    {"reason", "TEXT", NULL, false, "kept with the ban"},
    {"delete-days", "DAYS", NULL, false, "takes away what was said in so many days, up to 7"},
    {0}};
static const struct option invite[] = {
    {"max-age", "SECONDS", NULL, false, "how long it holds, 0 for ever; a day unless given"},
    {"max-uses", "COUNT", NULL, false, "how often it may be used; any number unless given"},
    {"temporary", NULL, NULL, false, "who joins by it leaves with the last session, unless given a role"},
    {0}};
static const struct option history[] = {
    {"limit", "COUNT", NULL, false, "how many, up to 100; 50 unless given"},
    {"before", "MESSAGE", NULL, false, "only what is older than this"},
    {0}};
static const struct option port[] = {{"port", "INDEX", NULL, false, "the port it leaves by; 0 unless given"},
                                     {0}};

static const struct option capture[] = {
    {"session", "ID", NULL, false, "only this session: its connection, and its voice"},
    {"room", "ID", NULL, false, "only this voice room"},
    {"replay", "DIR", NULL, false, "a bundle for capture replay instead of a file; it holds keys"},
    {"duration", "SECONDS", NULL, false, "ends by itself after so long"},
    {"packets", "COUNT", NULL, false, "ends by itself after so many"},
    {0}};
static const struct option replay[] = {
    {"out", "FILE", NULL, false, "where the frames go; DIR/replay.pcapng unless given"}, {0}};

static const struct option intents[] = {
    {"intents", "LIST", NULL, true, "all, none, or some of members,presences,content"}, {0}};
static const struct option drain[] = {
    {"over", "SECONDS", NULL, false, "spreads the waves over so long; 60 unless given"},
    {"wait", NULL, NULL, false, "returns when every client was asked, and shows how far it is"},
    {0}};
static const struct option generate[] = {{"members", "COUNT", NULL, true, "how many accounts it makes"}, {0}};

const struct option common_options[] = {
    {"config", "FILE", NULL, false, "configuration file: names the run directory"},
    {"run", "DIR", NULL, false, "run directory; ./run, then /run/voxpop unless given"},
    {"json", NULL, NULL, false, "print JSON"},
    {"help", NULL, NULL, false, "print help"},
    {0},
};

const struct command commands[] = {
    {"status", NULL, "", NULL, run_status,
     "one screen: ports, rates, connections, sessions, rooms, drops, cores"},

    {"session", "list", "", NULL, run_session_list, "gateway and voice sessions"},
    {"session", "show", "ID", NULL, run_session_show,
     "one session, from TCP to voice; ID is its index, or the session id or its beginning"},
    {"session", "close", "ID", NULL, run_session_close, "ends a session; its client begins anew"},
    {"connection", "list", "", NULL, run_connection_list, "TCP connections"},
    {"connection", "show", "INDEX", NULL, run_connection_show, "one connection: TCP, TLS, WebSocket"},
    {"room", "list", "", NULL, run_room_list, "voice rooms"},
    {"room", "show", "ID", NULL, run_room_show, "one room and its members; ID is its index or its channel"},
    {"presence", "list", "", NULL, run_presence_list, "who is there, by user"},

    {"presence", "show", "ACCOUNT", NULL, run_remote, "what others see of an account"},
    {"pop", "drain", "", drain, run_pop_drain, "asks clients to go, in waves, and admits none"},
    {"pop", "undrain", "", NULL, run_remote, "serves again"},
    {"pop", "status", "", NULL, run_remote, "serving or draining, and how far"},

    {"capture", "start", "[FILE]", capture, run_capture_start,
     "copies packets to a pcapng file, in the background, until capture stop"},
    {"capture", "stop", "[FILE]", NULL, run_capture_stop, "ends the capture and says what is in it"},
    {"capture", "status", "", NULL, run_capture_status, "the capture under way, or the last one"},
    {"capture", "replay", "DIR", replay, run_capture_replay,
     "runs a recorded bundle again, in virtual time; touches nothing of this box"},

    {"route", "list", "", NULL, run_route_list, "prefixes and their next hops"},
    {"route", "add", "PREFIX via HOP", port, run_remote, "adds a prefix, or changes its hop"},
    {"route", "remove", "PREFIX", NULL, run_remote, "removes a prefix"},

    {"account", "create", "NAME", bot, run_remote, "makes an account; its token is shown this once"},
    {"account", "list", "", NULL, run_remote, "accounts"},
    {"account", "show", "ACCOUNT", NULL, run_remote, "one account: intents, guilds, friends; by id or name"},
    {"account", "set", "ACCOUNT", intents, run_remote, "sets the privileged intents that it may ask for"},
    {"account", "delete", "ACCOUNT", NULL, run_remote, "removes an account, its memberships and tokens"},
    {"friend", "add", "ACCOUNT FRIEND", NULL, run_remote, "makes two user accounts friends"},
    {"friend", "remove", "ACCOUNT FRIEND", NULL, run_remote, "ends their friendship"},
    {"friend", "list", "ACCOUNT", NULL, run_remote, "an account's friends, requests and blocks"},
    {"token", "list", "ACCOUNT", NULL, run_remote, "an account's tokens, by the beginning of their hash"},
    {"token", "create", "ACCOUNT", NULL, run_remote, "makes one more token; it is shown this once"},
    {"token", "revoke", "ACCOUNT", NULL, run_remote,
     "voids every token of the account and closes its sessions"},
    {"guild", "create", "NAME", owner, run_remote, "makes a guild with a text and a voice channel"},
    {"guild", "delete", "GUILD", NULL, run_remote, "removes a guild with everything in it"},
    {"guild", "generate", "GUILD", generate, run_guild_generate, "fills a guild with made-up members"},
    {"guild", "list", "", NULL, run_remote, "guilds"},
    {"guild", "show", "GUILD", NULL, run_remote, "a guild with its roles and channels"},
    {"guild", "update", "GUILD", guild_update, run_remote, "renames a guild, or gives it to another member"},
    {"guild", "export", "GUILD [FILE]", NULL, run_guild_export,
     "writes down all of a guild but its messages, as JSON"},
    {"guild", "import", "FILE", guild_import, run_guild_import,
     "makes a guild of what was exported; roles and channels get new ids"},
    {"guild", "join", "GUILD ACCOUNT", NULL, run_remote, "makes the account a member"},
    {"guild", "leave", "GUILD ACCOUNT", NULL, run_remote, "ends the membership"},
    {"channel", "create", "GUILD NAME", type, run_remote, "makes a channel"},
    {"channel", "delete", "CHANNEL", NULL, run_remote, "removes a channel with its messages"},
    {"channel", "list", "GUILD", NULL, run_remote, "channels of a guild"},
    {"channel", "show", "CHANNEL", NULL, run_remote, "a channel with its overwrites"},
    {"channel", "update", "CHANNEL", channel_update, run_remote, "renames a channel, or sets its topic"},
    {"role", "create", "GUILD NAME", permissions, run_remote, "makes a role"},
    {"role", "give", "GUILD ACCOUNT ROLE", NULL, run_remote, "gives a member a role"},
    {"role", "take", "GUILD ACCOUNT ROLE", NULL, run_remote, "takes a role from a member"},
    {"role", "list", "GUILD", NULL, run_remote, "roles of a guild"},
    {"role", "show", "GUILD ROLE", NULL, run_remote, "a role, what it may, and who has it"},
    {"role", "update", "GUILD ROLE", role_update, run_remote, "changes a role"},
    {"role", "delete", "GUILD ROLE", NULL, run_remote, "removes a role"},
    {"member", "list", "GUILD", NULL, run_remote, "members of a guild"},
    {"member", "show", "GUILD ACCOUNT", NULL, run_remote, "a member, roles, and what it may"},
    {"member", "update", "GUILD ACCOUNT", nick, run_remote, "sets a nickname"},
    {"member", "kick", "GUILD ACCOUNT", NULL, run_remote, "ends the membership"},
    {"member", "ban", "GUILD ACCOUNT", ban, run_remote, "puts out and keeps out"},
    {"member", "unban", "GUILD ACCOUNT", NULL, run_remote, "ends a ban"},
    {"member", "bans", "GUILD", NULL, run_remote, "who is banned"},
    {"invite", "create", "CHANNEL", invite, run_remote, "makes an invite"},
    {"invite", "list", "GUILD", NULL, run_remote, "invites of a guild"},
    {"invite", "show", "CODE", NULL, run_remote, "an invite"},
    {"invite", "delete", "CODE", NULL, run_remote, "voids an invite"},
    {"message", "list", "CHANNEL", history, run_remote, "messages of a channel, newest first"},
    {"message", "show", "CHANNEL MESSAGE", NULL, run_remote, "a message"},
    {"message", "send", "CHANNEL ACCOUNT TEXT", NULL, run_remote, "sends a message in a member's name"},
    {"message", "delete", "CHANNEL MESSAGE", NULL, run_remote, "removes a message"},

    {"store", "status", "", NULL, run_remote, "what the store has done since the start"},
    {"store", "check", "[FILE]", NULL, run_store_check, "checks the whole store, or a backup of it"},
    {"store", "backup", "FILE", NULL, run_store_backup,
     "copies the store as it stands now, while everything goes on"},
    {"store", "restore", "FILE", NULL, run_store_restore,
     "puts a backup in the store's place; the control plane must be stopped"},

    {"config", "check", "FILE", NULL, run_config_check,
     "checks a configuration file; one line for each mistake"},
    {"config", "defaults", "", NULL, run_config_defaults,
     "every key with unit, default, what it takes, and whether a reload is enough"},
    {"supervise", NULL, "", NULL, run_supervise,
     "makes the region, starts both processes and restarts what dies; needs --config"},
    {"completion", NULL, "", NULL, run_completion, "a completion script for bash"},
};

const size_t command_count = sizeof commands / sizeof *commands;
