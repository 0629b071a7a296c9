// Unmodified discord.js, eris and oceanic.js behind one face: connecting, what they are told by the gateway (numbered
// dispatches, as each library hands them on), the messages that their programs hear, and what they complain of.
// SPDX-License-Identifier: Apache-2.0
import https from 'node:https';
import { createRequire } from 'node:module';
import { Events } from 'discord.js';
import { newClient } from './client.mjs';
import { ca, env, guildId, host, token } from './pop.mjs';
import { next, within } from './harness.mjs';

const require = createRequire(import.meta.url);
const Eris = require('eris');
const Oceanic = require('oceanic.js');
const PATIENCE_MS = 60_000;

// What a library says of a connection that broke under it, and of nothing else.
const BROKEN = /1006|Connection reset|ECONNRESET|socket hang up/;

function watched(name, client) {
  const library = { name, client, told: [], heard: [], complaints: [] };
  library.take = (packet) => {
    if (packet.op === 0) library.told.push(structuredClone({ t: packet.t, s: packet.s, d: packet.d })); // libraries write into it
  };
  client.on('messageCreate', (message) => {
    const { id, content } = Array.isArray(message) ? message[0] : message;
    library.heard.push({ id, content });
  });
  client.on('error', (error) => BROKEN.test(String(error)) || library.complaints.push(`error ${error}`));
  client.on('warn', (text) => library.complaints.push(`warning ${text}`));
  return library;
}

export function discordjs(k) {
  const client = newClient();
  const library = watched('discord.js', client);
  client.on('raw', library.take);
  return Object.assign(library, {
    connect: async () => {
      const ready = next(client, Events.ClientReady, undefined, PATIENCE_MS);
      await within(PATIENCE_MS, client.login(token(k)), 'login');
      await ready;
    },
    knowsGuild: () => client.guilds.cache.get(guildId)?.available === true,
    say: (op, d) => client.ws.shards.get(0).send({ op, d }),
    tear: () => client.ws.shards.get(0).manager._ws.strategy.shards.get(0).connection._socket.destroy(),
    end: () => client.destroy(),
  });
}

export function eris(k) {
  const client = new Eris.Client(`Bot ${token(k)}`, {
    intents: ['guilds', 'guildMessages', 'messageContent', 'guildVoiceStates'],
    rest: { domain: host, baseURL: '/api/v10', agent: new https.Agent({ ca }) },
  });
  const library = watched('eris', client);
  client.on('rawWS', library.take);
  return Object.assign(library, {
    connect: async () => {
      const ready = next(client, 'ready', undefined, PATIENCE_MS);
      await client.connect();
      await ready;
    },
    knowsGuild: () => client.guilds.has(guildId),
    say: (op, d) => client.shards.get(0).sendWS(op, d),
    tear: () => client.shards.get(0).ws._socket.destroy(),
    end: () => client.disconnect({ reconnect: false }),
  });
}

// compress: 'zlib-stream' (Node's own decoder), or nothing.
export function oceanic(k, compress) {
  const client = new Oceanic.Client({
    auth: `Bot ${token(k)}`,
    rest: { baseURL: `${env.VOXPOP_API}/v10` },
    gateway: { intents: ['GUILDS', 'GUILD_MESSAGES', 'MESSAGE_CONTENT', 'GUILD_VOICE_STATES'], ...(compress ? { compress } : {}) },
  });
  const library = watched(compress ? `oceanic.js with ${compress}` : 'oceanic.js', client);
  client.on('packet', library.take);
  return Object.assign(library, {
    connect: async () => {
      const ready = next(client, 'ready', undefined, PATIENCE_MS);
      await client.connect();
      await ready;
    },
    knowsGuild: () => client.guilds.has(guildId),
    say: (op, d) => client.shards.get(0).send(op, d),
    tear: () => client.shards.get(0).ws._socket.destroy(),
    end: () => client.disconnect(false),
  });
}
