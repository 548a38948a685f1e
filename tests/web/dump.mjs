// SPDX-License-Identifier: BSD-2-Clause
// The page One dump: what it says of dumps of all sorts, the picture of memory, the log, and a dump
// that ends, or is removed, while it is looked at.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { FORMS, Site, assert, eventually, findings, finish, made, overflow, panicctl, sleep, test } from './harness.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const PANIC = 'zalloc: zone map exhausted while allocating from zone kalloc.1024';
const MIB = 1 << 20;
const [PICTURE, HOSTILE, LONG] = [1, 2, 3]; // of made_dumps.py
const ROWS_MAX = 1200; // of a log, at a time
const BEGUN = 20 * 1406; // bytes of a dump of which nothing is known yet

const python = (...args) => execFileSync('/usr/bin/python3', args);
const site = await Site.start({ fill: (directory) => python(join(here, 'made_dumps.py'), directory) });
const ctl = (...args) => execFileSync(panicctl, ['--directory', site.directory, ...args], { encoding: 'utf8' });

/** A file becomes a dump. @return its id, when it has been checked */
async function take(path, name) {
  ctl('import', path, '--name', name);
  const row = await eventually(() => site.rows().find((at) => at.name === name && at.state !== 'receiving'), `the verdict on ${name}`);
  return row.id;
}

const vmcore = join(site.home, 'vmcore');
python(join(here, '../readme/vmcore.py'), vmcore);
const linux = await take(vmcore, 'vmcore-lab');
truncateSync(vmcore, 30 * MIB);
const torn = await take(vmcore, 'vmcore-torn');
writeFileSync(join(site.home, 'core-mac'), made('core', 2 * MIB, PANIC));
const mac = await take(join(site.home, 'core-mac'), 'core-mac');
writeFileSync(join(site.home, 'notes'), 'no dump of anything\n');
const odd = await take(join(site.home, 'notes'), 'notes');

// One whose symbols are known, from now on.
const [panicLog, kernels] = [join(site.home, 'panic.log'), mkdtempSync(join(site.home, 'kernels-'))];
python(join(here, 'symbolic.py'), panicLog, join(kernels, 'kernel'));
const named = await take(panicLog, 'log-named');
await site.stopWeb();
await site.startWeb(['--symbols', kernels]);

const text = (page, selector) => page.locator(selector).first().innerText();
const says = (page, selector, wanted) => eventually(async () => {
  const got = await text(page, selector);
  if (!(wanted instanceof RegExp ? wanted.test(got) : got.includes(wanted))) throw new Error(`${selector} says "${got.slice(0, 300)}", not ${wanted}`);
  return true;
});
const card = (page, name) => page.getByRole('region', { name, exact: true }).innerText();
const canvas = (page) => page.locator('.picture-frame canvas');
const logReady = (page) => says(page, '.log-where', /of [\d,]+/);

/** The windows of memory that the page has asked for: {start, end, columns}. */
const windows = (page) => page.asked.filter((url) => /\/map\?/.test(url)).map((url) => {
  const query = new URL(url).searchParams;
  return { start: BigInt(query.get('start')), end: BigInt(query.get('end')), columns: Number(query.get('columns')) };
});
const size = ({ start, end }) => end - start;

async function opened(id, form) {
  const page = await site.open(`/dumps/${id}`, form);
  await eventually(async () => (await text(page, '.crumb')).includes(`Dump ${id}`), 'the page');
  return page;
}

/** The same, when its picture is there, in sight. */
async function pictured(id, form) {
  const page = await opened(id, form);
  await says(page, '.scale', 'A square is');
  await page.evaluate(() => document.querySelector('.picture-section').scrollIntoView());
  return page;
}

/** What @p act makes the picture ask for. */
async function asksFor(page, act) {
  const before = windows(page).length;
  await act();
  await eventually(() => windows(page).length > before, 'another window');
  await eventually(() => page.evaluate(() => !document.querySelector('.picture-frame[aria-busy]')), 'the picture');
  return windows(page).at(-1);
}

