// One guild managed by three libraries: each adapter does the same through its library's own methods, and says what the
// library's cache believes in the same words.
// SPDX-License-Identifier: Apache-2.0
import { createRequire } from 'node:module';
import { env, host, token } from './pop.mjs';
import { login } from './client.mjs';
import { next, within } from './harness.mjs';

const require = createRequire(import.meta.url);
const Eris = require('eris');
const Oceanic = require('oceanic.js');

const THUMB = '👍';
export const MANAGE_MESSAGES = 1n << 13n;
const types = { text: 0, voice: 2, category: 4 };

export async function discordjs(k) {
  const client = await login(k);
  const guild = (id) => client.guilds.cache.get(id);
  const channel = (id) => client.channels.cache.get(id);
  const message = (channelId, id) => channel(channelId).messages.fetch(id);
  return {
    name: 'discord.js',
    id: client.user.id,
    client,
    knows: (guildId) => guild(guildId)?.available === true,
    createChannel: async (guildId, name, type, parent) =>
      (await guild(guildId).channels.create({ name, type: types[type], ...(parent ? { parent } : {}) })).id,
    editChannel: (id, name, topic) => channel(id).edit({ name, topic }),
    deleteChannel: (id) => channel(id).delete(),
    moveChannel: (id, position) => channel(id).setPosition(position),
    createRole: async (guildId, name, permissions) => (await guild(guildId).roles.create({ name, permissions, color: 0x123456 })).id,
    editRole: (guildId, id, name) => guild(guildId).roles.edit(id, { name }),
    deleteRole: (guildId, id) => guild(guildId).roles.delete(id),
    deny: (channelId, roleId) => channel(channelId).permissionOverwrites.edit(roleId, { ManageMessages: false }, { type: 0 }),
    invite: async (channelId) => (await channel(channelId).createInvite({ maxAge: 3600, maxUses: 5 })).code,
    invites: async (guildId) => [...(await guild(guildId).invites.fetch()).keys()],
    deleteInvite: (code) => client.guilds.cache.find((g) => g.ownerId === client.user.id).invites.delete(code),
    nick: (guildId, userId, nick) => guild(guildId).members.edit(userId, { nick }),
    giveRole: async (guildId, userId, roleId) => guild(guildId).members.addRole({ user: userId, role: roleId }),
    send: async (channelId, content) => (await channel(channelId).send(content)).id,
    reply: async (channelId, id, content) => (await (await message(channelId, id)).reply(content)).id,
    edit: async (channelId, id, content) => (await message(channelId, id)).edit(content),
    react: async (channelId, id) => (await message(channelId, id)).react(THUMB),
    unreactAll: async (channelId, id) => (await message(channelId, id)).reactions.removeAll(),
    pin: async (channelId, id) => (await message(channelId, id)).pin(),
    pins: async (channelId) => (await channel(channelId).messages.fetchPins()).items.map((item) => item.message.id),
    history: async (channelId, query) => [...(await channel(channelId).messages.fetch({ cache: false, ...query })).keys()],
    bulkDelete: (channelId, ids) => channel(channelId).bulkDelete(ids),
    upload: async (channelId, name, data) =>
      (await channel(channelId).send({ content: 'file', files: [{ attachment: data, name }] })).attachments.first().url,
    ban: (guildId, userId) => guild(guildId).bans.create(userId, { reason: 'why not', deleteMessageSeconds: 3600 }),
    bans: async (guildId) => [...(await guild(guildId).bans.fetch()).keys()],
    unban: (guildId, userId) => guild(guildId).bans.remove(userId),
    kick: (guildId, userId) => guild(guildId).members.kick(userId),
    channels: (guildId) => Object.fromEntries(guild(guildId).channels.cache.map((c) => [c.id, [c.name, c.topic ?? null, c.parentId ?? null, c.rawPosition]])),
    roles: (guildId) => Object.fromEntries(guild(guildId).roles.cache.map((r) => [r.id, [r.name, String(r.permissions.bitfield), r.color]])),
    overwrites: (channelId) =>
      Object.fromEntries(channel(channelId).permissionOverwrites.cache.map((o) => [o.id, [String(o.allow.bitfield), String(o.deny.bitfield)]])),
    member: (guildId, userId) => {
      const m = guild(guildId)?.members.cache.get(userId);
      return m && [m.nickname, [...m.roles.cache.keys()].filter((id) => id !== guildId).sort()];
    },
    end: () => client.destroy(),
  };
}

