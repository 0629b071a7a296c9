/*
 * The NOC page: asks for /status.json once a second and shows it. Rates are differences between two answers,
 * over the box's own clock.
 * SPDX-License-Identifier: Apache-2.0
 */
"use strict";

const SAMPLES = 120; /* two minutes of sparkline */
const RECENT = 10;   /* seconds that "last 10 s" means */
const CORE_ROWS = 10;
const PORT_ROWS = 3; /* more of them are shown in short */
const HOT = 0.9;

const $ = (id) => document.getElementById(id);
const history = { in: [], out: [], connections: [], gateway: [], voice: [], rooms: [] };
const answers = []; /* the last RECENT + 1, newest at the end */
let reasons = {};
let heard = null;

function count(n) {
  return Math.round(n).toLocaleString("en").replaceAll(",", "\u2009");
}

/* 1234567 -> "1.23 M": three digits are enough to look at. */
function short(n) {
  for (const [unit, size] of [["T", 1e12], ["G", 1e9], ["M", 1e6], ["k", 1e4]])
    if (n >= size)
      return (n / (unit === "k" ? 1e3 : size)).toPrecision(3) + "\u2009" + unit;
  return count(n);
}

function bits(n) {
  for (const [unit, size] of [["Gbit/s", 1e9], ["Mbit/s", 1e6], ["kbit/s", 1e3]])
    if (n >= size)
      return (n / size).toPrecision(3) + "\u2009" + unit;
  return count(n) + "\u2009bit/s";
}

function make(tag, text, className) {
  const e = document.createElement(tag);
  if (text !== undefined)
    e.textContent = text;
  if (className)
    e.className = className;
  return e;
}

/* Null while there is nothing to compare with, or after a cold start. */
function rate(now, before, value) {
  const seconds = before ? (now.time_us - before.time_us) / 1e6 : 0;
  const difference = seconds > 0 ? value(now) - value(before) : -1;
  return difference < 0 ? null : difference / seconds;
}

function push(name, value) {
  history[name].push(value);
  if (history[name].length > SAMPLES)
    history[name].shift();
}

/* From the top of the scale down; new samples enter at the right. */
function draw(name) {
  const svg = $(name + "-line"), values = history[name], height = 100;
  const top = Math.max(1, ...values.map((v) => v ?? 0)) * 1.15;
  const begin = values.findIndex((v) => v !== null);
  const points = begin < 0 ? [] : values.slice(begin).map((v, n) => [v, n + begin]).map(([v, i]) =>
    (SAMPLES - values.length + i) / (SAMPLES - 1) * 1000 + " " + (height - (v ?? 0) / top * height).toFixed(2));
  svg.setAttribute("viewBox", "0 0 1000 " + height);
  if (!svg.firstChild)
    for (const className of ["area", "edge"]) {
      const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
      path.setAttribute("class", className);
      svg.append(path);
    }
  const line = points.length > 1 ? "M" + points.join("L") : "";
  const first = points.length ? points[0].split(" ")[0] : 0;
  svg.children[1].setAttribute("d", line);
  svg.children[0].setAttribute("d", line ? line + "L1000 " + height + "L" + first + " " + height + "Z" : "");
}

function showFlow(name, now, before, packets, bytes) {
  const perSecond = rate(now, before, packets), perSecondBytes = rate(now, before, bytes);
  push(name, perSecond);
  $(name + "-rate").textContent = perSecond === null ? "\u2013" : count(perSecond);
  $(name + "-bits").textContent = perSecondBytes === null ? "\u2013" : bits(perSecondBytes * 8);
  $(name + "-peak").textContent = short(Math.max(0, ...history[name].map((v) => v ?? 0))) + "/s";
  $(name + "-total").textContent = short(packets(now));
  draw(name);
}

function showTile(name, value, aside) {
  push(name, value);
  $(name).textContent = count(value);
  $(name + "-aside").textContent = aside;
  draw(name);
}

function showProcesses(now) {
  $("processes").replaceChildren(...["dataplane", "controlplane"].map((name) => {
    const p = now[name], item = make("li", undefined, p.alive ? "" : "down");
    const title = name === "dataplane" ? "Dataplane" : "Control plane";
    const life = p.lives > 1 ? ", life " + p.lives : "";
    item.append(make("i"), make("b", title), p.alive ? "pid " + p.pid + life : "down" + life);
    return item;
  }));
}

function showState(good, text) {
  $("state").className = good ? "state" : "state bad";
  $("state").lastElementChild.textContent = text;
}

function showCores(now, before) {
  const many = now.workers.length > CORE_ROWS;
  $("cores").className = many ? "many" : "";
  $("cores").replaceChildren(...now.workers.map((w, k) => {
    const was = before?.workers[k];
    const speed = (field) => was ? rate(now, before, (a) => a === now ? w[field] : was[field]) : null;
    const show = (v) => v === null ? "\u2013" : short(v) + "/s";
    const item = make("li", undefined, w.busy_share > HOT ? "hot" : ""), bar = make("div", undefined, "bar");
    const fill = make("i");
    fill.style.width = w.busy_share * 100 + "%";
    bar.append(fill);
    item.append(make("span", "core " + w.core), bar, make("b", Math.round(w.busy_share * 100) + "\u2009%"));
    if (!many)
      item.append(make("small", show(speed("packets_in")) + " in, " + show(speed("packets_out")) + " out"));
    return item;
  }));
}

