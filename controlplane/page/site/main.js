// The page: what the gateway tells is kept in `state`, and drawn.
// SPDX-License-Identifier: Apache-2.0
import { Api } from './api.js';
import { Call } from './call.js';
import { Gateway } from './gateway.js';
import { $, avatar, element, notice, picture, replace, SPEAKER } from './view.js';

const TEXT = 0;
const VOICE = 2;
const CATEGORY = 4;
const STAGE = 13;
const GUILDS = 1 << 0;
const MEMBERS = 1 << 1;
const VOICE_STATES = 1 << 7;
const PRESENCES = 1 << 8;
const MESSAGES = 1 << 9;
const TYPING = 1 << 11;
const CONTENT = 1 << 15;
const TOGETHER_MS = 5 * 60_000;
const ORDER = ['online', 'idle', 'dnd', 'offline'];

const state = { guilds: new Map(), users: new Map(), guild: null, channel: null, muted: false, deafened: false, typing: new Map(), unread: new Set() };
let api;
let gateway;
let call;

// ---- what is known ----

const guild = () => state.guilds.get(state.guild);
const channelOf = (id) => guild()?.channels.get(id);
const nameOf = (id) => {
  const member = guild()?.members.get(id);
  return member?.nick ?? state.users.get(id)?.username ?? 'someone';
};
const userOf = (id) => ({ id, username: nameOf(id) });
const statusOf = (id) => guild()?.presences.get(id)?.status ?? (id === state.me?.id ? 'online' : 'offline');
const isVoice = ({ type }) => type === VOICE || type === STAGE;
const byPosition = (a, b) => a.position - b.position || (BigInt(a.id) < BigInt(b.id) ? -1 : 1);

function takeMember(g, member) {
  state.users.set(member.user.id, { ...state.users.get(member.user.id), ...member.user });
  g.members.set(member.user.id, { ...g.members.get(member.user.id), ...member });
}

function takePresence(g, presence) {
  if (presence.user.username) state.users.set(presence.user.id, presence.user);
  g.presences.set(presence.user.id, presence);
}

function takeVoice(g, voice) {
  if (voice.member) takeMember(g, voice.member);
  if (voice.channel_id) g.voices.set(voice.user_id, voice);
  else g.voices.delete(voice.user_id);
}

function takeGuild(d) {
  const g = { id: d.id, name: d.name, channels: new Map(), members: new Map(), presences: new Map(), voices: new Map() };
  for (const channel of d.channels ?? []) g.channels.set(channel.id, channel);
  for (const member of d.members ?? []) takeMember(g, member);
  for (const presence of d.presences ?? []) takePresence(g, presence);
  for (const voice of d.voice_states ?? []) takeVoice(g, voice);
  state.guilds.set(d.id, g);
  gateway.send(8, { guild_id: d.id, query: '', limit: 0, presences: true });
  if (!state.guild) chooseGuild(d.id);
  drawGuilds();
  if (state.guild === d.id) draw();
}

// ---- guilds and channels ----

function chooseGuild(id) {
  state.guild = id;
  const texts = [...guild().channels.values()].filter(({ type }) => type === TEXT).sort(byPosition);
  draw();
  drawGuilds();
  if (texts.length) chooseChannel(texts[0].id);
}

function drawGuilds() {
  replace(
    $('guilds'),
    ...[...state.guilds.values()].map((g) =>
      element('li', {}, element('button', { title: g.name, 'aria-label': g.name, 'aria-current': g.id === state.guild, 'data-key': g.id, onclick: () => chooseGuild(g.id) }, [...g.name].slice(0, 2).join(''))),
    ),
  );
}

function person(voice) {
  const speaking = call?.speaking.has(voice.user_id) && call.channel === voice.channel_id;
  const quiet = voice.self_deaf || voice.deaf ? 'deaf' : voice.self_mute || voice.mute || voice.suppress ? 'muted' : null;
  return element('li', {}, avatar(userOf(voice.user_id), { small: true, speaking }), nameOf(voice.user_id), quiet && element('small', {}, quiet));
}

