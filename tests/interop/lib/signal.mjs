// Audio as audio: a chirp that is known, and how well it is found again in what was heard.
// SPDX-License-Identifier: Apache-2.0

export const RATE = 8_000; // of what is compared
const CERTAIN = 0.8; // nothing is gained by looking further

// One second that rises from `from` to `to` Hz.
export function chirp([from, to]) {
  const samples = new Float32Array(RATE);
  for (let n = 0; n < samples.length; n += 1) {
    const t = n / RATE;
    const fade = Math.min(1, t / 0.01, (1 - t) / 0.01);
    samples[n] = 0.5 * fade * Math.sin(2 * Math.PI * (from * t + ((to - from) / 2) * t * t));
  }
  return samples;
}

// From 16-bit samples.
export const samplesOf = (bytes) => Float32Array.from(new Int16Array(bytes.buffer, bytes.byteOffset, bytes.length >> 1), (v) => v / 32768);

// The highest normalised correlation of the pattern with any stretch of what was heard: 1 is the pattern itself.
function strongest(pattern, heard) {
  const energyOf = (a) => a.reduce((sum, v) => sum + v * v, 0);
  const own = Math.sqrt(energyOf(pattern));
  let best = 0;
  let energy = energyOf(heard.subarray(0, pattern.length));
  for (let at = 0; at + pattern.length <= heard.length; at += 1) {
    const norm = own * Math.sqrt(Math.max(energy, 0));
    if (norm > 1e-3) {
      let sum = 0;
      for (let n = 0; n < pattern.length; n += 1) sum += pattern[n] * heard[at + n];
      best = Math.max(best, Math.abs(sum) / norm);
      if (best > CERTAIN) return best;
    }
    energy += (heard[at + pattern.length] ?? 0) ** 2 - heard[at] ** 2;
  }
  return best;
}

// A listener's jitter buffer stretches time where the network is uneven, so the chirp is looked for in three pieces.
export function found(pattern, heard) {
  const pieces = [0.1, 0.4, 0.7].map((from) => pattern.subarray(from * RATE, (from + 0.25) * RATE));
  let best = 0;
  for (const piece of pieces) {
    best = Math.max(best, strongest(piece, heard));
    if (best > CERTAIN) break;
  }
  return best;
}
