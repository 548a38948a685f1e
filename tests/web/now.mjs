// SPDX-License-Identifier: BSD-2-Clause
// The page Now, while dumps arrive and servers come and go.
import { Site, FORMS, assert, eventually, findings, finish, made, overflow, shifted, sleep, test } from './harness.mjs';

const MIB = 1 << 20;
const FIRST_LOAD_MAX = 100 * 1024; // bytes over the wire, all requests
const PANIC = 'zalloc: zone map exhausted while allocating from zone kalloc.1024';
const HOSTILE_PANIC = 'x<img src=x onerror=alert(1)><script>alert(2)</script>';

const site = await Site.start();
const text = (page, selector) => page.locator(selector).first().innerText();
const headline = (page, wanted) => eventually(async () => (await text(page, 'h1.headline')).includes(wanted), `the headline "${wanted}"`);
const bytesShown = async (page) => {
  const [number, unit] = (await text(page, '.transfer .bytes')).split(' ');
  return Number(number) * { B: 1, KiB: 1 << 10, MiB: MIB }[unit];
};

/** The parts of a core, the panic log in the first of them. */
function core(size, panic) {
  const content = made('core', size, panic);
  return [0, 0.3, 0.6, 1].map((part, i, parts) => content.subarray((parts[i - 1] ?? 0) * content.length, part * content.length)).slice(1);
}

test('the first load is below 100 KiB, everything counted', async () => {
  const page = await site.open('/');
  const cdp = await page.context().newCDPSession(page);
  let total = 0, requests = 0;
  await cdp.send('Network.enable');
  await cdp.send('Network.setCacheDisabled', { cacheDisabled: true });
  const counted = new Map();
  cdp.on('Network.requestWillBeSent', () => { requests++; });
  cdp.on('Network.responseReceived', ({ requestId, response }) => counted.set(requestId, response.encodedDataLength));
  cdp.on('Network.dataReceived', ({ requestId, encodedDataLength }) => counted.set(requestId, (counted.get(requestId) ?? 0) + encodedDataLength));
  cdp.on('Network.loadingFinished', ({ requestId, encodedDataLength }) => counted.set(requestId, encodedDataLength));
  const before = Date.now();
  await page.reload();
  await page.waitForSelector('h1.headline');
  const took = Date.now() - before;
  await sleep(1500);
  for (const bytes of counted.values()) total += bytes;
  assert.ok(total > 5000, `${total} bytes cannot be all`);
  assert.ok(total < FIRST_LOAD_MAX, `${total} bytes`);
  assert.ok(!page.asked.some((url) => /timeline|panics-|setup-|dump-/.test(url)), 'what another page needs was loaded');
  return `first load: ${total} bytes in ${requests} requests, ${took} ms to the headline`;
});

test('when nothing arrives and nothing is wrong it says so, and leads to setting up a machine', async () => {
  const page = await site.open('/');
  await headline(page, 'Nothing is arriving');
  assert.equal(await page.locator('.notice').count(), 0, await page.locator('main').innerText());
  assert.match(await text(page, '.arriving'), /No dump has come yet/);
  assert.equal(await page.locator('.arriving a').getAttribute('href'), '/setup');
  assert.match(await text(page, '.where'), new RegExp(`127\\.0\\.0\\.1:${site.port}`));
  assert.match(await text(page, '.figure'), /\d.* [KMGTPE]iB/);
  await eventually(async () => (await text(page, '.connection')) === 'Live', 'the live connection');
});

