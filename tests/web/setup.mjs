#!/usr/bin/env node
// SPDX-License-Identifier: BSD-2-Clause
//
// Set up a machine: what the page shows is what panicctl says, boxes and line stay in step, and all
// of it works when the server has gone. advice.mjs has the table of lines and releases.
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { FORMS, Site, WAIT_MS, assert, eventually, findings, finish, overflow, panicctl, shifted, test } from './harness.mjs';

const site = await Site.start();
const LINE = 'debug=0x104c44 _panicd_ip=10.0.40.2 kdp_match_nam=en0';
const HOSTILE = 'debug=0x44 <img/src=x/onerror=alert(1)> "><script>alert(2)</script> \u202egnp.exe \u001b[2J x=${alert(3)}';

function ctl(...args) {
  try {
    return JSON.parse(execFileSync(panicctl, ['--json', ...args], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'], maxBuffer: 1 << 26 }));
  } catch (error) { // lint says with its code that there is something
    return JSON.parse(error.stdout);
  }
}

const open = (query, form) => site.open(`/setup${query ? `?${new URLSearchParams(query)}` : ''}`, form);
const texts = (page, selector) => page.locator(selector).allTextContents();
const line = (page) => page.locator('#line').inputValue();

/** The steps that are shown, as panicctl has them. */
function steps(page) {
  return page.locator('.steps > .step').evaluateAll((list) => list.map((step) => {
    const about = Object.fromEntries([...step.querySelectorAll('.about > div')].map((row) => [row.querySelector('dt').textContent, row.querySelector('dd').textContent]));
    const how = step.querySelector(':scope > h3 + p');
    return { title: step.querySelector('h3').textContent, how: how && !how.querySelector('button') ? how.textContent : null,
      do: [...step.querySelectorAll('.command code')].map((code) => code.textContent).join('\n') || null,
      check: about.Check ?? null, undo: about.Undo ?? null, why: about.Why ?? null };
  }));
}

/* ---- the form ---- */

test('what is asked in the address is answered at once, as panicctl setup answers it', async () => {
  const wishes = [
    { for: 'macos', server: '10.0.40.2', interface: 'en0' },
    { for: 'macos', server: '10.0.40.2', interface: 'en7', port: '1070', release: '10.13', arch: 'x86_64', stay: '1' },
    { for: 'macos', local: '1', 'on-nmi': '1', release: '10.14' },
    { for: 'freebsd', server: '10.0.40.2', interface: 'em0', client: '10.0.40.7', gateway: '10.0.40.1', release: '13' },
    { for: 'linux', server: '10.0.40.2', 'on-nmi': '1' },
    { for: 'tftp', server: '10.0.40.2', port: '6969' },
  ];
  for (const wish of wishes) {
    const page = await open(wish);
    const words = Object.entries(wish).flatMap(([name, value]) => (value === '1' ? [`--${name}`] : [`--${name}`, value]));
    const want = ctl('setup', ...words);
    assert.deepEqual(await texts(page, '.summary p'), want.about);
    assert.deepEqual(await steps(page), want.steps.map((step) => ({ ...step, do: step.do?.split('\n').filter(Boolean).join('\n') ?? null })));
    const [typed] = await texts(page, '.as-typed code');
    assert.deepEqual(ctl(...typed.split(' ').slice(1)), want, typed);
    await page.context().close();
  }
});

test('the form makes the steps while it is filled in, and its address can be shared', async () => {
  const page = await open();
  assert.equal(await page.locator('#setup-port').inputValue(), String(site.port), 'where panicd listens');
  await page.locator('#setup-server').fill('');
  assert.deepEqual(await texts(page, '.missing p'), ['Say who receives: 10.0.40.2, an address of this machine.']);
  await page.getByLabel('Also, or only, to its own disk').check();
  assert.deepEqual(await texts(page, '.missing p'), ['“Its network interface” and “UDP port” need “Address of this receiver”, the address to send to.']);
  await page.getByLabel('Also, or only, to its own disk').uncheck();
  await page.locator('#setup-server').fill('10.0.40.2');
  await page.locator('#setup-interface').fill('en5');
  await page.locator('#setup-port').fill('');
  await page.getByLabel('Dump on an NMI, too').check();
  await page.locator('#setup-release').selectOption('14');
  const want = ctl('setup', '--for', 'macos', '--server', '10.0.40.2', '--interface', 'en5', '--on-nmi', '--release', '14');
  assert.deepEqual((await steps(page)).map(({ title }) => title), want.steps.map(({ title }) => title));
  const shown = await steps(page), address = page.url();
  await page.goto(address);
  await page.waitForSelector('.step');
  assert.deepEqual(await steps(page), shown);
  assert.equal(page.url(), address);
  await page.getByLabel('FreeBSD').check();
  assert.equal(await page.locator('#setup-release').inputValue(), '', 'another system has other releases');
  assert.match((await texts(page, '.missing p'))[0], /^Say which address the FreeBSD machine sends from: 10\.0\.40\.7\.$/);
  assert.equal(await page.locator('[aria-invalid]').getAttribute('id'), 'setup-client');
  await page.locator('#setup-client').fill('10.0.40.7');
  assert.equal((await steps(page)).length, 4);
});

test('each command can be copied', async () => {
  const page = await open({ for: 'tftp', server: '10.0.40.2' }, { permissions: ['clipboard-read', 'clipboard-write'] });
  const row = page.locator('.command', { hasText: 'busybox tftp' });
  await row.getByRole('button').click();
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), await row.locator('code').textContent());
});

