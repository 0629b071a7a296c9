// The conformance echo endpoint against the cases of the Autobahn testsuite (sections 1 to 7, 9, 10; 12 and 13 as an extension that is
// declined), by hand: a case is what is sent and what has to come back, frame by frame, down to the close code.
// SPDX-License-Identifier: Apache-2.0
import { closed, frame, nextFrame, openTls, openWebSocket, request, upgradeText } from './lib/raw.mjs';
import { env } from './lib/pop.mjs';
import { equal, finish, test, truth } from './lib/harness.mjs';

const [CONT, TEXT, BINARY, CLOSE, PING, PONG] = [0, 1, 2, 8, 9, 10];
const path = new URL(env.VOXPOP_ECHO).pathname;
const open = () => openWebSocket(path);

const text = (payload) => ({ opcode: TEXT, payload: Buffer.from(payload) });
const binary = (payload) => ({ opcode: BINARY, payload: Buffer.from(payload) });
const pong = (payload = '') => ({ opcode: PONG, payload: Buffer.from(payload) });
const part = (opcode, payload) => frame(opcode, payload, { fin: false });
const closing = (code, reason = '') => {
  const payload = Buffer.alloc(2 + Buffer.byteLength(reason));
  payload.writeUInt16BE(code);
  payload.write(reason, 2);
  return frame(CLOSE, payload);
};
const bytes = (hex) => Buffer.from(hex.replaceAll(' ', ''), 'hex');

// One at a time, each in a record of its own.
async function drip(socket, data, step) {
  for (let at = 0; at < data.length; at += step) {
    socket.write(data.subarray(at, at + step));
    if (at % (step * 64) === 0) await new Promise(setImmediate);
  }
}

// The messages that come back, then the end: a close code, 'empty' for a close without one, or null while it is to stay open.
async function expectAll(socket, messages, end) {
  for (const [k, want] of messages.entries()) {
    const got = await nextFrame(socket, 60_000);
    truth(got, `message ${k}: the connection ended instead`);
    equal([got.opcode, got.payload.length], [want.opcode, want.payload.length], `message ${k}: opcode and length`);
    truth(got.payload.equals(want.payload), `message ${k}: payload`);
  }
  if (end === null) {
    socket.write(closing(1000));
    end = 1000;
  }
  const last = await nextFrame(socket);
  truth(last && last.opcode === CLOSE, `a close frame, not ${last && last.opcode}`);
  equal(last.payload.length ? last.payload.readUInt16BE(0) : 'empty', end, 'close code');
  socket.write(frame(CLOSE, last.payload));
  await closed(socket);
}

// name, what is sent, what comes back, how it ends
const cases = [];
const add = (name, sent, back, end = null, step = 0) => cases.push({ name, sent: [sent].flat(), back, end, step });

// 1: framing
for (const [section, opcode, fill] of [['1.1', TEXT, '*'], ['1.2', BINARY, '\xfe']]) {
  for (const length of [0, 125, 126, 127, 128, 65535, 65536]) {
    const payload = Buffer.alloc(length, fill, 'latin1');
    add(`${section}: ${length} bytes`, frame(opcode, payload), [{ opcode, payload }]);
  }
  const payload = Buffer.alloc(65536, fill, 'latin1');
  add(`${section}.8: 65536 bytes in records of 997`, frame(opcode, payload), [{ opcode, payload }], null, 997);
}

// 2: pings and pongs
add('2.1: a ping without payload', frame(PING), [pong()]);
add('2.2: a ping with payload', frame(PING, 'Hello, world!'), [pong('Hello, world!')]);
add('2.3: a ping with binary payload', frame(PING, bytes('00 ff fe fd fc fb 00 ff')), [pong(bytes('00 ff fe fd fc fb 00 ff'))]);
add('2.4: a ping of 125 bytes', frame(PING, Buffer.alloc(125, 0xfe)), [pong(Buffer.alloc(125, 0xfe))]);
add('2.5: a ping of 126 bytes', frame(PING, Buffer.alloc(126, 0xfe)), [], 1002);
add('2.6: a ping of 125 bytes, byte by byte', frame(PING, Buffer.alloc(125, 0xfe)), [pong(Buffer.alloc(125, 0xfe))], null, 1);
add('2.7: a pong that nobody asked for', [frame(PONG), frame(TEXT, 'a')], [text('a')]);
add('2.8: the same with payload', [frame(PONG, 'unasked'), frame(TEXT, 'a')], [text('a')]);
add('2.9: a pong, then a ping', [frame(PONG, 'unasked'), frame(PING, 'asked')], [pong('asked')]);
const ten = Array.from({ length: 10 }, (_, k) => `payload-${k}`);
add('2.10: ten pings', ten.map((p) => frame(PING, p)), ten.map((p) => pong(p)));
add('2.11: ten pings, byte by byte', ten.map((p) => frame(PING, p)), ten.map((p) => pong(p)), null, 1);

