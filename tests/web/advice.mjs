#!/usr/bin/env node
// SPDX-License-Identifier: BSD-2-Clause
//
// What the page says of boot-args and of setting machines up is what panicctl says: the module that
// browsers get, beside the program, line by line and release by release. No browser is needed.
// Usage: advice.mjs ADVICE.WASM PANICCTL. Speaks TAP.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { gzipSync } from 'node:zlib';
import { Advice, AdviceError } from '../../web/src/setup-advice.js';

const [wasm, panicctl] = process.argv.slice(2).map((path) => resolve(path));
const module = new WebAssembly.Module(readFileSync(wasm));
const advice = new Advice(module);
const GZIP_MAX = 60 * 1024, AT_ONCE = 4;
const REST = '_panicd_ip=10.0.40.2 kdp_match_name=en0';
const LINES = [
  '0xd44', '0x104c44', '0x24c44', '0x144', '0x0', '0x8000000', '0xffffffff', '-1', '08', '0X44', '0b11', '037', '0x4g',
  'nmi arp', 'DB_NMI|DB_ARP', 'DB_NMI|DB_FOO', '0x400+0x44', '', ' ', '-v', 'debug', 'debug=', 'debug=0', 'debug=lots',
  `debug=0xd44 ${REST}`, `debug=0x104c44 ${REST}`, `debug=0x24c44 ${REST}`, `debug=0x4444 ${REST}`, `debug=0xc04 ${REST} wdt=-1`,
  `debug=0x2044 ${REST}`, `debug=0x26444 ${REST}`, `debug=0x800 ${REST}`, `debug=0x1c44 ${REST} wdt=1`, `debug=0x644 ${REST}`,
  'debug=0x444 _panicd_ip=local', 'debug=0x400', 'debug=0x104404 wdt=-1', `debug=0x444 ${REST} panicd_port=0`,
  `debug=0x444 ${REST} panicd_port=99999`, `debug=0x444 ${REST} _panicd_port=1070`, 'debug=0x444 _panicd_ip=there kdp_match_name=serial',
  `debug=0x444 ${REST} _panicd_corename=core keepsyms=1`, 'debug=0x444 _panicd_ip 10.0.40.2', 'debug =0x444', 'debug= 0x444', '= == =x',
  'debg=0x444 panicdip=10.0.40.2 kdp_matchname=en0', 'debug=0x44 debug=0x444 -v -v=1 debug', `${REST}`, '\u201cdebug=0x44\u201d \u2013v', '\u00a0debug=0x44\u200b',
  'boot-args\tdebug=0xd44', 'sudo nvram boot-args="debug=0xd44 -v"', 'a'.repeat(2000), 'a '.repeat(1000).trim(), 'debug=0xd44 \u202e\u0007\u001b[31m<b>&amp;"\'',
  'x=\ud83d\ude00 debug=0x4 \u00e9=\u20ac', 'debug=0x444 nested_panic_max=3 coredump_encryption=3 corefile_size_mb=100 phys_carveout_mb=16',
];
const RELEASES = [['', ''], ...advice.ask('known').releases.map(({ xnu, name }) => [String(xnu), name])];

const tests = [];
const test = (name, body) => tests.push([name, body]);

/** @return {code, json, error}: what panicctl says; the line is one word, so that no blank is lost */
function ask(...args) {
  return new Promise((done) => {
    execFile(panicctl, ['--json', ...args], { cwd: '/', maxBuffer: 1 << 26, timeout: 60000 }, (error, out, said) =>
      done({ code: error?.code ?? 0, json: out ? JSON.parse(out) : null, error: said.split('\n')[0].replace('panicctl: ', '') }));
  });
}

async function each(cases, body) {
  const left = [...cases];
  await Promise.all(Array.from({ length: AT_ONCE }, async () => {
    while (left.length) await body(left.shift());
  }));
}

