// SPDX-License-Identifier: BSD-2-Clause
// The page Panics over ten thousand dumps, and over dumps that an enemy has named.
import { Site, FORMS, assert, eventually, findings, finish, made, overflow, shifted, test } from './harness.mjs';

const COUNT = 10000;
const NODES_MAX = 6000; // elements of a page, whatever the catalog holds
const PANIC = 'a panic that nobody has seen before';

const site = await Site.start({ fill: (directory) => made('catalog', directory, COUNT) });
const enemy = await Site.start({ fill: (directory) => made('hostile', directory) });
const text = (page, selector) => page.locator(selector).first().innerText();
const count = (page, selector) => page.locator(selector).count();
const shot = (page, name) => process.env.PND_SHOTS && page.screenshot({ path: `${process.env.PND_SHOTS}/${name}.png`, fullPage: true });

async function firstRow(path, selector) {
  const page = await site.open('/', {});
  const before = Date.now();
  await page.goto(site.url + path);
  await page.waitForSelector(selector);
  return [page, Date.now() - before];
}

test('ten thousand dumps: groups, the timeline and all dumps show quickly and render little', async () => {
  const [groups, groupsMs] = await firstRow('/panics', '.group');
  await groups.waitForSelector('.plot canvas');
  const groupNodes = await groups.evaluate(() => document.querySelectorAll('*').length);
  const [dumps, dumpsMs] = await firstRow('/panics?view=dumps', '.dumps tbody tr');
  const dumpNodes = await dumps.evaluate(() => document.querySelectorAll('*').length);
  assert.match(await text(dumps, '.said'), /10,000 dumps/);
  assert.equal(await count(dumps, '.dumps tbody tr'), 50);
  for (const nodes of [groupNodes, dumpNodes]) assert.ok(nodes < NODES_MAX, `${nodes} elements`);
  return `first row: ${groupsMs} ms (groups, ${groupNodes} elements), ${dumpsMs} ms (all dumps, ${dumpNodes} elements)`;
});

test('all dumps go on to older ones, and back', async () => {
  const page = await site.open('/panics?view=dumps');
  const first = () => text(page, '.dumps tbody .id');
  assert.equal(await first(), String(COUNT));
  await page.getByRole('link', { name: /^Older/ }).click();
  await eventually(async () => (await first()) === String(COUNT - 50), 'the second page');
  await page.goBack();
  await eventually(async () => (await first()) === String(COUNT), 'the first page');
  await page.goForward();
  await eventually(async () => (await first()) === String(COUNT - 50));
  await page.getByRole('link', { name: 'Newest' }).click();
  await eventually(async () => (await first()) === String(COUNT));
});

test('what is looked for stands in the address, which another window can open', async () => {
  const page = await site.open('/panics?view=dumps');
  await page.getByLabel('System').fill('FreeBSD');
  await eventually(() => page.url().includes('os=FreeBSD'), 'the address');
  await eventually(async () => /^2,500 dumps/.test(await text(page, '.said')), 'the rows');
  assert.equal(await page.evaluate(() => document.activeElement.name), 'os', 'who types keeps the focus');
  const other = await site.open(new URL(page.url()).pathname + new URL(page.url()).search);
  assert.equal(await other.getByLabel('System').inputValue(), 'FreeBSD');
  assert.match(await text(other, '.said'), /^2,500 dumps/);
  for (const system of await other.locator('.dumps tbody .system').allInnerTexts()) assert.match(system, /^FreeBSD/);
  await other.getByRole('link', { name: 'Groups' }).click();
  await other.waitForSelector('.group');
  assert.match(other.url(), /os=FreeBSD/);
  await other.getByLabel('Text').fill('no such panic anywhere');
  await eventually(async () => (await text(other, '.view')).includes('Nothing matches the filter'), 'that nothing matches');
  await other.getByRole('button', { name: 'Clear' }).click();
  await other.waitForSelector('.group');
});

test('a group opens to its dumps, by keyboard, and a dump is a step further', async () => {
  const page = await site.open('/panics');
  const opener = page.locator('.group .opener').first(), title = await opener.innerText();
  await opener.focus();
  await page.keyboard.press('Enter');
  await page.waitForSelector('.group .inner .dumps tbody tr');
  assert.equal(await opener.getAttribute('aria-expanded'), 'true');
  const rows = await count(page, '.inner tbody tr');
  await page.getByRole('button', { name: 'Older ones' }).click();
  await eventually(async () => (await count(page, '.inner tbody tr')) > rows, 'older ones');
  assert.deepEqual(await findings(page), []);
  const { dumps } = await site.api(`/api/dumps?limit=1&group=${(await opener.getAttribute('aria-controls')).slice(6)}`);
  assert.equal(dumps[0].title, title);
  await opener.focus();
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await eventually(() => page.url().endsWith(`/dumps/${dumps[0].id}`), 'the dump');
});

