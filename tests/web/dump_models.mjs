// SPDX-License-Identifier: BSD-2-Clause
// What the page One dump reckons, without a browser: windows of memory, rows of a log.
import { assert, finish, test } from './harness.mjs';
import { FOUND_MAX, Text } from '../../web/src/dump_text.js';
import { hex, Space, Trail } from '../../web/src/picture_space.js';

const PAGE = 4096n;
const SEEDS = 200;

/** Numbers that are the same every time: 0 to below n. */
function dice(seed) {
  let state = seed * 2654435761 + 1;
  return (n) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * n);
  };
}

function ranges(...ends) {
  return ends.map(([start, end]) => ({ start: hex(BigInt(start)), end: hex(BigInt(end)) }));
}

function someSpace(roll) {
  const made = [];
  let at = BigInt(roll(50)) * PAGE;
  for (let i = roll(12) + 1; i > 0; i--) {
    const end = at + BigInt(roll(300) + 1) * PAGE;
    made.push([at, end]);
    at = end + BigInt(roll(3) ? roll(2 ** 30) : 0) * PAGE;
  }
  return new Space(ranges(...made));
}

/* ---- memory ---- */

test('every position has an address, and comes back from it', () => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    const roll = dice(seed), space = someSpace(roll);
    for (let i = 0; i < 50; i++) {
      const position = (space.size * BigInt(roll(2 ** 20))) / 2n ** 20n;
      assert.equal(space.position(space.address(position)), position, `seed ${seed}`);
      if (position) assert.equal(space.position(space.address(position, true)), position, `seed ${seed}`);
      assert.ok(space.rangeAt(space.address(position)), `seed ${seed}`);
    }
  }
});

test('what has no memory has no positions', () => {
  const space = new Space(ranges([0x1000, 0x3000], [0x100000, 0x101000]));
  assert.equal(space.size, 0x3000n);
  assert.equal(space.position(0n), 0n);
  assert.equal(space.position(0x50000n), 0x2000n);
  assert.equal(space.address(0x2000n), 0x100000n);
  assert.equal(space.address(0x2000n, true), 0x3000n);
  assert.equal(space.address(0x3000n), 0x100fffn);
  assert.equal(space.rangeAt(0x50000n), null);
  assert.equal(space.window(0x3000n, 0x100000n), null);
  assert.deepEqual(space.window(0x2000n, 0x200000n), { from: 0x1000n, to: 0x3000n });
  assert.deepEqual(space.addresses({ from: 0x1000n, to: 0x2000n }), { start: 0x2000n, end: 0x3000n });
});

test('a window holds the ranges of which some is in it', () => {
  const space = new Space(ranges([0, 0x1000], [0x5000, 0x6000], [0x8000, 0x9000]));
  const starts = (from, to) => space.within({ from, to }).map(({ start }) => Number(start));
  assert.deepEqual(starts(0n, 0x3000n), [0, 0x5000, 0x8000]);
  assert.deepEqual(starts(0x1000n, 0x2000n), [0x5000]);
  assert.deepEqual(starts(0xfffn, 0x1001n), [0, 0x5000]);
});

test('zooming keeps what was pointed at, in whole pages, and never leaves the memory', () => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    const roll = dice(seed), space = someSpace(roll);
    let window = space.all;
    for (let i = 0; i < 30; i++) {
      const at = window.from + ((window.to - window.from) * BigInt(roll(1000))) / 1000n;
      window = roll(4) ? space.zoom(window, [0.5, 0.8, 1.25, 2][roll(4)], at, 8) : space.pan(window, roll(100) / 50 - 1);
      assert.ok(window.from >= 0n && window.from < window.to && window.to <= space.size, `seed ${seed}: ${window.from} to ${window.to}`);
      assert.ok(window.from % PAGE === 0n && (window.to % PAGE === 0n || window.to === space.size), `seed ${seed}`);
    }
    const whole = space.zoom(window, 2 ** 30, window.from, 8);
    assert.deepEqual(whole, space.all, `seed ${seed}`);
  }
  const space = new Space(ranges([0, 1 << 30]));
  const near = space.zoom(space.all, 0.25, 700n << 20n, 8);
  assert.ok(near.from < 700n << 20n && near.to > 700n << 20n);
  assert.equal(near.to - near.from, 256n << 20n);
});

test('the deepest window is as deep as it was asked to be', () => {
  const space = new Space(ranges([0, 1 << 30]));
  let window = space.all;
  for (let i = 0; i < 60; i++) window = space.zoom(window, 0.5, 12345n * PAGE, 512);
  assert.equal(window.to - window.from, 512n * PAGE);
  assert.ok(window.from <= 12345n * PAGE && window.to > 12345n * PAGE);
});

