// SPDX-License-Identifier: BSD-2-Clause
// Keys that work everywhere, the list of them, and the switch that turns them off for whoever
// speaks to the machine instead of typing.
import { h } from './dom.js';

const LIST = [
  ['n', 'Now'], ['p', 'Panics'], ['s', 'Set up a machine'], ['/', 'Search panics'],
  ['t', 'Colours: auto, light, dark'], ['?', 'This list'],
];

function off() {
  try {
    return localStorage.getItem('keys') === 'off';
  } catch {
    return false;
  }
}

/** Calls map[key]() unless something is being typed, or a key of the browser is meant. */
export function keys(map) {
  document.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || event.defaultPrevented) return;
    if (event.target.closest('input, textarea, select, [contenteditable], dialog') || off()) return;
    const act = map[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });
}

export function helpDialog() {
  const use = h('input', { type: 'checkbox', id: 'keys-on', checked: !off(), onchange: () => {
    try {
      localStorage.setItem('keys', use.checked ? 'on' : 'off');
    } catch { /* then they stay on */ }
  } });
  const dialog = h('dialog', { 'aria-labelledby': 'keys-title' }, h('h2', { id: 'keys-title' }, 'Keys'),
    h('dl', { class: 'keys' }, LIST.map(([key, what]) => h('div', null, h('dt', null, h('kbd', null, key)), h('dd', null, what)))),
    h('p', null, use, h('label', { for: 'keys-on' }, ' Single keys do this')),
    h('button', { type: 'button', onclick: () => dialog.close() }, 'Close'));
  dialog.addEventListener('click', (event) => event.target === dialog && dialog.close());
  return dialog;
}
