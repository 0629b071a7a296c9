// A stream of events that were compressed apart, each once for everybody, read by Node's own decoder: argument 1
// is the program that writes it (test_fanout_stream), which says on its stderr what it contains.
// SPDX-License-Identifier: Apache-2.0
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createInflate, constants } from 'node:zlib';
import { equal, finish, test } from './lib/harness.mjs';

const program = process.argv[2] ?? `${process.env.VOXPOP_BUILD}/tests/unit/fanout/test_fanout_stream`;
const payloads = 1_000_000;

const digest = async (stream) => {
  const hash = createHash('sha256');
  let length = 0;
  for await (const chunk of stream) {
    hash.update(chunk);
    length += chunk.length;
  }
  return [length, hash.digest('hex')];
};

await test(`Node's zlib reads a stream of ${payloads} payloads as what was written`, async () => {
  const child = spawn(program, ['--emit', String(payloads)]);
  const inflate = child.stdout.pipe(createInflate({ finishFlush: constants.Z_SYNC_FLUSH }));
  const [read, written] = await Promise.all([digest(inflate), digest(child.stderr)]);
  equal(read, written, 'length and hash');
});

finish();
