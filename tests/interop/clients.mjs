// Unmodified discord.js, eris and oceanic.js (in JSON and in one zlib stream, read by Node's own decoder): the order of
// messages of a client's life (reference/media-e2e.md 6), and of the checklist (4) what the gateway has in hand. No
// library reports an error or a warning.
// SPDX-License-Identifier: Apache-2.0
import { equal, eventually, finish, need, test, truth } from './lib/harness.mjs';
import { discordjs, eris, oceanic } from './lib/libraries.mjs';
import { freshText } from './lib/client.mjs';
import { guildId, rest, textChannelId, voiceChannelId } from './lib/pop.mjs';

const PATIENCE_MS = 60_000;
const libraries = [discordjs(1), eris(2), oceanic(3), oceanic(4, 'zlib-stream')];
const life = ['READY', 'GUILD_CREATE', 'MESSAGE_CREATE', 'VOICE_STATE_UPDATE', 'VOICE_SERVER_UPDATE'];

const isList = (value, what) => truth(Array.isArray(value), `${what} is a list`);
const isPermissions = (value, what) => truth(/^\d+$/.test(value) && typeof value === 'string', `${what} is a string of digits`);
const told = (library, t) => library.told.find((event) => event.t === t).d;

await Promise.all(libraries.map((library) => need(`${library.name} becomes ready and knows the guild`, async () => {
  await library.connect();
  truth(library.knowsGuild(), 'guild');
})));

for (const [at, library] of libraries.entries()) {
  const { name } = library;
  const itself = ({ t, d }) => t !== 'VOICE_STATE_UPDATE' || d.user_id === told(library, 'READY').user.id;
  const mine = () => life.map((t) => library.told.find((event) => event.t === t && itself(event))).sort((x, y) => x.s - y.s);

  await test(`${name}: READY, the guild, a message, its voice state before its voice server, numbered from 1 without a gap`, async () => {
    const content = freshText(`for ${name}`);
    const { status, json } = await rest('POST', `/channels/${textChannelId}/messages`, { as: 1 + ((at + 1) % 4), body: { content } });
    equal(status, 200, 'answer');
    await eventually(() => library.heard.some((message) => message.id === json.id && message.content === content), 'message', PATIENCE_MS);
    library.say(4, { guild_id: guildId, channel_id: voiceChannelId, self_mute: false, self_deaf: false });
    await eventually(() => library.told.some(({ t }) => t === 'VOICE_SERVER_UPDATE'), 'voice server', PATIENCE_MS);
    equal(mine().map(({ t }) => t), life, 'order');
    equal(library.told.map(({ s }) => s), library.told.map((_, k) => k + 1), 'numbers');
  });

  await test(`${name}: READY and the guild have all that a library relies on`, async () => {
    const ready = told(library, 'READY');
    equal(ready.guilds, [{ id: guildId, unavailable: true }], 'guilds');
    equal(ready.private_channels, [], 'private channels');
    truth(ready.user.bot === true && ready.user.username, 'user');
    truth(/^\d+$/.test(ready.application.id), 'application');
    truth(ready.session_id && /^wss:\/\/[^?#]+$/.test(ready.resume_gateway_url), 'session, and where to resume');
    const guild = told(library, 'GUILD_CREATE');
    for (const key of ['roles', 'emojis', 'stickers', 'features', 'members', 'channels', 'threads', 'presences', 'voice_states',
      'stage_instances', 'guild_scheduled_events', 'soundboard_sounds']) isList(guild[key], key);
    truth(guild.members.some((member) => member.user.id === ready.user.id && member.joined_at), 'its own member');
    truth(guild.roles.some((role) => role.id === guildId), '@everyone');
    for (const role of guild.roles) {
      isPermissions(role.permissions, 'permissions');
      equal(typeof role.colors.primary_color, 'number', 'colours');
    }
    for (const channel of guild.channels) isList(channel.permission_overwrites, 'overwrites');
  });

  await test(`${name}: its voice state names its session and its member; the voice server has a token and no scheme`, async () => {
    const ready = told(library, 'READY');
    const state = mine().find(({ t }) => t === 'VOICE_STATE_UPDATE').d;
    equal([state.session_id, state.channel_id], [ready.session_id, voiceChannelId], 'session and channel');
    truth(state.member.user.id === ready.user.id && state.member.joined_at, 'member');
    const server = told(library, 'VOICE_SERVER_UPDATE');
    truth(server.token.length > 0 && !server.endpoint.includes('://'), 'voice server');
  });

  await test(`${name} has nothing to complain of`, async () => {
    library.say(4, { guild_id: guildId, channel_id: null, self_mute: false, self_deaf: false });
    await eventually(() => library.told.some((event) => event.t === 'VOICE_STATE_UPDATE' && itself(event) && event.d.channel_id === null), 'it has left', PATIENCE_MS);
    equal([library.complaints, library.client.interruptions ?? []], [[], []], 'complaints');
    await library.end(); // its account is used again
  });
}

await test('oceanic.js, which would have zstd-stream, is refused once and does not come back', async () => {
  const library = oceanic(4, 'zstd-stream');
  let connections = 0;
  let gone = false;
  library.client.on('connect', () => { connections += 1; });
  library.client.on('disconnect', () => { gone = true; });
  await library.client.connect();
  await eventually(() => gone, 'it gives up', PATIENCE_MS);
  equal(connections, 1, 'connections');
  truth(library.complaints.some((what) => /Invalid API version/.test(what)), `it says why: ${library.complaints}`);
});

finish();
