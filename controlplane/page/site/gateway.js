// The two kinds of gateway connection: heartbeats, and taking a session up again after a loss.
// SPDX-License-Identifier: Apache-2.0

const HOST = location.host;
const FATAL = new Set([4004, 4010, 4011, 4012, 4013, 4014]);

class Socket extends EventTarget {
  open(url) {
    this.acknowledged = true;
    this.ws = new WebSocket(url);
    this.ws.onmessage = ({ data }) => this.take(JSON.parse(data));
    this.ws.onclose = ({ code, reason }) => {
      clearInterval(this.beating);
      this.tell('closed', { code, reason });
    };
  }

  tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }

  on(name, listener) {
    this.addEventListener(name, ({ detail }) => listener(detail));
    return this;
  }

  send(op, d) {
    if (this.ws?.readyState === WebSocket.OPEN) this.ws.send(JSON.stringify({ op, d }));
  }

  // A heartbeat that the one before was not acknowledged of closes the connection: it is dead.
  beat(interval, op, d) {
    clearInterval(this.beating);
    this.beating = setInterval(() => {
      if (!this.acknowledged) return this.ws.close(4000);
      this.acknowledged = false;
      return this.send(op, d());
    }, interval);
  }
}

export class Gateway extends Socket {
  seq = null;
  session = null;
  tries = 0;

  constructor(token, intents) {
    super();
    this.token = token;
    this.intents = intents;
    this.on('closed', ({ code }) => this.again(code));
    this.connect();
  }

  connect() {
    this.open(`wss://${HOST}/?v=10&encoding=json`);
  }

  again(code) {
    if (this.ended) return;
    if (FATAL.has(code)) return this.tell('refused', code);
    if (code === 4007 || code === 4009) this.session = null;
    this.tell('link', 'reconnecting');
    setTimeout(() => this.connect(), Math.min(250 * 2 ** this.tries++, 8000) * (0.75 + Math.random() / 2));
  }

  take({ op, d, s, t }) {
    if (s) this.seq = s;
    if (op === 10) {
      this.beat(d.heartbeat_interval, 1, () => this.seq);
      if (this.session) this.send(6, { token: this.token, session_id: this.session, seq: this.seq });
      else this.send(2, { token: this.token, intents: this.intents, properties: { os: 'web', browser: 'voxpop', device: 'voxpop' } });
    } else if (op === 11) {
      this.acknowledged = true;
    } else if (op === 1) {
      this.send(1, this.seq);
    } else if (op === 7) {
      this.ws.close(4000);
    } else if (op === 9) {
      if (!d) this.session = null;
      this.ws.close(4000);
    } else if (op === 0) {
      if (t === 'READY') this.session = d.session_id;
      if (t === 'READY' || t === 'RESUMED') {
        this.tries = 0;
        this.tell('link', 'online');
      }
      this.tell(t, d);
    }
  }

  end() {
    this.ended = true;
    this.ws.close(1000);
  }
}

export class VoiceGateway extends Socket {
  seq = -1;

  constructor(session) {
    super();
    this.session = session; // { server_id, user_id, session_id, token }
    this.on('closed', ({ code, reason }) => this.again(code, reason));
    this.open(`wss://${HOST}/voice/?v=8`);
  }

  // Everything but an end that was meant is a loss: the session is taken up again, media goes on meanwhile.
  again(code, reason) {
    if (this.ended) return;
    if (!this.identified || (code >= 4000 && code !== 4015 && code !== 4900) || code === 1000) {
      this.tell('over', { code, reason });
      return;
    }
    setTimeout(() => this.open(`wss://${HOST}/voice/?v=8`), 500);
  }

  take({ op, d, seq }) {
    if (seq !== undefined) this.seq = seq;
    if (op === 8) {
      this.beat(d.heartbeat_interval, 3, () => ({ t: Date.now(), seq_ack: this.seq }));
      const { server_id, session_id, token } = this.session;
      if (this.identified) this.send(7, { server_id, session_id, token, seq_ack: this.seq });
      else this.send(0, this.session);
    } else if (op === 6) {
      this.acknowledged = true;
    } else {
      if (op === 2) this.identified = true;
      this.tell(`op${op}`, d);
    }
  }

  end() {
    this.ended = true;
    this.ws.close(1000);
  }
}
