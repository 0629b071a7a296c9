// Unmodified eris and oceanic.js (which reads zlib-stream with Node's own decoder): the order of messages of a
// client's life, and no error in either.
// SPDX-License-Identifier: Apache-2.0
import https from 'node:https';
import { Client as ErisClient } from 'eris';
import { Client as Oceanic } from 'oceanic.js';
import { equal, finish, next, sleep, test, within } from './lib/harness.mjs';
import { ca, env, guildId, host, rest, textChannelId, token, voiceChannelId } from './lib/pop.mjs';

const errors = [];
const note = (client, who) => client.on('error', (error) => errors.push(`${who}: ${error}`));

const libraries = {
  eris: () => new ErisClient(`Bot ${token(3)}`, {
    intents: ['guilds', 'guildMessages', 'messageContent', 'guildVoiceStates'],
    rest: { domain: host, baseURL: '/api/v10', agent: new https.Agent({ ca }) },

  }),
  oceanic: () => new Oceanic({
    auth: `Bot ${token(4)}`,
    rest: { baseURL: `${env.VOXPOP_API}/v10` },
    gateway: { intents: ['GUILDS', 'GUILD_MESSAGES', 'MESSAGE_CONTENT', 'GUILD_VOICE_STATES'], compress: 'zlib-stream' },
  }),
};

const channelOf = (message) => message.channelID ?? message.channel?.id;

for (const [who, make] of Object.entries(libraries)) {
  await test(`${who}: READY, the guild, messages, voice state before voice server, in this order`, async () => {
    const client = make();
    const order = [];
    note(client, who);
    client.on('rawWS', (packet) => packet.t && order.push([packet.t, packet.s]));
    client.on('packet', (packet) => packet.t && order.push([packet.t, packet.s]));
    const ready = next(client, 'ready', undefined, 30_000);
    await client.connect();
    await ready;
    equal(client.guilds.get(guildId)?.id, guildId, 'guild');
    const heard = next(client, 'messageCreate', (message) => channelOf(message) === textChannelId, 10_000);
    await rest('POST', `/channels/${textChannelId}/messages`, { body: { content: `for ${who}` } });
    const message = await heard;
    equal((Array.isArray(message) ? message[0] : message).content, `for ${who}`, 'content');
    const shard = client.shards.get(0);
    if (who === 'eris') shard.sendWS(4, { guild_id: guildId, channel_id: voiceChannelId, self_mute: false, self_deaf: false });
    else shard.send(4, { guild_id: guildId, channel_id: voiceChannelId, self_mute: false, self_deaf: false });
    await within(10_000, (async () => {
      while (!order.some(([t]) => t === 'VOICE_SERVER_UPDATE')) await sleep(20);
    })(), 'voice server');
    const mine = order.filter(([t]) => ['READY', 'GUILD_CREATE', 'MESSAGE_CREATE', 'VOICE_STATE_UPDATE', 'VOICE_SERVER_UPDATE'].includes(t));
    equal(mine.slice(0, 5).map(([t]) => t), ['READY', 'GUILD_CREATE', 'MESSAGE_CREATE', 'VOICE_STATE_UPDATE', 'VOICE_SERVER_UPDATE'], 'order');
    order.forEach(([t, s], k) => equal(s, k + 1, `number of ${t}`));
    client.disconnect({ reconnect: false });
    await sleep(200);
    equal(errors, [], 'errors');
  });
}

finish();
