// What the operator sees of a call: voxpop status, voxpop session, the metrics and the NOC page say the same.
// SPDX-License-Identifier: Apache-2.0
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { promisify } from 'node:util';
import { equal, eventually, finish, need, sleep, test, truth } from './lib/harness.mjs';
import { freshText, logins, textOf } from './lib/client.mjs';
import { join, leave, listen, speak } from './lib/audio.mjs';
import { configFile, env, rest, runDirectory, sessions, status, token, voxpop, voxpopProgram } from './lib/pop.mjs';

const work = mkdtempSync(`${tmpdir()}/voxpop-operator-`);
process.on('exit', () => rmSync(work, { recursive: true, force: true }));

// {code, stdout, stderr} of the operator's tool, however it ends.
const run = (...args) =>
  promisify(execFile)(voxpopProgram, args).then(
    ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
    ({ code, stdout, stderr }) => ({ code, stdout, stderr }),
  );

const get = async (url) => {
  const answer = await fetch(url);
  equal(answer.status, 200, url);
  return answer.text();
};
const noc = (path) => new URL(path, env.VOXPOP_NOC).href;

// Prometheus text as {name: sum over all labels} and, with labels kept, as {'name{a="b"}': value}.
async function metrics() {
  const sums = {};
  const each = {};
  for (const line of (await get(env.VOXPOP_METRICS)).split('\n')) {
    const match = line.match(/^([a-z_]+)(\{[^}]*\})? (\S+)$/);
    if (!match) continue;
    sums[match[1]] = (sums[match[1]] ?? 0) + Number(match[3]);
    each[match[1] + (match[2] ?? '')] = Number(match[3]);
  }
  return { sums, each };
}

