// Every fifth packet is lost at random, both ways, between the POP and the host's bridge: every TCP byte still arrives.
// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import https from 'node:https';
import { equal, finish, need, next, test, truth } from './lib/harness.mjs';
import { freshText, logins, textOf } from './lib/client.mjs';
import { openEcho } from './lib/echo.mjs';
import { ca, rest, textChannelId, token } from './lib/pop.mjs';

const LOST_PERCENT = 20;
const TABLE = 'bridge vxloss';
const rule = (side) => `${side} "vxh*" numgen random mod 100 < ${LOST_PERCENT} counter drop`;
const nft = (text) => execFileSync('nft', ['-f', '-'], { input: text });

function startLosing() {
  nft(`table ${TABLE} {
    chain to_pop { type filter hook output priority 0; ${rule('oifname')}; }
    chain from_pop { type filter hook input priority 0; ${rule('iifname')}; }
  }`);
}

function stopLosing() {
  execFileSync('nft', ['delete', 'table', ...TABLE.split(' ')], { stdio: 'ignore' });
}

function lost() {
  const { nftables } = JSON.parse(execFileSync('nft', ['-j', 'list', 'table', ...TABLE.split(' ')]));
  return nftables.filter((one) => one.rule).map((one) => one.rule.expr.find((part) => part.counter).counter.packets);
}

// A fresh connection each time, so that the handshake goes through the loss too.
function download(host) {
  return new Promise((resolve, reject) => {
    const path = `/api/v10/channels/${textChannelId}/messages?limit=50`;
    const request = https.get({ host, path, ca, servername: host.includes(':') ? 'localhost' : '', agent: false, timeout: 120_000, headers: { authorization: `Bot ${token(1)}` } }, (answer) => {
      const hash = createHash('sha256');
      let length = 0;
      answer.on('data', (data) => {
        hash.update(data);
        length += data.length;
      });
      answer.on('error', reject);
      answer.on('end', () => resolve({ status: answer.statusCode, length, hash: hash.digest('hex') }));
    });
    request.on('timeout', () => request.destroy(new Error('no byte for two minutes')));
    request.on('error', reject);
  });
}

const [alice, bob] = await need('two clients log in', () => logins(1, 2));
for (let k = 0; k < 50; k += 1) {
  await rest('POST', `/channels/${textChannelId}/messages`, { body: { content: randomBytes(1000).toString('hex') } });
}
const whole = await download('198.18.0.1');
await need('a page of fifty long messages is served without loss', async () => {
  equal(whole.status, 200, 'status');
  truth(whole.length > 100_000, `only ${whole.length} bytes`);
});

await need(`${LOST_PERCENT} % of all packets can be lost`, startLosing);
process.on('exit', () => {
  try {
    stopLosing();
  } catch {
    // it was never there
  }
});

for (const host of ['198.18.0.1', 'fd00:18::1']) {
  await test(`the same ${whole.length} bytes come from ${host}`, async () => equal(await download(host), whole, 'download'));
}

await test('forty messages of 3000 bytes go up and come back unchanged', async () => {
  // A client's own patience (10 s) may end before its fourth SYN gets through: it asks again, as people do.
  let echo;
  for (let attempt = 1; !echo; attempt += 1) echo = await openEcho().catch((error) => { if (attempt === 5) throw error; });
  const sent = Array.from({ length: 40 }, () => randomBytes(3000));
  const answers = await Promise.all(sent.map((data) => echo.ask(data)));
  equal(answers.map((data, k) => Buffer.compare(Buffer.from(data), sent[k])), sent.map(() => 0), 'comparisons');
});

await test('a chat goes on in both directions, each message once', async () => {
  for (const [from, to] of [[alice, bob], [bob, alice], [alice, bob]]) {
    const content = freshText('through the loss');
    let arrivals = 0;
    const arrival = next(to, 'messageCreate', (message) => message.content === content && (arrivals += 1), 60_000);
    await textOf(from).send(content);
    await arrival;
    equal(arrivals, 1, 'arrivals');
  }
});

await test('packets were lost in both directions', async () => {
  const packets = lost();
  console.log(`# lost to the POP ${packets[0]}, from it ${packets[1]}`);
  truth(packets.length === 2 && packets.every((count) => count > 20), `lost: ${packets}`);
});

await test('no client had to reconnect', async () => equal([...alice.interruptions, ...bob.interruptions], [], 'interruptions'));
stopLosing();
await Promise.all([alice.destroy(), bob.destroy()]);
finish();
