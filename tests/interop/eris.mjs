// eris, which speaks version 4 of the voice gateway and the old cipher alone, in a call with @discordjs/voice: each hears the other.
// SPDX-License-Identifier: Apache-2.0
import { createRequire } from 'node:module';
import { equal, eventually, finish, need, next, sleep, test } from './lib/harness.mjs';
import { login } from './lib/client.mjs';
import { count, frame, firstWords, frameNumber, heardAll, hears, join, leave, listen, speak } from './lib/audio.mjs';
import { env, token, voiceChannelId } from './lib/pop.mjs';

const Eris = createRequire(import.meta.url)('eris');
const FRAMES = 300;
const FRAME_MS = 20;
const SAMPLES = 960;

const alice = await need('a discord.js client logs in', () => login(1));
const old = new Eris.Client(`Bot ${token(2)}`, {
  intents: ['guilds', 'guildVoiceStates'],
  rest: { domain: new URL(env.VOXPOP_API).host, baseURL: '/api/v10' },
});
const complaints = [];
old.on('error', (error) => complaints.push(`client ${error}`));
await need('an eris client logs in', async () => {
  const ready = next(old, 'ready', undefined, 30_000);
  old.connect();
  await ready;
});

const a = await need('discord.js joins', () => join(alice));
const o = await need('eris joins, by version 4 and xsalsa20_poly1305', async () => {
  const connection = await old.joinVoiceChannel(voiceChannelId);
  equal(connection.mode, 'xsalsa20_poly1305', 'mode');
  return connection;
});
o.on('error', (error) => complaints.push(`voice ${error}`));
o.on('warn', (text) => complaints.push(`voice ${text}`));

const atEris = { numbers: [], wrong: [] };
const receiver = o.receive('opus');
receiver.on('data', (data, userId) => {
  try {
    const number = userId === alice.user.id ? frameNumber(1, Buffer.from(data)) : null; // eris gives out plain arrays
    if (number !== null) atEris.numbers.push(number);
  } catch (error) {
    atEris.wrong.push(error.message);
  }
});
const atAlice = listen(a, old.user.id, 2);

// At one every 20 ms, by the clock.
async function erisSays(amount, first) {
  const began = performance.now();
  o.setSpeaking(1);
  for (let k = 0; k < amount; k += 1) {
    o.sendAudioFrame(frame(2, first + k), SAMPLES);
    await sleep(Math.max(0, began + (k + 1) * FRAME_MS - performance.now()));
  }
  o.setSpeaking(0);
}

await need('each hears the other’s first words', async () => {
  await hears(a, 1, atEris);
  await firstWords([atAlice], erisSays);
});

await Promise.all([speak(a, 1, FRAMES, 100), erisSays(FRAMES, 100)]);

for (const [sentence, heard] of [['eris hears discord.js', atEris], ['discord.js hears eris', atAlice]]) {
  await test(`${sentence}: ${FRAMES} frames in order, none lost, none changed`, async () => {
    await heardAll(heard, FRAMES).catch(() => {});
    equal(heard.wrong, [], 'changed frames');
    equal(heard.numbers, count(FRAMES, 100), 'numbers');
  });
}

await test('eris resumes a voice socket that broke, and is heard', async () => {
  const resumed = next(o, 'connect', undefined, 10_000);
  o.ws.terminate();
  await resumed;
  await eventually(() => !o.resuming, 'resumed');
  atAlice.numbers.length = 0;
  await erisSays(50, 1000);
  await heardAll(atAlice, 50).catch(() => {});
  equal(atAlice.numbers, count(50, 1000), 'numbers');
});

await test('eris had nothing to complain of but its broken socket', async () => {
  equal(complaints.filter((what) => !what.includes('1006')), [], 'complaints');
});

old.leaveVoiceChannel(voiceChannelId);
leave(a);
old.disconnect({ reconnect: false });
await alice.destroy();
finish();