/** The colour of the middle of a kind's swatch, and how much of the picture has it. */
function painted(page, kind) {
  return page.evaluate((name) => {
    const colour = getComputedStyle(document.querySelector(`.swatch.kind-${name}`)).color.match(/[\d.]+/g).map(Number);
    const paper = document.querySelector('.picture-frame canvas');
    const { data } = paper.getContext('2d').getImageData(0, 0, paper.width, paper.height);
    let same = 0;
    for (let i = 0; i < data.length; i += 4) if (Math.abs(data[i] - colour[0]) + Math.abs(data[i + 1] - colour[1]) + Math.abs(data[i + 2] - colour[2]) < 6) same++;
    return same / (data.length / 4);
  }, kind);
}

/* ---- what it says ---- */

test('a Linux dump: why, where, which machine and kernel, registers, and what to type', async () => {
  const page = await opened(linux);
  assert.equal(await text(page, 'h1'), 'sysrq triggered crash');
  assert.match(await text(page, '.standing'), /complete.*Every byte has arrived/s);
  assert.match(await card(page, 'Machine'), /QEMU Standard PC[\s\S]*x86_64[\s\S]*bash \(pid 612\)/);
  assert.match(await card(page, 'Kernel'), /Linux[\s\S]*6\.1\.0-56-cloud-amd64[\s\S]*3f6e2d1c0b9a88776655443322110ffeeddccbba[\s\S]*crashkernel=80M/);
  assert.match(await card(page, 'Where'), /dump_stack_lvl\+0x44\/0x5c[\s\S]*sysrq_handle_crash\+0x16\/0x20[\s\S]*entry_SYSCALL_64/);
  assert.match(await card(page, 'Registers'), /CPU 0, the one that panicked[\s\S]*rip\s+ffffffff814f2a16/);
  assert.match(await card(page, 'How to open it'), new RegExp(`panicctl debug ${linux}\\b[\\s\\S]*panicctl pack ${linux}\\b`));
  assert.match(await card(page, 'File'), /vmcore-lab[\s\S]*48\.0 MiB \(50,339,840 bytes\)[\s\S]*elf/);
  assert.ok((await card(page, 'File')).replace(/\s/g, '').includes(createHash('sha256').update(readFileSync(join(site.directory, 'vmcore-lab'))).digest('hex')));
  assert.match(await page.title(), /Dump \d+/);
});

test('its log is shown where it panics, with the lines that say so marked', async () => {
  const page = await opened(linux);
  await logReady(page);
  assert.match(await text(page, '.log-row.panic'), /Kernel panic - not syncing: sysrq triggered crash/);
  assert.ok(await page.locator('.log-row.loud', { hasText: 'Call Trace:' }).count());
  const [box, row] = [await page.locator('.log').boundingBox(), await page.locator('.log-row.panic').first().boundingBox()];
  assert.ok(row.y >= box.y && row.y + row.height <= box.y + box.height, 'it is in sight');
});

test('a core of a Mac: its panic, its kernel, virtual memory', async () => {
  const page = await pictured(mac);
  assert.ok((await text(page, 'h1')).includes(PANIC));
  assert.match(await card(page, 'Kernel'), /21A559[\s\S]*00010203-0405-0607-0809-0A0B0C0D0E0F/);
  assert.match(await text(page, '.scale'), /virtual memory/);
  await logReady(page);
  assert.ok((await text(page, '.log-row.panic')).includes(PANIC));
});

test('a dump with holes: why it is incomplete, what is missing, and where in memory', async () => {
  const page = await pictured(torn);
  await says(page, '.standing', /incomplete/);
  assert.match(await text(page, '.holes'), /Missing:\s+(bytes [\d,]+ to|from byte [\d,]+ on)/);
  assert.match(await text(page, '.legend'), /missing\s+1\d\.\d MiB/);
  assert.ok((await painted(page, 'missing')) > 0.1, 'missing memory is seen');
  assert.ok((await painted(page, 'present')) > 0.1);
});