// 3: reserved bits
for (let rsv = 1; rsv <= 7; rsv += 1) {
  add(`3: reserved bits ${rsv} on text`, frame(TEXT, 'x', { rsv }), [], 1002);
  add(`3: reserved bits ${rsv} behind a good message`, [frame(TEXT, 'good'), frame(BINARY, 'x', { rsv }), frame(PING)], [text('good')], 1002);
  add(`3: reserved bits ${rsv} on a ping, byte by byte`, frame(PING, 'x', { rsv }), [], 1002, 1);
}

// 4: opcodes
for (const opcode of [3, 4, 5, 6, 7, 11, 12, 13, 14, 15]) {
  add(`4: opcode ${opcode}`, frame(opcode, ''), [], 1002);
  add(`4: opcode ${opcode} behind a good message`, [frame(TEXT, 'good'), frame(opcode, 'x'), frame(PING)], [text('good')], 1002);
}

// 5: fragmentation
add('5.1: a ping in two fragments', [part(PING, 'a'), frame(CONT, 'b')], [], 1002);
add('5.2: a pong in two fragments', [part(PONG, 'a'), frame(CONT, 'b')], [], 1002);
add('5.3: text in two fragments', [part(TEXT, 'fragment1'), frame(CONT, 'fragment2')], [text('fragment1fragment2')]);
add('5.5: the same byte by byte', [part(TEXT, 'fragment1'), frame(CONT, 'fragment2')], [text('fragment1fragment2')], null, 1);
add('5.6: a ping between fragments', [part(TEXT, 'fragment1'), frame(PING, 'ping'), frame(CONT, 'fragment2')],
  [pong('ping'), text('fragment1fragment2')]);
add('5.8: the same byte by byte', [part(TEXT, 'fragment1'), frame(PING, 'ping'), frame(CONT, 'fragment2')],
  [pong('ping'), text('fragment1fragment2')], null, 1);
add('5.9: the end of nothing', [frame(CONT, 'x'), frame(TEXT, 'y')], [], 1002);
add('5.12: the middle of nothing', [part(CONT, 'x'), frame(TEXT, 'y')], [], 1002);
add('5.15: one that continues what has ended', [part(TEXT, 'a'), frame(CONT, 'b'), part(CONT, 'c'), frame(TEXT, 'd')], [text('ab')], 1002);
add('5.16: twice the middle of nothing', [part(CONT, 'a'), part(TEXT, 'b'), frame(CONT, 'c')], [], 1002);
add('5.18: text within text', [part(TEXT, 'a'), frame(TEXT, 'b')], [], 1002);
add('5.19: five fragments with pings among them',
  [part(TEXT, '1'), part(CONT, '2'), frame(PING, 'p'), part(CONT, '3'), part(CONT, '4'), frame(PING, 'q'), frame(CONT, '5')],
  [pong('p'), pong('q'), text('12345')]);

