// Many clients of one room talk all at once for minutes, while the control plane is killed again and again: every frame of every
// speaker is heard by every other one, once and in order. Ten of them hear 4,500 frames a second in one process: where that does not keep
// up, this host's kernel refuses datagrams and counts them, and no more frames than it counted may be missing.
// VOXPOP_CROWD clients (10), VOXPOP_CROWD_MINUTES (10).
// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs';
import { Events } from 'discord.js';
import { equal, eventually, finish, need, sleep, test, truth } from './lib/harness.mjs';
import { newClient } from './lib/client.mjs';
import { firstWords, join, leave, listen, speak, udpSocket } from './lib/audio.mjs';
import { guildId, pidAfter, pidOf, status, voxpop } from './lib/pop.mjs';

const CLIENTS = Number(process.env.VOXPOP_CROWD ?? 10);
const MINUTES = Number(process.env.VOXPOP_CROWD_MINUTES ?? 10);
const BETWEEN_MS = 10_000;
const FRAMES = 1500; // a turn of half a minute: a player ends, and the next one begins
const TURNS = Math.max(1, Math.round(MINUTES * 2));

// The demo's guild has four accounts: more are made as an operator would.
async function member(k) {
  const account = JSON.parse(await voxpop('account', 'create', `crowd${k}.${process.pid}`, '--bot', '--json'));
  await voxpop('guild', 'join', guildId, account.id);
  const client = newClient();
  const ready = new Promise((resolve) => client.once(Events.ClientReady, resolve));
  await client.login(account.token);
  await ready;
  return client;
}

// Datagrams that the clients' sockets had no room for.
const refused = () => {
  const [names, values] = readFileSync('/proc/net/snmp', 'utf8').split('\n').filter((line) => line.startsWith('Udp:'));
  return Number(values.split(' ')[names.split(' ').indexOf('RcvbufErrors')]);
};

const clients = await need(`${CLIENTS} clients log in`, async () => {
  const all = [];
  for (let k = 0; k < CLIENTS; k += 1) all.push(await member(k));
  return all;
});
const connections = await need('all of them join the room', () => Promise.all(clients.map((client) => join(client))));
for (const connection of connections) udpSocket(connection).socket.setRecvBufferSize(4 << 20); // as much as the host gives
const ears = connections.flatMap((connection, ear) =>
  clients.flatMap((client, mouth) =>
    (ear === mouth ? [] : [{ ear, mouth, heard: listen(connection, client.user.id, mouth) }])));
await need('everybody hears everybody', () =>
  firstWords(ears.map(({ heard }) => heard), (amount, first) =>
    Promise.all(connections.map((connection, k) => speak(connection, k, amount, first)))));

const before = await status();
const lost = refused();
let kills = 0;
let talking = true;

async function killsControlPlane() {
  while (talking) {
    const pid = pidOf('controlplane');
    process.kill(pid, 'SIGKILL');
    kills += 1;
    await eventually(() => pidAfter('controlplane', pid), 'a new control plane');
    for (let ms = 0; talking && ms < BETWEEN_MS; ms += 100) await sleep(100);
  }
}

await test(`all talk at once for ${(TURNS * FRAMES * 20) / 60_000} minutes while the control plane is killed again and again`, async () => {
  const killer = killsControlPlane();
  for (let turn = 0; turn < TURNS; turn += 1) {
    await Promise.all(connections.map((connection, k) => speak(connection, k, FRAMES, 1 + turn * FRAMES)));
  }
  talking = false;
  await killer;
  console.log(`# ${kills} kills`);
});

await test('every frame of every speaker is heard by everybody else, once and in order', async () => {
  const said = TURNS * FRAMES;
  await eventually(() => ears.every(({ heard }) => heard.numbers.at(-1) === said), 'the last frames', 2_000).catch(() => {});
  let missing = 0;
  for (const { ear, mouth, heard } of ears) {
    equal(heard.wrong, [], `changed frames of ${mouth} at ${ear}`);
    const back = heard.numbers.findIndex((number, place) => place > 0 && number <= heard.numbers[place - 1]);
    equal(back, -1, `place of the first frame of ${mouth} that comes twice or late at ${ear}`);
    missing += said - heard.numbers.length;
  }
  const host = refused() - lost;
  console.log(`# of ${said * ears.length} frames ${missing} are missing; this host refused ${host} datagrams`);
  truth(missing <= host, `${missing} frames are missing, and this host refused ${host} datagrams`);
});

await test('nobody was reconnected on the way, and the dataplane is the same process', async () => {
  equal([...clients, ...connections].flatMap((one) => one.interruptions), [], 'interruptions');
  const now = await status();
  equal(now.dataplane.pid, before.dataplane.pid, 'dataplane');
  equal(now.sessions.voice, before.sessions.voice, 'voice sessions');
});

for (const connection of connections) leave(connection);
await Promise.all(clients.map((client) => client.destroy()));
finish();
