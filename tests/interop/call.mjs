// A moderator's hand on a call of unmodified clients: mute, deafen, move, disconnect; a voice socket that breaks. Two others talk all the
// while and miss nothing of each other.
// SPDX-License-Identifier: Apache-2.0
import { equal, eventually, finish, need, sleep, test, truth } from './lib/harness.mjs';
import { logins } from './lib/client.mjs';
import { count, heardAll, hears, join, leave, listen, speak } from './lib/audio.mjs';
import { guildId, rest, status } from './lib/pop.mjs';

const [alice, bob, carol, dave] = await need('four clients log in', () => logins(1, 2, 3, 4));
const { json: other } = await need('a second voice channel is made', () =>
  rest('POST', `/guilds/${guildId}/channels`, { body: { name: 'another room', type: 2 } }));
const a = await need('alice and bob are in a call', () => join(alice));
const b = await join(bob);
const c = await need('carol and dave are in another', () => join(carol, { channelId: other.id }));
const d = await join(dave, { channelId: other.id });

const atBob = listen(b, alice.user.id, 1);
const atAlice = listen(a, bob.user.id, 2);
const atCarol = listen(c, dave.user.id, 4);
await need('everybody hears his partner', () => Promise.all([hears(a, 1, atBob), hears(b, 2, atAlice), hears(d, 4, atCarol)]));

let talking = true;
const talk = speak(d, 4, () => talking, 1); // dave, from here to the end

const change = async (client, body) => {
  const answer = await rest('PATCH', `/guilds/${guildId}/members/${client.user.id}`, { body });
  truth(answer.status < 300, `PATCH ${JSON.stringify(body)}: ${answer.status} ${JSON.stringify(answer.json)}`);
};
const voiceOf = (client, who) => client.guilds.cache.get(guildId).voiceStates.cache.get(who.user.id);

await test('who is muted by a moderator is not heard, and is again afterwards', async () => {
  const before = (await status()).drops.VOICE_MUTED;
  await change(alice, { mute: true });
  await eventually(() => voiceOf(bob, alice)?.serverMute, 'bob sees alice muted');
  await sleep(100);
  atBob.numbers.length = 0;
  await speak(a, 1, 50, 1000);
  await sleep(200);
  equal(atBob.numbers, [], 'heard while muted');
  truth((await status()).drops.VOICE_MUTED >= before + 50, 'counted as VOICE_MUTED');
  await change(alice, { mute: false });
  await eventually(() => voiceOf(bob, alice)?.serverMute === false, 'bob sees alice unmuted');
  await sleep(100);
  await speak(a, 1, 50, 2000);
  await heardAll(atBob, 50).catch(() => {});
  equal(atBob.numbers, count(50, 2000), 'heard afterwards');
});

await test('who is deafened by a moderator hears nothing, and does again afterwards', async () => {
  await change(bob, { deaf: true });
  await eventually(() => voiceOf(alice, bob)?.serverDeaf, 'alice sees bob deafened');
  await sleep(100);
  atBob.numbers.length = 0;
  await speak(a, 1, 50, 3000);
  await sleep(200);
  equal(atBob.numbers, [], 'heard while deaf');
  await change(bob, { deaf: false });
  await eventually(() => voiceOf(alice, bob)?.serverDeaf === false, 'alice sees bob undeafened');
  await sleep(100);
  await speak(a, 1, 50, 4000);
  await heardAll(atBob, 50).catch(() => {});
  equal(atBob.numbers, count(50, 4000), 'heard afterwards');
});

await test('a voice socket that breaks is resumed, and what is said meanwhile is heard without a gap', async () => {
  let on = true;
  atBob.numbers.length = atAlice.numbers.length = 0;
  a.interruptions.length = 0;
  const says = Promise.all([speak(a, 1, () => on, 5000), speak(b, 2, () => on, 5000)]);
  await sleep(1000);
  const networking = a.state.networking;
  networking.state.ws.ws.terminate();
  await eventually(() => networking.state.code === 4, 'ready again', 20_000); // NetworkingStatusCode.Ready
  const before = atBob.numbers.length;
  await eventually(() => atBob.numbers.length >= before + 25, 'bob hears alice again');
  on = false;
  const [alices, bobs] = await says;
  await Promise.all([eventually(() => atBob.numbers.at(-1) === 4999 + alices, 'her last word'), heardAll(atAlice, bobs)]).catch(() => {});
  equal(atAlice.numbers, count(bobs, 5000), 'bob at alice');
  // Her own client says nothing while it resumes: what it does say arrives once, in order, and what is missing is of one piece.
  const held = count(alices, 5000).filter((number) => !atBob.numbers.includes(number));
  equal(atBob.numbers, count(alices, 5000).filter((number) => !held.includes(number)), 'alice at bob');
  equal(held, count(held.length, held[0]), 'not said');
  equal(a.interruptions.filter((what) => what.startsWith('networking replaced')), [], 'resumed, not joined anew');
});

await test('who is moved is heard where he is and no longer where he was', async () => {
  atBob.numbers.length = 0;
  await change(alice, { channel_id: other.id });
  await eventually(() => voiceOf(carol, alice)?.channelId === other.id, 'carol sees alice come');
  await eventually(() => a.state.status === 'ready' && a.joinConfig.channelId === other.id, 'alice is ready there', 20_000);
  const moved = listen(c, alice.user.id, 1);
  await hears(a, 1, moved);
  await speak(a, 1, 50, 6000);
  await heardAll(moved, 50).catch(() => {});
  equal(moved.numbers, count(50, 6000), 'alice at carol');
  equal(atBob.numbers.filter((number) => number >= 6000), [], 'alice at bob');
});

await test('who is disconnected stays away', async () => {
  await change(alice, { channel_id: null });
  await eventually(() => a.state.status === 'disconnected' || a.state.status === 'destroyed', 'alice is told');
  await eventually(() => !voiceOf(carol, alice)?.channelId, 'carol sees alice leave');
  await sleep(1500);
  truth(a.state.status !== 'ready', 'alice does not come back');
});

await test('the others have heard every frame of each other meanwhile', async () => {
  talking = false;
  const said = await talk;
  await eventually(() => atCarol.numbers.length >= said, 'the last frames').catch(() => {});
  equal(atCarol.wrong, [], 'changed frames');
  equal(atCarol.numbers.length, said, 'frames heard');
  equal(atCarol.numbers.filter((number, place) => number !== place + 1).slice(0, 5), [], 'out of place');
  equal([...c.interruptions, ...d.interruptions], [], 'interruptions');
});

for (const connection of [b, c, d]) leave(connection);
await Promise.all([alice, bob, carol, dave].map((client) => client.destroy()));
await rest('DELETE', `/channels/${other.id}`);
finish();
