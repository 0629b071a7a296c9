// Browsers, a second WebRTC stack and an unmodified bot in one room. Signals go in as audio and are looked for, as audio,
// in what each of the others hears: all pairings, both ways.
// SPDX-License-Identifier: Apache-2.0
import { existsSync } from 'node:fs';
import { aiortcPeer } from './lib/aiortc.mjs';
import { join, leave } from './lib/audio.mjs';
import { launch, makeNamespace, removeNamespace, voicePage } from './lib/browser.mjs';
import { login } from './lib/client.mjs';
import { eventually, finish, need, test, truth, within } from './lib/harness.mjs';
import { CLEAR, earOf, hearsInSlots, hearsNatively, sing } from './lib/native.mjs';
import { opusTool } from './lib/opus.mjs';
import { counted, runDirectory, status, voiceChannelId, voxpop } from './lib/pop.mjs';
import { joinByWebrtc } from './lib/signalling.mjs';

const PYTHON = process.env.VOXPOP_PYTHON ?? '/usr/bin/python3';

const signals = { chromium: [300, 3000], aiortc: [3000, 300], native: [600, 1200] };
const names = Object.keys(signals);

makeNamespace();
process.on('exit', removeNamespace);
const opus = opusTool(PYTHON);
const browser = await need('Chromium starts', () => launch());
const page = await need('a page opens', () => voicePage(browser, signals.chromium, 3));
const python = aiortcPeer(PYTHON, signals.aiortc, 3);

const first = await need('Chromium joins by the voice gateway', () => joinByWebrtc(1, page));
const second = await need('aiortc joins by the voice gateway', () => joinByWebrtc(2, python));
const bot = await need('an unmodified bot logs in', () => login(3));
const connection = await need('and joins by UDP', () => join(bot));

const ear = earOf(connection, opus, { chromium: first.user.id, aiortc: second.user.id });
const silence = await sing(connection, opus, signals.native);
await page.say();

const hears = { chromium: hearsInSlots(page, signals), aiortc: hearsInSlots(python, signals), native: hearsNatively(ear, signals) };

for (const listener of names) {
  for (const speaker of names.filter((name) => name !== listener)) {
    await test(`${listener} hears ${speaker}`, () =>
      eventually(async () => (await hears[listener](speaker)) > CLEAR, `the signal of ${speaker} at ${listener}`));
  }
}

await test('nobody hears himself', async () => {
  for (const name of ['chromium', 'aiortc']) {
    const strength = await hears[name](name);
    truth(strength < CLEAR, `${name} found its own signal: ${strength}`);
  }
});

await test('the packets themselves name who speaks', () =>
  eventually(async () => (await page.sources()).flat().includes(second.ssrc), 'the SSRC of aiortc among the CSRCs'));

await test('the voice gateway tells browsers whose SSRC it is', () =>
  eventually(() => first.users.get(second.ssrc) === second.user.id, 'op 5 of aiortc'));

await test('reports go both ways: the round trip is known and nothing was lost', () =>
  eventually(async () => {
    const stats = await page.stats();
    const remote = stats.find((s) => s.type === 'remote-inbound-rtp');
    return remote?.roundTripTimeMeasurements > 0 && stats.some((s) => s.type === 'remote-outbound-rtp');
  }, 'round trip'));

await test('everybody has a score, for what he says and, where his client reports it, for what he hears', () =>
  eventually(async () => {
    const room = JSON.parse(await voxpop('room', 'show', voiceChannelId, '--json'));
    const sound = (mos) => mos > 1 && mos <= 4.5;
    const browsers = room.members.filter(({ kind }) => kind === 'webrtc');
    const natives = room.members.filter(({ kind }) => kind === 'native');
    return (
      browsers.length === 2 && browsers.every((m) => sound(m.mos_from) && sound(m.mos_to)) &&
      natives.length === 1 && sound(natives[0].mos_from) && natives[0].mos_to === null &&
      sound(room.mos) && room.mos_worst <= room.mos
    );
  }, 'scores'));

await test('SRTP is sealed by AES-GCM with Chromium', async () => {
  const transport = (await page.stats()).find((s) => s.type === 'transport');
  truth(transport.srtpCipher === 'AEAD_AES_128_GCM' || transport.srtpCipher.endsWith('AEAD_AES_128_GCM'), transport.srtpCipher);
});

await test('an offer that no peer can be made of closes the voice gateway, and is counted', () =>
  counted('CONTROL_SDP', async () => {
    const broken = { offer: async () => 'v=0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\n', answer: async () => {} };
    await within(10_000, joinByWebrtc(4, broken).then(() => { throw new Error('was taken'); }, (error) => {
      truth(/4020/.test(error.message), error.message);
    }), 'refusal');
  }));

await test('a recording for replay is refused while browsers are there, and says why', async () => {
  const refusal = await voxpop('capture', 'start', '--replay', `${runDirectory}/browsers.bundle`).then(() => 'recorded', (error) => error.stderr);
  truth(/2 browsers are in voice channels, and DTLS cannot be replayed/.test(refusal), refusal);
  truth(!existsSync(`${runDirectory}/browsers.bundle`), 'nothing is left behind');
});

await test('who leaves is not heard any more, the others go on', async () => {
  first.leave();
  await page.page.close();
  await eventually(async () => (await hears.native('aiortc')) > CLEAR, 'aiortc at the bot');
  truth((await status()).drops.VOICE_AUTH !== undefined, 'status');
});

silence();
second.leave();
python.close();
leave(connection);
await Promise.all([browser.close(), bot.destroy()]);
finish();
