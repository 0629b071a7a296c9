// TLS, HTTP and WebSocket by hand, so that what no library would send can be sent.
// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from 'node:crypto';
import net from 'node:net';
import { Duplex } from 'node:stream';
import tls from 'node:tls';
import { constants, createInflate } from 'node:zlib';
import { ca, host } from './pop.mjs';
import { eventually, within } from './harness.mjs';

const port = 443;

// Collects what comes in; `ended` once the other side has closed or reset.
function watched(socket) {
  socket.received = Buffer.alloc(0);
  socket.ended = false;
  socket.on('data', (data) => {
    socket.received = Buffer.concat([socket.received, data]);
  });
  const end = () => {
    socket.ended = true;
  };
  for (const event of ['end', 'close', 'error']) socket.on(event, end);
  return socket;
}

export async function openTcp(address = host) {
  const socket = watched(net.connect({ host: address, port }));
  await within(10_000, new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject)), 'TCP');
  return socket;
}

export async function openTls(options = {}) {
  const socket = watched(tls.connect({ host, port, ca, ALPNProtocols: ['http/1.1'], ...options }));
  await within(20_000, new Promise((resolve, reject) => socket.once('secureConnect', resolve).once('error', reject)), 'TLS');
  return socket;
}

// A TLS connection whose bytes to the server pass through `change` once it is set.
export async function openTampered() {
  const wire = await openTcp();
  const tamper = { change: null };
  const pipe = new Duplex({
    read() {},
    write(chunk, _, done) {
      wire.write(tamper.change ? tamper.change(chunk) : chunk, done);
    },
  });
  wire.on('data', (data) => pipe.push(data));
  wire.on('close', () => pipe.push(null));
  const socket = await openTls({ socket: pipe, host: undefined, port: undefined, servername: '' });
  return Object.assign(socket, { tamper, wire });
}

export const closed = (socket, ms = 15_000) => eventually(() => socket.ended, 'the connection closed', ms);

// Writes a request and returns the answer's head and what came of the body.
export async function request(socket, text) {
  socket.received = Buffer.alloc(0);
  socket.write(text);
  await eventually(() => socket.received.includes('\r\n\r\n') || socket.ended, 'an answer');
  const answer = socket.received.toString('latin1');
  const split = answer.indexOf('\r\n\r\n');
  return { status: Number(answer.split(' ')[1]), head: answer.slice(0, split), body: answer.slice(split + 4) };
}

export function frame(opcode, payload = '', { fin = true, rsv = 0, masked = true, lengthForm = null } = {}) {
  const data = Buffer.from(payload);
  const form = lengthForm ?? (data.length < 126 ? 7 : data.length < 65536 ? 16 : 64);
  const head = Buffer.alloc(2 + { 7: 0, 16: 2, 64: 8 }[form]);
  head[0] = (fin ? 0x80 : 0) | (rsv << 4) | opcode;
  head[1] = (masked ? 0x80 : 0) | { 7: data.length & 0x7f, 16: 126, 64: 127 }[form];
  if (form === 16) head.writeUInt16BE(data.length, 2);
  if (form === 64) head.writeBigUInt64BE(BigInt(data.length), 2);
  if (!masked) return Buffer.concat([head, data]);
  const mask = randomBytes(4);
  return Buffer.concat([head, mask, data.map((byte, k) => byte ^ mask[k & 3])]);
}

function takeFrame(socket) {
  const data = socket.received;
  if (data.length < 2) return null;
  let at = 2;
  let length = data[1] & 0x7f;
  if (length === 126) {
    if (data.length < 4) return null;
    length = data.readUInt16BE(2);
    at = 4;
  } else if (length === 127) {
    if (data.length < 10) return null;
    length = Number(data.readBigUInt64BE(2));
    at = 10;
  }
  if (data.length < at + length) return null;
  socket.received = data.subarray(at + length);
  return { fin: data[0] >> 7 === 1, opcode: data[0] & 15, payload: data.subarray(at, at + length) };
}

