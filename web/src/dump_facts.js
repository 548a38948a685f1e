// SPDX-License-Identifier: BSD-2-Clause
// What is known of a dump, as elements: who, which kernel, where in it, and the file. A line for each
// thing that is known, and none for what is not.
import { command, h, theirs } from './dom.js';
import { bytes, clock, count, duration, of, when } from './format.js';

const FRAMES = 24; // of the backtrace, before "more"
const HOLES = 6; // missing ranges, likewise
const MODULES_OPEN = 12; // as many are shown at once
const LONG = 200; // characters of a value
const SHORT_MS = 100; // no rate is told of what took less: a file was taken in
const OLD_MS = 40 * 86400000; // its day alone is said, not how long ago that was

/** A name and what is known, or nothing. */
function line(name, ...known) {
  const what = known.flat().filter((part) => part !== null && part !== undefined && part !== false && part !== '');
  return what.length ? h('div', null, h('dt', null, name), h('dd', null, what)) : null;
}

/** The beginning of a text, and no half of a character. */
export const cut = (value, most) => value.slice(0, most).replace(/[\ud800-\udbff]$/, '');

/** What is long is shown by its beginning, and wholly when that is asked for. */
export function text(value) {
  if (!value || value.length <= LONG) return value ? theirs(value) : null;
  return h('details', null, h('summary', null, theirs(`${cut(value, LONG)}…`)), theirs(value));
}

const code = (value) => (value ? h('code', null, text(value)) : null);
const list = (...lines) => (lines.some(Boolean) ? h('dl', { class: 'pairs' }, lines) : null);

/** A titled part of the page; null when there is nothing in it. */
export function part(title, id, ...content) {
  if (!content.flat().some(Boolean)) return null;
  return h('section', { class: 'card', 'aria-labelledby': id }, h('h2', { id }, title), content);
}

function crashTime(facts) {
  const seconds = Number(facts.crash_time);
  const ms = seconds * 1000;
  if (!facts.crash_time || !(Math.abs(ms) < 8.64e15)) return null;
  return [h('time', { datetime: new Date(ms).toISOString() }, clock(ms)),
    Math.abs(Date.now() - ms) < OLD_MS && [' (', when(new Date(ms).toISOString()), ')']];
}

export function machine({ facts, peer }) {
  return part('Machine', 'machine-title', list(
    line('Name', text(facts.host ?? peer)), line('Model', text(facts.model)), line('Processor', text(facts.arch)),
    line('Died', crashTime(facts)),
    line('After', Number(facts.uptime) >= 0 && facts.uptime && `${duration(Number(facts.uptime))} of running`),
    line('By', text(facts.trigger)), line('In', text(facts.task))));
}

export function kernel({ facts }) {
  const system = [facts.os, facts.os_version].filter(Boolean).join(' ');
  return part('Kernel', 'kernel-title', list(
    line('System', text(system)), line('Release', facts.kernel !== facts.os_version && text(facts.kernel)),
    line('Build', code(facts.build_id)), line('Version', text(facts.kernel_version)), line('Boot-args', code(facts.boot_args)),
    line('Loaded at', code(facts.load)), line('Slide', code(facts.slide))));
}

/* ---- where it happened ---- */

const PLAIN = /dump_stack|^_?panic\b|Debugger|handle_debugger_trap/; // frames that say only that it panicked

function frame(at) {
  return h('li', { class: PLAIN.test(at.text ?? '') ? 'plain' : null },
    h('span', { class: 'function' }, at.text ? text(at.text) : h('code', null, at.address)),
    at.module && [' ', h('span', { class: 'module' }, text(at.module))],
    at.text && at.address && [' ', h('code', { class: 'address' }, at.address)]);
}

export function backtrace({ facts }) {
  const frames = facts.backtrace ?? [];
  if (!frames.length) return null;
  const rest = frames.slice(FRAMES);
  return part('Where', 'where-title', h('ol', { class: 'frames' }, frames.slice(0, FRAMES).map(frame)),
    rest.length > 0 && h('details', null, h('summary', null, `${count(rest.length)} more`),
      h('ol', { class: 'frames', start: String(FRAMES + 1) }, rest.map(frame))));
}

export function registers({ facts }) {
  const cpus = (facts.cpus ?? []).filter((cpu) => Object.keys(cpu.registers ?? {}).length);
  if (!cpus.length) return null;
  return part('Registers', 'registers-title', cpus.map((cpu) => h('details', { open: cpu.panicked || cpus.length === 1 },
    h('summary', null, `CPU ${cpu.cpu}${cpu.panicked ? ', the one that panicked' : ''}`),
    h('dl', { class: 'registers' }, Object.entries(cpu.registers).map(([name, value]) =>
      h('div', null, h('dt', null, theirs(name)), h('dd', null, h('code', null, String(value).replace(/^0x/, '').padStart(16, '0')))))))));
}