test('the line that a setup makes is explained below', async () => {
  const page = await open({ for: 'macos', server: '10.0.40.2', interface: 'en0' });
  await page.getByRole('button', { name: 'What does this line do?' }).click();
  assert.equal(await line(page), 'debug=0x24440 _panicd_ip=10.0.40.2 kdp_match_name=en0');
  assert.equal(await page.evaluate(() => document.activeElement.id), 'line');
  assert.deepEqual(await texts(page, '.decoder .said'), ['No traps in it, as macOS 15 reads it.']);
});

/* ---- the decoder ---- */

test('sentences, notes and traps are those of panicctl bootargs', async () => {
  const page = await open();
  for (const [text, xnu, kind] of [['0xd44', '11215', ''], [LINE, '11215', 'arm64'], [LINE, '4570', ''], ['debug=0x400', 'all', ''], ['debug=0x144 _panicd_ip=there', '1228', 'x86_64']]) {
    await page.locator('#line').fill(text);
    await page.locator('#xnu').selectOption(xnu);
    await page.locator('#kind').selectOption(kind);
    const options = [...(xnu === 'all' ? [] : ['--xnu', xnu]), ...(kind ? ['--arch', kind] : [])];
    const want = ctl('bootargs', 'decode', ...options, text);
    const shown = await texts(page, '.does');
    for (const { text: sentence } of want.actions) assert(shown.includes(`… ${sentence}.`), `${text} on ${xnu}: ${sentence}`);
    assert.deepEqual(new Set(shown), new Set(want.actions.map(({ text: sentence }) => `… ${sentence}.`)));
    assert.deepEqual(await texts(page, '.trap p:first-child'), want.traps.map((trap) => `${trap.text}.`));
    assert.deepEqual(await texts(page, '.trap .do'), want.traps.map(({ instead }) => `Instead: ${instead}`));
    const ticked = await page.locator('.bits :checked').evaluateAll((list) => list.reduce((sum, { id }) => sum + Number(id.slice(4)), 0));
    assert.equal(ticked, want.debug);
  }
});

test('a box that is ticked changes the line, and the line the boxes', async () => {
  const page = await open({ line: 'debug=0xd44 -v' });
  await page.getByLabel('REBOOT_POST_CORE').check();
  assert.equal(await line(page), 'debug=0x4d44 -v');
  await page.getByLabel('LOG_PI_SCRN').uncheck();
  assert.equal(await line(page), 'debug=0x4c44 -v');
  assert.equal(await page.evaluate(() => document.activeElement.id), 'bit-256', 'the focus stays');
  assert.match(page.url(), /line=debug%3D0x4c44\+-v/);
  await page.locator('#line').fill('debug=0x80000001');
  assert.equal(await page.getByLabel('HALT', { exact: false }).first().isChecked(), true);
  await page.getByRole('checkbox', { name: '0x80000000' }).click(); // and is gone
  assert.equal(await page.evaluate(() => document.activeElement.classList.contains('said')), true);
  assert.equal(await line(page), 'debug=0x1');
  await page.locator('#line').fill('nmi');
  await page.getByLabel('ARP').check();
  assert.equal(await line(page), '0x44');
});

test('a trap is put right by its button, and all of them by one', async () => {
  const page = await open({ line: LINE });
  await page.getByRole('button', { name: 'Apply: kdp_match_name' }).click();
  assert.equal(await line(page), LINE.replace('match_nam=', 'match_name='));
  assert.equal(await page.evaluate(() => document.activeElement.className), 'said');
  await page.getByRole('button', { name: /^Apply all/ }).click();
  assert.equal(await line(page), 'debug=0x24c44 _panicd_ip=10.0.40.2 kdp_match_name=en0 wdt=-1');
  assert.deepEqual(await texts(page, '.decoder .said'), ['No traps in it, as macOS 15 reads it.']);
  assert.equal(await page.getByRole('button', { name: /^Apply/ }).count(), 0);
});

test('the tree has a branch for what succeeded and one for what failed', async () => {
  const page = await open({ line: '0x24c44' });
  const panic = page.locator('.action').first();
  assert.deepEqual(await panic.locator('.tree .edge').allTextContents(), ['succeeded', 'failed']);
  assert.deepEqual(await panic.locator('.tree b').allTextContents(), ['Send a core', 'Restart', 'Wait for a debugger, for ever']);
});