function drawChannel(channel) {
  if (!isVoice(channel)) {
    return element(
      'li',
      {},
      element(
        `button${state.unread.has(channel.id) ? '.unread' : ''}`,
        { 'aria-current': channel.id === state.channel, 'data-key': channel.id, onclick: () => chooseChannel(channel.id) },
        element('span.sign', { 'aria-hidden': 'true' }, '#'),
        channel.name,
      ),
    );
  }
  const inside = [...guild().voices.values()].filter(({ channel_id: id }) => id === channel.id);
  return element(
    'li',
    {},
    element(
      'button',
      { 'aria-current': call?.channel === channel.id, 'data-key': channel.id, title: `Join ${channel.name}`, onclick: () => joinVoice(channel.id) },
      element('span.sign', {}, picture(SPEAKER)),
      channel.name,
    ),
    inside.length ? element('ul.inside', { 'aria-label': `In ${channel.name}` }, ...inside.map(person)) : null,
  );
}

function drawChannels() {
  const all = [...guild().channels.values()].sort(byPosition);
  const drawn = (parent) => all.filter((c) => (c.parent_id ?? null) === parent && (c.type === TEXT || isVoice(c))).map(drawChannel);
  const groups = all.filter(({ type }) => type === CATEGORY).flatMap((c) => [element('li.heading', {}, c.name), ...drawn(c.id)]);
  replace($('channels'), ...drawn(null), ...groups);
}

function drawMembers() {
  const groups = new Map(ORDER.map((name) => [name === 'offline' ? 'Offline' : 'Online', []]));
  for (const id of guild().members.keys()) groups.get(statusOf(id) === 'offline' ? 'Offline' : 'Online').push(id);
  const rows = [];
  for (const [name, ids] of groups) {
    if (!ids.length) continue;
    rows.push(element('li.heading', {}, `${name} — ${ids.length}`));
    ids.sort((a, b) => nameOf(a).localeCompare(nameOf(b)));
    for (const id of ids) {
      const status = statusOf(id);
      const doing = guild().presences.get(id)?.activities?.[0];
      rows.push(
        element(
          `li.person${status === 'offline' ? '.offline' : ''}`,
          { 'aria-label': `${nameOf(id)}, ${status}` },
          avatar(userOf(id), { status }),
          element('div', {}, element('span.name', {}, nameOf(id)), doing ? element('small', {}, doing.state || doing.name) : null),
        ),
      );
    }
  }
  replace($('members'), ...rows);
}

function draw() {
  if (!guild()) return;
  $('guild-name').textContent = guild().name;
  drawChannels();
  drawMembers();
}

// Many events at once are drawn once.
let drawing = false;
function drawSoon() {
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(() => {
    drawing = false;
    draw();
    drawCall();
  });
}

// ---- messages ----

let messages = [];
let complete = false;
let loading = false;

async function chooseChannel(id) {
  state.channel = id;
  state.unread.delete(id);
  messages = [];
  complete = false;
  $('app').classList.remove('side-open');
  $('show-side').setAttribute('aria-expanded', 'false');
  $('channel-name').textContent = `# ${channelOf(id).name}`;
  $('channel-topic').textContent = channelOf(id).topic ?? '';
  $('content').placeholder = `Message #${channelOf(id).name}`;
  drawChannels();
  drawTyping();
  await loadOlder();
  $('messages').scrollTop = $('messages').scrollHeight;
}

async function loadOlder() {
  const channel = state.channel;
  if (complete || loading) return;
  loading = true;
  try {
    const older = await api.messages(channel, messages[0]?.id);
    if (channel !== state.channel) return;
    complete = older.length < 50;
    const height = $('messages').scrollHeight - $('messages').scrollTop;
    messages.unshift(...older.reverse());
    drawMessages();
    $('messages').scrollTop = $('messages').scrollHeight - height;
  } catch (error) {
    if (channel === state.channel) notice(`Messages: ${error.message}`);
    complete = true;
  } finally {
    loading = false;
    if (channel !== state.channel) loadOlder();
  }
}

const clock = (time) => time.toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' });
const dayOf = (time) => time.toLocaleDateString([], { weekday: 'long', day: 'numeric', month: 'long', year: 'numeric' });

// Mentions are written as names; everything else as it is.
const readable = (content) => content.replace(/<@!?(\d+)>/g, (whole, id) => (state.users.has(id) ? `@${nameOf(id)}` : whole));