test('what says nothing is a page that says so', async () => {
  const page = await opened(odd);
  assert.equal(await text(page, 'h1'), 'It does not say why');
  assert.equal(await page.locator('.picture-section').isVisible(), false);
  await says(page, '.log-where', /no log/i);
  assert.equal(await page.locator('.log').isVisible(), false);
});

test('what is not there is said to be not there', async () => {
  const page = await site.open('/dumps/4711');
  await says(page, 'h1', 'Dump 4711 is not here');
  assert.deepEqual(await findings(page), []);
});

test('the same panic elsewhere: how often, its note as text, the other dumps', async () => {
  const page = await opened(PICTURE);
  const said = await card(page, 'The same panic');
  assert.match(said, /Seen 3 times on \d machines/);
  assert.match(said, /update <b>these<\/b> machines/);
  await eventually(async () => (await page.locator('.dumps a[href="/dumps/3"]').count()) === 1, 'the other dumps');
  assert.equal(await page.locator('.dumps a[href="/dumps/1"]').count(), 0, 'it is not another one than itself');
});

/* ---- in every form ---- */

for (const form of FORMS) {
  for (const [name, id] of [['picture', PICTURE], ['hostile', HOSTILE], ['torn', torn], ['mac', mac]]) {
    test(`nothing is wider than the window or hard to use: ${name}, ${form.scheme}, ${form.width} px`, async () => {
      const page = await pictured(id, form);
      await logReady(page);
      assert.equal(await page.locator('main img, main script, main b, main [onerror]').count(), 0);
      assert.equal(await overflow(page), 0);
      assert.deepEqual(await findings(page), []);
      if (process.env.PND_SHOTS) await page.screenshot({ path: `${process.env.PND_SHOTS}/dump-${name}-${form.scheme}-${form.width}.png`, fullPage: true });
      for (const closed of await page.locator('details:not([open]) > summary').all()) if (await closed.isVisible()) await closed.click();
      assert.equal(await overflow(page), 0, 'when all is open');
      assert.deepEqual(await findings(page), [], 'when all is open');
    });
  }
}

test('what an enemy writes is text, and what steers is written out', async () => {
  const page = await opened(HOSTILE);
  const said = await page.locator('main').innerText();
  assert.ok(said.includes('<img src=x onerror=alert(1)>'));
  assert.match(said, /\\u202e/);
  assert.doesNotMatch(said, /[\u202e\u200b\u0007\u001b]/);
  assert.match(await text(page, '.holes'), /bytes 0 to 299 \(300 B\)/);
  assert.match(await text(page, '.ways, section[aria-labelledby=open-title]'), /-o dump-2 /, 'a name that no shell is given');
});

/* ---- the picture ---- */

test('the picture shows every kind in its colour, and says how much of each there is', async () => {
  const page = await pictured(PICTURE);
  for (const kind of ['present', 'zero', 'excluded', 'unreadable', 'missing'])
    assert.ok((await painted(page, kind)) > 0.00005, `${kind} is seen`);
  assert.match(await text(page, '.legend'), /present[\s\S]*GiB[\s\S]*zero[\s\S]*excluded[\s\S]*unreadable[\s\S]*MiB[\s\S]*missing[\s\S]*MiB/);
  assert.match(await canvas(page).getAttribute('aria-label'), /Memory from 0x1000 to 0x2[0-9a-f]+: .* present/);
  await page.locator('.ranges summary').click();
  await eventually(async () => (await page.locator('.ranges tbody tr').count()) === 100, 'the table');
  assert.match(await text(page, '.ranges'), /0x1000/);
});

test('the address under the pointer is said, with what is there', async () => {
  const page = await pictured(PICTURE);
  const box = await canvas(page).boundingBox();
  await page.mouse.move(box.x + box.width - 4, box.y + 3);
  await says(page, '.readout', /^0x[0-9a-f]+, [\d.]+ MiB: (present|zero|excluded), /);
});

