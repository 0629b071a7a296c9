// Bad input above TCP: refused with the protocol's own code where it has one, counted under a named reason,
// and a call and a chat going on beside it notice nothing.
// SPDX-License-Identifier: Apache-2.0
import dgram from 'node:dgram';
import { createCipheriv, randomBytes } from 'node:crypto';
import { equal, eventually, finish, need, test, truth } from './lib/harness.mjs';
import { freshText, logins, messageFrom, textOf } from './lib/client.mjs';
import { connectionData, frame as audioFrame, hears, join, leave, listen, speak, udpSocket } from './lib/audio.mjs';
import { closeCode, closed, frame, identify, nextJson, openGateway, openTampered, openTcp, openTls, openWebSocket, request, upgradeText } from './lib/raw.mjs';
import { counted, host, token } from './lib/pop.mjs';

const [alice, bob] = await need('two clients log in', () => logins(1, 2));
const [a, b] = await need('both are in a call', async () => [await join(alice), await join(bob)]);
const heard = listen(b, alice.user.id, 1);
await need('bob hears alice', () => hears(a, 1, heard));
let talking = true;
const talk = speak(a, 1, () => talking, 1);

// TLS: what is not a handshake never reaches one.
for (const [what, reason, bytes] of [
  ['plain HTTP on the TLS port', 'TLS_PLAIN_HTTP', Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n')],
  ['a record of an unknown type', 'TLS_RECORD_TYPE', Buffer.from('63030100020000', 'hex')],
  ['a record with version 9.9', 'TLS_RECORD_VERSION', Buffer.from('16090900020000', 'hex')],
  ['a record of 65535 bytes', 'TLS_RECORD_LENGTH', Buffer.from('160301ffff', 'hex')],
  ['a ClientHello of zeros', 'TLS_HANDSHAKE_FAILED', Buffer.concat([Buffer.from('160301002801000024', 'hex'), Buffer.alloc(36)])],
]) {
  await test(`${what} is counted as ${reason} and ends the connection`, async () => {
    const socket = await openTcp();
    await counted(reason, async () => socket.write(bytes));
    await closed(socket);
  });
}

await test('a client that speaks only TLS 1.1 is refused', async () => {
  const error = await openTls({ minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'ALL:@SECLEVEL=0' }).then(() => null, (e) => e);
  truth(error, 'the handshake succeeded');
});

await test('a record with one bit changed is counted as TLS_RECORD_MAC and answered with bad_record_mac', async () => {
  const socket = await openTampered();
  socket.wire.received = Buffer.alloc(0);
  socket.tamper.change = (chunk) => {
    const changed = Buffer.from(chunk);
    changed[changed.length - 1] ^= 1;
    return changed;
  };
  let alert = null;
  socket.on('error', (error) => {
    alert = error;
  });
  await counted('TLS_RECORD_MAC', async () => socket.write('GET / HTTP/1.1\r\n\r\n'));
  await closed(socket.wire);
  truth(String(alert?.code).includes('BAD_RECORD_MAC') || String(alert).includes('bad record mac'), `alert: ${alert}`);
});

// HTTP
const h = `Host: ${host}\r\n`;
for (const [what, reason, status, text] of [
  ['a request line of rubbish', 'HTTP_MALFORMED', 400, '\x01\x02\x03 rubbish\r\n\r\n'],
  ['a bare LF between headers', 'HTTP_MALFORMED', 400, `GET / HTTP/1.1\nHost: ${host}\n\n`],
  ['a header name with a space', 'HTTP_MALFORMED', 400, `GET / HTTP/1.1\r\n${h}Bad Name: x\r\n\r\n`],
  ['no Host', 'HTTP_HOST', 400, 'GET /api/v10/gateway HTTP/1.1\r\n\r\n'],
  ['two Hosts', 'HTTP_HOST', 400, `GET /api/v10/gateway HTTP/1.1\r\n${h}${h}\r\n`],
  ['two different lengths', 'HTTP_LENGTH', 400, `POST /api/v10/gateway HTTP/1.1\r\n${h}Content-Length: 1\r\nContent-Length: 2\r\n\r\n`],
  ['a length and chunks', 'HTTP_LENGTH', 400, `POST /api/v10/gateway HTTP/1.1\r\n${h}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n`],
  ['a head without end', 'HTTP_HEAD_TOO_LARGE', 431, `GET / HTTP/1.1\r\n${h}${'X-Long: 0123456789abcdef\r\n'.repeat(4000)}\r\n`],
  ['a body of a gigabyte', 'HTTP_BODY_TOO_LARGE', 413, `POST /api/v10/gateway HTTP/1.1\r\n${h}Content-Length: 1073741824\r\n\r\n`],
  ['version 3.0', 'HTTP_VERSION', 505, `GET / HTTP/3.0\r\n${h}\r\n`],
  ['the method BREW', 'HTTP_METHOD_UNKNOWN', 501, `BREW /pot HTTP/1.1\r\n${h}\r\n`],
  ['an upgrade to version 12', 'HTTP_UPGRADE_VERSION', 426, upgradeText('/?v=10&encoding=json').replace('Version: 13', 'Version: 12')],
]) {
  await test(`${what} is answered ${status} and counted as ${reason}`, async () => {
    const socket = await openTls();
    const answer = await counted(reason, () => request(socket, text));
    equal(answer.status, status, 'status');
    socket.destroy();
  });
}

// WebSocket
for (const [what, reason, code, bytes] of [
  ['a frame without a mask', 'WS_UNMASKED', 1002, frame(1, '{}', { masked: false })],
  ['a reserved bit', 'WS_RESERVED', 1002, frame(1, '{}', { rsv: 4 })],
  ['opcode 11', 'WS_RESERVED', 1002, frame(11, '')],
  ['a length that is not the shortest', 'WS_LENGTH', 1002, frame(1, '{}', { lengthForm: 16 })],
  ['a fragmented ping', 'WS_CONTROL', 1002, frame(9, 'x', { fin: false })],
  ['a ping of 126 bytes', 'WS_CONTROL', 1002, frame(9, 'x'.repeat(126))],
  ['a continuation of nothing', 'WS_CONTINUATION', 1002, frame(0, 'x')],
  ['text that is not UTF-8', 'WS_UTF8', 1007, frame(1, Buffer.from([0x22, 0xc3, 0x28, 0x22]))],
  ['a close frame of one byte', 'WS_CLOSE', 1002, frame(8, 'x')],
  ['a payload of 4097 bytes', 'WS_TOO_LARGE', 4002, frame(1, `{"op":1,"d":"${'x'.repeat(4097 - 15)}"}`)],
  ['a payload that is not JSON', 'CONTROL_JSON', 4002, frame(1, 'op: 1')],
  ['a payload that is no object', 'CONTROL_JSON', 4002, frame(1, '[1,2,3]')],
]) {
  await test(`${what} closes the gateway with ${code} and is counted as ${reason}`, async () => {
    const socket = await openGateway();
    equal(await counted(reason, async () => (socket.write(bytes), closeCode(socket))), code, 'close code');
  });
}

// the gateway
for (const [what, code, say] of [
  ['a wrong token', 4004, (g) => g.say(2, identify('not.a.token'))],
  ['an unknown opcode', 4001, async (g) => {
    g.say(2, identify(token(3)));
    await nextJson(g, (payload) => payload.t === 'READY');
    g.say(99, null);
  }],
  ['a presence before identify', 4003, (g) => g.say(3, { since: null, activities: [], status: 'online', afk: false })],
  ['a second identify', 4005, async (g) => {
    g.say(2, identify(token(3)));
    await nextJson(g, (payload) => payload.t === 'READY');
    g.say(2, identify(token(3)));
  }],
  ['a shard beyond the count', 4010, (g) => g.say(2, identify(token(3), { shard: [3, 2] }))],
  ['intents that do not exist', 4013, (g) => g.say(2, identify(token(3), { intents: 1 << 30 }))],
]) {
  await test(`${what} closes the gateway with ${code}`, async () => {
    const gateway = await openGateway();
    await say(gateway);
    equal(await closeCode(gateway), code, 'close code');
  });
}

await test('an unknown protocol version closes the gateway with 4012', async () => {
  equal(await closeCode(await openWebSocket('/?v=5&encoding=json')), 4012, 'close code');
});

await test('a resume of an unknown session is answered with op 9 false', async () => {
  const gateway = await openGateway();
  gateway.say(6, { token: token(3), session_id: '0'.repeat(32), seq: 5 });
  equal((await nextJson(gateway, (payload) => payload.op === 9)).d, false, 'd');
  gateway.destroy();
});

// Voice: sent from alice's own socket, so that only the packet itself is wrong.
function rtp({ first = 0x80, type = 0x78, ssrc, key, counter }) {
  const head = Buffer.alloc(12);
  head[0] = first;
  head[1] = type;
  head.writeUInt16BE(counter & 0xffff, 2);
  head.writeUInt32BE(ssrc, 8);
  const nonce = Buffer.alloc(12);
  nonce.writeUInt32BE(counter, 0);
  const cipher = createCipheriv('aes-256-gcm', key, nonce);
  cipher.setAAD(head);
  const sealed = Buffer.concat([cipher.update(audioFrame(9, counter)), cipher.final()]);
  return Buffer.concat([head, sealed, cipher.getAuthTag(), nonce.subarray(0, 4)]);
}

const { ssrc, secretKey } = connectionData(a);
const key = Buffer.from(secretKey);
const far = 0x40000000; // counters that alice's client does not reach
const good = { ssrc, key, counter: far };
const udp = udpSocket(a);

for (const [what, reason, packet] of [
  ['sealed with a wrong key', 'VOICE_AUTH', rtp({ ...good, key: randomBytes(32) })],
  ['cut off in the tag', 'VOICE_AUTH', Buffer.concat([rtp(good).subarray(0, 56), rtp(good).subarray(-4)])],
  ['cut off in the header', 'VOICE_SHORT', rtp(good).subarray(0, 20)],
  ['of an SSRC nobody has', 'VOICE_SSRC', rtp({ ...good, ssrc: (ssrc ^ 0x01010101) >>> 0 })],
  ['of payload type 96', 'VOICE_PAYLOAD_TYPE', rtp({ ...good, type: 96 })],
  ['with a CSRC', 'VOICE_EXTENSION', rtp({ ...good, first: 0x81 })],
]) {
  await test(`RTP ${what} is counted as ${reason}`, async () => {
    await counted(reason, async () => { for (let k = 0; k < 5; k += 1) udp.send(packet); }, 5);
  });
}

await test('a discovery request with a wrong length field is counted as VOICE_DISCOVERY', async () => {
  const discovery = Buffer.alloc(74);
  discovery.writeUInt16BE(1, 0);
  discovery.writeUInt16BE(71, 2);
  discovery.writeUInt32BE(ssrc, 4);
  await counted('VOICE_DISCOVERY', async () => udp.send(discovery));
});

await test('RTP sent twice is counted as VOICE_REPLAY', async () => {
  let copy = null;
  const send = udp.send.bind(udp);
  udp.send = (packet) => {
    if (copy === null && packet.length > 60) copy = Buffer.from(packet);
    return send(packet);
  };
  await eventually(() => copy, 'a packet of the call');
  udp.send = send;
  await counted('VOICE_REPLAY', async () => { for (let k = 0; k < 5; k += 1) udp.send(copy); }, 5);
});

await test('RTP with a wrong key from a stranger’s address does not move the call there', async () => {
  const stranger = dgram.createSocket('udp4');
  const { remote } = udp;
  let answers = 0;
  stranger.on('message', () => { answers += 1; });
  await counted('VOICE_AUTH', async () => {
    for (let k = 0; k < 5; k += 1) stranger.send(rtp({ ...good, key: randomBytes(32) }), remote.port, remote.ip);
  }, 5);
  await speak(b, 2, 10);
  equal(answers, 0, 'packets at the stranger');
  stranger.close();
});

await test('the call beside all this lost nothing', async () => {
  talking = false;
  const said = await talk;
  await eventually(() => heard.numbers.length >= said, 'the last frames').catch(() => {});
  equal(heard.wrong, [], 'changed frames');
  equal([heard.numbers.length, heard.numbers.filter((number, k) => number !== k + 1).slice(0, 5)], [said, []], 'frames');
});

await test('the chat beside all this goes on in the same sessions', async () => {
  const content = freshText('still here');
  const arrival = messageFrom(bob, content);
  await textOf(alice).send(content);
  await arrival;
  equal([...alice.interruptions, ...bob.interruptions, ...a.interruptions, ...b.interruptions], [], 'interruptions');
});

leave(a);
leave(b);
await Promise.all([alice.destroy(), bob.destroy()]);
finish();
