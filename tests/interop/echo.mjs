// The conformance echo endpoint gives back what it gets: text and binary, every length where the header changes.
// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from 'node:crypto';
import { equal, finish, need, test } from './lib/harness.mjs';
import { openEcho } from './lib/echo.mjs';

const echo = await need('a WebSocket client connects to the echo endpoint', openEcho);

for (const length of [0, 1, 125, 126, 127, 1400, 4096, 65535, 65536]) {
  await test(`${length} bytes come back, as text and as binary`, async () => {
    equal(await echo.ask('ö'.repeat(length >> 1) + 'x'.repeat(length & 1)), 'ö'.repeat(length >> 1) + 'x'.repeat(length & 1), 'text');
    const data = randomBytes(length);
    equal(Buffer.compare(Buffer.from(await echo.ask(data)), data), 0, 'binary');
  });
}

await test('a hundred messages sent at once come back in order', async () => {
  const messages = Array.from({ length: 100 }, (_, k) => `message ${k} ${'x'.repeat(k * 17)}`);
  equal(await Promise.all(messages.map((message) => echo.ask(message))), messages, 'messages');
});

await test('the close is answered with its own code', async () => {
  equal(await echo.close(1000), 1000, 'code');
});
finish();
