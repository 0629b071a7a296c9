// The POP under test: where run/pop.env says it is, and what its operator's tool says of it.
// SPDX-License-Identifier: Apache-2.0
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { equal, eventually } from './harness.mjs';

export const root = fileURLToPath(new URL('../../..', import.meta.url)).replace(/\/$/, '');
export const runDirectory = process.env.VOXPOP_RUN ?? `${root}/run`;
export const configFile = `${runDirectory}/voxpop.yaml`;
export const voxpopProgram = `${process.env.VOXPOP_BUILD ?? `${root}/build`}/cli/voxpop`;

export const env = Object.fromEntries(
  readFileSync(`${runDirectory}/pop.env`, 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('VOXPOP_'))
    .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
);

export const ca = readFileSync(env.VOXPOP_CA);
export const host = new URL(env.VOXPOP_API).hostname;
export const guildId = env.VOXPOP_GUILD;
export const textChannelId = env.VOXPOP_TEXT_CHANNEL;
export const voiceChannelId = env.VOXPOP_VOICE_CHANNEL;
export const token = (k) => env[`VOXPOP_TOKEN_${k}`];

export const pidOf = (name) => Number(readFileSync(`${runDirectory}/${name}.pid`, 'utf8'));

// The process behind one that was killed; 0: not there yet. The file may go away at any moment, also between two calls.
export function pidAfter(name, before) {
  try {
    const pid = pidOf(name);
    return pid === before ? 0 : pid;
  } catch (error) {
    if (error.code === 'ENOENT') return 0;
    throw error;
  }
}

export async function voxpop(...args) {
  const { stdout } = await promisify(execFile)(voxpopProgram, [...args, '--config', configFile], { maxBuffer: 64 << 20 });
  return stdout;
}

export const status = async () => JSON.parse(await voxpop('status', '--json'));

export async function sessions() {
  const answer = JSON.parse(await voxpop('session', 'list', '--json'));
  return Array.isArray(answer) ? answer : answer.sessions;
}

// Does something bad and waits until exactly the named reason has counted at least so often.
export async function counted(reason, act, times = 1) {
  const before = (await status()).drops[reason];
  equal(typeof before, 'number', `counter ${reason}`);
  const value = await act();
  await eventually(async () => (await status()).drops[reason] >= before + times, `${reason} counted ${times} times`);
  return value;
}

// A REST call without a client library: {status, headers, json}.
export async function rest(method, path, { as = 1, body, raw, headers = {} } = {}) {
  const answer = await fetch(`${env.VOXPOP_API}/v10${path}`, {
    method,
    headers: {
      ...(as === null ? {} : { authorization: `Bot ${typeof as === 'number' ? token(as) : as}` }),
      ...(body === undefined && raw === undefined ? {} : { 'content-type': 'application/json' }),
      ...headers,
    },
    body: raw ?? (body === undefined ? undefined : JSON.stringify(body)),
  });
  const text = await answer.text();
  return { status: answer.status, headers: answer.headers, json: text ? JSON.parse(text) : null };
}
