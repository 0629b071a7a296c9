// A voice call: one peer connection with a section to talk in and some to hear with. Who is in which of them the packets
// say themselves: each carries its speaker's SSRC as a contributing source; op 5 tells whose that is.
// SPDX-License-Identifier: Apache-2.0
import { barsOf, score } from './emodel.js';
import { VoiceGateway } from './gateway.js';

const SLOTS = 8;
const SPEAKING_LEVEL = 0.008;
const RECENT_MS = 400;
const LOOK_MS = 120;

// Why there is no microphone, and what helps.
export function microphoneTrouble(error) {
  if (!window.isSecureContext || !navigator.mediaDevices)
    return [
      'This browser does not trust the connection to the box, so it gives no page a microphone.',
      'Let it trust the certificate of the box: its operator has the file that VOXPOP_CA in run/pop.env names. Import it as an authority, and load this page again over https.',
    ];
  if (error?.name === 'NotAllowedError' || error?.name === 'SecurityError')
    return [
      'The microphone was refused.',
      'Allow it for this page (the sign beside the address), then join again. If the browser never asked: it does not trust the certificate of the box.',
    ];
  if (error?.name === 'NotFoundError') return ['There is no microphone.', 'You hear the others. Plug one in and join again to talk.'];
  return ['The microphone cannot be used.', String(error?.message ?? error)];
}

export class Call extends EventTarget {
  muted = false;
  deafened = false;
  volumes = new Map(); // user -> 0…1
  users = new Map(); // ssrc -> user
  slots = [];
  speaking = new Set();

  constructor(session, settings = {}) {
    super();
    Object.assign(this, settings);
    this.me = session.user_id;
    this.voice = new VoiceGateway(session)
      .on('op2', () => this.start())
      .on('op4', (d) => this.answered(d))
      .on('op5', (d) => this.users.set(d.ssrc, d.user_id))
      .on('op13', (d) => this.speaking.delete(d.user_id))
      .on('over', ({ reason }) => this.state('failed', reason || 'The box ended the call'));
  }

  state(name, detail) {
    this.current = name;
    this.dispatchEvent(new CustomEvent('state', { detail: { name, detail } }));
  }

  async microphone() {
    if (!navigator.mediaDevices) return this.trouble();
    try {
      const stream = await navigator.mediaDevices.getUserMedia({
        audio: { echoCancellation: true, noiseSuppression: true, autoGainControl: true, channelCount: 1 },
      });
      return stream.getAudioTracks()[0];
    } catch (error) {
      return this.trouble(error);
    }
  }

  trouble(error) {
    this.dispatchEvent(new CustomEvent('trouble', { detail: microphoneTrouble(error) }));
    return null;
  }

  async start() {
    this.state('connecting');
    const track = await this.microphone();
    if (this.over) return track?.stop();
    this.track = track;
    this.apply();
    const pc = new RTCPeerConnection({ bundlePolicy: 'max-bundle' });
    this.pc = pc;
    pc.ontrack = ({ track: heard, receiver }) => this.hear(heard, receiver);
    pc.onconnectionstatechange = () => this.changed();
    pc.addTransceiver(track ?? 'audio', { direction: track ? 'sendrecv' : 'recvonly' });
    for (let k = 1; k < SLOTS; k += 1) pc.addTransceiver('audio', { direction: 'recvonly' });
    this.preferOpus(pc);
    await pc.setLocalDescription();
    this.voice.send(1, { protocol: 'webrtc', sdp: pc.localDescription.sdp, codecs: [{ name: 'opus', type: 'audio', priority: 1000, payload_type: 111 }] });
    this.looking = setInterval(() => this.look(), LOOK_MS);
    this.measuring = setInterval(() => this.measure(), 2000);
  }

  // Opus is what is spoken; an offer without the rest is a third as long.
  preferOpus(pc) {
    const opus = RTCRtpReceiver.getCapabilities('audio').codecs.filter(({ mimeType }) => mimeType === 'audio/opus');
    for (const one of pc.getTransceivers()) one.setCodecPreferences?.(opus);
  }