function drawMessage(message, before) {
  const time = new Date(message.timestamp);
  const first = !before || before.author.id !== message.author.id || time - new Date(before.timestamp) > TOGETHER_MS || dayOf(new Date(before.timestamp)) !== dayOf(time);
  const name = guild().members.get(message.author.id)?.nick ?? message.author.username;
  const marks = `${first ? '.first' : ''}${message.sending ? '.sending' : ''}${message.failed ? '.failed' : ''}`;
  const text = element('p', {}, readable(message.content) || '(no text)', message.edited_timestamp ? element('small', {}, ' (edited)') : null);
  if (!first) return element(`li.message${marks}`, { title: time.toLocaleString() }, element('span'), text);
  return element(
    `li.message${marks}`,
    {},
    avatar({ id: message.author.id, username: name }),
    element('div', {}, element('header', {}, element('strong', {}, name), element('time', { datetime: message.timestamp, title: time.toLocaleString() }, clock(time))), text),
  );
}

function drawMessages() {
  const list = $('messages');
  const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 60;
  const rows = [];
  messages.forEach((message, k) => {
    const day = dayOf(new Date(message.timestamp));
    if (!k || dayOf(new Date(messages[k - 1].timestamp)) !== day) rows.push(element('li.day', {}, day));
    rows.push(drawMessage(message, messages[k - 1]));
  });
  replace(list, ...(rows.length ? rows : [element('li.empty', {}, 'Nothing has been said here yet.')]));
  if (atEnd) list.scrollTop = list.scrollHeight;
}

function takeMessage(message) {
  state.users.set(message.author.id, { ...state.users.get(message.author.id), ...message.author });
  state.typing.delete(message.author.id);
  if (message.channel_id !== state.channel) {
    state.unread.add(message.channel_id);
    return drawSoon();
  }
  const at = messages.findIndex((m) => m.id === message.id || (m.sending && m.nonce === message.nonce));
  if (at >= 0) messages[at] = message;
  else messages.push(message);
  drawMessages();
  return drawTyping();
}

async function send(content) {
  const nonce = String(Date.now()) + String(Math.floor(Math.random() * 1000));
  const mine = { id: nonce, nonce, content, author: state.me, channel_id: state.channel, timestamp: new Date().toISOString(), sending: true };
  messages.push(mine);
  drawMessages();
  $('messages').scrollTop = $('messages').scrollHeight;
  try {
    takeMessage(await api.say(state.channel, content, nonce));
  } catch (error) {
    Object.assign(mine, { sending: false, failed: true });
    drawMessages();
    notice(`Not sent: ${error.message}`);
  }
}

function drawTyping() {
  const now = Date.now();
  const names = [...state.typing].filter(([, t]) => t.channel === state.channel && t.until > now).map(([id]) => nameOf(id));
  $('typing').textContent = names.length ? `${names.slice(0, 3).join(', ')} ${names.length > 1 ? 'are' : 'is'} typing …` : '';
}

// ---- voice ----

function voiceWish(channel) {
  gateway.send(4, { guild_id: state.guild, channel_id: channel, self_mute: state.muted, self_deaf: state.deafened });
}

function joinVoice(channel) {
  if (call?.channel === channel) return;
  leaveVoice(false);
  state.joining = { channel, guild: state.guild };
  $('call').hidden = false;
  showCall('connecting');
  $('call-channel').textContent = channelOf(channel).name;
  voiceWish(channel);
}

function leaveVoice(tell = true) {
  call?.end();
  call = null;
  state.joining = null;
  $('call').hidden = true;
  $('strip').hidden = true;
  $('call-help').hidden = true;
  if (tell && gateway) voiceWish(null);
  drawSoon();
}

function showCall(name, detail) {
  $('call').dataset.state = name;
  $('call-state').textContent = { connecting: 'Connecting', connected: 'In voice', failed: 'Voice failed' }[name];
  if (detail) notice(detail);
}

function startCall({ token, guild_id: guildId }) {
  const where = state.joining ?? (call && { channel: call.channel, guild: guildId });
  if (!where) return;
  call?.end();
  call = new Call({ server_id: guildId, user_id: state.me.id, session_id: gateway.session, token }, { muted: state.muted || state.deafened, deafened: state.deafened });
  call.channel = where.channel;
  state.joining = null;
  const mine = call;
  const on = (name, listener) => mine.addEventListener(name, ({ detail }) => mine === call && listener(detail));
  on('state', ({ name, detail }) => showCall(name, detail));
  on('trouble', (lines) => {
    replace($('call-help'), ...lines.map((line, k) => element(k ? 'p' : 'strong', {}, line)));
    $('call-help').hidden = false;
  });
  on('speaking', markSpeaking);
  on('quality', ({ rtt, loss, jitter, mos, bars }) => {
    $('call-quality').dataset.bars = $('strip').dataset.bars = bars;
    const word = ['', 'poor', 'fair', 'good', 'excellent'][bars];
    $('call-quality').lastChild.textContent = `${word} · ${rtt.toFixed(0)} ms · ${(loss * 100).toFixed(1)} % lost`;
    $('call-quality').title = `Round trip ${rtt.toFixed(1)} ms, jitter ${jitter.toFixed(1)} ms, lost ${(loss * 100).toFixed(2)} %: ${mos.toFixed(1)} of 4.4 (E-model)`;
  });
  drawSoon();
}