test('an address that names a group shows it alone, open, with its own marks', async () => {
  const [, wanted] = (await site.api('/api/groups?days=30')).groups;
  const page = await site.open(`/panics?group=${wanted.group}`);
  await page.waitForSelector('.group .inner .dumps tbody tr');
  assert.equal(await count(page, '.group'), 1);
  assert.equal(await text(page, '.group .opener'), wanted.title);
  await page.waitForSelector('.plot canvas');
  const { points } = await site.api('/api/timeline?days=90');
  assert.match(await page.locator('.plot').getAttribute('aria-label'), new RegExp(`^${points.filter(([, , , group]) => group === wanted.group).length} panics? `));
  await page.getByRole('link', { name: 'All dumps' }).click();
  await eventually(async () => (await text(page, '.said')) === `${wanted.kept} dumps`, 'its dumps');
  await page.getByRole('link', { name: 'Show all' }).click();
  await eventually(async () => /^10,0\d\d dumps/.test(await text(page, '.said')), 'all dumps');
});

test('a mark of the timeline leads to its dump, and a table says the same', async () => {
  const page = await site.open('/panics?machine=machine-001', {});
  await page.waitForSelector('.plot canvas');
  const { points, machines } = await site.api('/api/timeline?days=90&machine=machine-001');
  assert.deepEqual(machines, ['machine-001']);
  await page.locator('.as-table summary').click();
  assert.match(await text(page, '.as-table tbody tr'), new RegExp(`machine-001\\s+${points.length}\\s`));
  const box = await page.locator('.plot .u-over').boundingBox();
  let found = null; // the marks stand on one line: go along it until the text names a dump
  for (let x = box.width - 1; x > 0 && !found; x -= 3) {
    await page.mouse.move(box.x + x, box.y + box.height / 2);
    found = /dump (\d+)$/.exec(await text(page, '.tip'));
  }
  assert.ok(found, 'no mark was found');
  await page.mouse.down();
  await page.mouse.up();
  await eventually(() => page.url().endsWith(`/dumps/${found[1]}`), 'the dump');
  assert.ok(points.some(([, , id]) => String(id) === found[1]));
});

test('a panic that comes while the page is open is a row of it', async () => {
  const page = await site.open('/panics');
  await page.evaluate(() => { globalThis.same = true; });
  await eventually(async () => (await text(page, '.connection')) === 'Live');
  await site.dump('core-new', made('core', 1 << 20, PANIC));
  await eventually(async () => (await text(page, '.group')).includes(PANIC), 'the group');
  assert.match(await text(page, '.group .count'), /^1\s+time$/);
  assert.equal(await page.evaluate(() => globalThis.same), true);
});

for (const form of FORMS) {
  test(`no finding of axe-core, nothing too wide: ${form.scheme}, ${form.width} px`, async () => {
    for (const [path, ready] of [['/panics', '.plot canvas'], ['/panics?view=dumps', '.dumps tbody tr']]) {
      const page = await site.open(path, form);
      await page.waitForSelector(ready);
      if (path === '/panics') await page.waitForSelector('.group');
      assert.deepEqual(await findings(page), [], path);
      assert.equal(await overflow(page), 0, path);
      await shot(page, `panics-${ready === '.group' ? 'dumps' : path.length}-${form.scheme}-${form.width}`);
    }
  });

  test(`what an enemy has put into every field is text: ${form.scheme}, ${form.width} px`, async () => {
    const { dumps } = await enemy.api('/api/dumps');
    assert.ok(dumps.length >= 10, `${dumps.length} hostile dumps`);
    for (const [path, ready] of [['/', '.dumps tbody tr'], ['/panics', '.plot canvas'], ['/panics?view=dumps', '.dumps tbody tr']]) {
      const page = await enemy.open(path, form);
      await page.waitForSelector(ready);
      for (const opener of await page.locator('.opener').all()) await opener.click();
      if (path === '/panics') await page.locator('.as-table summary').click();
      assert.equal(await count(page, 'main img, main script, main [onmouseover], main a[href^="javascript:"]'), 0, path);
      assert.doesNotMatch(await page.locator('main').innerText(), /[\u202e\u200b\u0007\u001b]/, path);
      assert.equal(await overflow(page), 0, path);
      assert.deepEqual(await findings(page), [], path);
      await shot(page, `enemy-${path.length}-${form.scheme}-${form.width}`);
    }
  });
}

test('nothing jumps once the page is there', async () => {
  const page = await site.open('/panics');
  await page.waitForSelector('.plot canvas');
  await page.evaluate(() => { globalThis.layoutShifts = []; });
  await site.dump('core-calm', made('core', 1 << 20, PANIC));
  await eventually(async () => /^2\s+times/.test(await text(page, '.group .count')), 'the group');
  assert.deepEqual((await shifted(page)).filter(({ value }) => value > 0.02), []);
});

await finish();