test('a dump arrives while the page is open: it moves, says why, and ends, without a reload or a jump', async () => {
  const page = await site.open('/');
  await eventually(async () => (await text(page, '.connection')) === 'Live');
  await page.evaluate(() => { globalThis.same = true; globalThis.layoutShifts = []; });
  const [first, second, third] = core(2 * MIB, PANIC);
  const started = Date.now(), sender = await site.sender('core-a');
  await sender.data(first.subarray(0, 1000)); // before its first bytes a dump is only asked for
  await page.waitForSelector('.transfer');
  const seen = Date.now() - started;
  await sender.data(first.subarray(1000));
  const before = await eventually(() => bytesShown(page), 'bytes');
  await headline(page, '1 dump is arriving');
  await eventually(async () => (await text(page, '.transfer .cause')).includes(PANIC), 'the panic string');
  assert.equal(site.rows()[0].state, 'receiving', 'it is known before the end');
  await eventually(async () => (await text(page, '[aria-live=polite]')).includes(PANIC), 'that it is said aloud');
  assert.match(await page.title(), /^\(1\) /);
  await sender.data(second);
  await eventually(async () => (await bytesShown(page)) > before, 'progress');
  assert.deepEqual((await shifted(page)).filter(({ value }) => value > 0.005), [], 'what has jumped');
  await sender.data(third);
  await sender.finish();
  await eventually(async () => /complete/.test(await text(page, '.transfer .pace')), 'the verdict');
  await eventually(async () => (await text(page, '.latest')).includes(PANIC), 'the row below');
  await headline(page, 'Nothing is arriving');
  await eventually(async () => (await page.locator('.transfer').count()) === 0, 'the row to go');
  assert.equal(await page.evaluate(() => globalThis.same), true, 'it was reloaded');
  return `a row ${seen} ms after the first packet`;
});

test('a sender that says no more is shown as silent, beside those that do', async () => {
  const page = await site.open('/');
  const sender = await site.sender('core-torn');
  await sender.data(core(MIB)[0].subarray(0, 100000));
  await eventually(async () => /silent for/.test(await text(page, '.transfer .pace')), 'silence');
  const again = await site.sender('core-torn-2'); // another dump of the same machine ends nothing
  await again.data(core(MIB)[0].subarray(0, 100000));
  await eventually(async () => (await page.locator('.transfer').count()) === 2);
  sender.close();
  again.close();
  await site.stopPanicd('SIGKILL');
  await site.startPanicd();
});

test('panicd goes and comes back: the page says both, and its dumps go on', async () => {
  const page = await site.open('/');
  await page.evaluate(() => { globalThis.same = true; });
  const sender = await site.sender('core-restart'), [first, second, third] = core(2 * MIB, PANIC);
  await sender.data(first);
  await page.waitForSelector('.transfer');
  await site.stopPanicd('SIGKILL');
  await headline(page, 'panicd is not listening');
  await eventually(() => page.locator('.notice.bad').count(), 'what is wrong');
  assert.deepEqual(await findings(page), []);
  await site.startPanicd();
  await eventually(async () => !(await text(page, 'h1.headline')).includes('not listening'), 'the headline');
  await sender.data(second);
  await sender.data(third);
  await sender.finish();
  await eventually(async () => (await text(page, '.latest')).includes('zone map'), 'the row below');
  assert.equal(await page.evaluate(() => globalThis.same), true);
});

test('panicweb is restarted: the page reconnects, and reads what came meanwhile', async () => {
  const page = await site.open('/');
  await page.evaluate(() => { globalThis.same = true; });
  await eventually(async () => (await text(page, '.connection')) === 'Live');
  await site.stopWeb('SIGKILL');
  await eventually(async () => /Reconnecting since \d\d:\d\d:\d\d/.test(await text(page, '.connection')), 'that it is said');
  await site.dump('came-meanwhile', Buffer.from('not a core'));
  await site.startWeb();
  await eventually(async () => (await text(page, '.connection')) === 'Live', 'the connection');
  await eventually(async () => (await text(page, '.latest')).includes('came-meanwhile'), 'what came meanwhile');
  assert.equal(await page.evaluate(() => globalThis.same), true);
});

