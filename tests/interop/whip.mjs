// WHIP and WHEP with real clients: Chromium and aiortc come into a voice channel by one HTTP request each, an unmodified bot by UDP. Signals
// go in as audio and are looked for, as audio, in what each of the others hears.
// SPDX-License-Identifier: Apache-2.0
import { aiortcPeer } from './lib/aiortc.mjs';
import { join, leave } from './lib/audio.mjs';
import { launch, makeNamespace, removeNamespace, voicePage } from './lib/browser.mjs';
import { login } from './lib/client.mjs';
import { equal, eventually, finish, need, test, truth } from './lib/harness.mjs';
import { CLEAR, earOf, hearsInSlots, hearsNatively, sing } from './lib/native.mjs';
import { opusTool } from './lib/opus.mjs';
import { counted, guildId, host, textChannelId, voiceChannelId } from './lib/pop.mjs';
import { joinByHttp, joinByWebrtc, whip } from './lib/signalling.mjs';

const PYTHON = process.env.VOXPOP_PYTHON ?? '/usr/bin/python3';
const SDP = 'application/sdp';
const FRAGMENT = 'application/trickle-ice-sdpfrag';
const channel = `/whip/${voiceChannelId}`;

const signals = { chromium: [300, 3000], aiortc: [3000, 300], native: [600, 1200] };

makeNamespace();
process.on('exit', removeNamespace);
const opus = opusTool(PYTHON);
const browser = await need('Chromium starts', () => launch());
const talker = await need('a page opens', () => voicePage(browser, signals.chromium, 1, 'sendonly'));
const listener = await voicePage(browser, [1, 2], 3, 'recvonly');
const python = aiortcPeer(PYTHON, signals.aiortc, 3);

const bot = await need('an unmodified bot logs in', () => login(3));
const first = await need('Chromium publishes by WHIP', () => joinByHttp(1, talker, 'whip'));
const second = await need('aiortc publishes by WHIP, and listens beside it', () => joinByHttp(2, python, 'whip'));
const third = await need('Chromium listens by WHEP', () => joinByHttp(4, listener, 'whep'));
const connection = await need('the bot joins by UDP', () => join(bot));

const states = () => [...bot.guilds.cache.get(guildId).voiceStates.cache.values()].filter((state) => state.channelId === voiceChannelId);
const inRoom = await need('the bot sees all four in the channel, and which of them cannot talk or hear', () =>
  eventually(() => {
    const list = states();
    return list.length === 4 && list.filter((s) => s.selfMute).length === 1 && list.filter((s) => s.selfDeaf).length === 1 && list;
  }, 'four voice states'));
const idOf = { chromium: inRoom.find((s) => s.selfDeaf).id, aiortc: inRoom.find((s) => !s.selfDeaf && !s.selfMute && s.id !== bot.user.id).id };

const botsEar = earOf(connection, opus, idOf);
const silence = await sing(connection, opus, signals.native);
await talker.say();

const hears = {
  'Chromium by WHEP': hearsInSlots(listener, signals),
  'aiortc by WHIP': hearsInSlots(python, signals),
  'the bot': hearsNatively(botsEar, signals),
};
const heard = (who, name) => test(`${who} hears ${name}`, () => eventually(async () => (await hears[who](name)) > CLEAR, `the signal of ${name}`));

for (const name of ['chromium', 'aiortc', 'native']) await heard('Chromium by WHEP', name);
for (const name of ['chromium', 'native']) await heard('aiortc by WHIP', name);
for (const name of ['chromium', 'aiortc']) await heard('the bot', name);