export async function eris(k) {
  const client = new Eris.Client(`Bot ${token(k)}`, {
    intents: ['all'], restMode: false, rest: { domain: host, baseURL: '/api/v10' }, compress: false, getAllUsers: true,
  });
  client.on('error', () => {});
  const ready = next(client, 'ready', undefined, 30_000);
  await within(30_000, client.connect(), 'eris connects');
  await ready;
  const guild = (id) => client.guilds.get(id);
  const channel = (id) => client.getChannel(id);
  return {
    name: 'eris',
    id: client.user.id,
    client,
    knows: (guildId) => guild(guildId) !== undefined,
    createChannel: async (guildId, name, type, parentID) => (await client.createChannel(guildId, name, types[type], parentID ? { parentID } : {})).id,
    editChannel: (id, name, topic) => client.editChannel(id, { name, topic }),
    deleteChannel: (id) => client.deleteChannel(id),
    moveChannel: (id, position) => client.editChannelPosition(id, position),
    createRole: async (guildId, name, permissions) => (await client.createRole(guildId, { name, permissions: String(permissions), color: 0x123456 })).id,
    editRole: (guildId, id, name) => client.editRole(guildId, id, { name }),
    deleteRole: (guildId, id) => client.deleteRole(guildId, id),
    deny: (channelId, roleId) => client.editChannelPermission(channelId, roleId, 0n, MANAGE_MESSAGES, 0),
    invite: async (channelId) => (await client.createChannelInvite(channelId, { maxAge: 3600, maxUses: 5 })).code,
    invites: async (guildId) => (await client.getGuildInvites(guildId)).map((one) => one.code),
    deleteInvite: (code) => client.deleteInvite(code),
    nick: (guildId, userId, nick) => client.editGuildMember(guildId, userId, { nick }),
    giveRole: (guildId, userId, roleId) => client.addGuildMemberRole(guildId, userId, roleId),
    send: async (channelId, content) => (await client.createMessage(channelId, content)).id,
    reply: async (channelId, id, content) => (await client.createMessage(channelId, { content, messageReference: { messageID: id } })).id,
    edit: (channelId, id, content) => client.editMessage(channelId, id, content),
    react: (channelId, id) => client.addMessageReaction(channelId, id, THUMB),
    unreactAll: (channelId, id) => client.removeMessageReactions(channelId, id),
    pin: (channelId, id) => client.pinMessage(channelId, id),
    pins: async (channelId) => (await client.getPins(channelId)).map((one) => one.id),
    history: async (channelId, query) => (await client.getMessages(channelId, query)).map((one) => one.id),
    bulkDelete: (channelId, ids) => client.deleteMessages(channelId, ids),
    upload: async (channelId, name, file) => (await client.createMessage(channelId, 'file', { name, file })).attachments[0].url,
    ban: (guildId, userId) => client.banGuildMember(guildId, userId, { reason: 'why not', deleteMessageSeconds: 3600 }),
    bans: async (guildId) => (await client.getGuildBans(guildId)).map((one) => one.user.id),
    unban: (guildId, userId) => client.unbanGuildMember(guildId, userId),
    kick: (guildId, userId) => client.kickGuildMember(guildId, userId),
    channels: (guildId) => Object.fromEntries(guild(guildId).channels.map((c) => [c.id, [c.name, c.topic ?? null, c.parentID ?? null, c.position]])),
    roles: (guildId) => Object.fromEntries(guild(guildId).roles.map((r) => [r.id, [r.name, String(r.permissions.allow), r.color]])),
    overwrites: (channelId) => Object.fromEntries(channel(channelId).permissionOverwrites.map((o) => [o.id, [String(o.allow), String(o.deny)]])),
    member: (guildId, userId) => {
      const m = guild(guildId)?.members.get(userId);
      return m && [m.nick ?? null, [...m.roles].sort()];
    },
    end: () => client.disconnect({ reconnect: false }),
  };
}

