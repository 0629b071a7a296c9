// aiortc as a voice client, in the browsers' namespace: the same calls as browser.mjs offers for a page.
// SPDX-License-Identifier: Apache-2.0
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { truth } from './harness.mjs';
import { NETNS } from './browser.mjs';
import { samplesOf } from './signal.mjs';

export function aiortcPeer(python, chirp, slots = 2, way = 'sendrecv') {
  const program = fileURLToPath(new URL('aiortc_peer.py', import.meta.url));
  const child = spawn('ip', ['netns', 'exec', NETNS, python, program], { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const call = async (request) => {
    child.stdin.write(`${JSON.stringify(request)}\n`);
    const { value, done } = await lines.next();
    truth(!done, `aiortc ended at ${request.do}`);
    return JSON.parse(value);
  };
  return {
    offer: async () => (await call({ do: 'offer', chirp, slots, way })).sdp,
    answer: async (sdp) => {
      const { state } = await call({ do: 'answer', sdp });
      truth(state === 'connected', `aiortc is ${state}`);
    },
    recording: async (slot) => samplesOf(Buffer.from((await call({ do: 'recording', slot })).samples, 'base64')),
    close: () => child.stdin.end(`${JSON.stringify({ do: 'close' })}\n`),
  };
}
