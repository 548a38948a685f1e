// SPDX-License-Identifier: BSD-2-Clause
// What a machine does, as a small tree: each dump, and what follows when it succeeded or failed.
import { h } from './dom.js';

const STEPS = {
  'local-core': 'Write a local core', 'network-core': 'Send a core', 'network-log': 'Send the panic log',
  'network-system-log': 'Send the system log', wait: 'Wait for a debugger, for ever', continue: 'Go on as if nothing had been',
  restart: 'Restart', stand: 'Stand still',
};
const ENDS = { restart: 'good', continue: 'good', wait: 'held', stand: 'held' };

const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);

function branches({ success, failure }) {
  if (!failure) return [];
  if (!success) return [['cannot succeed', failure]];
  return same(success, failure) ? [['then', success]] : [['succeeded', success], ['failed', failure]];
}

function node(at, edge) {
  const next = branches(at);
  return h('li', { class: ENDS[at.step] ?? 'dump' },
    edge && h('span', { class: 'edge' }, edge),
    h('span', { class: 'what' }, h('b', null, STEPS[at.step] ?? at.step), at.why && h('span', { class: 'hint' }, at.why),
      at.no_local_core && h('span', { class: 'hint' }, `No local core: ${at.no_local_core}`)),
    next.length > 0 && h('ul', null, next.map(([name, one]) => node(one, name))));
}

/** @param steps as "panicctl bootargs decode --json" has them */
export function tree(steps) {
  return h('ul', { class: 'tree' }, node(steps, ''));
}
