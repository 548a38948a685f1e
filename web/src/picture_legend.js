// SPDX-License-Identifier: BSD-2-Clause
// Beside the picture of memory: what the colours mean and how much there is of each, and the same
// as a table, for who does not see it.
import { h, replace, say } from './dom.js';
import { bytes, count } from './format.js';
import { context, paint } from './picture_paint.js';
import { hex, KINDS } from './picture_space.js';

const SWATCH_PX = 16;
const TABLE_MAX = 100; // ranges in the table

export const WORDS = {
  present: 'in the dump',
  zero: 'nothing but zeros',
  excluded: 'left out on purpose',
  unreadable: 'the machine could not read it',
  missing: 'it should be in the dump, and is not',
};

const share = (part, all) => {
  const percent = all ? (100 * part) / all : 0;
  return percent > 0 && percent < 0.1 ? '< 0.1 %' : `${percent.toFixed(1)} %`;
};

/** What is known of a range: "62.0 % present, 38.0 % zero" */
export function mixture({ start, end, json }) {
  const size = Number(end - start);
  return KINDS.filter((kind) => json[kind] > 0)
    .map((kind) => (json[kind] === size ? kind : `${share(json[kind], size)} ${kind}`)).join(', ') || 'nothing is known';
}

export class Legend {
  constructor() {
    this.rows = new Map(KINDS.map((kind) => [kind, this.#row(kind)]));
    this.element = h('ul', { class: 'legend', 'aria-label': 'What the picture shows' }, [...this.rows.values()].map((row) => row.element));
  }

  #row(kind) {
    const canvas = h('canvas', { 'aria-hidden': 'true' }), amount = h('span', { class: 'amount' }), part = h('span', { class: 'part' });
    const swatch = h('span', { class: `swatch kind-${kind}` }, canvas);
    const element = h('li', null, swatch, h('span', { class: 'word', title: WORDS[kind] }, kind), amount, part);
    return { element, swatch, canvas, amount, part };
  }

  /** The colours of now: {present: {fill, mark}, ..} */
  looks() {
    const looks = {};
    for (const [kind, { swatch }] of this.rows) {
      const style = getComputedStyle(swatch);
      looks[kind] = { fill: style.color, mark: style.borderTopColor };
    }
    return looks;
  }

  /** @param sums of what is shown @param whole of all: kinds of which there is none are left out */
  update(sums, whole) {
    const looks = this.looks();
    const all = KINDS.reduce((sum, kind) => sum + (sums[kind] ?? 0), 0);
    for (const [kind, row] of this.rows) {
      row.element.hidden = !(whole[kind] > 0);
      say(row.amount, bytes(sums[kind] ?? 0));
      say(row.part, share(sums[kind] ?? 0, all));
      paint(context(row.canvas, SWATCH_PX, SWATCH_PX), kind, looks[kind], 0, 0, SWATCH_PX, SWATCH_PX);
    }
  }
}

/** The ranges of a window as rows of a table, made when it is opened. */
export class Table {
  constructor() {
    this.note = h('p', { class: 'under' });
    this.body = h('tbody');
    this.element = h('details', { class: 'ranges', ontoggle: () => this.#draw() }, h('summary', null, 'The same as a table'), this.note,
      h('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': 'Ranges of memory' },
        h('table', null, h('caption', { class: 'unseen' }, 'Ranges of memory, and what is in them'),
          h('thead', null, h('tr', null, ['From', 'To', 'Size', 'What'].map((name) => h('th', { scope: 'col' }, name)))), this.body)));
  }

  update(ranges) {
    this.ranges = ranges;
    this.drawn = false;
    this.#draw();
  }

  #draw() {
    if (!this.element.open || this.drawn || !this.ranges) return;
    this.drawn = true;
    const all = this.ranges.length, shown = this.ranges.slice(0, TABLE_MAX);
    say(this.note, all > TABLE_MAX ? `The first ${count(TABLE_MAX)} of ${count(all)} ranges that the picture shows now; zoom in to see others.` : '');
    replace(this.body, shown.map((range) => h('tr', null,
      h('td', null, h('code', null, hex(range.start))), h('td', null, h('code', null, hex(range.end))),
      h('td', { class: 'size' }, bytes(Number(range.end - range.start))), h('td', null, mixture(range)))));
  }
}
