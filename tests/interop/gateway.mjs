// The gateway and its heartbeat, seen without a client library, over IPv4 and IPv6; a session that lost its
// connection resumes with everything it missed.
// SPDX-License-Identifier: Apache-2.0
import { equal, finish, sleep, test, truth } from './lib/harness.mjs';
import { closeCode, frame, identify, nextFrame, nextJson, openGateway, openWebSocket } from './lib/raw.mjs';
import { guildId, host, rest, textChannelId, token } from './lib/pop.mjs';

const GUILDS_AND_MESSAGES = 1 | (1 << 9) | (1 << 15);
const ready = (payload) => payload.t === 'READY';

for (const address of [host, 'fd00:18::1']) {
  await test(`over ${address}: hello, heartbeat, identify, READY and the guild, numbered from 1`, async () => {
    const gateway = await openGateway('?v=10&encoding=json', address);
    truth(gateway.hello.d.heartbeat_interval > 0, 'interval');
    gateway.say(1, null);
    equal((await nextJson(gateway)).op, 11, 'acknowledgement before identify');
    gateway.say(2, identify(token(3)));
    const { s, d } = await nextJson(gateway, ready);
    equal(s, 1, 'sequence of READY');
    equal(d.guilds, [{ id: guildId, unavailable: true }], 'guilds');
    const guild = await nextJson(gateway, (payload) => payload.t === 'GUILD_CREATE');
    equal([guild.s, guild.d.id], [2, guildId], 'guild');
    gateway.say(1, 2);
    equal((await nextJson(gateway, (payload) => payload.op === 11)).op, 11, 'acknowledgement');
    gateway.write(frame(8, Buffer.from([0x03, 0xe8])));
    equal(await closeCode(gateway), 1000, 'close code');
  });
}

await test('a ping is answered with its own bytes, between two fragments of a payload too', async () => {
  const gateway = await openGateway();
  const heartbeat = '{"op":1,"d":null}';
  gateway.write(Buffer.concat([frame(1, heartbeat.slice(0, 7), { fin: false }), frame(9, 'still there?'), frame(0, heartbeat.slice(7))]));
  const pong = await nextFrame(gateway);
  equal([pong.opcode, pong.payload.toString()], [10, 'still there?'], 'pong');
  equal((await nextJson(gateway)).op, 11, 'acknowledgement');
  gateway.destroy();
});

// 4012 is the one code after which no library comes back with the same query (reference/gateway.md 13).
for (const query of ['?v=10&encoding=etf', '?v=10&encoding=json&compress=zstd-stream', '?v=8&encoding=json', '?v=10&encoding=yaml']) {
  await test(`what is not spoken is refused with 4012: ${query}`, async () => {
    const gateway = await openWebSocket(`/${query}`);
    equal(await closeCode(gateway), 4012, 'close code');
  });
}

await test('a token may carry the prefix “Bot ”', async () => {
  const gateway = await openGateway();
  gateway.say(2, identify(`Bot ${token(3)}`));
  await nextJson(gateway, ready);
  gateway.destroy();
});

await test('a session that lost its connection resumes and gets what it missed, in order and once', async () => {
  const first = await openGateway();
  first.say(2, identify(token(3), { intents: GUILDS_AND_MESSAGES }));
  const { d } = await nextJson(first, ready);
  const { s } = await nextJson(first, (payload) => payload.t === 'GUILD_CREATE');
  first.destroy();
  await sleep(200);
  const sent = [];
  for (let k = 0; k < 5; k += 1) {
    const { json } = await rest('POST', `/channels/${textChannelId}/messages`, { body: { content: `missed ${k}` } });
    sent.push(json.id);
  }
  const second = await openGateway();
  second.say(6, { token: token(3), session_id: d.session_id, seq: s });
  const missed = [];
  let last = s;
  for (let done = false; !done; ) {
    const payload = await nextJson(second, (one) => one.op === 0);
    equal(payload.s, last + 1, 'sequence');
    last = payload.s;
    if (payload.t === 'MESSAGE_CREATE') missed.push(payload.d.id);
    done = payload.t === 'RESUMED';
  }
  equal(missed, sent, 'messages');
  second.destroy();
});

finish();
