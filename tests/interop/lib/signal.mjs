// Audio as audio: a chirp that is known, and how well it is found again in what was heard.
// SPDX-License-Identifier: Apache-2.0

export const RATE = 48_000;
const DECIMATE = 6;

// One second that rises from `from` to `to` Hz; `seed` pairs keep speakers apart.
export function chirp(from, to, seconds = 1) {
  const samples = new Float32Array(RATE * seconds);
  for (let n = 0; n < samples.length; n += 1) {
    const t = n / RATE;
    const fade = Math.min(1, t / 0.01, (seconds - t) / 0.01);
    samples[n] = 0.5 * fade * Math.sin(2 * Math.PI * (from * t + ((to - from) / (2 * seconds)) * t * t));
  }
  return samples;
}

function decimate(samples) {
  const out = new Float32Array(Math.floor(samples.length / DECIMATE));
  for (let n = 0; n < out.length; n += 1) {
    let sum = 0;
    for (let k = 0; k < DECIMATE; k += 1) sum += samples[n * DECIMATE + k];
    out[n] = sum / DECIMATE;
  }
  return out;
}

// The highest normalised correlation of the pattern with any stretch of what was heard: 1 is the pattern itself.
export function found(pattern, heard) {
  const p = decimate(pattern);
  const h = decimate(heard);
  const energyOf = (a, from, length) => {
    let sum = 0;
    for (let n = 0; n < length; n += 1) sum += a[from + n] ** 2;
    return sum;
  };
  const own = Math.sqrt(energyOf(p, 0, p.length));
  let best = 0;
  let energy = h.length >= p.length ? energyOf(h, 0, p.length) : 0;
  for (let at = 0; at + p.length <= h.length; at += 1) {
    let sum = 0;
    for (let n = 0; n < p.length; n += 1) sum += p[n] * h[at + n];
    const norm = own * Math.sqrt(Math.max(energy, 0));
    if (norm > 1e-6) best = Math.max(best, Math.abs(sum) / norm);
    energy += (h[at + p.length] ?? 0) ** 2 - h[at] ** 2;
  }
  return best;
}
