// SPDX-License-Identifier: BSD-2-Clause
// What several pages show: the state of a dump, rows of dumps, a notice.
import { ApiError } from './api.js';
import { command, h, theirs } from './dom.js';
import { bytes, when } from './format.js';

const STATES = {
  complete: ['good', 'complete'],
  incomplete: ['warn', 'incomplete'],
  arriving: ['live', 'arriving'],
  checking: ['live', 'being checked'],
};

/** In words, and with a mark whose shape says the same without colour. @param row as of /api/dumps */
export function state(row) {
  const key = row.state !== 'receiving' ? row.state : row.received_at ? 'checking' : 'arriving';
  const [kind, text] = STATES[key] ?? ['warn', row.state];
  return h('span', { class: `state ${kind}`, title: row.reason || null }, text);
}

/** The machine of a dump: its own name for itself, else where it sends from. */
export function machineOf(row) {
  return row.host || row.peer || '-';
}

function dumpRow(row, first) {
  const path = row.id ? `/dumps/${row.id}` : null, title = row[first] || row.name;
  const cell = (name, ...children) => h('td', { role: 'cell', class: name }, children);
  return h('tr', { role: 'row' },
    cell('id', row.id ?? '-'),
    cell('how', state(row)),
    cell(row[first] ? 'title' : 'title unnamed', path ? h('a', { href: path, class: 'cover' }, theirs(title)) : theirs(title)),
    cell('machine', theirs(machineOf(row))),
    cell('system', theirs([row.os, row.kernel].filter(Boolean).join(' ') || '-')),
    cell('size', bytes(row.bytes)),
    cell('time', when(row.received_at ?? row.started_at)));
}

/**
 * A table of rows as /api/dumps has them.
 * @param caption  says what they are; it is not seen
 * @param first    what a row is called by: 'title', or, where all have the same, 'name'
 */
export function dumpTable(rows, caption, first = 'title') {
  const columns = ['Dump', 'State', first === 'title' ? 'Panic' : 'Name', 'Machine', 'System', 'Size', 'Received'];
  return h('table', { class: 'dumps', role: 'table' }, h('caption', { class: 'unseen' }, caption),
    h('thead', { role: 'rowgroup' }, h('tr', { role: 'row' }, columns.map((name) => h('th', { scope: 'col', role: 'columnheader' }, name)))),
    h('tbody', { role: 'rowgroup' }, rows.map((row) => dumpRow(row, first))));
}

/** A thing that is wrong, and what to do. A "do" that is one line of a shell can be copied. */
export function notice(text, act, kind = 'warn') {
  const typed = act && /^(sudo )?(panicd|panicctl|panicweb|panicdump|systemctl|\.\/run)\b[^\n]*$/.test(act);
  return h('li', { class: `notice ${kind}` }, h('p', null, theirs(text)), act && (typed ? command(act) : h('p', { class: 'do' }, theirs(act))));
}

/** What an exception says to a person. */
export function failure(error) {
  if (!(error instanceof ApiError)) throw error;
  return h('ul', { class: 'notices' }, notice(error.message, error.act, 'bad'));
}