function dropsOf({ each }) {
  const drops = {};
  for (const [name, value] of Object.entries(each)) {
    const reason = name.match(/^voxpop_drops_total\{.*reason="([A-Z0-9_]+)"/)?.[1];
    if (reason) drops[reason] = (drops[reason] ?? 0) + value;
  }
  return drops;
}

const sum = (list, key) => list.reduce((total, one) => total + one[key], 0);
const summary = (all) => ({
  gateway: all.sessions.gateway,
  voice: all.sessions.voice,
  rooms: all.rooms.open,
  members: all.rooms.members,
  connections: all.connections.open,
  received: sum(all.ports, 'rx_packets'),
  sent: sum(all.ports, 'tx_packets'),
  drops: Object.fromEntries(Object.entries(all.drops).filter(([, count]) => count > 0)),
});

// The three views at one quiet moment: read, and read again until nothing moved in between.
async function views() {
  return eventually(async () => {
    const one = await status();
    const [page, prometheus, list] = [JSON.parse(await get(noc('/status.json'))), await metrics(), await sessions()];
    await sleep(1200); // whatever is published once a second has been published since
    const two = await status();
    return JSON.stringify(summary(one)) === JSON.stringify(summary(two)) ? { tool: two, page, prometheus, list } : null;
  }, 'a quiet moment', 60_000);
}

// A client that another test ended without a word may be waited for still: a minute.
await need('nobody is in voice', () => eventually(async () => (await status()).sessions.voice === 0, 'an empty box', 90_000));
const [alice, bob] = await need('two clients log in', () => logins(1, 2));
const [a, b] = await need('both are in a call', async () => [await join(alice), await join(bob)]);
const heard = listen(b, alice.user.id, 1);
await Promise.all([speak(a, 1, 100), speak(b, 2, 100)]);
await textOf(alice).send(freshText('seen by the operator'));
await rest('GET', '/no/such/route');
truth(heard.numbers.length > 0, 'nothing was heard');

await test('status, metrics and NOC page show equal numbers during a call', async () => {
  const { tool, page, prometheus } = await views();
  const { sums, each } = prometheus;
  equal(summary(page), summary(tool), 'NOC page against status');
  equal(
    {
      gateway: each['voxpop_sessions{kind="gateway"}'],
      voice: each['voxpop_sessions{kind="voice"}'],
      rooms: sums.voxpop_rooms,
      members: sums.voxpop_room_members,
      connections: Object.entries(each).filter(([name]) => /^voxpop_connections\{.*state="open"/.test(name)).reduce((total, [, n]) => total + n, 0),
      received: sums.voxpop_port_rx_packets_total,
      sent: sums.voxpop_port_tx_packets_total,
      drops: Object.fromEntries(Object.entries(dropsOf(prometheus)).filter(([, count]) => count > 0)),
    },
    summary(tool),
    'metrics against status',
  );
  equal([tool.sessions.voice, tool.rooms], [2, { open: 1, members: 2 }], 'the call');
});

await test('session list names as many sessions as status counts, and both of this call', async () => {
  const { tool, list } = await views();
  equal(list.filter((one) => one.kind === 'voice').length, tool.sessions.voice, 'voice');
  equal(list.filter((one) => one.kind === 'gateway').length, tool.sessions.gateway, 'gateway');
  const users = list.filter((one) => one.kind === 'voice').map((one) => String(one.user)).sort();
  equal(users, [alice.user.id, bob.user.id].sort(), 'who is in the call');
});

await test('session show tells a session from TCP to voice', async () => {
  const own = (await sessions()).find((one) => one.kind === 'voice' && String(one.user) === alice.user.id);
  const shown = JSON.stringify(JSON.parse(await voxpop('session', 'show', String(own.id), '--json'))).toLowerCase();
  for (const layer of ['tcp', 'tls', 'websocket', 'voice']) truth(shown.includes(`"${layer}":{`), `no ${layer} in ${shown}`);
  truth(!shown.includes('secret') && !shown.includes(token(1).toLowerCase()), 'a secret is shown');
});

await test('status fits one screen', async () => {
  const lines = (await voxpop('status')).trimEnd().split('\n');
  truth(lines.length <= 50 && Math.max(...lines.map((line) => line.length)) <= 132, `${lines.length} lines`);
});

await test('the NOC page is served whole, from one address, without anything from elsewhere', async () => {
  const page = await get(env.VOXPOP_NOC);
  const parts = [...page.matchAll(/(?:href|src)="([^"]+)"/g)].map((match) => match[1]);
  truth(parts.length > 0, 'no parts');
  for (const part of parts) {
    truth(!/^(https?:)?\/\//.test(part), `${part} is from elsewhere`);
    if (!part.startsWith('data:') && !part.startsWith('#')) await get(noc(part));
  }
  equal((await get(noc('/healthz'))).trim(), 'ready', 'health');
});

await test('a capture of one session holds its packets and tshark reads it', async () => {
  const own = (await sessions()).find((one) => one.kind === 'voice' && String(one.user) === alice.user.id);
  const file = `${work}/call.pcapng`;
  await voxpop('capture', 'start', '--session', String(own.id), file);
  await Promise.all([speak(a, 1, 50), speak(b, 2, 50)]);
  await voxpop('capture', 'stop', file);
  const { stdout } = await promisify(execFile)('tshark', ['-n', '-r', file, '-T', 'fields', '-e', 'frame.len']);
  const packets = stdout.trim().split('\n').length;
  truth(packets >= 90, `only ${packets} packets`);
});

await test('exit codes are 0 ok, 1 failed, 2 usage, 3 cannot connect', async () => {
  const nowhere = `${work}/nowhere.yaml`;
  writeFileSync(nowhere, readFileSync(configFile, 'utf8').replaceAll(runDirectory, `${work}/none`));
  equal((await run('status', '--json', '--config', configFile)).code, 0, 'ok');
  equal((await run('session', 'show', '999999999', '--config', configFile)).code, 1, 'failed');
  equal((await run('no-such-noun')).code, 2, 'usage');
  equal((await run('status', '--config', nowhere)).code, 3, 'cannot connect');
});

await test('an unknown key of the configuration is refused with its line and its name', async () => {
  const file = `${work}/wrong.yaml`;
  writeFileSync(file, 'dataplane:\n  workers: 1\n  wrokers: 2\n');
  const { code, stderr, stdout } = await run('config', 'check', file);
  equal(code, 1, 'exit code');
  truth(/:3:/.test(stderr + stdout) && (stderr + stdout).includes('wrokers'), `it says: ${stderr}${stdout}`);
});

await test('no log line holds a token, a message or a key', async () => {
  const log = readFileSync(`${runDirectory}/voxpop.log`, 'utf8');
  truth(log.length > 0, 'the log is empty');
  for (const secret of [token(1), token(2), 'seen by the operator', 'BEGIN PRIVATE']) {
    truth(!log.includes(secret), `the log holds ${secret.slice(0, 6)}…`);
  }
  const odd = log.split('\n').filter((line) => line && !/^(\S+=("[^"]*"|\S*) ?)+$/.test(line));
  equal(odd.slice(0, 3), [], 'lines that are not key=value');
});

leave(a);
leave(b);
await Promise.all([alice.destroy(), bob.destroy()]);
finish();
