// Nothing of ours sits on a kernel socket but the management address, and the port's counters account for every
// packet that the kernel's end of the wire sent or got.
// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { equal, eventually, finish, need, sleep, test, truth } from './lib/harness.mjs';
import { freshText, logins, messageFrom, textOf } from './lib/client.mjs';
import { env, pidOf, rest, status, textChannelId } from './lib/pop.mjs';
import { join, leave, listen, speak } from './lib/audio.mjs';

const workers = Number(process.env.VOXPOP_WORKERS ?? 1);
const NETNS = 'voxpop-pop';

// Every socket that ss can see in the namespaces, with its owner: "protocol local-address".
function ours(namespace) {
  const inside = namespace ? ['ip', 'netns', 'exec', namespace] : [];
  const [program, ...args] = [...inside, 'ss', '-H', '-n', '-t', '-u', '-w', '-a', '-p'];
  const pids = [pidOf('dataplane'), pidOf('controlplane')];
  return execFileSync(program, args, { encoding: 'utf8' })
    .split('\n')
    .filter((line) => line.includes('"voxpop') || pids.some((pid) => line.includes(`pid=${pid},`)))
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => fields[1] !== 'TIME-WAIT')
    .map((fields) => `${fields[0]} ${fields[4]}`);
}

const management = `tcp ${new URL(env.VOXPOP_NOC).host}`;

const [alice, bob] = await need('two clients log in', () => logins(1, 2));
const [a, b] = await need('both are in a call', async () => [await join(alice), await join(bob)]);

await test('ss shows one socket of ours on the host: the management address', async () => {
  equal([...new Set(ours(null))], [management], 'sockets');
});

await test('ss shows no socket of ours in the namespace of the POP', async () => equal(ours(NETNS), [], 'sockets'));

await test('the kernel knows no connection to or from a POP address on the POP’s side', async () => {
  const all = execFileSync('ip', ['netns', 'exec', NETNS, 'ss', '-H', '-n', '-a', '-t', '-u', '-w'], { encoding: 'utf8' });
  equal(all.trim(), '', 'sockets in the namespace');
  const addresses = execFileSync('ip', ['-n', NETNS, '-o', 'addr', 'show', 'scope', 'global'], { encoding: 'utf8' });
  equal(addresses.trim(), '', 'addresses in the namespace');
});

const sum = (list) => list.reduce((total, value) => total + value, 0);
const kernel = (name) =>
  sum(Array.from({ length: workers }, (_, k) => Number(readFileSync(`/sys/class/net/vxh${k}/statistics/${name}`, 'utf8'))));
const port = (ports, name) => sum(ports.map((one) => one[name]));

async function counts() {
  const { ports } = await status();
  return {
    kernelSent: kernel('tx_packets'),
    kernelGot: kernel('rx_packets'),
    kernelSentBytes: kernel('tx_bytes'),
    steered: port(ports, 'steered'),
    passed: port(ports, 'passed'),
    received: port(ports, 'rx_packets') + port(ports, 'rx_missed'),
    receivedBytes: port(ports, 'rx_bytes'),
    sent: port(ports, 'tx_packets'),
  };
}

const less = (after, before) => Object.fromEntries(Object.keys(after).map((key) => [key, after[key] - before[key]]));

// Counts of a moment at which nothing was under way: the kernel's did not move while ours were read.
async function quiet() {
  return eventually(async () => {
    const [one, , two] = [await counts(), await sleep(300), await counts()];
    return JSON.stringify(one) === JSON.stringify(two) ? two : null;
  }, 'a quiet wire', 30_000);
}

await test('port counters account for every packet of a call and a chat', async () => {
  const heard = listen(b, alice.user.id, 1);
  const before = await quiet();
  await Promise.all([speak(a, 1, 100), speak(b, 2, 100)]);
  for (let k = 0; k < 5; k += 1) {
    const content = freshText('counted');
    const arrival = messageFrom(bob, content);
    await textOf(alice).send(content);
    await arrival;
  }
  await rest('GET', `/channels/${textChannelId}/messages?limit=50`);
  truth(heard.numbers.length > 0, 'nothing was heard');
  const moved = less(await quiet(), before);
  truth(moved.kernelSent > 200 && moved.kernelGot > 200, `too little traffic: ${JSON.stringify(moved)}`);
  equal(moved.steered + moved.passed, moved.kernelSent, 'steered and passed against what the kernel sent');
  equal(moved.received, moved.steered, 'received against steered');
  equal(moved.sent, moved.kernelGot, 'sent against what the kernel got');
  // veth counts a packet's bytes without its Ethernet header once XDP runs at the other end.
  if (moved.passed === 0) equal(moved.receivedBytes - 14 * moved.received, moved.kernelSentBytes, 'bytes');
});

// What passes of strangers' frames while eleven of ours are sent; the host's own (MLD, router solicitations) pass as well.
async function passedOfOurs() {
  const before = await quiet();
  execFileSync('/usr/bin/python3', ['-c', `
import socket
wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
wire.bind(("vxbr0", 0))
for _ in range(11):
    wire.send(b"\\xff" * 6 + wire.getsockname()[4] + b"\\x88\\xb5" + b"x" * 46)
`]);
  await sleep(500);
  return less(await quiet(), before).passed;
}

await test('what is not for a POP address is passed on and counted', async () => {
  const seen = [];
  while (seen.length < 5 && seen.at(-1) !== 11 * workers) seen.push(await passedOfOurs());
  equal(seen.at(-1), 11 * workers, `passed (${seen})`);
});

leave(a);
leave(b);
await Promise.all([alice.destroy(), bob.destroy()]);
finish();
