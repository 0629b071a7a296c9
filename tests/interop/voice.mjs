// Two unmodified clients in one voice channel: a thousand frames each way, in order, none lost, none changed.
// SPDX-License-Identifier: Apache-2.0
import { equal, eventually, finish, need, test } from './lib/harness.mjs';
import { guildOf, logins } from './lib/client.mjs';
import { connectionData, count, firstWords, heardAll, join, leave, listen, mode, modeName, speak } from './lib/audio.mjs';
import { voiceChannelId } from './lib/pop.mjs';

const FRAMES = Number(process.env.VOXPOP_FRAMES ?? 1000);

const [alice, bob] = await need('two clients log in', () => logins(1, 2));
const [a, b] = await need(`both join the voice channel (${mode})`, async () => [await join(alice), await join(bob)]);

await test(`the call uses ${modeName}`, async () => {
  equal([connectionData(a).encryptionMode, connectionData(b).encryptionMode], [modeName, modeName], 'modes');
});

await test('each sees the other in the channel', async () => {
  const channelOf = (client, other) => guildOf(client).voiceStates.cache.get(other.user.id)?.channelId;
  await eventually(() => channelOf(alice, bob) === voiceChannelId, 'alice sees bob');
  await eventually(() => channelOf(bob, alice) === voiceChannelId, 'bob sees alice');
});

const fromAlice = listen(b, alice.user.id, 1);
const fromBob = listen(a, bob.user.id, 2);
await need('each hears the other’s first words', () =>
  firstWords([fromAlice, fromBob], (amount, first) => Promise.all([speak(a, 1, amount, first), speak(b, 2, amount, first)])));

await Promise.all([speak(a, 1, FRAMES, 100), speak(b, 2, FRAMES, 100)]);

for (const [sentence, heard] of [['bob hears alice', fromAlice], ['alice hears bob', fromBob]]) {
  await test(`${sentence}: ${FRAMES} frames in order, none lost, none changed (${mode})`, async () => {
    await heardAll(heard, FRAMES).catch(() => {});
    equal(heard.wrong, [], 'changed frames');
    equal(heard.numbers, count(FRAMES, 100), 'numbers');
  });
}

await test('nothing was reconnected on the way', async () => {
  equal([...alice.interruptions, ...bob.interruptions, ...a.interruptions, ...b.interruptions], [], 'interruptions');
});

await test('who leaves is seen to leave', async () => {
  leave(a);
  await eventually(() => !guildOf(bob).voiceStates.cache.get(alice.user.id)?.channelId, 'bob sees alice leave');
});

leave(b);
await Promise.all([alice.destroy(), bob.destroy()]);
finish();
