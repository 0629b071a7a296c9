// discord.js, eris and oceanic.js manage a guild of their own through their own methods. After every step the caches of
// the one that did it and of a watching discord.js are compared: both must believe the same.
// SPDX-License-Identifier: Apache-2.0
import { equal, eventually, finish, need, test, truth } from './lib/harness.mjs';
import { discordjs, eris, MANAGE_MESSAGES, oceanic } from './lib/managers.mjs';
import { rest } from './lib/pop.mjs';
import { freshText } from './lib/client.mjs';

const watcher = await need('the watcher logs in', () => discordjs(4));
const sorted = (object) => Object.fromEntries(Object.entries(object).sort(([a], [b]) => (a < b ? -1 : 1)));

// What both believe, once it is the same and as expected.
async function agree(manager, what, read, check) {
  const same = () => JSON.stringify(sorted(read(manager))) === JSON.stringify(sorted(read(watcher)));
  await eventually(() => check(read(manager)) && same(), `${what}: both know it`, 5_000).catch((error) => {
    throw new Error(`${error.message}; ${manager.name}: ${JSON.stringify(read(manager))}; the watcher: ${JSON.stringify(read(watcher))}`);
  });
}

async function manage(make, account) {
  const manager = await need(`account ${account} logs in by ${make.name}`, () => make(account));
  const by = `${manager.name}:`;
  const step = (sentence, body) => test(`${by} ${sentence}`, body);
  const { json: made } = await rest('POST', '/guilds', { as: account, body: { name: freshText('managed') } });
  const guildId = made.id;
  await need(`${by} a guild that is made by REST is in the cache`, () => eventually(() => manager.knows(guildId), 'the guild'));
  const [text] = Object.entries(manager.channels(guildId)).find(([, [name]]) => name === 'general');

  await need(`${by} an invite is made, listed, and lets the watcher in`, async () => {
    const code = await manager.invite(text);
    equal(await manager.invites(guildId), [code], 'invites');
    const { status } = await rest('POST', `/invites/${code}`, { as: 4 });
    equal(status, 200, 'joining');
    await eventually(() => watcher.knows(guildId) && manager.member(guildId, watcher.id), 'the new member');
    await manager.deleteInvite(code);
    equal(await manager.invites(guildId), [], 'invites');
    equal((await rest('GET', `/invites/${code}`, { as: 4 })).json.code, 10006, 'code of the error');
  });
  await step('both see the same guild', () => agree(manager, 'channels', (m) => m.channels(guildId), () => true));

  let channel;
  await step('a category and a channel in it are made, renamed and given a topic', async () => {
    const category = await manager.createChannel(guildId, 'rooms', 'category');
    channel = await manager.createChannel(guildId, 'new', 'text', category);
    await manager.editChannel(channel, 'renamed', 'what is said here');
    const want = JSON.stringify(['renamed', 'what is said here', category]);
    await agree(manager, 'channels', (m) => m.channels(guildId), (all) => JSON.stringify(all[channel]?.slice(0, 3)) === want);
    await manager.moveChannel(channel, 7);
    await agree(manager, 'channels', (m) => m.channels(guildId), () => true);
  });
  let role;
  await step('a role is made, renamed, given, and denied something', async () => {
    role = await manager.createRole(guildId, 'made', MANAGE_MESSAGES);
    await manager.editRole(guildId, role, 'named');
    await agree(manager, 'roles', (m) => m.roles(guildId), (all) => String(all[role]) === `named,${MANAGE_MESSAGES},${0x123456}`);
    await manager.giveRole(guildId, watcher.id, role);
    await agree(manager, 'the member', (m) => ({ it: m.member(guildId, watcher.id) }), ({ it }) => it?.[1].includes(role));
    await manager.deny(channel, role);
    await agree(manager, 'overwrites', (m) => m.overwrites(channel), (all) => String(all[role]) === `0,${MANAGE_MESSAGES}`);
    truth(!watcher.client.channels.cache.get(channel).permissionsFor(watcher.id).has(MANAGE_MESSAGES), 'it is denied there');
  });
  await step('a member is given a nickname', async () => {
    await manager.nick(guildId, watcher.id, 'Watcher');
    await agree(manager, 'the member', (m) => ({ it: m.member(guildId, watcher.id) }), ({ it }) => it?.[0] === 'Watcher');
  });

  const ids = [];
  await step('messages are sent, answered, edited, and read back in pages', async () => {
    for (let k = 0; k < 5; k += 1) ids.push(await manager.send(channel, `message ${k}`));
    ids.push(await manager.reply(channel, ids[0], 'an answer'));
    await manager.edit(channel, ids[1], 'edited');
    const seen = watcher.client.channels.cache.get(channel).messages.cache;
    await eventually(() => seen.get(ids[1])?.content === 'edited' && seen.has(ids[5]), 'the watcher saw it all');
    equal(seen.get(ids[5]).reference.messageId, ids[0], 'what is answered');
    equal(await manager.history(channel, { limit: 3 }), ids.slice(3).reverse(), 'the newest page');
    equal(await manager.history(channel, { limit: 2, before: ids[3] }), [ids[2], ids[1]], 'before');
    equal(await manager.history(channel, { limit: 2, after: ids[1] }), [ids[3], ids[2]], 'after');
    equal(await manager.history(channel, { limit: 3, around: ids[2] }), [ids[3], ids[2], ids[1]], 'around');
  });
  await step('reactions come and go', async () => {
    const cached = () => watcher.client.channels.cache.get(channel).messages.cache.get(ids[2]).reactions.cache;
    await manager.react(channel, ids[2]);
    await eventually(() => cached().get('👍')?.count === 1, 'the reaction');
    await manager.unreactAll(channel, ids[2]);
    await eventually(() => cached().size === 0, 'no reaction');
  });
  await step('messages are pinned, the last pin first', async () => {
    const told = new Promise((resolve) => watcher.client.once('channelPinsUpdate', resolve));
    await manager.pin(channel, ids[0]);
    await manager.pin(channel, ids[3]);
    equal((await told).id, channel, 'the channel of the event');
    equal(await manager.pins(channel), [ids[3], ids[0]], 'pins');
  });
  await step('a file is uploaded, and comes back as it was to whoever has its address', async () => {
    const data = Buffer.from(Array.from({ length: 5000 }, (_, k) => k & 255));
    const url = await manager.upload(channel, 'data.bin', data);
    const answer = await fetch(url);
    equal(answer.status, 200, 'status');
    equal(answer.headers.get('content-disposition'), 'attachment; filename="data.bin"', 'disposition');
    equal(answer.headers.get('x-content-type-options'), 'nosniff', 'sniffing');
    truth(Buffer.from(await answer.arrayBuffer()).equals(data), 'the bytes');
    equal((await fetch(url.replace(/k=.*/, 'k=00000000000000000000000000000000'))).status, 404, 'another key');
  });
  await step('messages are deleted together', async () => {
    await manager.bulkDelete(channel, ids.slice(0, 4));
    await eventually(async () => (await manager.history(channel, { limit: 10 })).length === 3, 'what is left'); // and the file's
    const seen = watcher.client.channels.cache.get(channel).messages.cache;
    await eventually(() => !ids.slice(0, 4).some((id) => seen.has(id)), 'the watcher forgets them');
  });
  await step('a role and a channel are removed', async () => {
    await manager.deleteRole(guildId, role);
    await manager.deleteChannel(channel);
    await agree(manager, 'roles', (m) => m.roles(guildId), (all) => !all[role]);
    await agree(manager, 'channels', (m) => m.channels(guildId), (all) => !all[channel]);
  });
  await step('a member is kicked, comes back, is banned, and may come back once that is over', async () => {
    const code = await manager.invite(text);
    const back = async () => (await rest('POST', `/invites/${code}`, { as: 4 })).status;
    const out = () => eventually(() => !watcher.knows(guildId) && !manager.member(guildId, watcher.id), 'it is out');
    await manager.kick(guildId, watcher.id);
    await out();
    equal(await back(), 200, 'after a kick');
    await eventually(() => watcher.knows(guildId), 'it is in again');
    const { json: words } = await rest('POST', `/channels/${text}/messages`, { as: 4, body: { content: 'my last words' } });
    const kept = async () => (await manager.history(text, { limit: 10 })).includes(words.id);
    truth(await kept(), 'the words are there');
    await manager.ban(guildId, watcher.id);
    await out();
    truth(!(await kept()), 'the words went with the ban');
    equal(await manager.bans(guildId), [watcher.id], 'bans');
    equal(await back(), 403, 'while banned');
    await manager.unban(guildId, watcher.id);
    equal(await back(), 200, 'afterwards');
    await eventually(() => watcher.knows(guildId), 'it is in again');
  });
  await step('two write to each other directly', async () => {
    const { json: dm } = await rest('POST', '/users/@me/channels', { as: account, body: { recipient_id: watcher.id } });
    const heard = new Promise((resolve) => watcher.client.on('messageCreate', (m) => m.channelId === dm.id && resolve(m)));
    await rest('POST', `/channels/${dm.id}/messages`, { as: account, body: { content: 'psst' } });
    const message = await heard;
    equal([message.content, message.guildId, message.author.id], ['psst', null, manager.id], 'the message');
  });
  await step('the guild is removed, and gone for both', async () => {
    equal((await rest('DELETE', `/guilds/${guildId}`, { as: account })).status, 204, 'status');
    await eventually(() => !manager.knows(guildId) && !watcher.knows(guildId), 'gone');
  });
  await manager.end();
}

await manage(discordjs, 1);
await manage(eris, 2);
await manage(oceanic, 3);
await watcher.end();
finish();