export async function oceanic(k) {
  const client = new Oceanic.Client({
    auth: `Bot ${token(k)}`, gateway: { intents: ['ALL'], compress: false, getAllUsers: true }, rest: { baseURL: `${env.VOXPOP_API}/v10` },
  });
  client.on('error', () => {});
  const ready = next(client, 'ready', undefined, 30_000);
  await within(30_000, client.connect(), 'oceanic.js connects');
  await ready;
  const { channels, guilds } = client.rest;
  const guild = (id) => client.guilds.get(id);
  const channel = (id) => client.getChannel(id);
  return {
    name: 'oceanic.js',
    id: client.user.id,
    client,
    knows: (guildId) => guild(guildId) !== undefined,
    createChannel: async (guildId, name, type, parentID) => (await guilds.createChannel(guildId, types[type], { name, ...(parentID ? { parentID } : {}) })).id,
    editChannel: (id, name, topic) => channels.edit(id, { name, topic }),
    deleteChannel: (id) => channels.delete(id),
    moveChannel: (id, position) => guilds.editChannelPositions(channel(id).guildID, [{ id, position }]),
    createRole: async (guildId, name, permissions) => (await guilds.createRole(guildId, { name, permissions: String(permissions), color: 0x123456 })).id,
    editRole: (guildId, id, name) => guilds.editRole(guildId, id, { name }),
    deleteRole: (guildId, id) => guilds.deleteRole(guildId, id),
    deny: (channelId, roleId) => channels.editPermission(channelId, roleId, { allow: 0n, deny: MANAGE_MESSAGES, type: 0 }),
    invite: async (channelId) => (await channels.createInvite(channelId, { maxAge: 3600, maxUses: 5 })).code,
    invites: async (guildId) => (await guilds.getInvites(guildId)).map((one) => one.code),
    deleteInvite: (code) => channels.deleteInvite(code),
    nick: (guildId, userId, nick) => guilds.editMember(guildId, userId, { nick }),
    giveRole: (guildId, userId, roleId) => guilds.addMemberRole(guildId, userId, roleId),
    send: async (channelId, content) => (await channels.createMessage(channelId, { content })).id,
    reply: async (channelId, id, content) => (await channels.createMessage(channelId, { content, messageReference: { messageID: id } })).id,
    edit: (channelId, id, content) => channels.editMessage(channelId, id, { content }),
    react: (channelId, id) => channels.createReaction(channelId, id, THUMB),
    unreactAll: (channelId, id) => channels.deleteReactions(channelId, id),
    pin: (channelId, id) => channels.pinMessage(channelId, id),
    pins: async (channelId) => (await channels.getPins(channelId)).map((one) => one.message.id),
    history: async (channelId, query) => (await channels.getMessages(channelId, query)).map((one) => one.id),
    bulkDelete: (channelId, ids) => channels.deleteMessages(channelId, ids),
    upload: async (channelId, name, contents) => (await channels.createMessage(channelId, { content: 'file', files: [{ name, contents }] })).attachments.first().url,
    ban: (guildId, userId) => guilds.createBan(guildId, userId, { reason: 'why not', deleteMessageSeconds: 3600 }),
    bans: async (guildId) => (await guilds.getBans(guildId)).map((one) => one.user.id),
    unban: (guildId, userId) => guilds.removeBan(guildId, userId),
    kick: (guildId, userId) => guilds.removeMember(guildId, userId),
    channels: (guildId) => Object.fromEntries(guild(guildId).channels.map((c) => [c.id, [c.name, c.topic ?? null, c.parentID ?? null, c.position]])),
    roles: (guildId) => Object.fromEntries(guild(guildId).roles.map((r) => [r.id, [r.name, String(r.permissions.allow), r.color]])),
    overwrites: (channelId) => Object.fromEntries(channel(channelId).permissionOverwrites.map((o) => [o.id, [String(o.allow), String(o.deny)]])),
    member: (guildId, userId) => {
      const m = guild(guildId)?.members.get(userId);
      return m && [m.nick ?? null, [...m.roles].sort()];
    },
    end: () => client.disconnect(false),
  };
}

