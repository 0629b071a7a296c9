// A long evening: discord.js, eris and oceanic.js in one guild while messages flow, their connections break, they are
// asked to reconnect (op 7), their sessions end under them (op 9), a channel is hidden and shown again, and the
// control plane is killed. No library misses, doubles or reorders an event or hears of what is hidden from it, and none
// reports an error but that its own connection broke. VOXPOP_EVENING=long: 200 drops, 10,000 messages.
// SPDX-License-Identifier: Apache-2.0
import { equal, eventually, finish, need, test, truth } from './lib/harness.mjs';
import { discordjs, eris, oceanic } from './lib/libraries.mjs';
import { guildId, pidAfter, pidOf, rest, textChannelId, voxpop } from './lib/pop.mjs';

const LONG = process.env.VOXPOP_EVENING === 'long';
const ROUNDS = LONG ? 22 : 1;
const DROPS = LONG ? 9 : 3; // in a round
const MESSAGES = LONG ? 30 : 12; // around each disturbance
const PATIENCE_MS = 60_000;
const EVERYBODY_SEES = '1024'; // VIEW_CHANNEL

const libraries = [discordjs(1), eris(2), oceanic(3, 'zlib-stream')]; // the first owns the guild, and sees everything
const sent = [];
const secrets = [];
let drops = 0;

await need('three libraries become ready', () => Promise.all(libraries.map((library) => library.connect())));
const { json: hidden } = await need('a second channel is made', () =>
  rest('POST', `/guilds/${guildId}/channels`, { body: { name: 'now you see me', type: 0 } }));

async function post(channelId, list) {
  const content = `evening ${list.length}`;
  const { status, json } = await rest('POST', `/channels/${channelId}/messages`, { as: 1, body: { content } });
  equal(status, 200, `answer to ${content}`);
  list.push(json.id);
}

const heardBy = (library, list) => library.heard.map(({ id }) => id).filter((id) => list.includes(id));

// Everybody has heard everything that was said so far.
async function caughtUp(after) {
  for (const library of libraries) {
    await eventually(() => library.heard.length >= sent.length && heardBy(library, sent).length >= sent.length,
      `${library.name} has heard all after ${after}`, PATIENCE_MS);
  }
}

// Messages flow, one after the other, and in the middle of them something happens.
async function during(what, act) {
  let acting = null;
  for (let k = 0; k < MESSAGES; k += 1) {
    if (k === MESSAGES >> 1) acting = act();
    await post(textChannelId, sent);
  }
  await acting;
  await caughtUp(what);
}

async function reconnect() {
  const before = libraries.map(({ told }) => told.filter(({ t }) => t === 'RESUMED').length);
  await voxpop('pop', 'drain', '--over', '0');
  await eventually(async () => JSON.parse(await voxpop('pop', 'status', '--json')).done, 'all were asked', PATIENCE_MS);
  await voxpop('pop', 'undrain');
  for (const [k, { name, told }] of libraries.entries()) {
    await eventually(() => told.filter(({ t }) => t === 'RESUMED').length > before[k], `${name} is back`, PATIENCE_MS);
  }
}

// What is said while a session is gone is not told to the next one: nothing is said.
async function endSessions() {
  const before = libraries.map(({ told }) => told.length);
  for (const { session } of JSON.parse(await voxpop('session', 'list', '--json')).filter(({ kind }) => kind === 'gateway')) {
    await voxpop('session', 'close', String(session));
  }
  for (const [k, library] of libraries.entries()) {
    await eventually(() => library.told.slice(before[k]).some(({ t }) => t === 'GUILD_CREATE'), `${library.name} has a new session`, PATIENCE_MS);
    await eventually(() => library.knowsGuild(), `${library.name} knows the guild again`, PATIENCE_MS);
  }
  await during('op 9', async () => {});
}

async function hideAndShow() {
  const rule = (allow, deny) => rest('PUT', `/channels/${hidden.id}/permissions/${guildId}`, { body: { type: 0, allow, deny } });
  for (let k = 0; k < 3; k += 1) {
    equal((await rule('0', EVERYBODY_SEES)).status, 204, 'hidden');
    await post(hidden.id, secrets);
    equal((await rule('0', '0')).status, 204, 'shown');
  }
}

async function killControlPlane() {
  const pid = pidOf('controlplane');
  process.kill(pid, 'SIGKILL');
  await eventually(() => pidAfter('controlplane', pid), 'a new process', PATIENCE_MS);
}

for (let round = 0; round < ROUNDS; round += 1) {
  const which = ROUNDS > 1 ? ` (${round + 1})` : '';
  await need(`connections break, and everybody goes on where he was${which}`, async () => {
    for (let k = 0; k < DROPS; k += 1) {
      await during('a drop', async () => {
        drops += 1;
        libraries[k % libraries.length].tear();
      });
    }
  });
  await need(`asked to reconnect, everybody does${which}`, () => during('op 7', reconnect));
  await need(`a channel is hidden and shown again${which}`, () => during('permissions', hideAndShow));
  await need(`the control plane dies${which}`, () => during('a kill', killControlPlane));
  await need(`sessions end, and others begin${which}`, endSessions);
}

for (const library of libraries) {
  await test(`${library.name} heard each of ${sent.length} messages once and in their order, after ${drops} drops`, async () => {
    equal(heardBy(library, sent), sent, 'messages');
  });

  await test(`${library.name}: every number follows the one before, or begins a session`, async () => {
    const wrong = library.told.filter(({ t, s }, k) => s !== (t === 'READY' ? 1 : (library.told[k - 1]?.s ?? 0) + 1));
    equal(wrong.map(({ t, s }) => [t, s]), [], 'numbers');
    equal(library.told.filter(({ t }) => t === 'READY').length, ROUNDS + 1, 'sessions');
  });

  await test(`${library.name} complains of nothing but what was done to it`, async () => {
    const ours = /4009|Invalid session|Session Invalidated/; // the operator ended its session
    const errors = (library.client.interruptions ?? []).filter((what) => /^(error|shardError)/.test(what));
    equal([...library.complaints, ...errors].filter((what) => !ours.test(what)), [], 'complaints');
  });
}

await test('what was hidden was heard by the owner alone', async () => {
  const [owner, ...others] = libraries;
  equal(heardBy(owner, secrets), secrets, 'owner');
  for (const library of others) equal(heardBy(library, secrets), [], library.name);
  truth(secrets.length === 3 * ROUNDS, 'secrets');
});

await rest('DELETE', `/channels/${hidden.id}`, {});
await Promise.all(libraries.map((library) => library.end()));
finish();
