// Headless Chromium as a voice client, in a namespace of its own on the bridge of the POP. What it says is a known
// signal, what it hears is recorded slot by slot.
// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { samplesOf } from './signal.mjs';

export const NETNS = 'vxweb';
const ADDRESS = '198.18.0.90/24';
const ip = (...args) => execFileSync('ip', args, { stdio: 'ignore' });

export function makeNamespace() {
  removeNamespace();
  ip('netns', 'add', NETNS);
  // Chromium drops what it loads when an address comes or is confirmed: an IPv6 one is, a second after its link.
  ip('netns', 'exec', NETNS, 'sh', '-c', 'for k in all default; do echo 1 >/proc/sys/net/ipv6/conf/$k/disable_ipv6; done');
  ip('link', 'add', 'vxwebh', 'type', 'veth', 'peer', 'name', 'vxwebc', 'netns', NETNS);
  ip('link', 'set', 'vxwebh', 'master', 'vxbr0', 'up');
  ip('-n', NETNS, 'addr', 'add', ADDRESS, 'dev', 'vxwebc');
  ip('-n', NETNS, 'link', 'set', 'lo', 'up');
  ip('-n', NETNS, 'link', 'set', 'vxwebc', 'up');
  for (const [netns, device] of [[null, 'vxwebh'], [NETNS, 'vxwebc']]) {
    const enter = netns ? ['netns', 'exec', netns] : [];
    const command = ['ethtool', '-K', device, 'tx', 'off', 'tso', 'off', 'gso', 'off', 'gro', 'off'];
    execFileSync(enter.length ? 'ip' : command[0], enter.length ? [...enter, ...command] : command.slice(1), { stdio: 'ignore' });
  }
}

export function removeNamespace() {
  for (const command of [['netns', 'del', NETNS], ['link', 'del', 'vxwebh']]) {
    try {
      ip(...command);
    } catch {
      // it was not there
    }
  }
}

// `more`: switches beside the usual ones.
export async function launch(more = []) {
  process.env.VOXPOP_WEB_NETNS = NETNS;
  return chromium.launch({
    executablePath: fileURLToPath(new URL('chromium.sh', import.meta.url)),
    args: [
      '--no-sandbox',
      '--ignore-certificate-errors',
      '--autoplay-policy=no-user-gesture-required',
      '--use-fake-device-for-media-stream',
      '--use-fake-ui-for-media-stream',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      '--no-first-run',
      ...more,
    ],
  });
}

