// Browsers in the room. Signals go in as audio and are looked for, as audio, in what others hear.
// SPDX-License-Identifier: Apache-2.0
import { eventually, finish, need, sleep, test, truth } from './lib/harness.mjs';
import { launch, makeNamespace, removeNamespace, voicePage } from './lib/browser.mjs';
import { chirp, found } from './lib/signal.mjs';
import { joinByWebrtc } from './lib/signalling.mjs';

const up = chirp(300, 3000);
const down = chirp(3000, 300);

makeNamespace();
process.on('exit', removeNamespace);
const browser = await need('Chromium starts', launch);
const [a, b] = await need('two pages open', async () => [await voicePage(browser, up), await voicePage(browser, down)]);
const [first, second] = await need('both join by WebRTC', async () => [await joinByWebrtc(1, a), await joinByWebrtc(2, b)]);

await test('each hears the other’s signal', async () => {
  await a.say();
  await b.say();
  await sleep(4000);
  const [heardByA, heardByB] = [found(down, await a.recording(0)), found(up, await b.recording(0))];
  console.error(heardByA, heardByB, JSON.stringify(await a.sources()), JSON.stringify(await a.stats(), null, 1));
  truth(heardByA > 0.7 && heardByB > 0.7, `correlation ${heardByA} and ${heardByB}`);
});
await test('who speaks is named by the packets themselves', async () => {
  await eventually(async () => (await a.sources()).flat().includes(second.ssrc), 'a sees b’s SSRC');
});
first.leave();
second.leave();
await browser.close();
finish();