test('what is hostile stays text, in the line, in the form and in the address', async () => {
  const page = await open({ for: 'linux', server: HOSTILE, interface: '"><b>', line: HOSTILE });
  assert.match((await texts(page, '.missing p'))[0], /takes this machine's address/);
  assert.equal(await page.locator('main img, main script, main b:not(.tree b)').count(), 0);
  const words = (await texts(page, '.words dt')).join(' ');
  assert(words.includes('<img/src=x/onerror') && words.includes('\\x1b[2J') && !/[\u202e\u001b]/.test(words), words);
  await page.locator('#setup-server').fill('10.0.40.2;reboot');
  await page.locator('#line').fill('=\u0000= "" \' \\ &lt; %00');
  await page.locator('#line').evaluate((input) => { input.value = 'y'.repeat(5000); input.dispatchEvent(new Event('input')); });
  assert.match(await page.getByRole('alert').textContent(), /^The line is too long/);
  await page.locator('#line').fill('0x44');
  assert.equal(await page.getByRole('alert').count(), 0);
});

/* ---- how it is used ---- */

test('all of it works when panicweb has gone', async () => {
  const page = await open();
  await site.stopWeb();
  try {
    await withoutServer(page);
  } finally {
    await site.startWeb();
  }
});

async function withoutServer(page) {
  await page.waitForSelector('.connection.lost', { timeout: WAIT_MS });
  page.asked.length = 0;
  await page.getByLabel('Linux').check();
  await page.locator('#setup-server').fill('10.0.40.2');
  assert((await steps(page)).length >= 5);
  await page.locator('#line').fill(LINE);
  await page.locator('#xnu').selectOption('3789');
  await page.getByLabel('DISABLE_LOCAL_CORE').check();
  assert.match(await line(page), /^debug=0x124c44 /);
  assert((await texts(page, '.does')).length >= 3);
  assert.deepEqual(page.asked.filter((url) => !/\/api\/events$|\/icon-/.test(url)), [], 'nobody was asked'); // the browser wants its icon, the shell its events
}

test('a keyboard is enough', async () => {
  const page = await open({ for: 'macos', server: '10.0.40.2', interface: 'en0', line: '0xd44' });
  const at = () => page.evaluate(() => document.activeElement.id || document.activeElement.value || document.activeElement.textContent);
  const tabTo = async (want) => {
    for (let i = 0; i < 120; i++) {
      await page.keyboard.press('Tab');
      if (await at() === want) return;
    }
    assert.fail(`no way to ${want} by Tab`);
  };
  await tabTo('macos');
  await page.keyboard.press('ArrowRight');
  await page.keyboard.press('ArrowRight');
  assert.equal(await at(), 'linux');
  await tabTo('setup-on-nmi');
  await page.keyboard.press('Space');
  assert((await texts(page, '.step h3')).includes('When it hangs, or to try that: an NMI'));
  await tabTo('line');
  await page.keyboard.press('Control+a');
  await page.keyboard.type('nps?t/ 0x144'); // the page's keys are letters here
  await page.keyboard.press('Control+a');
  await page.keyboard.type('0x144');
  await page.keyboard.press('Enter');
  assert.equal(await line(page), '0x144');
  await tabTo('Apply');
  await page.keyboard.press('Enter');
  assert.equal(await line(page), '0x44');
  await tabTo('bit-1024');
  await page.keyboard.press('Space');
  assert.equal(await line(page), '0x444');
});

for (const form of FORMS) {
  test(`it can be read by everybody: ${form.scheme}, ${form.width} pixels`, async () => {
    const full = { for: 'macos', server: '10.0.40.2', interface: 'en0', 'on-nmi': '1', line: `${LINE} ${'w'.repeat(300)}` };
    for (const [name, query] of [['steps', full], ['every', { ...full, xnu: 'all' }], ['nothing', { for: 'freebsd', line: '' }]]) {
      const page = await open(query, form);
      assert.deepEqual(await findings(page), [], name);
      assert.equal(await overflow(page), 0, `${name} is wider than the window`);
      const jumps = (await shifted(page)).filter(({ nodes }) => !nodes.includes('top')); // what the shell's header does is not this page's
      assert(jumps.reduce((sum, { value }) => sum + value, 0) < 0.05, `${name} jumps: ${JSON.stringify(jumps)}`);
      if (process.env.PND_SHOTS) await page.screenshot({ path: join(process.env.PND_SHOTS, `setup-${name}-${form.scheme}-${form.width}.png`), fullPage: true });
      await page.context().close();
    }
  });
}

test('what it costs to open it', async () => {
  const page = await open();
  const sizes = await eventually(() => page.evaluate(() => performance.getEntriesByType('resource').filter(({ name }) => /advice-|setup-/.test(name))
    .map(({ name, transferSize, duration }) => [name.split('/').pop(), transferSize, Math.round(duration)])), 'the sizes');
  const sum = sizes.reduce((all, [, size]) => all + size, 0);
  assert(sum > 20000 && sum < 60000, `${sum} bytes`);
  return `${sum} bytes come for this page: ${sizes.map(([name, size, ms]) => `${name} ${size} in ${ms} ms`).join(', ')}`;
});

await finish();