function markSpeaking() {
  drawStrip();
  for (const node of document.querySelectorAll('.side .avatar')) node.classList.toggle('speaking', call?.speaking.has(node.dataset.user) ?? false);
}

// On a phone the call is beside the messages; who speaks, and the two buttons that are wanted at once, stay in sight.
function drawStrip() {
  const names = [...(call?.speaking ?? [])].map(nameOf);
  $('strip').hidden = !call;
  $('strip-text').textContent = names.length ? names.join(', ') : call ? channelOf(call.channel)?.name ?? '' : '';
  $('strip-mute').setAttribute('aria-pressed', state.muted || state.deafened);
  $('strip-mute').textContent = state.muted || state.deafened ? 'Unmute' : 'Mute';
}

function drawCall() {
  drawStrip();
  if (!call || !guild()) return;
  const others = [...guild().voices.values()].filter(({ channel_id: id, user_id: user }) => id === call.channel && user !== state.me.id);
  const shown = others.map(({ user_id: id }) => `${id} ${nameOf(id)}`).join();
  if (shown === call.shown && $('call-people').childElementCount) return markSpeaking(); // sliders that are being moved stay
  call.shown = shown;
  const rows = others.map(({ user_id: id }) => {
    const slider = element('input', { type: 'range', min: 0, max: 100, value: 100 * (call.volumes.get(id) ?? 1), 'aria-label': `Volume of ${nameOf(id)}`, 'data-key': `volume ${id}` });
    slider.addEventListener('input', () => call.volume(id, slider.value / 100));
    return element('li', {}, avatar(userOf(id), { small: true, speaking: call.speaking.has(id) }), element('span.name', {}, nameOf(id)), slider);
  });
  replace($('call-people'), ...(rows.length ? rows : [element('li', {}, element('small', {}, 'Nobody else is here.'))]));
}

function setMute(muted, deafened) {
  state.muted = muted;
  state.deafened = deafened;
  $('mute').setAttribute('aria-pressed', muted || deafened);
  $('deafen').setAttribute('aria-pressed', deafened);
  drawStrip();
  call?.mute(muted || deafened, deafened);
  if (call) voiceWish(call.channel);
}

// ---- the gateway ----

function listen() {
  const inGuild = (listener) => (d) => {
    const g = state.guilds.get(d.guild_id);
    if (g) listener(g, d);
    drawSoon();
  };
  gateway
    .on('READY', (d) => {
      state.me = d.user;
      state.users.set(d.user.id, d.user);
      $('me-name').textContent = d.user.username;
      replace($('me-avatar'), avatar(d.user, { status: 'online' }));
      $('login').hidden = true;
      $('app').hidden = false;
    })
    .on('GUILD_CREATE', takeGuild)
    .on('GUILD_DELETE', (d) => state.guilds.delete(d.id) && drawGuilds())
    .on('GUILD_UPDATE', (d) => Object.assign(state.guilds.get(d.id) ?? {}, { name: d.name }) && drawSoon())
    .on('CHANNEL_CREATE', inGuild((g, d) => g.channels.set(d.id, d)))
    .on('CHANNEL_UPDATE', inGuild((g, d) => g.channels.set(d.id, d)))
    .on('CHANNEL_DELETE', inGuild((g, d) => g.channels.delete(d.id)))
    .on('GUILD_MEMBER_ADD', inGuild(takeMember))
    .on('GUILD_MEMBER_UPDATE', inGuild(takeMember))
    .on('GUILD_MEMBER_REMOVE', inGuild((g, d) => g.members.delete(d.user.id)))
    .on('GUILD_MEMBERS_CHUNK', inGuild((g, d) => {
      for (const member of d.members) takeMember(g, member);
      for (const presence of d.presences ?? []) takePresence(g, presence);
    }))
    .on('PRESENCE_UPDATE', inGuild(takePresence))
    .on('VOICE_STATE_UPDATE', inGuild((g, d) => {
      takeVoice(g, d);
      if (d.user_id !== state.me.id || d.session_id !== gateway.session || !call) return;
      if (!d.channel_id) leaveVoice(false);
      else call.channel = d.channel_id;
    }))
    .on('VOICE_SERVER_UPDATE', startCall)
    .on('MESSAGE_CREATE', takeMessage)
    .on('MESSAGE_UPDATE', (d) => {
      messages = messages.map((m) => (m.id === d.id ? { ...m, ...d } : m));
      drawMessages();
    })
    .on('MESSAGE_DELETE', (d) => {
      messages = messages.filter(({ id }) => id !== d.id);
      drawMessages();
    })
    .on('TYPING_START', (d) => {
      if (d.user_id === state.me.id) return;
      state.typing.set(d.user_id, { channel: d.channel_id, until: Date.now() + 9000 });
      drawTyping();
    })
    .on('link', (text) => {
      $('me-link').textContent = text;
      document.body.dataset.link = text;
    })
    .on('refused', (code) => logout(code === 4004 ? 'This token is not known here.' : `The gateway refused the connection (${code}).`));
}

