// SPDX-License-Identifier: BSD-2-Clause
// Groups of the same panic as rows; each opens to its dumps.
import { h, replace, say, theirs } from './dom.js';
import { count, of, when } from './format.js';
import { dumpTable, failure } from './parts.js';
import { spark } from './spark.js';

const STEP = 50; // rows that are made at a time
const DUMPS = 20; // of a group, at a time

/** The dumps of a group, and a button for those before them. */
function dumpsOf(group, app) {
  const box = h('div', { class: 'inner' }), list = h('div');
  const more = h('button', { type: 'button', hidden: true, onclick: () => read() }, 'Older ones');
  const rows = [];
  let next = null;
  async function read() {
    more.disabled = true;
    try {
      const page = await app.api(`/api/dumps?${new URLSearchParams({ group: group.group, limit: DUMPS, ...(next && { before: next }) })}`);
      rows.push(...page.dumps);
      next = page.next;
      replace(list, rows.length ? dumpTable(rows, `Dumps of group ${group.group}`, 'name') : h('p', { class: 'none' }, 'All its dumps have been removed.'));
      more.hidden = !next;
    } catch (error) {
      replace(list, failure(error));
    }
    more.disabled = false;
  }
  replace(box, list, more);
  return { box, read };
}

function row(group, app) {
  const id = `group-${group.group}`;
  const dumps = dumpsOf(group, app);
  dumps.box.id = id;
  dumps.box.hidden = true;
  let asked = false;
  const opener = h('button', { type: 'button', class: 'opener', 'aria-expanded': 'false', 'aria-controls': id }, theirs(group.title || 'without a title'));
  const machines = group.machine_names ?? [];
  const element = h('li', { class: 'group' },
    h('div', { class: 'line' },
      h('h3', { class: 'name' }, opener),
      h('p', { class: 'count' }, h('b', null, count(group.count)), h('span', null, group.count === 1 ? ' time' : ' times')),
      h('p', { class: 'where', title: machines.join(', ') || null }, of(group.machines, 'machine'), machines.length > 0 && [': ', theirs(machines.slice(0, 3).join(', ')), group.machines > 3 && ' …']),
      h('p', { class: 'seen' }, h('span', null, 'last ', when(group.last_seen)), h('span', null, 'first ', when(group.first_seen))),
      h('div', { class: 'days' }, spark(group.spark ?? [])),
      group.note && h('p', { class: 'note' }, theirs(group.note))),
    dumps.box);
  opener.addEventListener('click', () => {
    const open = dumps.box.hidden;
    dumps.box.hidden = !open;
    opener.setAttribute('aria-expanded', String(open));
    element.classList.toggle('opened', open);
    if (open && !asked) dumps.read();
    asked ||= open;
  });
  return element;
}

/** The list; what is open stays open when the groups are read again. */
export class Groups {
  #shown = 0;
  #groups = [];

  constructor(app) {
    this.app = app;
    this.list = h('ol', { class: 'groups' });
    this.more = h('button', { type: 'button', hidden: true, onclick: () => this.#grow() }, '');
    this.element = h('div', null, this.list, this.more);
  }

  /** @param all open every one of them */
  set(groups, all = false) {
    const open = new Set([...this.list.querySelectorAll('[aria-expanded=true]')].map((at) => at.getAttribute('aria-controls')));
    const shown = Math.max(STEP, this.#shown);
    const focused = this.list.contains(document.activeElement) ? document.activeElement.getAttribute('aria-controls') : null;
    this.#groups = groups;
    this.#shown = 0;
    replace(this.list);
    this.#grow(shown);
    for (const button of this.list.querySelectorAll('.opener')) {
      if (all || open.has(button.getAttribute('aria-controls'))) button.click();
      if (focused && button.getAttribute('aria-controls') === focused) button.focus({ preventScroll: true });
    }
  }

  #grow(by = STEP) {
    this.list.append(...this.#groups.slice(this.#shown, this.#shown + by).map((group) => row(group, this.app)));
    this.#shown = Math.min(this.#groups.length, this.#shown + by);
    const left = this.#groups.length - this.#shown;
    this.more.hidden = left <= 0;
    say(this.more, `Show ${Math.min(STEP, left)} more of ${count(left)}`);
  }
}