// The next frame, or null when the connection has ended first.
export async function nextFrame(socket, ms = 10_000) {
  let frameTaken = null;
  await eventually(() => {
    frameTaken ??= takeFrame(socket);
    return frameTaken || socket.ended;
  }, 'a frame', ms);
  return frameTaken;
}

export async function nextJson(socket, wanted = () => true) {
  for (;;) {
    const got = await nextFrame(socket);
    if (got === null || got.opcode === 8) {
      throw new Error(`closed (${got ? got.payload.readUInt16BE(0) : 'no close frame'}) instead of a payload`);
    }
    if (got.opcode !== 1) continue;
    const payload = JSON.parse(got.payload);
    if (wanted(payload)) return payload;
  }
}

// The code of the Close frame that ends the connection; whatever comes before it is skipped.
export async function closeCode(socket) {
  for (;;) {
    const got = await nextFrame(socket, 15_000);
    if (got === null) return null;
    if (got.opcode === 8) {
      socket.write(frame(8, got.payload));
      return got.payload.length >= 2 ? got.payload.readUInt16BE(0) : 1005;
    }
  }
}

export const upgradeText = (path, lines = []) =>
  [`GET ${path} HTTP/1.1`, `Host: ${host}`, 'Upgrade: websocket', 'Connection: Upgrade', 'Sec-WebSocket-Version: 13',
    `Sec-WebSocket-Key: ${randomBytes(16).toString('base64')}`, ...lines, '', ''].join('\r\n');

export async function openWebSocket(path, address = host) {
  // Node compares an IPv6 address with the certificate's text for it, which is written otherwise.
  const socket = await openTls(net.isIPv6(address) ? { host: address, servername: 'localhost' } : { host: address });
  socket.write(upgradeText(path));
  await eventually(() => socket.received.includes('\r\n\r\n') || socket.ended, 'an upgrade');
  const head = socket.received.subarray(0, socket.received.indexOf('\r\n\r\n')).toString('latin1');
  if (!head.startsWith('HTTP/1.1 101')) throw new Error(`no upgrade: ${head.split('\r\n')[0]}`);
  socket.received = socket.received.subarray(head.length + 4);
  return socket;
}

export async function openGateway(query = '?v=10&encoding=json', address = host) {
  const socket = await openWebSocket(`/${query}`, address);
  socket.hello = await nextJson(socket, (payload) => payload.op === 10);
  socket.say = (op, d) => socket.write(frame(1, JSON.stringify({ op, d })));
  return socket;
}

export const identify = (token, more = {}) => ({
  token, intents: 1, properties: { os: 'linux', browser: 'test', device: 'test' }, ...more,
});

// A gateway connection as zlib-stream: every payload is what one inflater makes of the binary frames up to the
// next flush.
export async function openStream(address = host) {
  const socket = await openWebSocket('/?v=10&encoding=json&compress=zlib-stream', address);
  const inflate = createInflate();
  const texts = [];
  let text = '';
  inflate.on('data', (data) => {
    text += data.toString();
  });
  socket.nextPayload = async (wanted = () => true) => {
    for (;;) {
      if (!texts.length) {
        const got = await nextFrame(socket);
        if (got === null || got.opcode === 8) throw new Error('closed instead of a payload');
        if (got.opcode !== 2) throw new Error(`a frame of opcode ${got.opcode} in a stream`);
        if (!got.payload.subarray(-4).equals(Buffer.from([0, 0, 255, 255]))) throw new Error('a payload without its flush');
        await new Promise((resolve) => inflate.write(got.payload, () => inflate.flush(constants.Z_SYNC_FLUSH, resolve)));
        texts.push(text);
        text = '';
      }
      const payload = JSON.parse(texts.shift());
      if (wanted(payload)) return payload;
    }
  };
  socket.say = (op, d) => socket.write(frame(1, JSON.stringify({ op, d })));
  return socket;
}
