// The program of README.md, as a user would paste it: it answers "ping" and says back what it hears.
// SPDX-License-Identifier: Apache-2.0
import { spawn } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { equal, eventually, finish, need, next, test, truth } from './lib/harness.mjs';
import { login, messageFrom, textOf } from './lib/client.mjs';
import { count, heardAll, hears, join, leave, listen, speak } from './lib/audio.mjs';
import { env, guildId, root, voiceChannelId } from './lib/pop.mjs';

const FRAMES = 100;
const file = new URL('./pasted-program.mjs', import.meta.url);

const text = await need('README.md holds a program of at most 40 lines', () => {
  const readme = readFileSync(`${root}/README.md`, 'utf8');
  const block = readme.match(/<!-- program:begin -->\n```js\n([\s\S]*?)```\n<!-- program:end -->/);
  truth(block, 'no program between the markers');
  truth(block[1].trimEnd().split('\n').length <= 40, 'longer than 40 lines');
  return block[1];
});

writeFileSync(file, text);
const bot = spawn(process.execPath, [file.pathname], {
  env: { ...process.env, ...env, NODE_EXTRA_CA_CERTS: env.VOXPOP_CA },
  stdio: ['ignore', 'pipe', 'inherit'],
});
process.on('exit', () => {
  bot.kill('SIGKILL');
  rmSync(file, { force: true });
});

await need('it says that it is ready', () =>
  next(bot.stdout, 'data', (data) => String(data).includes('is ready in'), 40_000));
const bob = await need('another client logs in', () => login(2));

await test('it answers “ping” with “pong”, as a reply', async () => {
  const answer = messageFrom(bob, 'pong');
  const ping = await textOf(bob).send('ping');
  const pong = await answer;
  equal(pong.reference?.messageId, ping.id, 'what it answers');
});

await test('it says back every frame it hears, in order', async () => {
  const me = await eventually(
    () => [...bob.guilds.cache.get(guildId).voiceStates.cache.values()].find((state) => state.channelId === voiceChannelId),
    'the bot in the voice channel',
  );
  const connection = await join(bob);
  const heard = listen(connection, me.id, 7);
  await hears(connection, 7, heard);
  await speak(connection, 7, FRAMES, 10);
  await heardAll(heard, FRAMES).catch(() => {});
  equal(heard.wrong, [], 'changed frames');
  equal(heard.numbers, count(FRAMES, 10), 'numbers');
  leave(connection);
});

await test('it is still running', async () => equal(bot.exitCode, null, 'exit code'));
await bob.destroy();
finish();