await test('candidates are taken, and after an ICE restart the same call goes on', async () => {
  const frag = 'a=ice-ufrag:EsAw\r\na=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\nm=audio 9 RTP/AVP 0\r\na=mid:0\r\na=end-of-candidates\r\n';
  equal((await whip('PATCH', first.session, { type: FRAGMENT, match: first.etag, body: frag })).status, 204, 'trickle');
  equal((await whip('PATCH', first.session, { type: FRAGMENT, match: '"x"', body: frag })).status, 412, 'a wrong ETag');
  equal((await whip('PATCH', first.session, { type: FRAGMENT, body: frag })).status, 428, 'no ETag');
  const again = await listener.restart(async (body) => whip('PATCH', third.session, { as: 4, type: FRAGMENT, match: '*', body }));
  equal(again.status, 200, 'restart');
  truth(again.etag && again.etag !== third.etag, `a new ETag: ${again.etag}`);
  await listener.forget();
  await eventually(async () => (await hears['Chromium by WHEP']('native')) > CLEAR, 'the bot at Chromium');
});

await test('what is refused says why, and is counted', async () => {
  const offer = third.offer ?? 'v=0\r\n';
  await counted('REST_UNAUTHORIZED', async () => equal((await whip('POST', channel, { as: null, type: SDP, body: offer })).status, 401, 'nobody'));
  await counted('CONTROL_SDP', async () => equal((await whip('POST', channel, { type: SDP, body: offer })).status, 400, 'half an SDP'));
  await counted('REST_INVALID', async () => equal((await whip('POST', channel, { type: 'text/plain', body: offer })).status, 415, 'another type'));
  await counted('REST_INVALID', async () => equal((await whip('GET', channel)).headers.get('allow'), 'POST, OPTIONS', 'GET'));
  await counted('REST_NOT_FOUND', async () => equal((await whip('POST', `/whip/${textChannelId}`, { type: SDP, body: await listener.offerAgain('sendonly') })).status, 404, 'a text channel'));
  await counted('REST_INVALID', async () => equal((await whip('POST', channel, { as: 3, type: SDP, body: await listener.offerAgain('sendonly') })).status, 409, 'who is in a call'));
  equal((await whip('POST', channel, { type: SDP, body: await listener.offerAgain('recvonly') })).status, 422, 'WHIP without a voice');
  equal((await whip('POST', `/whep/${voiceChannelId}`, { type: SDP, body: await listener.offerAgain('sendonly') })).status, 422, 'WHEP without an ear');
});

await test('a page of another origin may ask', async () => {
  const answer = await listener.page.evaluate(async ([url]) => {
    const response = await fetch(url, { method: 'POST', headers: { authorization: 'Bearer x', 'content-type': 'application/sdp' }, body: 'v=0' });
    return [response.status, (await response.json()).code];
  }, [`https://${host}${channel}`]);
  equal(answer, [401, 0], 'status and code, read across origins');
});

await test('who deletes his session is gone, and the others go on', async () => {
  equal((await third.leave()).status, 200, 'DELETE');
  equal((await third.leave()).status, 404, 'a second time');
  await eventually(() => states().length === 3, 'three voice states');
  botsEar.forget('aiortc');
  await eventually(async () => (await hears['the bot']('aiortc')) > CLEAR, 'aiortc at the bot');
});

const ear = aiortcPeer(PYTHON, [1, 2], 3, 'recvonly');
const fourth = await need('aiortc listens by WHEP', () => joinByHttp(4, ear, 'whep'));
hears['aiortc by WHEP'] = hearsInSlots(ear, signals);
for (const name of ['chromium', 'aiortc', 'native']) await heard('aiortc by WHEP', name);

await test('the same account coming by the voice gateway takes its place', async () => {
  const page = await voicePage(browser, signals.chromium, 3);
  await first.leave();
  const taken = await joinByWebrtc(4, page);
  equal((await fourth.leave()).status, 404, 'the WHEP session has ended');
  taken.leave();
  await page.page.close();
});

await test('who vanishes without a word is out of the channel when his association ends', async () => {
  python.close();
  await eventually(() => !states().some((s) => s.id === idOf.aiortc), 'aiortc leaves');
  equal((await second.leave()).status, 404, 'its session');
});

silence();
ear.close();
leave(connection);
await Promise.all([browser.close(), bot.destroy()]);
finish();