// 6: UTF-8
add('6.1.1: empty text', frame(TEXT), [text('')]);
add('6.1.2: three empty fragments', [part(TEXT), part(CONT), frame(CONT)], [text('')]);
add('6.1.3: something between two empty fragments', [part(TEXT), part(CONT, 'middle'), frame(CONT)], [text('middle')]);
const hello = Buffer.from('Hello-µ@ßöäüàá-UTF-8!!');
add('6.2.1: valid text', frame(TEXT, hello), [text(hello)]);
add('6.2.2: cut between characters', [part(TEXT, hello.subarray(0, 8)), frame(CONT, hello.subarray(8))], [text(hello)]);
add('6.2.3: a byte a fragment', [...[...hello].map((b, k) => part(k ? CONT : TEXT, Buffer.of(b))), frame(CONT)], [text(hello)]);
const kosme = bytes('ce ba e1 bd b9 cf 83 ce bc ce b5');
add('6.2.4: a byte a fragment, again', [...[...kosme].map((b, k) => part(k ? CONT : TEXT, Buffer.of(b))), frame(CONT)], [text(kosme)]);
const bad = Buffer.concat([kosme, bytes('ed a0 80 65 64 69 74 65 64')]);
add('6.3.1: invalid text', frame(TEXT, bad), [], 1007);
add('6.3.2: invalid text, a byte a fragment', [...bad].map((b, k) => part(k ? CONT : TEXT, Buffer.of(b))), [], 1007);
// 6.4: it is refused as soon as it cannot become valid any more: the rest of the message, or frame, never comes
add('6.4.1: an invalid fragment, and no more', [part(TEXT, kosme), part(CONT, bytes('f4 90 80 80'))], [], 1007);
add('6.4.2: the same, cut within the character', [part(TEXT, Buffer.concat([kosme, bytes('f4')])), part(CONT, bytes('90'))], [], 1007);
add('6.4.3: an invalid frame whose end does not come', frame(TEXT, Buffer.concat([kosme, bytes('f4 90 80 80 65 64')])).subarray(0, -2), [], 1007);
add('6.4.4: the same, cut within the character', frame(TEXT, Buffer.concat([kosme, bytes('f4 90 80 80 65 64')])).subarray(0, -4), [], 1007);
const valid = ['68 65 6c 6c 6f 24 77 6f 72 6c 64', '68 65 6c 6c 6f c2 a2 77 6f 72 6c 64', '68 65 6c 6c 6f e2 82 ac 77 6f 72 6c 64',
  '68 65 6c 6c 6f f0 a4 ad a2 77 6f 72 6c 64', 'ce ba e1 bd b9 cf 83 ce bc ce b5', '00', 'c2 80', 'e0 a0 80', 'f0 90 80 80', '7f', 'df bf',
  'ef bf bf', 'f4 8f bf bf', 'ed 9f bf', 'ee 80 80', 'ef bf bd', 'ef bf be', 'f0 9f bf be', 'f4 8f bf be', 'ef b7 90'];
const invalid = ['ce', 'ce ba e1', 'ce ba e1 bd', 'ce ba e1 bd b9 cf', 'f8 88 80 80 80', 'fc 84 80 80 80 80', 'f7 bf bf bf', 'fb bf bf bf bf',
  'fd bf bf bf bf bf', 'f4 90 80 80', '80', 'bf', '80 bf', '80 bf 80 bf 80 bf', 'c0 20 c1 20', 'e0 20 ef 20', 'f0 20 f7 20', 'f8 20 fb 20',
  'fc 20 fd 20', 'c0', 'e0 80', 'f0 80 80', 'df', 'ef bf', 'f7 bf bf', 'fe', 'ff', 'fe fe ff ff', 'c0 af', 'e0 80 af', 'f0 80 80 af', 'c1 bf',
  'e0 9f bf', 'f0 8f bf bf', 'c0 80', 'e0 80 80', 'f0 80 80 80', 'ed a0 80', 'ed ad bf', 'ed ae 80', 'ed af bf', 'ed b0 80', 'ed be 80',
  'ed bf bf', 'ed a0 80 ed b0 80', 'ed af bf ed bf bf'];
for (const hex of valid) add(`6: valid ${hex}`, frame(TEXT, bytes(hex)), [text(bytes(hex))]);
for (const hex of invalid) add(`6: invalid ${hex}`, frame(TEXT, bytes(hex)), [], 1007);

