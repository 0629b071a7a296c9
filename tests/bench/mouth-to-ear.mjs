// mouth-to-ear: two Chromium processes, chirps in at one, cross-correlation at the other; through the box (WHIP in, WHEP out), and with the
// same two connected directly. Prints one JSON object.
//
// Both record, on their audio threads, what is said and what is heard, and know when: the least of (now - context time) over all blocks is the
// offset of their clocks, so that what recording takes is on both sides and cancels. A chirp that is not found again is missing, and too many
// of them fail the run.
// SPDX-License-Identifier: Apache-2.0
import { launch, makeNamespace, removeNamespace } from '../interop/lib/browser.mjs';
import { eventually } from '../interop/lib/harness.mjs';
import { status } from '../interop/lib/pop.mjs';
import { joinByHttp } from '../interop/lib/signalling.mjs';
import { samplesOf } from '../interop/lib/signal.mjs';

const CHIRPS = Number(process.env.VOXPOP_CHIRPS ?? 40);
const APART_MS = 500;
const RATE = 8000;
const LENGTH = 0.1 * RATE;
const FOUND = 0.6;
const MISSING_MAX = 0.2;

// Runs in a page.
function pageProgram() {
  globalThis.ear = {
    context: null,
    blocks: [],
    offset: Infinity,
    async open(recorder) {
      this.context = new AudioContext({ sampleRate: 48000, latencyHint: 'interactive' });
      await this.context.audioWorklet.addModule(URL.createObjectURL(new Blob([recorder], { type: 'text/javascript' })));
      this.mouth = this.context.createMediaStreamDestination();
      this.recorder = new AudioWorkletNode(this.context, 'recorder', { channelCount: 1, channelCountMode: 'explicit' });
      this.recorder.port.onmessage = ({ data: [now, at, samples] }) => {
        this.offset = Math.min(this.offset, now - at * 1000);
        this.last = at;
        if (this.recording) this.blocks.push([at, samples]);
      };
      this.recorder.connect(this.context.destination);
    },
    // Chirps from 600 to 3400 Hz, a tenth of a second long.
    // Gives when the last one is over, in ms since 1970.
    say(count, apart) {
      const begin = this.context.currentTime + 0.2;
      const buffer = this.context.createBuffer(1, 4800, 48000);
      const data = buffer.getChannelData(0);
      for (let n = 0; n < data.length; n += 1) {
        const t = n / 48000;
        data[n] = 0.6 * Math.min(1, t / 0.005, (0.1 - t) / 0.005) * Math.sin(2 * Math.PI * (600 * t + 14000 * t * t));
      }
      for (let k = 0; k < count; k += 1) {
        const source = this.context.createBufferSource();
        source.buffer = buffer;
        source.connect(this.mouth);
        source.connect(this.recorder);
        source.start(begin + (k * apart) / 1000);
      }
      return this.offset + begin * 1000 + count * apart;
    },
    // Up to when it has listened, in ms since 1970.
    listened() {
      return this.offset + this.last * 1000;
    },
    hear(track) {
      const stream = new MediaStream([track]);
      const element = new Audio(); // without one, Chromium decodes nothing
      element.srcObject = stream;
      element.muted = true;
      element.play();
      this.context.createMediaStreamSource(stream).connect(this.recorder);
    },
    peer(way) {
      const pc = new RTCPeerConnection({ bundlePolicy: 'max-bundle' });
      this.pc = pc;
      if (way === 'sendonly') pc.addTransceiver(this.mouth.stream.getAudioTracks()[0], { direction: way });
      pc.ontrack = ({ track }) => this.hear(track);
      return pc;
    },
    async offer(way) {
      const pc = this.peer(way);
      if (way === 'recvonly') pc.addTransceiver('audio', { direction: way });
      await pc.setLocalDescription();
      return this.gathered();
    },
    async reply(sdp) {
      const pc = this.peer('recvonly');
      await pc.setRemoteDescription({ type: 'offer', sdp });
      await pc.setLocalDescription();
      return this.gathered();
    },
    async gathered() {
      while (this.pc.iceGatheringState !== 'complete') await new Promise((resolve) => this.pc.addEventListener('icegatheringstatechange', resolve, { once: true }));
      return this.pc.localDescription.sdp;
    },
    answer: (sdp) => globalThis.ear.pc.setRemoteDescription({ type: 'answer', sdp }),
    state: () => globalThis.ear.pc.connectionState,
    start() {
      this.blocks = [];
      this.recording = true;
    },
    // What was recorded, a sixth of the samples as 16 bits in base64, and when its first sample was, in ms since 1970.
    stop() {
      this.recording = false;
      const [first] = this.blocks[0];
      const last = this.blocks.at(-1);
      const all = new Float32Array(Math.round((last[0] - first) * 48000) + 128);
      for (const [at, samples] of this.blocks) all.set(samples, Math.round((at - first) * 48000));
      const out = new Int16Array(Math.floor(all.length / 6));
      for (let n = 0; n < out.length; n += 1) {
        let sum = 0;
        for (let k = 0; k < 6; k += 1) sum += all[6 * n + k];
        out[n] = Math.max(-32768, Math.min(32767, Math.round((sum / 6) * 32767)));
      }
      const bytes = new Uint8Array(out.buffer);
      let text = '';
      for (let n = 0; n < bytes.length; n += 30000) text += String.fromCharCode(...bytes.subarray(n, n + 30000));
      return { began: this.offset + first * 1000, samples: btoa(text) };
    },
    close: () => globalThis.ear.pc.close(),
  };
}

