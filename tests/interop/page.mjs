// The box's own page in headless Chromium: log in, chat, talk, mute, leave, and go on after either process was killed.
// VOXPOP_SHOTS=DIR keeps pictures of it.
// SPDX-License-Identifier: Apache-2.0
import { join, leave } from './lib/audio.mjs';
import { launch, makeNamespace, removeNamespace } from './lib/browser.mjs';
import { freshText, login, messageFrom, textOf } from './lib/client.mjs';
import { equal, eventually, finish, need, test, truth } from './lib/harness.mjs';
import { host, pidAfter, pidOf, rest, textChannelId, token } from './lib/pop.mjs';

const SHOTS = process.env.VOXPOP_SHOTS;
const PATIENCE_MS = 60_000; // a bound, not a measure: the machine may be busy
const SCRIPT = `<img src=x onerror="document.title='broken'"><b>${freshText('bold')}</b>`;

makeNamespace();
process.on('exit', removeNamespace);
const browser = await need('Chromium starts', () => launch());
const errors = [];

async function open(k, size = { width: 1280, height: 800 }) {
  const context = await browser.newContext({ ignoreHTTPSErrors: true, viewport: size, permissions: ['microphone'] });
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE_MS);
  page.on('pageerror', (error) => errors.push(String(error)));
  page.on('console', (message) => message.type() === 'error' && errors.push(message.text()));
  await page.goto(`https://${host}/`);
  await page.fill('#token', token(k));
  await page.click('#login-form button');
  await page.waitForSelector('#app:not([hidden])');
  await page.waitForSelector('#channels button', { state: 'attached' }); // a phone shows them when asked
  return page;
}

const shot = (page, name) => SHOTS && page.screenshot({ path: `${SHOTS}/${name}.png` });
const bot = await need('a bot logs in', () => login(3));
const alice = await need('alice logs in with her token, in the page', () => open(1));
const bob = await need('bob does so on a phone', () => open(2, { width: 390, height: 844 }));

await test('a wrong token is told so, and nothing else', async () => {
  const context = await browser.newContext({ ignoreHTTPSErrors: true });
  const page = await context.newPage();
  await page.goto(`https://${host}/`);
  await shot(page, 'login');
  await page.fill('#token', 'nobody.knows.this');
  await page.keyboard.press('Enter');
  await page.waitForSelector('#login-error:not([hidden])');
  truth(/not known/.test(await page.textContent('#login-error')), 'the reason');
  await context.close();
});

await test('what is said in the page is heard by others, and the other way round', async () => {
  const mine = freshText('from the page');
  const arrives = messageFrom(bot, mine);
  await alice.waitForFunction(() => document.getElementById('channel-name').textContent.startsWith('#'));
  await alice.fill('#content', mine);
  await alice.keyboard.press('Enter');
  await arrives;
  const theirs = freshText('from the bot');
  await textOf(bot).send(theirs);
  await alice.getByText(theirs).waitFor();
  await bob.getByText(theirs).waitFor();
});

await test('history is there after a reload', async () => {
  const text = freshText('before the reload');
  await textOf(bot).send(text);
  await alice.getByText(text).waitFor();
  await alice.reload();
  await alice.getByText(text).waitFor();
});

await test('markup is shown as text', async () => {
  await textOf(bot).send(SCRIPT);
  await alice.getByText(SCRIPT).waitFor();
  equal(await alice.evaluate(() => [document.title, document.querySelectorAll('.message img, .message b').length]), ['voxpop', 0], 'title and elements');
});

await test('members are shown with their presence', async () => {
  await alice.waitForSelector(`.members [data-user="${bot.user.id}"][data-status="online"]`);
  bot.user.setStatus('dnd');
  await alice.waitForSelector(`.members [data-user="${bot.user.id}"][data-status="dnd"]`);
});

const enter = async (page) => {
  if (await page.isVisible('#show-side')) await page.click('#show-side');
  await page.click('#channels button[title^="Join"]');
  await page.waitForSelector('#call[data-state="connected"]');
};

await need('both join voice', async () => {
  await enter(alice);
  await enter(bob);
});

const speaks = (page, user) => page.waitForSelector(`#call-people .avatar.speaking[data-user="${user}"]`, { state: 'attached' });
const meOf = (page) => page.getAttribute('#me-avatar .avatar', 'data-user');

await test('each sees the other speak', async () => {
  await speaks(alice, await meOf(bob));
  await speaks(bob, await meOf(alice));
});

await test('the quality of the connection is told', async () => {
  await alice.waitForSelector('#call-quality[data-bars]');
  truth(/ms/.test(await alice.textContent('#call-quality')), 'milliseconds');
  truth(/of 4\.4/.test(await alice.getAttribute('#call-quality', 'title')), 'the score');
});

