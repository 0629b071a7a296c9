// A raw client of user accounts, which no library drives: READY without intents, op 14 and op 37, relationships.
// It keeps a channel's member list as user clients do.
// SPDX-License-Identifier: Apache-2.0
import { identify, nextJson, openGateway } from './raw.mjs';
import { env, voxpop } from './pop.mjs';

export async function makeUser(name) {
  const made = JSON.parse(await voxpop('account', 'create', name, '--json'));
  await voxpop('guild', 'join', env.VOXPOP_GUILD, made.id);
  return made;
}

export async function userREST(user, method, path, body) {
  const answer = await fetch(`${env.VOXPOP_API}/v10${path}`, {
    method,
    headers: { authorization: user.token, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  return { status: answer.status, json: answer.status === 204 ? null : await answer.json() };
}

export async function openUser(user) {
  const socket = await openGateway('?v=9&encoding=json');
  const { intents, ...d } = identify(user.token, { capabilities: 16381, presence: { status: 'online', activities: [], since: 0, afk: false } });
  socket.say(2, d);
  socket.ready = (await nextJson(socket, (payload) => payload.t === 'READY')).d;
  socket.items = [];
  socket.nextList = async () => {
    const { d: update } = await nextJson(socket, (payload) => payload.t === 'GUILD_MEMBER_LIST_UPDATE');
    for (const op of update.ops) {
      if (op.op === 'SYNC') op.items.forEach((item, k) => { socket.items[op.range[0] + k] = item; });
      else if (op.op === 'INSERT') socket.items.splice(op.index, 0, op.item);
      else if (op.op === 'UPDATE') socket.items[op.index] = op.item;
      else if (op.op === 'DELETE') socket.items.splice(op.index, 1);
      else if (op.op === 'INVALIDATE') for (let k = op.range[0]; k <= op.range[1]; k += 1) delete socket.items[k];
    }
    return update;
  };
  return socket;
}
