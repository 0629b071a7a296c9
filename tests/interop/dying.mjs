// The dataplane is killed under REST load, alone and together with the control plane: what was answered is stored once and
// came to the listener once, and nothing that a client had to ask for again is there twice.
// SPDX-License-Identifier: Apache-2.0
import { Events } from 'discord.js';
import { equal, eventually, finish, need, sleep, test, truth } from './lib/harness.mjs';
import { freshText, login } from './lib/client.mjs';
import { env, guildId, pidAfter, pidOf, rest, token } from './lib/pop.mjs';

const KILLS = Number(process.env.VOXPOP_DATAPLANE_KILLS ?? 4);
const PATIENCE_MS = 60_000;
const ASK_AGAIN_MS = 5_000; // a client gives up a request whose connection began while nobody shook hands
const STABLE_MS = 1_500; // supervise.stable_s is 1: the next start waits no longer than the first

const listener = await need('a client listens', () => login(3));
const channels = await need('two channels are made', () =>
  Promise.all(
    ['dying-one', 'dying-two'].map(async (name) => {
      const { status, json } = await rest('POST', `/guilds/${guildId}/channels`, { body: { name, type: 0 } });
      equal(status, 201, 'status');
      return json.id;
    }),
  ),
);

const arrived = new Map();
listener.on(Events.MessageCreate, (message) => {
  if (channels.includes(message.channelId)) arrived.set(message.content, [...(arrived.get(message.content) ?? []), message.id]);
});

const answered = [];
let going = true;
let again = 0;

// Asks until there is an answer, as a careful client does: the nonce says that it is the same message.
async function say(account, channel, content, nonce) {
  for (;;) {
    const answer = await fetch(`${env.VOXPOP_API}/v10/channels/${channel}/messages`, {
      method: 'POST',
      headers: { authorization: `Bot ${token(account)}`, 'content-type': 'application/json' },
      body: JSON.stringify({ content, nonce, enforce_nonce: true }),
      signal: AbortSignal.timeout(ASK_AGAIN_MS),
    }).then(
      async (one) => ({ status: one.status, json: await one.json() }),
      () => null,
    );
    if (answer?.status === 200) return answer.json.id;
    if (answer?.status === 429) await sleep(1_000 * answer.json.retry_after);
    else if (answer && answer.status < 500) throw new Error(`status ${answer.status}`);
    else again += 1;
    await sleep(20);
  }
}

async function talk(account, channel, place) {
  for (let k = 0; going; k += 1) {
    const content = freshText(`said by ${place}`);
    answered.push({ content, id: await say(account, channel, content, `${process.pid % 1e6}.${place}.${k}`) });
  }
}

const talking = [1, 2, 1, 2].flatMap((account, k) => [talk(account, channels[k >> 1], 2 * k), talk(account, channels[k >> 1], 2 * k + 1)]);

const moreAnswers = async (count) => {
  const wanted = answered.length + count;
  await eventually(() => answered.length >= wanted, 'more answers', PATIENCE_MS);
};

await test(`the dataplane dies ${KILLS} times, every second time with the control plane, and is there again`, async () => {
  await moreAnswers(20);
  for (let k = 0; k < KILLS; k += 1) {
    const victims = k % 2 ? ['dataplane', 'controlplane'] : ['dataplane'];
    const pids = victims.map(pidOf);
    for (const pid of pids) process.kill(pid, 'SIGKILL');
    for (const [i, name] of victims.entries()) await eventually(() => pidAfter(name, pids[i]), `a new ${name}`, PATIENCE_MS);
    await moreAnswers(20);
    await sleep(STABLE_MS);
  }
});

await test('whoever asked was answered in the end', async () => {
  going = false;
  await Promise.race([Promise.all(talking), sleep(PATIENCE_MS).then(() => Promise.reject(new Error('a request is still open')))]);
  console.log(`# ${answered.length} messages answered, ${again} requests asked again`);
  truth(answered.length >= 20 * (KILLS + 1), 'messages');
});

await test('each of them came to the listener once, with the id of its answer', async () => {
  for (const { content, id } of answered) {
    await eventually(() => arrived.has(content), `message “${content}”`, PATIENCE_MS);
    equal(arrived.get(content), [id], `arrivals of “${content}”`);
  }
  equal(arrived.size, answered.length, 'different messages');
});

await test('the history holds these, each once, and no others', async () => {
  const stored = [];
  for (const channel of channels) {
    for (let last = '9000000000000000000'; ; ) {
      const { status, json } = await rest('GET', `/channels/${channel}/messages?limit=100&before=${last}`);
      equal(status, 200, 'status');
      if (json.length === 0) break;
      stored.push(...json.map((message) => message.id));
      last = json.at(-1).id;
    }
  }
  equal(stored.sort(), answered.map(({ id }) => id).sort(), 'ids');
});

await test('the listener’s connection was never lost', async () => equal(listener.interruptions, [], 'interruptions'));

for (const channel of channels) await rest('DELETE', `/channels/${channel}`);
await listener.destroy();
finish();
