// User accounts by a raw client: friends and their presence, member lists, and streams that are compressed.
// SPDX-License-Identifier: Apache-2.0
import { inflateSync } from 'node:zlib';
import { equal, finish, need, test, truth } from './lib/harness.mjs';
import { identify, nextFrame, nextJson, openGateway, openStream } from './lib/raw.mjs';
import { makeUser, openUser, userREST } from './lib/user.mjs';
import { guildId, rest, textChannelId, token, voxpop } from './lib/pop.mjs';

const name = (what) => `${what}${Date.now().toString(36)}`;

await test('zlib-stream: hello, READY, the guild and messages are one stream to one inflater', async () => {
  const stream = await openStream();
  const hello = await stream.nextPayload();
  equal(hello.op, 10, 'hello');
  stream.say(1, null);
  equal((await stream.nextPayload()).op, 11, 'acknowledgement');
  stream.say(2, identify(token(3), { intents: 1 | (1 << 9) | (1 << 15) }));
  const ready = await stream.nextPayload((payload) => payload.t === 'READY');
  equal(ready.s, 1, 'sequence of READY');
  await stream.nextPayload((payload) => payload.t === 'GUILD_CREATE');
  const plain = await openGateway();
  plain.say(2, identify(token(4), { intents: 1 | (1 << 9) | (1 << 15) }));
  await nextJson(plain, (payload) => payload.t === 'GUILD_CREATE');
  for (let k = 0; k < 20; k += 1) {
    const content = `${'compress me '.repeat(k * 5)}${k} été`;
    const { json } = await rest('POST', `/channels/${textChannelId}/messages`, { body: { content } });
    const [a, b] = await Promise.all([stream, plain].map((one, which) =>
      which ? nextJson(one, (payload) => payload.t === 'MESSAGE_CREATE') : one.nextPayload((payload) => payload.t === 'MESSAGE_CREATE')));
    equal([a.d.id, a.d.content], [json.id, content], 'message');
    equal(b.d, a.d, 'the same to a client without compression');
  }
  stream.destroy();
  plain.destroy();
});

await test('a session resumes as a stream that began without one, and is told what it missed', async () => {
  const first = await openGateway();
  first.say(2, identify(token(3), { intents: 1 | (1 << 9) | (1 << 15) }));
  const { d } = await nextJson(first, (payload) => payload.t === 'READY');
  const { s } = await nextJson(first, (payload) => payload.t === 'GUILD_CREATE');
  first.destroy();
  const { json } = await rest('POST', `/channels/${textChannelId}/messages`, { body: { content: 'while away' } });
  const second = await openStream();
  second.say(6, { token: token(3), session_id: d.session_id, seq: s });
  const missed = await second.nextPayload((payload) => payload.t === 'MESSAGE_CREATE');
  equal([missed.s, missed.d.id], [s + 1, json.id], 'missed');
  equal((await second.nextPayload((payload) => payload.t === 'RESUMED')).s, s + 2, 'resumed');
  second.destroy();
});

await test('with compress in identify a payload is a zlib stream of its own', async () => {
  const gateway = await openGateway();
  gateway.say(2, identify(token(3), { compress: true }));
  const ready = await nextFrame(gateway);
  equal(ready.opcode, 2, 'opcode of READY');
  equal(JSON.parse(inflateSync(ready.payload)).t, 'READY', 'event');
  gateway.say(1, 1);
  let got;
  do got = await nextFrame(gateway); while (got.opcode !== 1);
  equal(JSON.parse(got.payload).op, 11, 'a short one as text');
  gateway.destroy();
});

const [eve, fay] = await need('user accounts are made', async () => [await makeUser(name('eve')), await makeUser(name('fay'))]);

await test('friends: asked, accepted, told of each other’s presence, and told no more once it is over', async () => {
  const a = await openUser(eve);
  const b = await openUser(fay);
  equal((await userREST(eve, 'PUT', `/users/@me/relationships/${fay.id}`, {})).status, 204, 'asked');
  equal((await nextJson(b, (payload) => payload.t === 'RELATIONSHIP_ADD')).d.type, 3, 'incoming');
  equal((await userREST(fay, 'PUT', `/users/@me/relationships/${eve.id}`, {})).status, 204, 'accepted');
  equal((await nextJson(b, (payload) => payload.t === 'RELATIONSHIP_ADD')).d.type, 1, 'friends');
  equal((await nextJson(b, (payload) => payload.t === 'PRESENCE_UPDATE')).d.status, 'online', 'online');
  a.say(3, { status: 'dnd', activities: [{ name: 'x', type: 0 }], since: 0, afk: false });
  const changed = (await nextJson(b, (payload) => payload.t === 'PRESENCE_UPDATE')).d;
  equal([changed.user.id, changed.status, changed.activities[0].name], [eve.id, 'dnd', 'x'], 'changed');
  a.destroy();
  const gone = (await nextJson(b, (payload) => payload.t === 'PRESENCE_UPDATE' && payload.d.status === 'offline')).d;
  equal(gone.user.id, eve.id, 'gone');
  equal((await userREST(fay, 'DELETE', `/users/@me/relationships/${eve.id}`)).status, 204, 'ended');
  equal((await userREST(fay, 'GET', '/users/@me/relationships')).json, [], 'list');
  b.destroy();
});

