// Three clients talk at once in one room, and a fourth that never says a word hears all of them.
// SPDX-License-Identifier: Apache-2.0
import { equal, finish, need, sleep, test } from './lib/harness.mjs';
import { logins } from './lib/client.mjs';
import { count, firstWords, heardAll, join, leave, listen, speak } from './lib/audio.mjs';

const FRAMES = 250;
const names = ['alice', 'bob', 'carol'];

const clients = await need('four clients log in', () => logins(1, 2, 3, 4));
const speakers = clients.slice(0, 3);
const listener = clients[3];
const connections = await need('three of them join the room', () => Promise.all(speakers.map((client) => join(client))));

// Everybody's first words, before the listener comes: it must be told of speakers that it never saw start.
await Promise.all(connections.map((connection, k) => speak(connection, k, 3)));
const silent = await need('a fourth joins late, muted, and never sends', () => join(listener, { selfMute: true }));

const ears = [
  ...connections.map((connection, k) => ({ name: names[k], connection, self: k })),
  { name: 'the listener', connection: silent, self: null },
];
for (const ear of ears) {
  ear.heard = speakers.map((client, k) => (k === ear.self ? null : listen(ear.connection, client.user.id, k)));
}

await test('everybody hears everybody else’s first words', async () => {
  await firstWords(ears.flatMap((ear) => ear.heard).filter(Boolean), (amount, first) =>
    Promise.all(connections.map((connection, k) => speak(connection, k, amount, first))));
});

await Promise.all(connections.map((connection, k) => speak(connection, k, FRAMES, 10)));

for (const ear of ears) {
  await test(`${ear.name} hears all ${FRAMES} frames of everyone else, in order`, async () => {
    for (const [k, heard] of ear.heard.entries()) {
      if (heard === null) continue;
      await heardAll(heard, FRAMES).catch(() => {});
      equal(heard.wrong, [], `changed frames of ${names[k]}`);
      equal(heard.numbers, count(FRAMES, 10), `numbers of ${names[k]}`);
    }
  });
}

await test('one that leaves is no longer heard, and the others go on', async () => {
  leave(connections[2]);
  await sleep(300);
  const before = ears[3].heard[2].numbers.length;
  ears[3].heard[0].numbers.length = 0;
  await speak(connections[0], 0, 50, 5000);
  await heardAll(ears[3].heard[0], 50).catch(() => {});
  equal(ears[3].heard[0].numbers, count(50, 5000), 'alice at the listener');
  equal(ears[3].heard[2].numbers.length, before, 'carol at the listener');
});

await test('nobody was reconnected on the way', async () => {
  const lost = [...clients, connections[0], connections[1], silent].flatMap((one) => one.interruptions);
  equal(lost, [], 'interruptions');
});

for (const connection of [connections[0], connections[1], silent]) leave(connection);
await Promise.all(clients.map((client) => client.destroy()));
finish();
