// Sentences, not suites: each test prints "ok SENTENCE" or "not ok SENTENCE", the reason of a failure goes to stderr.
// The programs run one after another; finish() ends the process, whatever the clients still hold open.
// SPDX-License-Identifier: Apache-2.0
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual, inspect } from 'node:util';

export { sleep };

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

// The bound only turns a hang into a failure; nothing is measured with it.
export async function within(ms, promise, what) {
  const timer = new AbortController();
  const late = sleep(ms, undefined, { signal: timer.signal }).then(() => {
    throw new Error(`${what}: nothing within ${ms} ms`);
  });
  late.catch(() => {});
  try {
    return await Promise.race([promise, late]);
  } finally {
    timer.abort();
  }
}

export async function eventually(condition, what, ms = 10_000) {
  const end = Date.now() + ms;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (Date.now() > end) throw new Error(`${what}: not within ${ms} ms`);
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