await test('a member list is told as a whole, then as what changes', async () => {
  const watcher = await openUser(eve);
  watcher.say(14, { guild_id: guildId, typing: true, activities: true, threads: false, channels: { [textChannelId]: [[0, 99]] } });
  const first = await watcher.nextList();
  equal(first.ops.map((op) => op.op), ['SYNC'], 'operations');
  equal(first.id, 'everyone', 'list');
  const other = await openUser(fay);
  const online = () => watcher.items.find((item) => item.member?.user.id === fay.id)?.member.presence.status;
  while (online() !== 'online') await watcher.nextList();
  other.say(3, { status: 'idle', activities: [], since: 0, afk: false });
  while (online() !== 'idle') {
    const update = await watcher.nextList();
    truth(update.ops.every((op) => op.op !== 'SYNC'), 'told whole again');
  }
  watcher.say(37, { subscriptions: { [guildId]: {} } });
  watcher.destroy();
  other.destroy();
});

await test('op 8 answers by name and by id, with what it was given to echo', async () => {
  const gateway = await openGateway();
  gateway.say(2, identify(token(1), { intents: 1 | 2 | (1 << 8) }));
  await nextJson(gateway, (payload) => payload.t === 'GUILD_CREATE');
  gateway.say(8, { guild_id: guildId, query: 'eve', limit: 10, nonce: 'n', presences: true });
  const named = (await nextJson(gateway, (payload) => payload.t === 'GUILD_MEMBERS_CHUNK')).d;
  truth(named.members.some((member) => member.user.id === eve.id), 'eve by name');
  equal([named.nonce, named.chunk_index, named.chunk_count], ['n', 0, 1], 'chunk');
  gateway.say(8, { guild_id: guildId, user_ids: [fay.id, '5'] });
  const asked = (await nextJson(gateway, (payload) => payload.t === 'GUILD_MEMBERS_CHUNK')).d;
  equal([asked.members.map((member) => member.user.id), asked.not_found], [[fay.id], ['5']], 'by id');
  gateway.destroy();
});

await test('the operator sees, befriends, limits and removes accounts', async () => {
  const json = async (...args) => JSON.parse(await voxpop(...args, '--json'));
  await json('friend', 'add', eve.id, fay.id);
  equal((await json('friend', 'list', eve.id)).map((one) => one.account), [fay.id], 'friends');
  await json('friend', 'remove', eve.id, fay.id);
  await json('account', 'set', eve.id, '--intents', 'members');
  equal((await json('account', 'show', eve.id)).intents, ['members'], 'intents');
  equal((await json('token', 'list', eve.id)).tokens.length, 1, 'tokens');
  await json('account', 'delete', fay.id);
  truth(!(await json('account', 'list')).accounts.some((one) => one.id === fay.id), 'still there');
});

await test('a draining box asks clients to reconnect, and resumes them when it serves again', async () => {
  const gateway = await openGateway();
  gateway.say(2, identify(token(2)));
  const { d } = await nextJson(gateway, (payload) => payload.t === 'READY');
  const { s } = await nextJson(gateway, (payload) => payload.t === 'GUILD_CREATE');
  await voxpop('pop', 'drain', '--over', '1', '--wait');
  equal((await nextJson(gateway, (payload) => payload.op === 7)).d, null, 'd of op 7');
  gateway.destroy();
  try {
    const held = await openGateway();
    held.say(6, { token: token(2), session_id: d.session_id, seq: s });
    equal((await nextJson(held, (payload) => payload.op === 7)).d, null, 'come again later');
    equal((await nextFrame(held)).payload.readUInt16BE(0), 1012, 'close code of who does not go');
  } finally {
    await voxpop('pop', 'undrain');
  }
  const again = await openGateway();
  again.say(6, { token: token(2), session_id: d.session_id, seq: s });
  await nextJson(again, (payload) => payload.t === 'RESUMED');
  again.destroy();
});

finish();