/* Those of the last seconds first, then the largest; as many as the panel is high. */
function showDrops(now, before) {
  const rows = Object.keys(now.drops).map((name) => {
    const total = now.drops[name], recent = before ? Math.max(0, total - before.drops[name]) : 0;
    return { name, total, recent };
  }).filter((r) => r.total > 0).sort((a, b) => b.recent - a.recent || b.total - a.total);
  const room = Math.max(3, Math.floor(($("drops").closest("section").clientHeight - 92) / 32));
  $("drops").replaceChildren(...rows.slice(0, room).map((r) => {
    const row = make("tr"), what = make("td", reasons[r.name] ?? r.name);
    what.append(make("small", r.name));
    what.title = r.name;
    row.append(what, make("td", r.recent ? count(r.recent) : "\u2013", r.recent ? "n now" : "n"),
      make("td", count(r.total), "n"));
    return row;
  }));
  const more = rows.length > room ? ", " + (rows.length - room) + " more reasons" : "";
  $("drops-sum").textContent = rows.length ? count(rows.reduce((sum, r) => sum + r.total, 0)) + " in all" + more : "";
  $("drops-empty").hidden = rows.length > 0;
  $("drops").parentElement.hidden = rows.length === 0;
}

function showPorts(now, before) {
  $("ports").className = now.ports.length > PORT_ROWS ? "many" : "";
  $("ports").replaceChildren(...now.ports.map((p) => {
    const item = make("li", undefined, p.link === "up" ? "" : "down"), title = make("p");
    const was = before?.ports.find((b) => b.name === p.name);
    const speed = (field) => was ? rate(now, before, (a) => a === now ? p[field] : was[field]) : null;
    const show = (v) => v === null ? "\u2013" : short(v) + "/s";
    title.append(make("b", p.name), make("span", p.mac),
      make("em", p.link === "up" ? "\u25b2 link up" : "\u25bc link down"));
    item.append(title);
    for (const [name, text, wrong] of [
      ["in", show(speed("rx_packets"))], ["out", show(speed("tx_packets"))],
      ["missed", short(p.rx_missed), p.rx_missed > 0], ["queue full", short(p.tx_full), p.tx_full > 0],
      ["steered to us", short(p.steered)], ["left to the kernel", short(p.passed)],
      ["bytes in", short(p.rx_bytes)], ["bytes out", short(p.tx_bytes)]]) {
      const cell = make("div", undefined, wrong ? "wrong" : "");
      cell.append(make("dt", name), make("dd", text));
      item.append(cell);
    }
    return item;
  }));
}

function show(now) {
  const before = answers.at(-1);
  showState(now.ready, now.ready ? "Ready" : "Not ready");
  showProcesses(now);
  showFlow("in", now, before, (a) => a.counters.rx_packets, (a) => a.counters.rx_bytes);
  showFlow("out", now, before, (a) => a.counters.tx_packets, (a) => a.counters.tx_bytes);
  const opened = rate(now, before, (a) => a.counters.connections_opened);
  const messages = rate(now, before, (a) => a.counters.ws_messages_out);
  const voice = rate(now, before, (a) => a.counters.voice_out);
  showTile("connections", now.connections.open, now.connections.handshaking + " shaking hands" +
    (opened === null ? "" : ", " + short(opened) + " new/s"));
  showTile("gateway", now.sessions.gateway, messages === null ? "" : short(messages) + " messages/s out");
  showTile("voice", now.sessions.voice, voice === null ? "" : short(voice) + " voice packets/s out");
  const quality = now.voice_quality;
  showTile("rooms", now.rooms.open, count(now.rooms.members) + " members" + (quality && quality.residence_p99_below_us
    ? ", p99 under " + quality.residence_p99_below_us + " µs here" : "") + (quality && quality.received
    ? ", " + (100 * quality.lost / (quality.received + quality.lost)).toFixed(2) + " % lost before" : ""));
  showCores(now, before);
  showDrops(now, answers[0]);
  showPorts(now, before);
  answers.push(now);
  if (answers.length > RECENT)
    answers.shift();
}

async function json(path) {
  const answer = await fetch(path, { signal: AbortSignal.timeout(3000) });
  if (!answer.ok)
    throw new Error(path + ": " + answer.status);
  return answer.json();
}

async function look() {
  try {
    if (!Object.keys(reasons).length) {
      const pop = await json("/pop.json");
      reasons = pop.drop_reasons;
      $("pop-name").textContent = pop.name;
      $("pop-region").textContent = pop.region;
      $("pop-addresses").textContent = pop.addresses.join("  ");
      document.title = "voxpop " + pop.name;
    }
    show(await json("/status.json"));
    heard = new Date();
    document.body.className = "";
  } catch {
    document.body.className = "stale";
    showState(false, heard ? "No answer since " + heard.toISOString().slice(11, 19) : "No answer");
  }
}

function tick() {
  $("clock").textContent = new Date().toISOString().slice(11, 19);
}

tick();
look();
setInterval(tick, 1000);
setInterval(look, 1000);