  async answered({ sdp }) {
    await this.pc.setRemoteDescription({ type: 'answer', sdp });
  }

  changed() {
    const state = this.pc.connectionState;
    if (state === 'connected') this.state('connected');
    else if (state === 'disconnected') this.state('connecting', 'Connection lost, waiting');
    else if (state === 'failed') this.state('failed', 'No way to the box for voice (UDP)');
  }

  hear(track, receiver) {
    const audio = document.createElement('audio');
    audio.autoplay = true;
    audio.srcObject = new MediaStream([track]);
    audio.muted = this.deafened;
    document.getElementById('sound').append(audio);
    audio.play().catch(() => {});
    this.slots.push({ audio, receiver, user: null });
  }

  // Who is in which slot, how loud, and whether I am heard.
  look() {
    const now = new Set();
    for (const slot of this.slots) {
      const [source] = slot.receiver.getContributingSources();
      const user = source && this.users.get(source.source);
      if (user && user !== slot.user) {
        slot.user = user;
        slot.audio.volume = this.volumes.get(user) ?? 1;
      }
      const age = source ? performance.timeOrigin + performance.now() - source.timestamp : Infinity;
      const [stream] = slot.receiver.getSynchronizationSources();
      if (user && age < RECENT_MS && (stream?.audioLevel ?? 1) > SPEAKING_LEVEL) now.add(user);
    }
    if (this.mine && !this.muted) now.add(this.me);
    if (now.size !== this.speaking.size || [...now].some((user) => !this.speaking.has(user))) {
      this.tellOwn(now.has(this.me));
      this.speaking = now;
      this.dispatchEvent(new CustomEvent('speaking', { detail: now }));
    }
    this.lookAtMyself();
  }

  async lookAtMyself() {
    if (!this.track || this.pc.connectionState === 'closed') return;
    const sender = this.pc.getSenders().find(({ track }) => track === this.track);
    const stats = await sender?.getStats();
    for (const one of stats?.values() ?? []) if (one.type === 'media-source') this.mine = one.audioLevel > SPEAKING_LEVEL;
  }

  tellOwn(speaks) {
    if (speaks !== this.speaking.has(this.me)) this.voice.send(5, { speaking: speaks ? 1 : 0, delay: 0, ssrc: 0 });
  }

  async measure() {
    const stats = [...(await this.pc.getStats()).values()];
    const path = stats.find((s) => s.type === 'candidate-pair' && s.nominated && s.state === 'succeeded');
    let received = 0;
    let lost = 0;
    let jitter = 0;
    for (const s of stats.filter(({ type }) => type === 'inbound-rtp')) {
      received += s.packetsReceived;
      lost += Math.max(0, s.packetsLost);
      jitter = Math.max(jitter, s.jitter);
    }
    const before = this.counted ?? { received: 0, lost: 0 };
    const delta = received - before.received + lost - before.lost;
    const loss = delta > 0 ? Math.max(0, (lost - before.lost) / delta) : 0;
    this.counted = { received, lost };
    if (!path) return;
    const rtt = (path.currentRoundTripTime ?? 0) * 1000;
    const line = { rtt, loss, jitter: jitter * 1000 };
    const mos = score(line);
    this.dispatchEvent(new CustomEvent('quality', { detail: { ...line, mos, bars: barsOf(mos) } }));
  }

  apply() {
    if (this.track) this.track.enabled = !this.muted;
    for (const { audio } of this.slots) audio.muted = this.deafened;
  }

  mute(muted, deafened) {
    this.muted = muted;
    this.deafened = deafened;
    this.apply();
  }

  volume(user, value) {
    this.volumes.set(user, value);
    for (const slot of this.slots) if (slot.user === user) slot.audio.volume = value;
  }

  end() {
    this.over = true;
    clearInterval(this.looking);
    clearInterval(this.measuring);
    this.voice.end();
    this.pc?.close();
    this.track?.stop();
    for (const { audio } of this.slots) audio.remove();
  }
}