for (const form of FORMS) {
  test(`hostile names and panic strings are text: ${form.scheme}, ${form.width} px`, async () => {
    const page = await site.open('/', form);
    const name = `<b onmouseover=alert(1)>\u202e"${'W'.repeat(90)}-${form.scheme}-${form.width}`;
    const sender = await site.sender(name), parts = core(2 * MIB, HOSTILE_PANIC);
    await sender.data(parts[0]);
    const row = page.locator('.transfer', { hasText: `${form.scheme}-${form.width}` });
    await eventually(async () => (await row.locator('.cause').innerText()).includes('<img src=x onerror=alert(1)>'), 'the panic string');
    assert.match(await row.locator('.from').innerText(), /<b onmouseover=alert\(1\)>\\u202e"W+/);
    assert.equal(await page.locator('main img, main b[onmouseover], main script').count(), 0);
    assert.equal(await overflow(page), 0);
    assert.deepEqual(await findings(page), []);
    if (process.env.PND_SHOTS) await page.screenshot({ path: `${process.env.PND_SHOTS}/now-${form.scheme}-${form.width}.png`, fullPage: true });
    for (const part of parts.slice(1)) await sender.data(part);
    await sender.finish();
  });
}

test('with the keyboard alone: to the content, between the pages, to a dump, the list of keys', async () => {
  const page = await site.open('/');
  await page.keyboard.press('Tab');
  assert.equal(await page.evaluate(() => document.activeElement.className), 'skip');
  await page.keyboard.press('Enter');
  assert.equal(await page.evaluate(() => document.activeElement.id), 'main');
  await page.keyboard.press('?');
  await page.waitForSelector('dialog[open]');
  assert.deepEqual(await findings(page), []);
  await page.keyboard.press('Escape');
  await page.keyboard.press('p');
  await eventually(async () => (await text(page, 'h1')) === 'Panics');
  assert.equal(await page.evaluate(() => document.activeElement.tagName), 'H1', 'where the focus goes');
  await page.keyboard.press('/');
  assert.equal(await page.evaluate(() => document.activeElement.name), 'text');
  await page.keyboard.type('n'); // is typed, and goes nowhere
  assert.equal(new URL(page.url()).pathname, '/panics');
  await page.evaluate(() => document.activeElement.blur());
  await page.keyboard.press('n');
  await page.waitForSelector('h1.headline');
  for (let i = 0; i < 30 && !(await page.evaluate(() => document.activeElement.matches('.dumps a'))); i++) await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await eventually(() => /\/dumps\/\d+$/.test(page.url()), 'the dump');
});

test('without panicd the connection to panicweb stays, and that panicd has gone is said once', async () => {
  const page = await site.open('/');
  await eventually(async () => (await text(page, '.connection')) === 'Live');
  await page.waitForTimeout(11000); // it has heard that panicd serves
  await page.evaluate(() => {
    globalThis.said = [];
    const polite = document.querySelector('[aria-live=polite]');
    new MutationObserver(() => globalThis.said.push(polite.textContent)).observe(polite, { childList: true, characterData: true, subtree: true });
  });
  await site.stopPanicd();
  await headline(page, 'panicd is not listening');
  await page.waitForTimeout(40000); // longer than a connection may say nothing
  // A stream is among these when it has ended.
  assert.equal(await page.evaluate(() => performance.getEntriesByType('resource').filter(({ name }) => name.endsWith('/api/events')).length), 0);
  assert.deepEqual(await page.evaluate(() => globalThis.said), ['panicd has gone.']);
  await site.startPanicd();
  await eventually(async () => (await page.evaluate(() => globalThis.said)).includes('panicd is listening again.'));
});

test('a page that cannot be had says so, in words, and is there when panicweb is', async () => {
  const page = await site.open('/');
  await site.stopWeb('SIGKILL');
  await page.keyboard.press('p');
  await eventually(async () => (await text(page, 'h1')) === 'This page could not be shown');
  assert.match(await text(page, '.notice'), /panicweb does not answer/);
  assert.deepEqual(await findings(page), []);
  await site.startWeb();
  await page.getByRole('button', { name: 'Try again' }).click();
  await eventually(async () => (await text(page, 'h1')) === 'Panics');
});

test('the keys can be turned off, and the colours stay as they were chosen', async () => {
  const page = await site.open('/', { scheme: 'light' });
  const ground = () => page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
  const light = await ground();
  await page.keyboard.press('t');
  await page.keyboard.press('t');
  const dark = await ground();
  assert.notEqual(dark, light);
  await page.reload();
  await page.waitForSelector('h1.headline');
  assert.equal(await ground(), dark);
  await page.keyboard.press('?');
  await page.getByLabel('Single keys do this').uncheck();
  await page.keyboard.press('Escape');
  await page.keyboard.press('p');
  await sleep(200);
  assert.equal(new URL(page.url()).pathname, '/');
});

test('who wants no motion gets none', async () => {
  const page = await site.open('/', { calm: true });
  const sender = await site.sender('core-calm');
  await sender.data(core(MIB)[0]);
  await page.waitForSelector('.bar.open .fill');
  assert.equal(await page.evaluate(() => document.getAnimations().filter((a) => a.playState === 'running').length), 0);
  sender.close();
});

await finish();