test('the end of the address space is reached, and not passed', () => {
  const top = 2n ** 64n - 1n, space = new Space(ranges([0, 0x1000], [top - 0xfffn, top]));
  assert.equal(space.size, 0x1fffn);
  assert.deepEqual(space.addresses(space.all), { start: 0n, end: top });
});

test('ranges that are none are left out', () => {
  const space = new Space([{ start: '0x1000', end: '0x2000' }, { start: 'x', end: '0x1' }, { start: '0x5000', end: '0x4000' }, {}, { start: '0x3000', end: `0x1${'0'.repeat(16)}` }]);
  assert.equal(space.size, 0x1000n);
  assert.equal(new Space(undefined).size, 0n);
  assert.deepEqual(new Space([]).addresses({ from: 0n, to: 0n }), { start: 0n, end: 0n });
});

test('the way into memory is kept step by step, and is short', () => {
  const all = { from: 0n, to: 1024n }, trail = new Trail(all);
  trail.go({ from: 0n, to: 512n });
  trail.go({ from: 128n, to: 256n });
  assert.equal(trail.steps.length, 3);
  trail.go({ from: 130n, to: 200n }, true); // the wheel turns on
  assert.deepEqual(trail.last, { from: 130n, to: 200n });
  assert.equal(trail.steps.length, 3);
  trail.go({ from: 600n, to: 700n }); // elsewhere: not within what was zoomed into
  assert.deepEqual(trail.steps, [all, { from: 600n, to: 700n }]);
  for (let i = 1n; i < 40n; i++) trail.go({ from: 600n + i, to: 700n - i });
  assert.equal(trail.steps.length, Trail.MAX);
  assert.deepEqual(trail.steps[0], all);
  trail.back(0);
  assert.deepEqual(trail.steps, [all]);
});

/* ---- logs ---- */

test('rows are the lines of a log, long ones in several, and nothing is lost', () => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    const roll = dice(seed);
    let log = '';
    for (let i = roll(30); i > 0; i--) log += 'x'.repeat(roll(5) ? roll(80) : roll(9000)) + (roll(9) ? '\n' : '');
    const text = new Text(log), rows = [...Array(text.count).keys()].map((i) => text.row(i));
    assert.ok(rows.every((row) => row.length <= 2001 && !row.includes('\n')), `seed ${seed}`);
    assert.equal(rows.join(''), log.replace(/\n/g, ''), `seed ${seed}`);
    assert.ok(text.count >= log.split('\n').length - 1, `seed ${seed}`);
    for (let i = 0; i < text.count; i++) assert.equal(text.rowAt(text.starts[i]), i, `seed ${seed}`);
  }
  assert.equal(new Text('').count, 0);
  assert.equal(new Text('\n\n').count, 2);
});

test('what is searched for stands for itself, in capitals or not, and there is an end to it', () => {
  const text = new Text('a (b) [c] .*\nA (B)\nab\n');
  assert.deepEqual(text.find('(b)'), [0, 1]);
  assert.deepEqual(text.find('.*'), [0]);
  assert.deepEqual(text.find('\\'), []);
  assert.deepEqual(text.find(''), []);
  assert.equal(new Text('x'.repeat(3 * FOUND_MAX)).find('x').length, FOUND_MAX);
});

test('the panic is found where the kernel says it, over several lines', () => {
  const linux = new Text('[ 1.0] boot\n[ 2.0] Kernel panic - not syncing: sysrq triggered crash\n[ 2.1] CPU: 1\n');
  assert.deepEqual(linux.panic('sysrq triggered crash'), { first: 1, end: 2 });
  const mac = new Text('panic(cpu 2 caller 0x1): "GPU hang" @a.cpp:1\nsecond line\nthird\n');
  assert.deepEqual(mac.panic('"GPU hang" @a.cpp:1\nsecond line'), { first: 0, end: 2 });
  assert.deepEqual(mac.panic('"GPU hang" @a.cpp:1\nnot there'), { first: 0, end: 1 });
  assert.equal(mac.panic('something else'), null);
  assert.equal(mac.panic(undefined), null);
  assert.equal(mac.panic('\n \n'), null);
});

test('lines that say why a kernel stops are known, and others are not', () => {
  for (const line of ['[ 1.0] BUG: kernel NULL pointer dereference, address: 0', '[ 1.0] RIP: 0010:f+0x1', 'Fatal trap 12: page fault while in kernel mode',
    'panic: page fault', '[ 1.0] Internal error: Oops: 96000004', 'panic(cpu 2 caller 0x1): x'])
    assert.ok(Text.loud(line), line);
  for (const line of ['[ 1.0] systemd[1]: Started', 'usb 1-1: no panic here', 'DEBUG: x'])
    assert.ok(!Text.loud(line), line);
  assert.equal(new Text('a\nOops\nb').firstLoud(), 1);
  assert.equal(new Text('a\nb').firstLoud(), -1);
});

await finish();
