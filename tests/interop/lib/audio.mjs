// Voice frames that tell who sent them and in which order, carried where Opus would be.
// VOXPOP_VOICE_MODE=xchacha20 runs the client as it is on a Node without AES-GCM: it then takes the other cipher.
// SPDX-License-Identifier: Apache-2.0
import crypto from 'node:crypto';
import { Readable } from 'node:stream';
import { eventually, PATIENCE, sleep } from './harness.mjs';
import { guildOf } from './client.mjs';
import { guildId, status, voiceChannelId, voxpop } from './pop.mjs';

export const mode = process.env.VOXPOP_VOICE_MODE === 'xchacha20' ? 'xchacha20' : 'aes256';
export const modeName = { xchacha20: 'aead_xchacha20_poly1305_rtpsize', aes256: 'aead_aes256_gcm_rtpsize' }[mode];

if (mode === 'xchacha20') {
  const ciphers = crypto.getCiphers();
  crypto.getCiphers = () => ciphers.filter((name) => name !== 'aes-256-gcm');
}

const voice = await import('@discordjs/voice');

const MAGIC = 0x76785046;
const SILENCE = Buffer.from([0xf8, 0xff, 0xfe]);

export function frame(speaker, number) {
  const data = Buffer.alloc(40 + ((number * 37) % 120), number & 0xff);
  data.writeUInt32BE(MAGIC, 0);
  data.writeUInt32BE(speaker, 4);
  data.writeUInt32BE(number, 8);
  return data;
}

// The frame's number, null for the silence players insert; anything else is a changed frame.
export function frameNumber(speaker, data) {
  if (data.equals(SILENCE)) return null;
  if (data.length >= 40 && data.readUInt32BE(0) === MAGIC) {
    const number = data.readUInt32BE(8);
    if (frame(speaker, number).equals(data)) return number;
  }
  throw new Error(`a frame of speaker ${speaker} arrived changed: ${data.toString('hex')}`);
}

export async function join(client, { selfMute = false, channelId = voiceChannelId } = {}) {
  const connection = voice.joinVoiceChannel({
    guildId,
    channelId,
    group: client.user.id,
    adapterCreator: guildOf(client).voiceAdapterCreator,
    selfDeaf: false,
    selfMute,
  });
  connection.interruptions = [];
  connection.on('error', (error) => connection.interruptions.push(`error ${error}`));
  await voice.entersState(connection, voice.VoiceConnectionStatus.Ready, 20_000 * PATIENCE);
  connection.on('stateChange', (from, to) => {
    if (from.status !== to.status) connection.interruptions.push(`${from.status} -> ${to.status}`);
    else if (from.networking !== to.networking) connection.interruptions.push('networking replaced');
  });
  const networking = connection.state.networking;
  networking.on('stateChange', (from, to) => {
    if (from.code !== to.code) connection.interruptions.push(`networking ${from.code} -> ${to.code}`);
  });
  return connection;
}

export const connectionData = (connection) => connection.state.networking.state.connectionData;
export const udpSocket = (connection) => connection.state.networking.state.udp;

// Collects the numbers of what one member hears from another, from now on.
export function listen(connection, userId, speaker) {
  const heard = { numbers: [], wrong: [] };
  const stream = connection.receiver.subscribe(userId, { end: { behavior: voice.EndBehaviorType.Manual } });
  stream.on('data', (data) => {
    try {
      const number = frameNumber(speaker, data);
      if (number !== null) heard.numbers.push(number);
    } catch (error) {
      heard.wrong.push(error.message);
    }
  });
  stream.on('error', (error) => heard.wrong.push(`stream destroyed: ${error.message}`));
  return heard;
}

// Plays frames first, first+1, … at one every 20 ms, as many as told, or until told to stop.
// Resolves when the player has played them, to how many there were.
export async function speak(connection, speaker, amount, first = 0) {
  const goesOn = typeof amount === 'function' ? (k) => amount(k) : (k) => k < amount;
  let said = 0;
  function* frames() {
    for (; goesOn(said); said += 1) yield frame(speaker, first + said);
  }
  const player = voice.createAudioPlayer({ behaviors: { noSubscriber: voice.NoSubscriberBehavior.Play } });
  const subscription = connection.subscribe(player);
  player.play(voice.createAudioResource(Readable.from(frames()), { inputType: voice.StreamType.Opus }));
  await voice.entersState(player, voice.AudioPlayerStatus.Playing, 10_000 * PATIENCE);
  await voice.entersState(player, voice.AudioPlayerStatus.Idle, 600_000);
  subscription.unsubscribe();
  return said;
}

export const count = (n, first = 0) => Array.from({ length: n }, (_, k) => first + k);

export const heardAll = (heard, n) => eventually(() => heard.numbers.length >= n || heard.wrong.length > 0, `${n} frames`, 15_000);

const FIRST_WORDS = 900_000;

// A receiver takes media only once it has been told whose SSRC it is. `say(amount, first)` is called again and again until each of `ears`
// (of listen()) has heard the last frame of one call: then nothing of it is on its way any more, and all is forgotten.
// What somebody does not hear is told with what the box knows of its rooms.
export async function firstWords(ears, say) {
  let first = FIRST_WORDS;
  try {
    await eventually(async () => {
      await say(3, first);
      first += 3;
      const all = () => ears.every((heard) => heard.numbers.at(-1) === first - 1);
      for (let k = 0; k < 40 && !all(); k += 1) await sleep(25);
      return all();
    }, 'first words', 20_000);
  } catch (error) {
    console.log(`# heard: ${ears.map((heard) => heard.numbers.join(' ')).join(' | ')}`);
    console.log(`# ${JSON.stringify(JSON.parse(await voxpop('room', 'list', '--json')))}`);
    console.log(`# drops ${JSON.stringify(Object.fromEntries(Object.entries((await status()).drops).filter(([, count]) => count > 0)))}`);
    throw error;
  }
  for (const heard of ears) heard.numbers.length = 0;
}

export const hears = (connection, speaker, heard) => firstWords([heard], (amount, first) => speak(connection, speaker, amount, first));

export const leave = (connection) => connection.destroy();