export function modules({ facts }) {
  const all = facts.modules ?? [];
  if (!all.length) return null;
  const sorted = [...all].sort((a, b) => Number(b.in_backtrace ?? false) - Number(a.in_backtrace ?? false));
  const involved = all.filter((at) => at.in_backtrace).length;
  const table = h('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': 'All modules' }, h('table', { class: 'modules' },
    h('thead', null, h('tr', null, ['Name', 'Version', 'Addresses', 'Id'].map((name) => h('th', { scope: 'col' }, name)))),
    h('tbody', null, sorted.map((at) => h('tr', { class: at.in_backtrace ? 'involved' : null },
      h('td', null, text(at.name ?? '?'), at.in_backtrace && h('span', { class: 'tag' }, 'in the backtrace')),
      h('td', null, text(at.version)),
      h('td', null, at.end && h('code', null, `${at.start ?? '0x0'}–${at.end}`)), h('td', null, code(at.id)))))));
  const words = [of(all.length, 'module'), involved > 0 && `, ${count(involved)} in the backtrace`];
  return part('Modules', 'modules-title', all.length > MODULES_OPEN
    ? h('details', null, h('summary', null, words), table) : [h('p', { class: 'under' }, words), table]);
}

/* ---- the file ---- */

function hole({ start, end }) {
  return h('li', null, end === null || end === undefined ? `from byte ${count(start)} on`
    : `bytes ${count(start)} to ${count(end - 1)} (${bytes(end - start)})`);
}

/** What is missing of the file, if anything is. */
export function holes({ missing }) {
  if (!missing?.length) return null;
  const rest = missing.slice(HOLES);
  return h('div', { class: 'holes' }, h('p', null, 'Missing:'), h('ul', null, missing.slice(0, HOLES).map(hole)),
    rest.length > 0 && h('details', null, h('summary', null, `${count(rest.length)} more`), h('ul', null, rest.map(hole))));
}

function received({ started_at: start, received_at: end, bytes: all }) {
  const ms = Date.parse(end) - Date.parse(start);
  return end && [when(end), ms >= SHORT_MS && `, in ${(ms / 1000).toFixed(1)} s (${bytes((all * 1000) / ms)}/s)`];
}

const packets = ({ received_at: end, packets: all, repeats }) =>
  end && all > 0 && `${count(all)}, of which ${count(repeats)} came more than once`;

export function file(info) {
  return part('File', 'file-title', list(
    line('Name', text(info.name)), line('Path', code(info.path)),
    line('Size', info.received_at && `${bytes(info.bytes)} (${of(info.bytes, 'byte')})`), line('Format', text(info.format)),
    line('With it', info.beside?.length > 0 && text(info.beside.join(', '))),
    line('Sender', info.peer && [theirs(info.peer), ` port ${info.peer_port}, by ${info.protocol}`]),
    line('Started', !info.received_at && info.started_at && when(info.started_at)), line('Received', received(info)),
    line('Packets', packets(info))),
  info.sha256 && h('div', { class: 'sum' }, h('p', { class: 'under' }, 'SHA-256, taken here when it had arrived'), command(info.sha256)));
}

/* ---- what to do with it ---- */

const WAYS = [
  ['debug', 'In a debugger, on the receiving machine'], ['export', 'In another form, or unpacked'], ['pack', 'A zip for a report'],
];

// A name goes into a command only if no shell reads anything else in it.
const plainName = (info) => (/^[A-Za-z0-9][A-Za-z0-9._+-]{0,200}$/.test(info.name) ? info.name : `dump-${info.id}`);

export function ways(info) {
  const { commands = {}, encrypted } = info;
  const typed = WAYS.filter(([name]) => commands[name]).map(([name, what]) => [what, commands[name]]);
  const cipher = encrypted?.cipher ? ` (${encrypted.cipher})` : '';
  if (encrypted?.open) typed.unshift([`It is encrypted${cipher}: with the private key`, encrypted.open]);
  if (info.may_download && info.received_at)
    typed.push(['From here; again, if it breaks off: it goes on where it was',
      `curl -C - -o ${plainName(info)} ${location.origin}/dumps/${info.id}/file`]);
  if (!typed.length) return null;
  return part('How to open it', 'open-title', typed.map(([what, line]) => h('div', { class: 'way' }, h('p', { class: 'under' }, what), command(line))));
}

export function downloads(info) {
  if (!info.received_at) return null;
  if (!info.may_download) return h('p', { class: 'under' }, 'You may look at this dump, and not download it.');
  return h('p', { class: 'downloads' },
    h('a', { class: 'button', href: `/dumps/${info.id}/file`, download: true }, `Download, ${bytes(info.bytes)}`),
    h('a', { class: 'button plain', href: `/dumps/${info.id}/zip`, download: true }, 'Zip for a report'));
}
