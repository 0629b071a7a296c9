// The permissions of every member in every channel of 100,000 random guilds, as the control plane computes them and as
// discord.js does. Needs no POP: the control plane's side is a program that reads guilds as lines of JSON.
// SPDX-License-Identifier: Apache-2.0
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { Client, PermissionFlagsBits as P, PermissionsBitField } from 'discord.js';
import { equal, finish, test } from './lib/harness.mjs';

const GUILDS = Number(process.env.VOXPOP_GUILDS ?? 100_000);
const SEED = Number(process.env.VOXPOP_SEED ?? 20261122);
const build = process.env.VOXPOP_BUILD ?? fileURLToPath(new URL('../../build', import.meta.url));
const ALL = (1n << 53n) - 1n;

// mulberry32: the same guilds for the same seed.
let state = SEED;
function random(below) {
  state = (state + 0x6d2b79f5) | 0;
  let t = Math.imul(state ^ (state >>> 15), 1 | state);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) % below;
}

// Few bits, about half, or nearly all; an administrator now and then.
const interesting = Object.values(P).filter((bit) => bit <= ALL && bit !== P.Administrator);
function bits(admin = false) {
  const density = [1, 4, 7][random(3)];
  let set = 0n;
  for (const bit of interesting) if (random(8) < density) set |= bit;
  return admin && random(12) === 0 ? set | P.Administrator : set;
}

let id = 200000000000000000n;
const fresh = () => String((id += 1n));
const some = (list, max) => list.filter(() => random(list.length) < max);

function guild() {
  const guildId = fresh();
  const roles = [guildId, ...Array.from({ length: random(5) }, fresh)].map((roleId, position) => ({
    id: roleId, name: 'r', permissions: String(bits(position > 0)), position, color: 0, hoist: false, managed: false, mentionable: false, flags: 0,
  }));
  const given = roles.slice(1).map((role) => role.id);
  const members = Array.from({ length: 1 + random(3) }, () => ({
    user: { id: fresh(), username: 'u', discriminator: '0' }, roles: some(given, 2), joined_at: '2024-01-01T00:00:00.000000+00:00', flags: 0,
  }));
  const targets = [...roles.map((role) => [role.id, 0]), ...members.map((member) => [member.user.id, 1]), [fresh(), 0]];
  const channels = Array.from({ length: 1 + random(2) }, () => ({
    id: fresh(), type: random(2) ? 0 : 2, name: 'c', position: 0, guild_id: guildId,
    permission_overwrites: some(targets, 3).map(([target, type]) => ({ id: target, type, allow: String(bits()), deny: String(bits()) })),
  }));
  const owner = random(4) ? fresh() : members[random(members.length)].user.id;
  return { id: guildId, name: 'g', owner_id: owner, roles, members, channels, emojis: [], stickers: [], features: [], presences: [], voice_states: [], threads: [], stage_instances: [], member_count: members.length };
}

// reference/rest.md 8: what is missing takes along what means nothing without it.
const voice = P.Speak | P.Stream | P.UseVAD | P.PrioritySpeaker | P.MuteMembers | P.DeafenMembers | P.MoveMembers | P.RequestToSpeak;
const written = P.MentionEveryone | P.AttachFiles | P.EmbedLinks | P.SendTTSMessages;
function implied(set) {
  if (!(set & P.ViewChannel)) return 0n;
  if (!(set & P.Connect)) set &= ~voice;
  if (!(set & P.SendMessages)) set &= ~written;
  return set;
}
const whole = (set) => set === PermissionsBitField.All || (set & P.Administrator) !== 0n;

const client = new Client({ intents: [] });
function expected(data) {
  const theirs = client.guilds._add(data, false);
  const answer = data.members.flatMap((m) => {
    const member = theirs.members.cache.get(m.user.id);
    const inGuild = member.permissions.bitfield;
    return [
      whole(inGuild) ? ALL : inGuild,
      ...data.channels.map((c) => {
        const set = theirs.channels.cache.get(c.id).permissionsFor(member).bitfield;
        return set === PermissionsBitField.All ? ALL : implied(set);
      }),
    ];
  });
  client.channels.cache.clear();
  client.users.cache.clear();
  return answer.join(' ');
}

await test(`${GUILDS} random guilds (seed ${SEED}): everybody may do the same in every channel as by discord.js`, async () => {
  const ours = spawn(`${build}/tests/unit/controlplane/store/permission_lines`, { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: ours.stdout })[Symbol.asyncIterator]();
  let compared = 0;
  let full = 0;
  const waiting = [];
  for (let n = 0; n < GUILDS; ) {
    for (let k = 0; k < 64 && n < GUILDS; k += 1, n += 1) {
      const data = guild();
      if (!ours.stdin.write(`${JSON.stringify(data)}\n`)) await once(ours.stdin, 'drain');
      waiting.push([data, expected(data)]);
    }
    if (n >= GUILDS) ours.stdin.end();
    while (waiting.length > (n >= GUILDS ? 0 : 64)) {
      const [data, want] = waiting.shift();
      const { value } = await lines.next();
      if (value !== want) equal(value, want, `permissions in ${JSON.stringify(data)}`);
      const sets = want.split(' ');
      compared += sets.length;
      full += sets.filter((set) => set === String(ALL)).length;
    }
  }
  console.log(`# ${compared} permission sets compared, ${full} of them full`);
  equal(full < compared / 2 && full > 0, true, 'not everybody is an administrator');
});

finish();