await test('the keyboard stays where it is while people speak and others come and go', async () => {
  await alice.focus('#channels button[title^="Join"]');
  const focused = () => alice.evaluate(() => document.activeElement?.title ?? '');
  await alice.evaluate(() => {
    globalThis.drawn = new Promise((resolve) => new MutationObserver((_, o) => (o.disconnect(), resolve(true))).observe(document.getElementById('channels'), { childList: true }));
  });
  await rest('PATCH', `/channels/${textChannelId}`, { body: { topic: freshText('topic') } });
  truth(await alice.evaluate(() => globalThis.drawn), 'the list of channels is drawn anew');
  truth(/^Join/.test(await focused()), `focus on ${await focused()}`);
});

const connection = await need('the bot joins them by UDP', () => join(bot));
await test('and is seen in the channel', () => alice.waitForSelector(`#channels .inside [data-user="${bot.user.id}"]`));
if (SHOTS) {
  for (const text of ['Morning! Is the new POP up?', 'It is. I am talking to you from a browser, no plugin.', 'Round trip is below a millisecond here 🎉']) await textOf(bot).send(text);
  await alice.fill('#content', 'Then let us open it to everybody.');
  await alice.keyboard.press('Enter');
  await alice.waitForTimeout(1500);
  await shot(alice, 'desktop');
  await shot(bob, 'phone-side');
  await bob.keyboard.press('Escape');
  await bob.waitForTimeout(300);
  await shot(bob, 'phone');
  for (const [page, name] of [[alice, 'desktop-dark'], [bob, 'phone-dark']]) {
    await page.emulateMedia({ colorScheme: 'dark' });
    await shot(page, name);
    await page.emulateMedia({ colorScheme: null });
  }
}

await test('on a phone the call stays in sight, with what is wanted at once', async () => {
  await bob.keyboard.press('Escape');
  await bob.waitForSelector('#strip-mute', { state: 'visible' });
  truth(!(await alice.isVisible('#strip')), 'where there is room it is beside the messages');
  await bob.click('#strip-mute');
  equal([await bob.getAttribute('#strip-mute', 'aria-pressed'), await bob.getAttribute('#mute', 'aria-pressed')], ['true', 'true'], 'muted');
  await bob.click('#strip-mute');
  equal(await bob.getAttribute('#mute', 'aria-pressed'), 'false', 'unmuted');
});

await test('who mutes himself is seen muted and is not heard', async () => {
  await bob.evaluate(() => document.getElementById('mute').click());
  await alice.waitForFunction((id) => document.querySelector(`#channels .inside [data-user="${id}"]`)?.parentNode.textContent.includes('muted'), await meOf(bob));
  await alice.waitForSelector(`#call-people .avatar:not(.speaking)[data-user="${await meOf(bob)}"]`);
  await bob.evaluate(() => document.getElementById('mute').click());
  await speaks(alice, await meOf(bob));
});

for (const name of ['controlplane', 'dataplane']) {
  await test(`after a kill of the ${name} the page chats and talks again`, async () => {
    const before = pidOf(name);
    process.kill(before, 'SIGKILL');
    await eventually(() => pidAfter(name, before), `a new ${name}`);
    const text = freshText(`after the ${name}`);
    await eventually(async () => {
      await textOf(bot).send(text).catch(() => null);
      return (await alice.getByText(text).count()) > 0;
    }, 'chat');
    await alice.waitForSelector('#call[data-state="connected"]');
    await speaks(alice, await meOf(bob));
  });
}

await test('who leaves is seen to leave', async () => {
  const id = await meOf(bob);
  await bob.evaluate(() => document.getElementById('call-leave').click());
  await alice.waitForFunction((user) => !document.querySelector(`#channels .inside [data-user="${user}"]`), id);
});

await test('every control has a name, and the keyboard reaches it', async () => {
  const nameless = await alice.evaluate(() =>
    [...document.querySelectorAll('button, input, textarea')].filter((e) => !(e.textContent.trim() || e.getAttribute('aria-label') || e.title || e.labels?.length)).map((e) => e.outerHTML),
  );
  equal(nameless, [], 'controls without a name');
  await alice.focus('#content');
  await alice.keyboard.press('Shift+Tab');
  truth(await alice.evaluate(() => document.activeElement !== document.body), 'focus');
});

await test('the page met no error of its own, and its policy refused nothing', () => {
  const ours = errors.filter((text) => !/WebSocket|ERR_|Failed to load resource|401|429/.test(text));
  equal(ours, [], 'errors');
});

leave(connection);
await Promise.all([browser.close(), bot.destroy()]);
finish();