test('dragging over a part zooms into it, and the way back is by its crumbs', async () => {
  const page = await pictured(PICTURE), box = await canvas(page).boundingBox(), all = windows(page).at(-1);
  const window = await asksFor(page, async () => {
    await page.mouse.move(box.x + box.width / 2, box.y + 20);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width / 2 + 100, box.y + 60, { steps: 4 });
    await page.mouse.up();
  });
  assert.ok(size(window) < size(all) / 4n && window.start > all.start, `${window.start} ${window.end}`);
  assert.match(page.url(), /[?]memory=0x[0-9a-f]+-0x[0-9a-f]+$/);
  assert.equal(await page.locator('.crumbs li').count(), 2);
  assert.match(await text(page, '.scale'), /A square is \d+ KiB|A square is 1\.0 MiB/);
  const other = await site.open(new URL(page.url()).pathname + new URL(page.url()).search); // as somebody else is given it
  await says(other, '.scale', 'A square is');
  assert.deepEqual(windows(other).at(-1), window);
  assert.deepEqual(await asksFor(page, () => page.locator('.crumbs button').first().click()), all);
  assert.doesNotMatch(page.url(), /memory/);
});

test('the wheel zooms where the pointer is when it is meant, and scrolls the page when it is not', async () => {
  const page = await pictured(PICTURE), box = await canvas(page).boundingBox(), all = windows(page).at(-1);
  await page.mouse.move(box.x + box.width / 2, box.y + 100);
  await page.mouse.wheel(0, -100);
  await says(page, '.readout', /hold Ctrl|0x/);
  await sleep(300);
  assert.equal(windows(page).length, 1);
  await page.evaluate(() => document.querySelector('.picture-section').scrollIntoView());
  await page.mouse.move(box.x + box.width / 2, box.y + 101);
  const near = await asksFor(page, async () => {
    await page.keyboard.down('Control');
    await page.mouse.wheel(0, -100);
    await page.keyboard.up('Control');
  });
  assert.ok(size(near) < size(all));
  const far = await asksFor(page, async () => {
    await page.keyboard.down('Control');
    for (let i = 0; i < 3; i++) await page.mouse.wheel(0, 100);
    await page.keyboard.up('Control');
  });
  assert.deepEqual(far, all);
});

test('two fingers zoom', async () => {
  const page = await pictured(PICTURE, { width: 360, hasTouch: true }), all = windows(page).at(-1);
  assert.equal(all.columns, 32, 'fewer columns where there is less room');
  const box = await canvas(page).boundingBox(), cdp = await page.context().newCDPSession(page);
  const touch = (type, apart) => cdp.send('Input.dispatchTouchEvent', {
    type, touchPoints: type === 'touchEnd' ? [] : [-1, 1].map((side, id) => ({ x: box.x + box.width / 2 + side * apart, y: box.y + 60, id })) });
  const near = await asksFor(page, async () => {
    await touch('touchStart', 20);
    for (let apart = 30; apart <= 120; apart += 10) await touch('touchMove', apart);
    await touch('touchEnd');
  });
  assert.ok(size(near) < size(all), `${size(near)}`);
});

test('with the keyboard alone: a cursor, zoom, along, a part from here to there, all of it', async () => {
  const page = await pictured(PICTURE), all = windows(page).at(-1), press = (key) => () => page.keyboard.press(key);
  await page.locator('.zoom button').last().focus();
  await page.evaluate(() => document.querySelector('.zoom button').focus());
  for (let i = 0; i < 6 && !(await canvas(page).evaluate((at) => at === document.activeElement)); i++) await page.keyboard.press('Tab');
  assert.ok(await canvas(page).evaluate((at) => at === document.activeElement), 'it is reached by Tab');
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('ArrowRight');
  const cursor = BigInt(/^0x[0-9a-f]+/.exec(await text(page, '.readout'))[0]);
  assert.match(await text(page, '.picture-section [role=status]'), new RegExp(`^0x${cursor.toString(16)}, `), 'it is said');
  const near = await asksFor(page, press('+'));
  assert.ok(size(near) < size(all) && near.start <= cursor && near.end > cursor, 'it zooms around the cursor');
  const along = await asksFor(page, press('Shift+ArrowDown'));
  assert.ok(along.start > near.start && along.end > near.end);
  await asksFor(page, press('PageUp'));
  await asksFor(page, press('Escape'));
  assert.deepEqual(windows(page).at(-1), all);
  await page.keyboard.press('Home');
  await page.keyboard.press(' ');
  for (let i = 0; i < 3; i++) await page.keyboard.press('ArrowDown');
  const part = await asksFor(page, press(' '));
  assert.ok(part.start === all.start && size(part) < size(all), `${part.start} ${part.end}`);
  assert.equal(new URL(page.url()).pathname, `/dumps/${PICTURE}`, 'no key led elsewhere');
});