/** An answer without what only the page gets. */
function plain(answer) {
  const { debug_instead: _, ...rest } = answer;
  return { ...rest, arguments: rest.arguments.map(({ note: _note, ...word }) => word), traps: rest.traps.map(({ fixed: _fixed, ...trap }) => trap),
    actions: rest.actions.map(({ title: _title, when: _when, ...action }) => action) };
}

function wrong(about, values) {
  try {
    advice.ask(about, values);
  } catch (error) {
    assert(error instanceof AdviceError, String(error));
    return error.message;
  }
  return null;
}

/* ---- the module ---- */

test('asks a browser for nothing', () => {
  assert.deepEqual(WebAssembly.Module.imports(module), []);
  assert.deepEqual(WebAssembly.Module.exports(module).map(({ name }) => name).sort(), ['answer', 'ask', 'memory', 'question', 'question_cap']);
});

test(`is small: at most ${GZIP_MAX} bytes as gzip`, () => {
  const size = gzipSync(readFileSync(wasm), { level: 9 }).length;
  console.log(`# ${readFileSync(wasm).length} bytes, as gzip ${size}`);
  assert(size <= GZIP_MAX, `${size} bytes`);
});

test('knows every bit and release', () => {
  const { flags, releases } = advice.ask('known');
  assert.equal(flags.length, 24);
  assert.deepEqual(releases.at(-1), { xnu: 11215, name: '15' });
  assert.equal(flags.find(({ name }) => name === 'DB_LOG_PI_SCRN').until, '10.12');
});

/* ---- the same as panicctl ---- */

test(`decodes and lints ${LINES.length} lines as panicctl does, on ${RELEASES.length} releases`, async () => {
  const cases = LINES.flatMap((line, i) => RELEASES.map(([xnu], r) => ({ line, xnu, arch: ['', '', 'x86_64', 'arm64'][(i + r) % 4], lint: (i + r) % 8 === 0 })));
  await each(cases, async ({ line, xnu, arch, lint }) => {
    const options = [...(xnu ? ['--xnu', xnu] : []), ...(arch ? ['--arch', arch] : [])];
    const values = { line, ...(xnu ? { xnu } : {}), ...(arch ? { arch } : {}) };
    const decoded = await ask('bootargs', 'decode', ...options, line);
    assert.equal(decoded.code, 0, `${line}: ${decoded.error}`);
    const here = advice.ask('decode', values);
    assert.deepEqual(plain(here), decoded.json, JSON.stringify(values));
    if (!lint) return;
    const linted = await ask('bootargs', 'lint', ...options, line), { traps, ...rest } = advice.ask('lint', values);
    assert.deepEqual({ ...rest, traps: traps.map(({ fixed: _, ...trap }) => trap) }, linted.json, JSON.stringify(values));
    assert.equal(here.debug_instead, linted.json.debug_instead);
  });
});

const TO = { server: '10.0.40.2' }, BY = { interface: 'en0' };
const CHOICES = [{}, { 'on-nmi': 1 }, { 'paniclog-only': 1 }, { local: 1 }, { stay: 1 }, { 'on-nmi': 1, local: 1, stay: 1 }, { port: 1070, 'on-nmi': 1 }, { port: 70000 }];

function wishes() {
  const macos = RELEASES.flatMap(([, release], r) => CHOICES.flatMap((choice, c) => [{ ...TO, ...BY }, ...(c % 4 === r % 4 ? [{}] : [])].map((to) => {
    const arch = ['', 'x86_64', 'arm64', ''][(r + c) % 4];
    return { for: 'macos', ...to, ...choice, ...(release ? { release } : {}), ...(arch ? { arch } : {}) };
  })));
  const others = ['freebsd', 'linux', 'tftp'].flatMap((system) => [{}, { port: 1070 }, { 'on-nmi': 1 }, { stay: 1 }].flatMap((choice) =>
    [TO, { ...TO, ...BY }, { ...TO, ...BY, client: '10.0.40.7' }, { ...TO, client: '10.0.40.7', gateway: '10.0.40.1' }, {}].map((to) => ({ for: system, ...to, ...choice }))));
  const bad = ['nobody', '::1', '0.0.0.0', '10.0.40.2;reboot', '$(reboot)', '\u202e'].map((server) => ({ for: 'linux', server }));
  return [...macos, ...others, ...bad, { for: 'macos', ...TO, interface: '-x' }, { for: 'macos', ...TO, interface: 'en0"; reboot' },
    { for: 'macos', ...TO, ...BY, release: '9' }, { for: 'freebsd', ...TO, ...BY, client: '10.0.40.7', release: '11' }, { for: 'beos' }];
}

