// Elements from data. Text goes in as text, never as markup.
// SPDX-License-Identifier: Apache-2.0

export const $ = (id) => document.getElementById(id);

// element('li.person', { title: 'x', onclick: f, 'aria-label': 'y' }, 'text', child, …)
export function element(what, attributes = {}, ...children) {
  const [tag, ...classes] = what.split('.');
  const node = document.createElement(tag);
  if (classes.length) node.className = classes.join(' ');
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else if (name === 'hue') node.style.setProperty('--hue', value);
    else node.setAttribute(name, value === true && !name.startsWith('aria-') ? '' : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

export function picture(path) {
  const ns = 'http://www.w3.org/2000/svg';
  const svg = document.createElementNS(ns, 'svg');
  svg.setAttribute('viewBox', '0 0 24 24');
  svg.setAttribute('aria-hidden', 'true');
  const shape = document.createElementNS(ns, 'path');
  shape.setAttribute('d', path);
  svg.append(shape);
  return svg;
}

export const SPEAKER = 'M3 9v6h4l5 5V4L7 9zm13 3a4 4 0 0 0-2.500-3.700v7.400A4 4 0 0 0 16 12zm-2.500-8.800v2.100a7 7 0 0 1 0 13.400v2.100a9 9 0 0 0 0-17.600z';

const initials = (name) => [...name.trim()].slice(0, 2).join('').toUpperCase() || '?';
const hueOf = (id) => Number((BigInt(id) * 137n) % 360n); // neighbours look different

export const avatar = (user, { small = false, status, speaking = false } = {}) =>
  element(
    `span.avatar${small ? '.small' : ''}${speaking ? '.speaking' : ''}`,
    { hue: hueOf(user.id), 'data-status': status, 'aria-hidden': 'true', 'data-user': user.id },
    initials(user.username),
  );

// What has the keyboard keeps it, if it is there again: the same data-key.
export function replace(node, ...children) {
  const key = node.contains(document.activeElement) ? document.activeElement.dataset.key : undefined;
  node.replaceChildren(...children);
  if (key) node.querySelector(`[data-key="${CSS.escape(key)}"]`)?.focus({ preventScroll: true });
}

let hide;
export function notice(text) {
  $('notice').textContent = text;
  $('notice').hidden = false;
  clearTimeout(hide);
  hide = setTimeout(() => ($('notice').hidden = true), 5000);
}
