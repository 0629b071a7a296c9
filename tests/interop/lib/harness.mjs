// Sentences, not suites: each test prints "ok SENTENCE" or "not ok SENTENCE", the reason of a failure goes to stderr.
// The programs run one after another; finish() ends the process, whatever the clients still hold open.
// SPDX-License-Identifier: Apache-2.0
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual, inspect } from 'node:util';

export { sleep };

// Every bound only turns a hang into a failure, and nothing is measured with it: a machine that is busy with other things gets
// this many times as long.
export const PATIENCE = 6;

let failed = 0;

export async function test(sentence, body) {
  try {
    await body();
    console.log(`ok ${sentence}`);
  } catch (error) {
    failed += 1;
    console.log(`not ok ${sentence}`);
    console.error(`   ${sentence}: ${error.stack ?? error}`);
  }
}

// Checks something that other programs of the same run rely on; without it there is no point in going on.
export async function need(sentence, body) {
  let value;
  await test(sentence, async () => {
    value = await body();
  });
  if (failed) finish();
  return value;
}

export function finish() {
  process.exit(failed ? 1 : 0);
}

export function equal(actual, expected, what) {
  if (!isDeepStrictEqual(actual, expected)) {
    throw new Error(`${what}: got ${inspect(actual, { depth: 4 })}, expected ${inspect(expected, { depth: 4 })}`);
  }
}

export function truth(value, what) {
  if (!value) throw new Error(what);
}

export async function within(ms, promise, what) {
  const timer = new AbortController();
  const late = sleep(ms * PATIENCE, undefined, { signal: timer.signal }).then(() => {
    throw new Error(`${what}: nothing within ${ms * PATIENCE} ms`);
  });
  late.catch(() => {});
  try {
    return await Promise.race([promise, late]);
  } finally {
    timer.abort();
  }
}

export async function eventually(condition, what, ms = 10_000) {
  const end = Date.now() + ms * PATIENCE;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (Date.now() > end) throw new Error(`${what}: not within ${ms * PATIENCE} ms`);
    await sleep(25);
  }
}

// The first event that the predicate takes.
export function next(emitter, event, predicate = () => true, ms = 10_000) {
  const waiting = new Promise((resolve) => {
    const listener = (...args) => {
      if (!predicate(...args)) return;
      emitter.off(event, listener);
      resolve(args.length > 1 ? args : args[0]);
    };
    emitter.on(event, listener);
  });
  return within(ms, waiting, event);
}

process.on('unhandledRejection', (error) => {
  console.log('not ok no promise is left rejected');
  console.error(error);
  process.exit(1);
});