function login(token) {
  api = new Api(token);
  gateway = new Gateway(token, GUILDS | MEMBERS | VOICE_STATES | PRESENCES | MESSAGES | TYPING | CONTENT);
  listen();
}

function logout(why) {
  if (call) leaveVoice(); // while there still is somebody to tell
  gateway?.end();
  gateway = null;
  sessionStorage.removeItem('token');
  Object.assign(state, { guild: null, channel: null });
  state.guilds.clear();
  $('app').hidden = true;
  $('login').hidden = false;
  $('login-error').hidden = !why;
  $('login-error').textContent = why ?? '';
  $('token').focus();
}

// ---- what the person does ----

$('login-form').addEventListener('submit', (event) => {
  event.preventDefault();
  const token = $('token').value.trim().replace(/^Bot\s+/i, '');
  if (!token) return;
  $('token').value = '';
  $('login-error').hidden = true;
  sessionStorage.setItem('token', token);
  login(token);
});

$('composer').addEventListener('submit', (event) => {
  event.preventDefault();
  const content = $('content').value.trim();
  if (!content || !state.channel) return;
  $('content').value = '';
  send(content);
});
$('content').addEventListener('keydown', (event) => {
  if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    $('composer').requestSubmit();
  }
});
let typed = 0;
$('content').addEventListener('input', () => {
  if (Date.now() - typed < 8000 || !$('content').value) return;
  typed = Date.now();
  api.typing(state.channel).catch(() => {});
});
$('messages').addEventListener('scroll', () => $('messages').scrollTop < 200 && messages.length && loadOlder());
$('mute').addEventListener('click', () => setMute(!(state.muted || state.deafened), false));
$('deafen').addEventListener('click', () => setMute(state.muted, !state.deafened));
$('logout').addEventListener('click', () => logout());
$('call-leave').addEventListener('click', () => leaveVoice());
$('strip-leave').addEventListener('click', () => leaveVoice());
$('strip-mute').addEventListener('click', () => $('mute').click());
$('strip-call').addEventListener('click', () => $('show-side').click());
$('show-side').addEventListener('click', () => {
  const open = $('app').classList.toggle('side-open');
  $('show-side').setAttribute('aria-expanded', open);
  if (open) $('channels').querySelector('button')?.focus();
});
$('app').addEventListener('click', (event) => {
  if (event.target.closest('.chat') && !event.target.closest('#show-side, #strip-call')) $('app').classList.remove('side-open');
});
const narrowMembers = window.matchMedia('(max-width: 1000px)');
function showMembers(shown) {
  $('app').classList.toggle('without-members', !shown);
  $('show-members').setAttribute('aria-pressed', shown);
}
$('show-members').addEventListener('click', () => showMembers($('app').classList.contains('without-members')));
narrowMembers.addEventListener('change', ({ matches }) => showMembers(!matches));
showMembers(!narrowMembers.matches);
document.addEventListener('keydown', (event) => {
  if (event.key === 'Escape') $('app').classList.remove('side-open');
  if (event.ctrlKey && event.key.toLowerCase() === 'm' && call) {
    event.preventDefault();
    $('mute').click();
  }
});
window.addEventListener('pagehide', () => call?.end());
setInterval(drawTyping, 1000);

const kept = sessionStorage.getItem('token');
if (kept) login(kept);
