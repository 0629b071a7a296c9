// The box's REST interface, with a token.
// SPDX-License-Identifier: Apache-2.0

export class Api {
  constructor(token) {
    this.token = token;
  }

  async call(method, path, body) {
    const answer = await fetch(`/api/v10${path}`, {
      method,
      headers: { authorization: `Bot ${this.token}`, ...(body ? { 'content-type': 'application/json' } : {}) },
      body: body ? JSON.stringify(body) : undefined,
    });
    const text = await answer.text();
    const json = text ? JSON.parse(text) : null;
    if (answer.status === 429) {
      await new Promise((resolve) => setTimeout(resolve, 1000 * Number(answer.headers.get('retry-after') ?? 1)));
      return this.call(method, path, body);
    }
    if (!answer.ok) throw Object.assign(new Error(json?.message ?? `error ${answer.status}`), { status: answer.status });
    return json;
  }

  me = () => this.call('GET', '/users/@me');
  messages = (channel, before) => this.call('GET', `/channels/${channel}/messages?limit=50${before ? `&before=${before}` : ''}`);
  say = (channel, content, nonce) => this.call('POST', `/channels/${channel}/messages`, { content, nonce });
  typing = (channel) => this.call('POST', `/channels/${channel}/typing`);
}
