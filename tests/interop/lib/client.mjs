// Unmodified discord.js clients: logging in, and a note of everything that would mean a lost connection.
// SPDX-License-Identifier: Apache-2.0
import { Client, Events, GatewayIntentBits, Options } from 'discord.js';
import { env, guildId, textChannelId, token } from './pop.mjs';
import { next, within } from './harness.mjs';

const everything = Object.values(GatewayIntentBits).filter((bit) => typeof bit === 'number');

export function newClient() {
  const client = new Client({
    intents: everything,
    rest: { api: env.VOXPOP_API, version: '10', timeout: 30_000, retries: 0 },
    makeCache: Options.cacheEverything(),
  });
  client.interruptions = [];
  for (const event of [Events.ShardReconnecting, Events.ShardResume, Events.ShardDisconnect, Events.ShardError]) {
    client.on(event, (...args) => client.interruptions.push(`${event} ${args.map(String).join(' ')}`));
  }
  client.on(Events.Error, (error) => client.interruptions.push(`error ${error}`));
  return client;
}

export async function login(k) {
  const client = newClient();
  const ready = next(client, Events.ClientReady, undefined, 30_000);
  await within(30_000, client.login(token(k)), `login ${k}`);
  await ready;
  return client;
}

export const logins = (...accounts) => Promise.all(accounts.map(login));
export const guildOf = (client) => client.guilds.cache.get(guildId);
export const textOf = (client) => client.channels.cache.get(textChannelId);

export const messageFrom = (client, content) =>
  next(client, Events.MessageCreate, (message) => message.content === content);

// A word that no earlier run has said.
let said = 0;
export const freshText = (what) => `${what} ${process.pid}.${Date.now().toString(36)}.${(said += 1)}`;
