// Two unmodified discord.js clients chat: login, presence, messages, history, edit, delete, typing, reactions.
// SPDX-License-Identifier: Apache-2.0
import { Events } from 'discord.js';
import { equal, eventually, finish, need, next, test, truth } from './lib/harness.mjs';
import { freshText, guildOf, logins, messageFrom, textOf } from './lib/client.mjs';
import { guildId, rest, textChannelId, voiceChannelId } from './lib/pop.mjs';

const [alice, bob] = await need('two discord.js clients log in and become ready', () => logins(1, 2));

const presenceOf = (client, other) => guildOf(client).presences.cache.get(other.user.id)?.status ?? 'offline';

await test('the guild arrives with its channels, its owner and every member', async () => {
  const guild = guildOf(bob);
  equal(guild.ownerId, alice.user.id, 'owner');
  equal(guild.channels.cache.get(textChannelId)?.type, 0, 'text channel');
  equal(guild.channels.cache.get(voiceChannelId)?.type, 2, 'voice channel');
  truth(guild.members.cache.has(alice.user.id) && guild.members.cache.has(bob.user.id), 'members');
  truth(guild.roles.cache.has(guildId), '@everyone');
});

await test('each sees the other online', async () => {
  await eventually(() => presenceOf(alice, bob) === 'online', 'alice sees bob');
  await eventually(() => presenceOf(bob, alice) === 'online', 'bob sees alice');
});

await test('a presence update with an activity reaches the other', async () => {
  const update = next(bob, Events.PresenceUpdate, (_, now) => now.userId === alice.user.id && now.status === 'dnd');
  alice.user.setPresence({ status: 'dnd', activities: [{ name: 'packets', type: 3 }] });
  const [, now] = await update;
  equal(now.activities.map((activity) => [activity.name, activity.type]), [['packets', 3]], 'activities');
  alice.user.setPresence({ status: 'online', activities: [] });
  await eventually(() => presenceOf(bob, alice) === 'online', 'online again');
});

for (const [name, from, to] of [['alice', alice, bob], ['bob', bob, alice]]) {
  await test(`a message of ${name} reaches both, with the id and content of the REST answer`, async () => {
    const content = freshText(`hello from ${name} äöü 漢字 🎧`);
    const arrivals = [messageFrom(from, content), messageFrom(to, content)];
    const sent = await textOf(from).send(content);
    for (const message of await Promise.all(arrivals)) {
      equal(message.id, sent.id, 'id');
      equal(message.author.id, from.user.id, 'author');
      equal(message.guildId, guildId, 'guild');
      equal(message.createdTimestamp, sent.createdTimestamp, 'time');
    }
  });
}

await test('forty messages sent by both at once arrive at both exactly once and in the order of their ids', async () => {
  const tag = freshText('burst');
  const seen = new Map([alice, bob].map((client) => [client, []]));
  for (const [client, list] of seen) {
    client.on(Events.MessageCreate, (message) => message.content.startsWith(tag) && list.push(message.id));
  }
  const sent = await Promise.all(
    Array.from({ length: 40 }, (_, k) => textOf(k % 2 ? alice : bob).send(`${tag} ${k}`)),
  );
  const ids = sent.map((message) => message.id).sort((a, b) => (BigInt(a) < BigInt(b) ? -1 : 1));
  for (const list of seen.values()) {
    await eventually(() => list.length >= ids.length, 'all messages');
    equal(list, ids, 'ids in order of arrival');
  }
});

await test('a message of 2000 characters of four bytes arrives whole', async () => {
  const content = '🎧'.repeat(2000);
  const arrival = messageFrom(bob, content);
  const { status } = await rest('POST', `/channels/${textChannelId}/messages`, { body: { content } });
  equal(status, 200, 'status');
  await arrival;
});

await test('history pages newest first with limit, before, after and around', async () => {
  const ids = [];
  for (let k = 0; k < 12; k += 1) ids.unshift((await textOf(bob).send(freshText(`page ${k}`))).id);
  const page = async (query) => {
    const { status, json } = await rest('GET', `/channels/${textChannelId}/messages?${query}`);
    equal(status, 200, `status of ${query}`);
    return json.map((message) => message.id);
  };
  equal(await page('limit=5'), ids.slice(0, 5), 'limit');
  equal(await page(`limit=5&before=${ids[4]}`), ids.slice(5, 10), 'before');
  equal(await page(`limit=3&after=${ids[8]}`), ids.slice(5, 8), 'after: the oldest ones after it');
  equal(await page(`limit=5&around=${ids[6]}`), ids.slice(4, 9), 'around');
  const fetched = await textOf(alice).messages.fetch({ limit: 10, cache: false });
  equal([...fetched.keys()], ids.slice(0, 10), 'as discord.js fetches it');
});

await test('an edit reaches the other and the history', async () => {
  const sent = await textOf(alice).send(freshText('before'));
  const content = freshText('after');
  const update = next(bob, Events.MessageUpdate, (_, now) => now.id === sent.id);
  await sent.edit(content);
  const [, now] = await update;
  equal(now.content, content, 'content');
  truth(now.editedTimestamp >= sent.createdTimestamp, 'edited timestamp');
  equal((await rest('GET', `/channels/${textChannelId}/messages/${sent.id}`)).json.content, content, 'stored');
});

