// How good a connection sounds: the E-model (ITU-T G.107), as controlplane/voice/emodel.c has it.
// SPDX-License-Identifier: Apache-2.0

const BEST = 93.2;
const BPL = 19; // robustness of Opus against loss, assumed
const CLIENT_MS = 46.5; // a packet, the encoder's look-ahead, the least that a jitter buffer holds

function ofDelay(ms) {
  if (ms <= 100) return 0;
  const x = Math.log2(ms / 100);
  return 25 * ((1 + x ** 6) ** (1 / 6) - 3 * (1 + (x / 3) ** 6) ** (1 / 6) + 2);
}

// loss: share; rtt and jitter: milliseconds. The mean opinion score, 1 to 4.4.
export function score({ loss, rtt, jitter }) {
  const percent = 100 * loss;
  const r = Math.max(0, BEST - ofDelay(CLIENT_MS + 2 * jitter + rtt / 2) - (95 * percent) / (percent + BPL));
  return Math.max(1, 1 + 0.035 * r + r * (r - 60) * (100 - r) * 7e-6);
}

// Four bars: very satisfied, satisfied, some are not, many are not (G.107 annex B).
export const barsOf = (mos) => (mos >= 4.03 ? 4 : mos >= 3.6 ? 3 : mos >= 3.1 ? 2 : 1);
