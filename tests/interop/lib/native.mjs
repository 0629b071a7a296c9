// A native client among browsers: the signal that it sings, what it hears of each as Opus, and how clearly a signal is found.
// SPDX-License-Identifier: Apache-2.0
import { Readable } from 'node:stream';
import { foundAside } from './finder.mjs';
import { chirp, samplesOf } from './signal.mjs';

const voice = await import('@discordjs/voice');

export const CLEAR = 0.6; // a correlation that no other signal reaches
const SLOTS = 3;

// Sings the signal from now on; what it returns ends it.
export async function sing(connection, opus, signal) {
  const { frames: song } = await opus({ chirp: signal });
  let singing = true;
  function* notes() {
    while (singing) yield* song.map((text) => Buffer.from(text, 'base64'));
  }
  const player = voice.createAudioPlayer();
  connection.subscribe(player);
  player.play(voice.createAudioResource(Readable.from(notes()), { inputType: voice.StreamType.Opus }));
  return () => {
    singing = false;
  };
}

// What it hears of the users, by name.
export function earOf(connection, opus, users) {
  const frames = {};
  for (const [name, userId] of Object.entries(users)) {
    frames[name] = [];
    connection.receiver.subscribe(userId, { end: { behavior: voice.EndBehaviorType.Manual } }).on('data', (data) => frames[name].push(data.toString('base64')));
  }
  return {
    recording: async (name) => samplesOf(Buffer.from((await opus({ frames: frames[name].slice(-150) })).samples, 'base64')),
    forget: (name) => {
      frames[name].length = 0;
    },
  };
}

// How clearly the signal of `name` is in what was recorded.
const best = async (signals, name, recording) => foundAside(chirp(signals[name]), await recording);

export const hearsNatively = (ear, signals) => (name) => best(signals, name, ear.recording(name));

// A stream's slot is the room's business: the signal must be in one of them.
export const hearsInSlots = (peer, signals) => async (name) => {
  let most = 0;
  for (let slot = 0; slot < SLOTS && most < CLEAR; slot += 1) most = Math.max(most, await best(signals, name, peer.recording(slot)));
  return most;
};