test('it can be zoomed down to pages, and no further', async () => {
  const page = await pictured(PICTURE);
  await canvas(page).focus();
  await page.keyboard.press('ArrowDown');
  for (let i = 0; i < 40; i++) await page.keyboard.press('+');
  await eventually(async () => /A square is 4\.0 KiB/.test(await text(page, '.scale')), 'pages');
  assert.equal(await page.locator('.zoom button').first().isDisabled(), true);
  assert.deepEqual(await findings(page), []);
});

test('the picture follows the colours of the page', async () => {
  const page = await pictured(PICTURE, { scheme: 'light' });
  const before = await page.evaluate(() => getComputedStyle(document.querySelector('.swatch.kind-missing')).color);
  await page.evaluate(() => document.activeElement.blur());
  for (let i = 0; i < 2; i++) await page.keyboard.press('t');
  assert.notEqual(await page.evaluate(() => getComputedStyle(document.querySelector('.swatch.kind-missing')).color), before);
  assert.ok((await painted(page, 'missing')) > 0.00005, 'it was drawn anew');
});

/* ---- the log ---- */

test('a log of 16 MiB is shown at its panic, piece by piece, and searched', async () => {
  const page = await opened(LONG);
  await page.evaluate(() => {
    globalThis.worst = 0;
    let last = performance.now();
    setInterval(() => { globalThis.worst = Math.max(globalThis.worst, performance.now() - last); last = performance.now(); }, 10);
  });
  const started = Date.now();
  await says(page, '.log-where', /From line [\d,]+ of 1[\d,]+, 15\.9 MiB|From line [\d,]+ of 1[\d,]+, 16\.0 MiB/);
  const took = Date.now() - started;
  assert.match(await text(page, '.log-row.panic'), /sysrq triggered crash/);
  const rows = () => page.locator('.log-row').count();
  await page.locator('.log').focus();
  await page.keyboard.press('Home');
  await says(page, '.log-where', /From line 1 of/);
  const far = /From line (1,|[5-9]\d\d )/; // a key that comes while it still scrolls moves it less
  for (let i = 0; i < 400 && !far.test(await text(page, '.log-where')); i++) await page.keyboard.press('PageDown');
  await says(page, '.log-where', far);
  assert.ok((await rows()) <= ROWS_MAX, `${await rows()} rows`);
  const shown = await page.locator('.log-row').evaluateAll((all) => all.map((row) => Number(row.dataset.row)));
  assert.ok(shown.every((row, i) => i === 0 || row === shown[i - 1] + 1), 'no row is missing between them');
  await page.keyboard.press('End');
  await says(page, '.log-row:last-child', /driver that says <script>/);
  await page.getByLabel('Search in the log').fill('NOT SYNCING');
  await says(page, '.log-hits', '1 of 1');
  assert.match(await text(page, '.log-row.current'), /Kernel panic - not syncing/);
  await page.getByLabel('Search in the log').fill('driver');
  await says(page, '.log-hits', /of the first 10,000/);
  await page.keyboard.press('Enter');
  await says(page, '.log-hits', /^[\d,]+ of/);
  await page.getByLabel('Search in the log').fill('no such words');
  await says(page, '.log-hits', 'not found');
  assert.ok((await rows()) <= ROWS_MAX);
  return `shown ${took} ms after the page, the longest pause ${Math.round(await page.evaluate(() => globalThis.worst))} ms`;
});

