// The control plane is killed again and again while two clients talk and chat: no connection drops, audio has no gap,
// every message arrives exactly once in the same sessions, and within a second chat goes on.
// SPDX-License-Identifier: Apache-2.0
import { Events } from 'discord.js';
import { equal, eventually, finish, need, sleep, test, truth } from './lib/harness.mjs';
import { freshText, logins, textOf } from './lib/client.mjs';
import { firstWords, join, leave, listen, speak } from './lib/audio.mjs';
import { pidAfter, pidOf, rest, status, textChannelId } from './lib/pop.mjs';

const KILLS = Number(process.env.VOXPOP_KILLS ?? 20);
const BETWEEN_MS = 1_200; // a life that is longer than supervise.stable_s
const AGAIN_MS = 1_000; // design: within a second chat goes on

const [alice, bob] = await need('two clients log in', () => logins(1, 2));
const [a, b] = await need('both are in a call', async () => [await join(alice), await join(bob)]);

const arrived = new Map();
bob.on(Events.MessageCreate, (message) => {
  const entry = arrived.get(message.content) ?? [];
  arrived.set(message.content, [...entry, { id: message.id, at: performance.now() }]);
});
const fromAlice = listen(b, alice.user.id, 1);
const fromBob = listen(a, bob.user.id, 2);
await need('each hears the other', () =>
  firstWords([fromAlice, fromBob], (amount, first) => Promise.all([speak(a, 1, amount, first), speak(b, 2, amount, first)])));

const before = await status();
let talking = true;
const talk = Promise.all([speak(a, 1, () => talking, 1), speak(b, 2, () => talking, 1)]);

const sent = [];
async function say(what) {
  const content = freshText(what);
  const message = { content, at: performance.now() };
  sent.push(message);
  message.id = (await textOf(alice).send(content)).id;
  return message;
}

const pauses = [];
await test(`the control plane dies ${KILLS} times and comes back as another process each time`, async () => {
  for (let k = 0; k < KILLS; k += 1) {
    const pid = pidOf('controlplane');
    const around = [say(`just before kill ${k}`)];
    process.kill(pid, 'SIGKILL');
    const killed = performance.now();
    around.push(say(`just after kill ${k}`));
    const [, after] = await Promise.all(around);
    const [{ at }] = await eventually(() => arrived.get(after.content), `message after kill ${k}`);
    pauses.push(at - killed);
    await eventually(() => pidAfter('controlplane', pid), 'a new process');
    await sleep(BETWEEN_MS);
  }
});

// Of a machine that does other things meanwhile, the median says how fast the box is.
await test(`chat went on after each kill, and within ${AGAIN_MS} ms as a rule`, async () => {
  equal(pauses.length, KILLS, 'kills');
  pauses.sort((x, y) => x - y);
  console.log(`# pauses in ms: ${pauses.map(Math.round).join(' ')}`);
  truth(pauses[KILLS >> 1] <= AGAIN_MS, `median pause ${pauses[KILLS >> 1]} ms`);
});

await test('every message sent around the kills arrived exactly once, with the id of its REST answer', async () => {
  for (const { content, id } of sent) {
    await eventually(() => arrived.has(content), `message “${content}”`);
    equal(arrived.get(content).map((one) => one.id), [id], `arrivals of “${content}”`);
  }
});

await test('the history holds each of them once', async () => {
  const stored = [];
  for (let last = '9000000000000000000'; stored.length < sent.length * 2; ) {
    const { json } = await rest('GET', `/channels/${textChannelId}/messages?limit=100&before=${last}`);
    if (json.length === 0) break;
    stored.push(...json.map((message) => message.content));
    last = json.at(-1).id;
  }
  for (const { content } of sent) equal(stored.filter((one) => one === content).length, 1, `“${content}” in the history`);
});

await test('audio went on without a gap in both directions', async () => {
  talking = false;
  const said = await talk;
  for (const [k, heard] of [fromAlice, fromBob].entries()) {
    await eventually(() => heard.numbers.length >= said[k], 'the last frames').catch(() => {});
    equal(heard.wrong, [], 'changed frames');
    const misplaced = heard.numbers.filter((number, place) => number !== place + 1);
    equal([heard.numbers.length, misplaced.slice(0, 5)], [said[k], []], 'frames heard, and the first out of place');
  }
});

await test('no gateway and no voice connection was lost, and the dataplane is the same process', async () => {
  equal([...alice.interruptions, ...bob.interruptions, ...a.interruptions, ...b.interruptions], [], 'interruptions');
  const now = await status();
  equal(now.dataplane.pid, before.dataplane.pid, 'dataplane');
  equal(now.sessions.voice, before.sessions.voice, 'voice sessions');
  truth(now.controlplane.alive, 'control plane alive');
});

leave(a);
leave(b);
await Promise.all([alice.destroy(), bob.destroy()]);
finish();
