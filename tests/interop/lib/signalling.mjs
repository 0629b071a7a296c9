// The two ways into a voice room that WebRTC has. A gateway client as a browser's page is one: two WebSockets, and the SDP that they
// carry. And WHIP or WHEP: one request. Whoever has the media is asked for an offer and given the answer.
// SPDX-License-Identifier: Apache-2.0
import { EventEmitter, once } from 'node:events';
import WebSocket from 'ws';
import { ca, env, guildId, host, token, voiceChannelId } from './pop.mjs';
import { next, within } from './harness.mjs';

const GUILDS = 1;
const VOICE_STATES = 1 << 7;

// A WebSocket of JSON payloads, with heartbeats; emits 'payload', and each dispatch by its name.
class Gateway extends EventEmitter {
  seq = null;

  constructor(url) {
    super();
    this.socket = new WebSocket(url, { ca });
    this.socket.on('message', (data) => this.take(JSON.parse(data)));
    this.socket.on('close', (code, reason) => {
      clearInterval(this.timer);
      this.emit('closed', code, String(reason));
    });
    this.socket.on('error', (error) => this.emit('closed', 0, String(error)));
  }

  take(payload) {
    if (payload.s) this.seq = payload.s;
    if (payload.seq !== undefined) this.seq = payload.seq;
    this.emit('payload', payload);
    if (payload.t) this.emit(payload.t, payload.d);
    this.emit(`op${payload.op}`, payload.d);
  }

  send(op, d) {
    this.socket.send(JSON.stringify({ op, d }));
  }

  beat(op, interval, data) {
    this.timer = setInterval(() => this.send(op, data()), interval);
  }

  close() {
    clearInterval(this.timer);
    this.socket.close(1000);
  }
}

async function openMain(k) {
  const main = new Gateway(`${env.VOXPOP_GATEWAY}/?v=10&encoding=json`);
  const ready = next(main, 'READY');
  const hello = await next(main, 'op10');
  main.beat(1, hello.heartbeat_interval, () => main.seq);
  main.send(2, { token: token(k), intents: GUILDS | VOICE_STATES, properties: { os: 'linux', browser: 'test', device: 'test' } });
  const { user, session_id: session } = await ready;
  return { main, user, session };
}

// media: { offer(): Promise<sdp>, answer(sdp): Promise }. What is returned emits op5 and the like on .voice.
export async function joinByWebrtc(k, media, channel = voiceChannelId) {
  const { main, user, session } = await openMain(k);
  const server = next(main, 'VOICE_SERVER_UPDATE');
  main.send(4, { guild_id: guildId, channel_id: channel, self_mute: false, self_deaf: false });
  const { endpoint, token: voiceToken } = await server;
  const voice = new Gateway(`wss://${endpoint}/?v=8`);
  const users = new Map();
  voice.on('op5', (d) => users.set(d.ssrc, d.user_id));
  const ready = next(voice, 'op2');
  const { heartbeat_interval: interval } = await next(voice, 'op8');
  voice.beat(3, interval, () => ({ t: Date.now(), seq_ack: voice.seq ?? -1 }));
  voice.send(0, { server_id: guildId, user_id: user.id, session_id: session, token: voiceToken });
  const { ssrc } = await ready;
  const answer = next(voice, 'op4');
  voice.send(1, { protocol: 'webrtc', sdp: await media.offer(), codecs: [{ name: 'opus', type: 'audio', priority: 1000, payload_type: 111 }] });
  const closed = once(voice, 'closed').then(([code, reason]) => {
    throw new Error(`voice gateway closed: ${code} ${reason}`);
  });
  closed.catch(() => {});
  const leave = () => {
    main.send(4, { guild_id: guildId, channel_id: null, self_mute: false, self_deaf: false });
    voice.close();
    main.close();
  };
  const { sdp } = await within(10_000, Promise.race([answer, closed]), 'session description').catch((error) => {
    leave(); // or the account would stand in the channel until its session is given up
    throw error;
  });
  await media.answer(sdp);
  return { main, voice, user, ssrc, users, sdp, leave };
}

// A request of WHIP or WHEP: {status, headers, text}.
export async function whip(method, path, { as = 1, type, match, body } = {}) {
  const answer = await fetch(new URL(path, `https://${host}`), {
    method,
    headers: {
      ...(as === null ? {} : { authorization: `Bearer ${typeof as === 'number' ? token(as) : as}` }),
      ...(type ? { 'content-type': type } : {}),
      ...(match ? { 'if-match': match } : {}),
    },
    body,
  });
  return { status: answer.status, headers: answer.headers, text: await answer.text() };
}

// kind: whip or whep. What is returned knows its session's URL.
export async function joinByHttp(k, media, kind, channel = voiceChannelId) {
  const made = await whip('POST', `/${kind}/${channel}`, { as: k, type: 'application/sdp', body: await media.offer() });
  if (made.status !== 201) throw new Error(`${kind}: ${made.status} ${made.text}`);
  await media.answer(made.text);
  const session = made.headers.get('location');
  return { session, etag: made.headers.get('etag'), sdp: made.text, leave: () => whip('DELETE', session, { as: k }) };
}
