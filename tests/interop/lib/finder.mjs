// Looks for signals on a thread of its own: a bot that talks in this process must not stop talking meanwhile.
// SPDX-License-Identifier: Apache-2.0
import { isMainThread, parentPort, Worker } from 'node:worker_threads';
import { found } from './signal.mjs';

let worker;
let last = 0;
const waiting = new Map();

// As signal.mjs's found(), later.
export function foundAside(pattern, heard) {
  if (!worker) {
    worker = new Worker(new URL(import.meta.url));
    worker.unref();
    worker.on('message', ({ id, value }) => {
      waiting.get(id)(value);
      waiting.delete(id);
    });
  }
  last += 1;
  worker.postMessage({ id: last, pattern, heard });
  return new Promise((resolve) => waiting.set(last, resolve));
}

if (!isMainThread) parentPort.on('message', ({ id, pattern, heard }) => parentPort.postMessage({ id, value: found(pattern, heard) }));
