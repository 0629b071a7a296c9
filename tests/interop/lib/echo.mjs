// A client of the echo endpoint on Node's own WebSocket.
// SPDX-License-Identifier: Apache-2.0
import { env } from './pop.mjs';
import { within } from './harness.mjs';

export async function openEcho() {
  const socket = new WebSocket(env.VOXPOP_ECHO);
  socket.binaryType = 'arraybuffer';
  const waiting = [];
  socket.addEventListener('message', ({ data }) => waiting.shift()?.resolve(data));
  const closing = new Promise((resolve) => {
    socket.addEventListener('close', ({ code }) => {
      for (const { reject } of waiting.splice(0)) reject(new Error(`closed with ${code}`));
      resolve(code);
    });
  });
  await within(60_000, new Promise((resolve, reject) => {
    socket.addEventListener('open', resolve);
    socket.addEventListener('error', ({ error }) => reject(error ?? new Error('no connection')));
  }), 'the echo connection');
  return {
    ask(data, ms = 120_000) {
      const answer = new Promise((resolve, reject) => waiting.push({ resolve, reject }));
      socket.send(data);
      return within(ms, answer, 'an echo');
    },
    close(code) {
      socket.close(code);
      return within(10_000, closing, 'the close');
    },
  };
}