test('symbols that are not there are said to be not there, and the log stays', async () => {
  const page = await opened(PICTURE);
  await logReady(page);
  await page.getByRole('checkbox', { name: 'Symbols' }).click();
  await says(page, '.log-section .notice', /symbols[\s\S]*panicctl log 1 --symbols PATH/i);
  assert.equal(await page.getByRole('checkbox', { name: 'Symbols' }).isChecked(), false);
  assert.match(await text(page, '.log-row.panic'), /sysrq triggered crash/);
});

test('a log gets the names of its backtrace, and loses them again', async () => {
  const page = await opened(named);
  await logReady(page);
  const box = page.getByRole('checkbox', { name: 'Symbols' });
  assert.doesNotMatch(await text(page, '.log'), /_panic_of_a_test/);
  await box.click();
  await says(page, '.log', /0xffffff8011c02346\s+-> _panic_of_a_test \+ 0x46/);
  assert.equal(await box.isChecked(), true);
  assert.match(await text(page, '.log-row.panic'), /^panic\(cpu 2/);
  assert.equal(await page.locator('.log-section .notice').count(), 0);
  await box.click();
  await says(page, '.log', /0xffffff8011c02346\n(?!\s*->)/);
  assert.doesNotMatch(await text(page, '.log'), /_panic_of_a_test/);
});

/* ---- what one does with it ---- */

test('a command is copied as it stands, and the button says so', async () => {
  const page = await opened(linux, { permissions: ['clipboard-read', 'clipboard-write'] });
  const button = page.getByRole('button', { name: `Copy: panicctl debug ${linux}` });
  await button.click();
  await eventually(async () => (await button.innerText()) === 'Copied');
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), `panicctl debug ${linux}`);
});

test('the file comes by its button, every byte of it', async () => {
  const page = await opened(linux, { acceptDownloads: true });
  const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('link', { name: /^Download/ }).click()]);
  assert.equal(download.suggestedFilename(), 'vmcore-lab');
  assert.ok(readFileSync(await download.path()).equals(readFileSync(join(site.directory, 'vmcore-lab'))));
  assert.match(await page.getByRole('link', { name: /^Zip/ }).getAttribute('href'), new RegExp(`/dumps/${linux}/zip$`));
});

/* ---- while it is looked at ---- */

test('a dump that arrives says more and more, and becomes the ended one without a reload', async () => {
  const content = made('core', 3 * MIB, PANIC), sender = await site.sender('core-live');
  await sender.data(content.subarray(0, BEGUN));
  const { id } = await eventually(() => site.rows().find(({ name }) => name === 'core-live'), 'the row');
  const page = await opened(id);
  await page.evaluate(() => { globalThis.same = true; });
  assert.equal(await text(page, 'h1'), 'Why is not known yet');
  assert.equal(await page.locator('.downloads').count(), 0);
  await sender.data(content.subarray(BEGUN, 2 * MIB));
  await says(page, 'h1', PANIC);
  await says(page, '.progress', /MiB|KiB/);
  assert.match(await text(page, '.standing'), /still arrives/);
  await sender.data(content.subarray(2 * MIB));
  await sender.finish();
  await says(page, '.standing', /Every byte has arrived/);
  await eventually(async () => (await page.locator('.downloads').count()) === 1, 'the download');
  assert.equal(await page.locator('.progress').isVisible(), false);
  await says(page, '.scale', 'A square is');
  await logReady(page);
  assert.match(await card(page, 'File'), /core-live[\s\S]*SHA-256/);
  assert.equal(await page.evaluate(() => globalThis.same), true, 'it was reloaded');
});

test('a dump that is removed says so, and what was known of it stays', async () => {
  const { id } = await site.dump('core-goes', made('core', MIB, PANIC));
  const page = await opened(id);
  ctl('rm', String(id));
  await page.evaluate(() => document.dispatchEvent(new Event('visibilitychange'))); // somebody comes back to it
  await says(page, '.notice', `Dump ${id} is not here any more`);
  assert.equal(await page.locator('.downloads').count(), 0);
  assert.ok((await text(page, 'h1')).includes(PANIC));
  assert.deepEqual(await findings(page), []);
});

await finish();