test('sets machines up as panicctl does, and refuses in the same words', async () => {
  const all = wishes();
  let refused = 0;
  await each(all, async (wish) => {
    const words = Object.entries(wish).flatMap(([name, value]) => (value === 1 ? [`--${name}`] : [`--${name}`, String(value)]));
    const { code, json, error } = await ask('setup', ...words);
    if (code === 0) return assert.deepEqual(advice.ask('setup', wish), json, JSON.stringify(wish));
    refused++;
    assert.equal(wrong('setup', wish), error, JSON.stringify(wish));
  });
  console.log(`# ${all.length} wishes, ${refused} refused`);
  assert(refused > 50 && all.length - refused > 80, `${refused} of ${all.length} refused`);
});

/* ---- what only the page asks ---- */

test('a trap that can be put right is gone when it was', () => {
  let put = 0;
  for (const line of LINES)
    for (const [xnu] of RELEASES.slice(1))
      for (const { trap, text, fixed } of advice.ask('lint', { line, xnu }).traps) {
        if (fixed === null) continue;
        put++;
        const again = advice.ask('lint', { line: fixed, xnu }).traps;
        assert(!again.some((other) => other.trap === trap && other.text === text), `${line} on ${xnu}: ${trap}: ${fixed}`);
      }
  assert(put > 500, `${put}`);
});

test('a bit that is ticked is in the line, and no other has changed', () => {
  const { flags } = advice.ask('known');
  for (const line of LINES.filter((one) => one.length < 1000))
    for (const { value } of flags) {
      const { debug, value_only: alone, arguments: words } = advice.ask('decode', { line }), next = (debug ^ value) >>> 0;
      const ticked = advice.ask('decode', { line: advice.ask('debug', { line, value: next }).line });
      assert.equal(ticked.debug, next, line);
      assert.equal(ticked.value_only, alone, line);
      const others = (list) => list.filter(({ name }) => name !== 'debug').map(({ name, value: text }) => [name, text]);
      if (!alone) assert.deepEqual(others(ticked.arguments), others(words), line);
    }
});

test('what is too long, or has a NUL, is refused or read, and nothing breaks', () => {
  assert.equal(wrong('decode', { line: 'y'.repeat(2042) }), 'the line is too long: at most 2041 bytes');
  assert.equal(wrong('decode', { line: 'y'.repeat(1 << 20) }), 'the line is too long: at most 2041 bytes');
  assert.equal(wrong('decode', { line: '\u20ac'.repeat(1000) }), 'the line is too long: at most 2041 bytes');
  assert.equal(advice.ask('decode', { line: 'debug=0x44\0x -v' }).arguments.length, 2);
  assert.equal(advice.ask('decode', { line: '\ud800' }).arguments.length, 1);
  assert.equal(wrong('nothing', {}), 'there is no such question: known, decode, lint, debug or setup');
});

for (const [i, [name, body]] of tests.entries()) {
  try {
    await body();
    console.log(`ok ${i + 1} - ${name}`);
  } catch (error) {
    process.exitCode = 1;
    console.log(String(error.stack).replace(/^/gm, '# '));
    console.log(`not ok ${i + 1} - ${name}`);
  }
}
console.log(`1..${tests.length}`);