// On the audio thread, where nothing is left out however busy the page is.
const RECORDER = `registerProcessor('recorder', class extends AudioWorkletProcessor {
  process([[samples]]) {
    this.port.postMessage([Date.now(), currentTime, samples?.slice() ?? new Float32Array(128)]);
    return true;
  }
});`;

async function open(browser) {
  const page = await browser.newPage({ ignoreHTTPSErrors: true });
  await page.route('https://page.test/**', (route) => route.fulfill({ contentType: 'text/html', body: '<title>ear</title>' }));
  await page.goto('https://page.test/');
  await page.evaluate(pageProgram);
  await page.evaluate((recorder) => globalThis.ear.open(recorder), RECORDER);
  return (name, ...args) => page.evaluate(([n, a]) => globalThis.ear[n](...a), [name, args]);
}

const pattern = Float32Array.from({ length: LENGTH }, (_, n) => {
  const t = n / RATE;
  return Math.min(1, t / 0.005, (0.1 - t) / 0.005) * Math.sin(2 * Math.PI * (600 * t + 14000 * t * t));
});
const energyOf = (a) => a.reduce((sum, v) => sum + v * v, 0);
const OWN = Math.sqrt(energyOf(pattern));

// Where in [from, to) the chirp is most like, in samples; null: nowhere.
function find(samples, from, to) {
  let best = { at: null, value: FOUND };
  for (let at = Math.max(0, Math.floor(from)); at < to && at + LENGTH <= samples.length; at += 1) {
    const norm = OWN * Math.sqrt(energyOf(samples.subarray(at, at + LENGTH)));
    if (norm < 0.05) continue;
    let sum = 0;
    for (let n = 0; n < LENGTH; n += 1) sum += pattern[n] * samples[at + n];
    if (Math.abs(sum) / norm > best.value) best = { at, value: Math.abs(sum) / norm };
  }
  return best.at;
}

// Where each chirp was said: they are exactly so far apart, from whichever is found first.
function places(samples) {
  const step = (APART_MS / 1000) * RATE;
  const anchor = find(samples, 0, 10 * RATE);
  const list = [];
  for (let k = -2 * CHIRPS; anchor !== null && k < 2 * CHIRPS; k += 1) {
    const at = find(samples, anchor + k * step - 80, anchor + k * step + 80);
    if (at !== null) list.push(at);
  }
  return list;
}

// Milliseconds from each chirp said to the same chirp heard; null where it is missing.
function delays(said, heard) {
  const shift = ((said.began - heard.began) / 1000) * RATE;
  const latest = (APART_MS / 1000) * RATE - LENGTH;
  return places(said.samples).map((at) => {
    const there = find(heard.samples, Math.floor(at + shift), Math.floor(at + shift + latest));
    return there === null ? null : ((there - shift - at) / RATE) * 1000;
  });
}

const decoded = ({ began, samples }) => ({ began, samples: samplesOf(Buffer.from(samples, 'base64')) });
const percentile = (sorted, p) => sorted[Math.min(sorted.length - 1, Math.floor(p * sorted.length))];

async function measure(mouth, ear, name) {
  for (const one of [mouth, ear]) await eventually(async () => (await one('state')) === 'connected', `${name}: connected`);
  const said = async (count) => {
    const over = (await mouth('say', count, APART_MS)) + APART_MS;
    for (const one of [mouth, ear]) await eventually(async () => (await one('listened')) > over, `${name}: ${count} chirps`);
  };
  await said(6); // the jitter buffer finds its size
  for (const one of [mouth, ear]) await one('start');
  await said(CHIRPS);
  const list = delays(decoded(await mouth('stop')), decoded(await ear('stop')));
  const found = list.filter((ms) => ms !== null).sort((a, b) => a - b);
  if (list.length < (1 - MISSING_MAX) * CHIRPS || found.length < (1 - MISSING_MAX) * CHIRPS) throw new Error(`${name}: of ${CHIRPS} chirps ${list.length} were said and ${found.length} heard`);
  return { p50: percentile(found, 0.5), p90: percentile(found, 0.9), missing: list.length - found.length };
}

makeNamespace();
process.on('exit', removeNamespace);
const browsers = [await launch(['--disable-features=WebRtcHideLocalIpsWithMdns']), await launch(['--disable-features=WebRtcHideLocalIpsWithMdns'])];

async function throughTheBox() {
  const [mouth, ear] = [await open(browsers[0]), await open(browsers[1])];
  const media = (call, way) => ({ offer: () => call('offer', way), answer: (sdp) => call('answer', sdp) });
  const first = await joinByHttp(1, media(mouth, 'sendonly'), 'whip');
  const second = await joinByHttp(2, media(ear, 'recvonly'), 'whep');
  const result = await measure(mouth, ear, 'through the box');
  const { voice_quality: quality } = await status();
  await Promise.all([first.leave(), second.leave(), mouth('close'), ear('close')]);
  return { ...result, box_p50_below_us: quality.residence_p50_below_us, box_p99_below_us: quality.residence_p99_below_us };
}

async function directly() {
  const [mouth, ear] = [await open(browsers[0]), await open(browsers[1])];
  await mouth('answer', await ear('reply', await mouth('offer', 'sendonly')));
  return measure(mouth, ear, 'directly');
}

console.log(JSON.stringify({ chirps: CHIRPS, box: await throughTheBox(), direct: await directly() }));
await Promise.all(browsers.map((browser) => browser.close()));
process.exit(0);