// 7: closing
add('7.1.1: a message, then a close', [frame(TEXT, 'Hello'), closing(1000)], [text('Hello')], 1000);
add('7.1.2: two closes', [closing(1000), closing(1000)], [], 1000);
add('7.1.3: a ping behind the close', [closing(1000), frame(PING)], [], 1000);
add('7.1.4: text behind the close', [closing(1000), frame(TEXT, 'late')], [], 1000);
add('7.1.5: a close between fragments', [part(TEXT, 'fragment1'), closing(1000), frame(CONT, 'fragment2')], [], 1000);
add('7.1.6: a long message, a close, a ping', [frame(TEXT, 'B'.repeat(262144)), closing(1000), frame(PING)], [text('B'.repeat(262144))], 1000);
add('7.3.1: a close without payload', frame(CLOSE), [], 'empty');
add('7.3.2: a close of one byte', frame(CLOSE, 'a'), [], 1002);
add('7.3.3: a close with a code', closing(1000), [], 1000);
add('7.3.4: a close with a reason', closing(1000, 'Hello World!'), [], 1000);
add('7.3.5: a reason of 123 bytes', closing(1000, '*'.repeat(123)), [], 1000);
add('7.3.6: a reason of 124 bytes', closing(1000, '*'.repeat(124)), [], 1002);
add('7.5.1: a reason that is not UTF-8', frame(CLOSE, Buffer.concat([bytes('03 e8'), bad])), [], 1007);
for (const code of [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999]) add(`7.7: code ${code}`, closing(code), [], code);
for (const code of [0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999]) add(`7.9: code ${code}`, closing(code), [], 1002);
for (const code of [5000, 65535]) add(`7.13: code ${code}`, closing(code), [], 1002);

// 9: size
const MIB = 1 << 20;
const fragments = (opcode, payload, size) => {
  const sent = [];
  for (let at = 0; at < payload.length; at += size) {
    sent.push(frame(at ? CONT : opcode, payload.subarray(at, at + size), { fin: at + size >= payload.length }));
  }
  return Buffer.concat(sent);
};
for (const [section, opcode, fill] of [['9.1', TEXT, 'ö'], ['9.2', BINARY, '\xfe']]) {
  for (const length of section === '9.1' ? [65536, MIB, 16 * MIB] : [65536, MIB, 4 * MIB]) {
    const payload = Buffer.alloc(length, fill);
    add(`${section}: ${length} bytes`, frame(opcode, payload), [{ opcode, payload }]);
  }
}
for (const [length, size] of [[MIB, 64], [MIB, 1024], [4 * MIB, 65536], [16 * MIB, 300_000]]) {
  const payload = Buffer.alloc(length, '*');
  add(`9.3: ${length} bytes in fragments of ${size}`, fragments(TEXT, payload, size), [{ opcode: TEXT, payload }]);
}
add('9.5: 1 MiB in records of 64 bytes', frame(TEXT, '*'.repeat(MIB)), [text('*'.repeat(MIB))], null, 64);
add('9: a message of 16 MiB and a byte', frame(BINARY, Buffer.alloc(16 * MIB + 1)).subarray(0, 100), [], 1009);
for (const length of [0, 16, 64, 256, 1024, 4096]) {
  const many = Array.from({ length: 200 }, () => Buffer.alloc(length, '*'));
  add(`9.7: 200 messages of ${length} bytes`, Buffer.concat(many.map((m) => frame(TEXT, m))), many.map((m) => text(m)));
}

// 10
add('10.1.1: 65536 bytes in fragments of 1300', fragments(TEXT, Buffer.alloc(65536, '*'), 1300), [text('*'.repeat(65536))]);

for (const { name, sent, back, end, step } of cases) {
  await test(name, async () => {
    const socket = await open();
    const data = Buffer.concat(sent);
    const writing = step ? drip(socket, data, step) : socket.write(data);
    await expectAll(socket, back, end);
    await writing;
  });
}

// 12, 13
await test('permessage-deflate is declined', async () => {
  const offers = ['permessage-deflate', 'permessage-deflate; client_max_window_bits; server_no_context_takeover', 'x-webkit-deflate-frame'];
  for (const offer of offers) {
    const { status, head } = await request(await openTls(), upgradeText(path, [`Sec-WebSocket-Extensions: ${offer}`]));
    equal(status, 101, 'status');
    truth(!/sec-websocket-extensions/i.test(head), 'no extension in the answer');
  }
});
finish();