// Runs in the page: a peer connection with one section to talk in and some to hear with.
function pageProgram() {
  globalThis.peer = {
    heard: [],
    // `way`: sendrecv, or sendonly and recvonly as WHIP and WHEP have it.
    async offer([from, to], slots, way = 'sendrecv') {
      const context = new AudioContext({ sampleRate: 48000 });
      const buffer = context.createBuffer(1, 48000, 48000);
      const data = buffer.getChannelData(0);
      for (let n = 0; n < data.length; n += 1) {
        const t = n / 48000;
        data[n] = 0.5 * Math.min(1, t / 0.01, (1 - t) / 0.01) * Math.sin(2 * Math.PI * (from * t + ((to - from) / 2) * t * t));
      }
      const said = context.createMediaStreamDestination();
      this.context = context;
      this.say = () => {
        const source = context.createBufferSource();
        source.buffer = buffer;
        source.loop = true;
        source.connect(said);
        source.start();
        this.stop = () => source.stop();
      };
      const pc = new RTCPeerConnection({ bundlePolicy: 'max-bundle' });
      this.pc = pc;
      pc.ontrack = ({ track }) => this.record(track);
      if (way !== 'recvonly') pc.addTransceiver(said.stream.getAudioTracks()[0], { direction: way });
      for (let k = way === 'recvonly' ? 0 : 1; k < slots; k += 1) pc.addTransceiver('audio', { direction: 'recvonly' });
      await pc.setLocalDescription();
      return pc.localDescription.sdp;
    },
    record(track) {
      const stream = new MediaStream([track]);
      const element = new Audio(); // without one, Chromium decodes nothing
      element.srcObject = stream;
      element.muted = true;
      element.play();
      const source = this.context.createMediaStreamSource(stream);
      const node = this.context.createScriptProcessor(4096, 1, 1);
      const chunks = [];
      node.onaudioprocess = (event) => chunks.push(event.inputBuffer.getChannelData(0).slice());
      source.connect(node);
      node.connect(this.context.destination);
      this.heard.push(chunks);
    },
    async answer(sdp) {
      await this.pc.setRemoteDescription({ type: 'answer', sdp });
      await new Promise((resolve, reject) => {
        const look = () => {
          if (this.pc.connectionState === 'connected') resolve();
          if (this.pc.connectionState === 'failed') reject(new Error('connection failed'));
        };
        this.pc.onconnectionstatechange = look;
        look();
        setTimeout(() => reject(new Error(`still ${this.pc.connectionState}, ICE ${this.pc.iceConnectionState}`)), 60000);
      });
    },
    // The last seconds of a slot, a sixth of the samples, as base64 of 16 bits each.
    recording(slot) {
      const chunks = (this.heard[slot] ?? []).slice(-36);
      const out = new Int16Array(Math.floor((chunks.length * 4096) / 6));
      const sample = (n) => chunks[Math.floor(n / 4096)][n % 4096];
      for (let n = 0; n < out.length; n += 1) {
        let sum = 0;
        for (let k = 0; k < 6; k += 1) sum += sample(6 * n + k);
        out[n] = Math.max(-32768, Math.min(32767, Math.round((sum / 6) * 32767)));
      }
      return btoa(String.fromCharCode(...new Uint8Array(out.buffer).subarray(0, 60000)) + String.fromCharCode(...new Uint8Array(out.buffer).subarray(60000)));
    },
    sources: () => globalThis.peer.pc.getReceivers().map((r) => r.getContributingSources().map((s) => s.source)),
    async stats() {
      return [...(await globalThis.peer.pc.getStats()).values()].filter((s) => /rtp|transport|candidate-pair/.test(s.type));
    },
    // An offer of a connection that is never made.
    async offerAgain(way) {
      const pc = new RTCPeerConnection();
      pc.addTransceiver('audio', { direction: way });
      await pc.setLocalDescription();
      const { sdp } = pc.localDescription;
      pc.close();
      return sdp;
    },
    // ICE anew (RFC 9725 4.3.3): the fragment that says so, and what its answer makes of the remote description.
    async restartOffer() {
      this.pc.restartIce();
      await this.pc.setLocalDescription();
      const lines = this.pc.localDescription.sdp.split('\r\n');
      const one = (start) => lines.find((line) => line.startsWith(start));
      return `${one('a=ice-ufrag:')}\r\n${one('a=ice-pwd:')}\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\n${one('a=mid:')}\r\n`;
    },
    async restartAnswer(fragment) {
      const one = (start) => fragment.split('\r\n').find((line) => line.startsWith(start));
      const sdp = this.pc.remoteDescription.sdp
        .replaceAll(/a=ice-ufrag:.*/g, one('a=ice-ufrag:'))
        .replaceAll(/a=ice-pwd:.*/g, one('a=ice-pwd:'));
      await this.pc.setRemoteDescription({ type: 'answer', sdp });
      return one('a=ice-ufrag:').slice(12);
    },
    forget() {
      for (const chunks of this.heard) chunks.length = 0;
    },
  };
}

// It says the chirp [from, to] (signal.mjs).
export async function voicePage(browser, chirp, slots = 3, way = 'sendrecv') {
  const page = await browser.newPage({ ignoreHTTPSErrors: true });
  await page.route('https://page.test/**', (route) => route.fulfill({ contentType: 'text/html', body: '<title>peer</title>' }));
  await page.goto('https://page.test/');
  await page.evaluate(pageProgram);
  const call = (name, ...args) => page.evaluate(([n, a]) => globalThis.peer[n](...a), [name, args]);
  return {
    page,
    offer: () => call('offer', chirp, slots, way),
    answer: (sdp) => call('answer', sdp),
    say: () => call('say'),
    hush: () => call('stop'),
    forget: () => call('forget'),
    offerAgain: (theWay) => call('offerAgain', theWay),
    // `ask` sends the fragment and gives {status, headers, text}.
    restart: async (ask) => {
      const { status, headers, text } = await ask(await call('restartOffer'));
      if (status === 200) await call('restartAnswer', text);
      return { status, etag: headers.get('etag') };
    },
    sources: () => call('sources'),
    stats: () => call('stats'),
    recording: async (slot) => samplesOf(Buffer.from(await call('recording', slot), 'base64')),
  };
}