await test('one may not edit the message of another', async () => {
  const sent = await textOf(alice).send(freshText('mine'));
  const answer = await rest('PATCH', `/channels/${textChannelId}/messages/${sent.id}`, { as: 2, body: { content: 'x' } });
  equal([answer.status, answer.json.code], [403, 50005], 'answer');
});

await test('a delete reaches the other and the history', async () => {
  const sent = await textOf(alice).send(freshText('gone soon'));
  const deletion = next(bob, Events.MessageDelete, (message) => message.id === sent.id);
  await sent.delete();
  await deletion;
  const answer = await rest('GET', `/channels/${textChannelId}/messages/${sent.id}`);
  equal([answer.status, answer.json.code], [404, 10008], 'fetching it');
});

await test('typing reaches the other', async () => {
  const typing = next(bob, Events.TypingStart, (event) => event.user.id === alice.user.id);
  await textOf(alice).sendTyping();
  equal((await typing).channel.id, textChannelId, 'channel');
});

await test('a reaction and its removal reach the other', async () => {
  const sent = await textOf(alice).send(freshText('react'));
  const added = next(alice, Events.MessageReactionAdd, (reaction) => reaction.message.id === sent.id);
  const reaction = await (await textOf(bob).messages.fetch(sent.id)).react('🎧');
  equal((await added)[1].id, bob.user.id, 'who');
  const removed = next(alice, Events.MessageReactionRemove, (gone) => gone.message.id === sent.id);
  await reaction.users.remove();
  await removed;
});

await test('a reply carries what it answers', async () => {
  const question = await textOf(alice).send(freshText('question'));
  const content = freshText('answer');
  const arrival = messageFrom(alice, content);
  await (await textOf(bob).messages.fetch(question.id)).reply(content);
  equal((await arrival).reference?.messageId, question.id, 'reference');
});

await test('a nonce with enforce_nonce makes one message of two requests', async () => {
  const body = { content: freshText('once'), nonce: String(Date.now()), enforce_nonce: true };
  const answers = [];
  for (let k = 0; k < 2; k += 1) answers.push(await rest('POST', `/channels/${textChannelId}/messages`, { body }));
  equal(answers[1].json.id, answers[0].json.id, 'ids');
});

await test('REST says who, where and with whom', async () => {
  equal((await rest('GET', '/users/@me', { as: 2 })).json.id, bob.user.id, '@me');
  equal((await rest('GET', `/users/${alice.user.id}`)).json.username, alice.user.username, 'user');
  equal((await rest('GET', `/channels/${textChannelId}`)).json.guild_id, guildId, 'channel');
  equal((await rest('GET', `/guilds/${guildId}?with_counts=true`)).json.owner_id, alice.user.id, 'guild');
  equal((await rest('GET', `/guilds/${guildId}/members/${bob.user.id}`)).json.user.id, bob.user.id, 'member');
  const channels = (await rest('GET', `/guilds/${guildId}/channels`)).json.map((channel) => channel.id);
  truth(channels.includes(textChannelId) && channels.includes(voiceChannelId), 'channels');
  truth((await rest('GET', '/voice/regions')).json.length >= 1, 'regions');
  truth((await rest('GET', '/gateway/bot')).json.session_start_limit.max_concurrency >= 1, 'gateway/bot');
});

await test('a channel made over REST appears at both', async () => {
  const name = `room-${process.pid}-${Date.now().toString(36)}`;
  const appears = [alice, bob].map((client) => next(client, Events.ChannelCreate, (channel) => channel.name === name));
  truth([200, 201].includes((await rest('POST', `/guilds/${guildId}/channels`, { body: { name, type: 0 } })).status), 'status');
  await Promise.all(appears);
});

await test('refusals carry the protocol’s own codes', async () => {
  const path = `/channels/${textChannelId}/messages`;
  for (const [what, answer, status, code] of [
    ['empty message', await rest('POST', path, { body: { content: '' } }), 400, 50006],
    ['2001 characters', await rest('POST', path, { body: { content: 'x'.repeat(2001) } }), 400, 50035],
    ['not JSON', await rest('POST', path, { raw: '{"content":' }), 400, 50109],
    ['unknown channel', await rest('GET', '/channels/123456789012345678'), 404, 10003],
    ['unknown message', await rest('GET', `${path}/123456789012345678`), 404, 10008],
    ['unknown route', await rest('GET', '/nothing/here'), 404, 0],
    ['no token', await rest('GET', '/users/@me', { as: null }), 401, 0],
    ['wrong token', await rest('GET', '/users/@me', { as: 'not.a.token' }), 401, 0],
  ]) {
    equal([answer.status, answer.json.code], [status, code], what);
    equal(answer.headers.get('content-type'), 'application/json', `content type of ${what}`);
  }
});

await test('nobody was disconnected by any of this', async () => {
  equal([...alice.interruptions, ...bob.interruptions], [], 'interruptions');
});

await test('who logs out is seen offline', async () => {
  const gone = eventually(() => presenceOf(bob, alice) === 'offline', 'bob sees alice offline');
  await alice.destroy();
  await gone;
});

await bob.destroy();
finish();
