// SPDX-License-Identifier: BSD-2-Clause
// The picture of a dump's memory: rows of cells, each of the same number of bytes, as panicweb makes
// them of a window of addresses. Here: which window, what is under the pointer, and drawing.
import { api } from './api.js';
import { h, replace, say } from './dom.js';
import { bytes } from './format.js';
import { failure } from './parts.js';
import { Legend, mixture, Table, WORDS } from './picture_legend.js';
import { Hands } from './picture_hands.js';
import { context, paint } from './picture_paint.js';
import { hex, Space, Trail } from './picture_space.js';

const ROWS = 48; // asked for; 24 to 48 come, unless all of it is less
const WIDE = { columns: 64, from: 620 };
const NARROW = { columns: 32 };
const HEIGHT = { least: 96, row: 16, most: 480 };
const CELL_HEIGHT_MAX = 24;
const LABEL_PX = 15;
const DIGIT_PX = 7; // of an address beside its row
const IN = 0.5, OUT = 2;
const LEAST_PAGES = 512; // shown at the deepest zoom
const GOES_ON_MS = 700; // turns of the wheel that are one zoom

export class Picture {
  #abort = null;
  #last = 0;
  #picture = null;
  #cursor = null; // {row, column}
  #marked = null; // where a selection began
  #wanted = null;

  constructor(id, initial) {
    this.id = id;
    this.initial = initial;
    this.canvas = h('canvas', { tabindex: '0', role: 'application', 'aria-roledescription': 'picture of memory',
      'aria-describedby': 'picture-help' });
    this.readout = h('p', { class: 'readout' });
    this.spoken = h('p', { class: 'unseen', role: 'status' });
    this.crumbs = h('ol');
    this.legend = new Legend();
    this.table = new Table();
    this.trouble = h('div');
    this.scale = h('p', { class: 'under scale' });
    this.frame = h('div', { class: 'picture-frame' }, this.canvas);
    this.buttons = this.#buttons();
    this.element = h('section', { class: 'picture-section', 'aria-labelledby': 'picture-title' },
      h('h2', { id: 'picture-title' }, 'Memory'), this.trouble,
      h('div', { class: 'picture-tools' }, h('nav', { class: 'crumbs', 'aria-label': 'Zoom' }, this.crumbs), h('div', { class: 'zoom' }, Object.values(this.buttons))),
      this.frame, this.readout, this.spoken, this.legend.element, this.scale,
      h('p', { class: 'under', id: 'picture-help' }, 'Drag over a part to zoom into it, or turn the wheel with Ctrl. By key: arrows, + and −, ',
        'Shift with an arrow to go along, Space at both ends of a part, Esc for all of it.'),
      this.table.element);
    this.hands = new Hands(this.canvas, this);
    this.sizes = new ResizeObserver(() => this.#resized());
    this.sizes.observe(this.frame);
    this.themed = () => { this.#draw(); this.#words(); };
    this.dark = matchMedia('(prefers-color-scheme: dark)');
    addEventListener('themechange', this.themed);
    this.dark.addEventListener('change', this.themed);
  }

  #buttons() {
    const button = (sign, text, act) => h('button', { type: 'button', class: 'quiet', 'aria-label': text, title: text, onclick: act }, sign);
    return {
      in: button('+', 'Zoom in', () => this.zoom(IN)),
      out: button('−', 'Zoom out', () => this.zoom(OUT)),
      back: button('▲', 'Lower addresses', () => this.pan(-0.5)),
      on: button('▼', 'Higher addresses', () => this.pan(0.5)),
    };
  }

  end() {
    this.#abort?.abort();
    this.sizes.disconnect();
    this.hands.end();
    removeEventListener('themechange', this.themed);
    this.dark.removeEventListener('change', this.themed);
  }

  /** What is known of the memory, maybe more than before; the window stays, where it can. */
  update(memory) {
    const window = this.trail && this.trail.steps.length > 1 ? this.space.addresses(this.trail.last) : this.initial;
    this.initial = null;
    this.space = new Space(memory?.ranges);
    this.virtual = memory?.space === 'virtual';
    this.element.hidden = this.space.size === 0n;
    this.whole = memory?.ranges?.reduce((sums, range) => {
      for (const kind of Object.keys(WORDS)) sums[kind] = (sums[kind] ?? 0) + (range[kind] ?? 0);
      return sums;
    }, {});
    this.trail = new Trail(this.space.all);
    const kept = window && this.space.window(window.start, window.end);
    if (kept) this.trail.go(kept);
    if (!this.element.hidden) this.#load();
  }

  /* ---- where to ---- */

  #go(window, same) {
    const before = this.trail.last;
    this.trail.go(window, same);
    if (before.from === this.trail.last.from && before.to === this.trail.last.to) return;
    this.#load();
  }

  #goesOn() {
    const now = Date.now(), same = now - this.#last < GOES_ON_MS;
    this.#last = now;
    return same;
  }

  /** @param factor less than 1: in @param cell what stays where it is; without: the cursor, or the middle */
  zoom(factor, cell = this.#cursor) {
    const window = this.trail.last;
    const address = cell && this.#cellAt(cell)?.start;
    let position = address === undefined || address === null ? (window.from + window.to) / 2n : this.space.position(address);
    if (position < window.from) position = window.from; // the first and the last row reach beyond the window
    if (position > window.to) position = window.to;
    this.#go(this.space.zoom(window, factor, position, LEAST_PAGES), this.#goesOn());
  }

  pan(part) {
    this.#go(this.space.pan(this.trail.last, part), this.trail.steps.length > 1);
  }

  /** Back to all of it; but a part that was begun is first given up. */
  everything() {
    const begun = this.#marked !== null;
    this.#marked = null;
    if (begun) return this.#draw();
    if (this.trail.steps.length === 1) return;
    this.trail.back(0);
    this.#load();
  }

  /** From one cell to another, both included. */
  select(a, b) {
    const one = this.#cellAt(a), other = this.#cellAt(b);
    if (!one || !other) return;
    const [first, last] = one.start <= other.start ? [one, other] : [other, one];
    const window = this.space.window(first.start, last.end);
    this.#last = 0;
    if (window) this.#go(window.to - window.from < 4096n ? this.trail.last : window, false);
  }

  /* ---- the cursor ---- */

  /** @param how 'key': it is also said; 'pointer' */
  point(cell, how) {
    this.#cursor = cell && this.#picture ? this.#clamp(cell) : null;
    this.#draw();
    const text = this.#cursor ? this.#describe(this.#cursor) : '';
    say(this.readout, text || ' ');
    if (how === 'key') say(this.spoken, text);
  }

  move(rows, columns) {
    const { row, column } = this.#cursor ?? { row: 0, column: 0 };
    const wide = this.#picture?.columns ?? 1, flat = column + columns;
    const to = { row: row + rows + Math.floor(flat / wide), column: ((flat % wide) + wide) % wide };
    this.point(this.#cursor ? to : { row: 0, column: 0 }, 'key');
  }

  /** Space: here a part begins; and again: here it ends. */
  mark() {
    if (!this.#cursor) return this.move(0, 0);
    if (this.#marked === null) {
      this.#marked = this.#cellAt(this.#cursor)?.start ?? null;
      say(this.spoken, this.#marked === null ? '' : `A part begins at ${hex(this.#marked)}. Go to its end and press Space.`);
      return this.#draw();
    }
    const begin = this.#cellOf(this.#marked), cursor = this.#cursor;
    this.#marked = null;
    if (begin) this.select(begin, cursor);
  }

  /** While a pointer drags. @param a null: it does not any more */
  dragged(a, b) {
    this.selection = a && { a, b };
    this.#draw();
  }

  hint(text) {
    say(this.readout, text);
  }

  cellAtPoint(x, y) {
    if (!this.#picture) return null;
    const { left, width, height } = this.layout;
    const column = Math.floor((x - left) / width), row = Math.floor(y / height);
    return row < 0 || row >= this.#picture.rows.length ? null : this.#clamp({ row, column });
  }

  #clamp({ row, column }) {
    const { rows, columns } = this.#picture;
    return { row: Math.min(Math.max(row, 0), rows.length - 1), column: Math.min(Math.max(column, 0), columns - 1) };
  }

  /** The addresses of a cell: [start, end), and its kind. */
  #cellAt({ row, column }) {
    const at = this.#picture?.rows[row];
    if (!at) return null;
    const start = BigInt(at.start);
    if (!at.cells) return { start, end: start + BigInt(at.gap_bytes), gap: at.gap_bytes };
    const cell = BigInt(this.#picture.cell_bytes);
    return { start: start + BigInt(column) * cell, end: start + BigInt(column + 1) * cell, kind: this.#picture.kinds[at.cells[column]] };
  }

  #cellOf(address) {
    for (let row = 0; row < (this.#picture?.rows.length ?? 0); row++) {
      const { start, end, gap } = this.#cellAt({ row, column: 0 });
      const rowEnd = gap ? end : start + (end - start) * BigInt(this.#picture.columns);
      if (address >= start && address < rowEnd) return { row, column: gap ? 0 : Number((address - start) / (end - start)) };
    }
    return null;
  }

  #describe(cell) {
    const { start, end, gap, kind } = this.#cellAt(cell);
    if (gap) return `${hex(start)}: ${bytes(gap)} of addresses without memory`;
    const range = this.space.within({ from: this.space.position(start), to: this.space.position(end) })[0];
    const what = kind ? `${kind}, ${WORDS[kind]}` : 'no memory';
    const within = range && kind && mixture(range);
    const more = within && within !== kind ? `. Of ${hex(range.start)} to ${hex(range.end)}: ${within}` : '';
    return `${hex(start)}, ${bytes(Number(end - start))}: ${what}${more}`;
  }

  /* ---- reading ---- */

  #columns() {
    return (this.frame.clientWidth >= WIDE.from ? WIDE : NARROW).columns;
  }

  async #load() {
    this.#abort?.abort();
    this.#abort = new AbortController();
    this.#wanted = this.#columns();
    this.#crumb();
    const { start, end } = this.space.addresses(this.trail.last);
    this.frame.setAttribute('aria-busy', 'true');
    try {
      const query = `start=${hex(start)}&end=${hex(end)}&columns=${this.#wanted}&rows=${ROWS}`;
      const picture = await api(`/api/dumps/${this.id}/map?${query}`, { signal: this.#abort.signal });
      this.#take(picture);
      replace(this.trouble);
    } catch (error) {
      if (error.name === 'AbortError') return;
      replace(this.trouble, failure(error));
    }
    this.frame.removeAttribute('aria-busy');
  }

  #take(picture) {
    const address = this.#cursor && this.#cellAt(this.#cursor)?.start;
    this.#picture = picture;
    this.#cursor = (address !== null && address !== undefined && this.#cellOf(address)) || null;
    this.deepest ??= picture.rows.length; // of all of it: the height does not change when zooming
    this.#draw();
    this.#words();
    this.table.update(this.space.within(this.trail.last));
    say(this.readout, this.#cursor ? this.#describe(this.#cursor) : ' ');
  }

  #words() {
    const picture = this.#picture;
    if (!picture) return;
    this.legend.update(picture.sums, this.whole ?? {});
    const { start, end } = this.space.addresses(this.trail.last);
    const mixed = picture.mixed
      ? ' Of some ranges it is known how much of them is what, and not where: there, all cells show what most of it is.' : '';
    say(this.scale, `A square is ${bytes(picture.cell_bytes)} of ${this.virtual ? 'virtual' : 'physical'} memory.${mixed}`);
    this.canvas.setAttribute('aria-label', `Memory from ${hex(start)} to ${hex(end)}: ` +
      Object.keys(WORDS).filter((kind) => picture.sums[kind] > 0).map((kind) => `${bytes(picture.sums[kind])} ${kind}`).join(', '));
    const all = this.trail.last;
    this.buttons.out.disabled = all.from === 0n && all.to === this.space.size;
    this.buttons.back.disabled = all.from === 0n;
    this.buttons.on.disabled = all.to === this.space.size;
    this.buttons.in.disabled = all.to - all.from <= BigInt(LEAST_PAGES) * 4096n;
  }

  #crumb() {
    const steps = this.trail.steps, last = steps.length - 1;
    replace(this.crumbs, steps.map((step, i) => {
      const { start, end } = this.space.addresses(step);
      const text = i ? `${hex(start)}, ${bytes(Number(step.to - step.from))}` : `All of it, ${bytes(Number(step.to))}`;
      const title = `${hex(start)} to ${hex(end)}`;
      if (i === last) return h('li', null, h('span', { 'aria-current': 'location', title }, text));
      const back = () => {
        this.trail.back(i);
        this.#load();
        this.canvas.focus();
      };
      return h('li', null, h('button', { type: 'button', class: 'link', title, onclick: back }, text));
    }));
    const url = new URL(location.href), { start, end } = this.space.addresses(this.trail.last);
    url.searchParams.delete('memory');
    if (last > 0) url.searchParams.set('memory', `${hex(start)}-${hex(end)}`);
    if (url.href !== location.href) history.replaceState(history.state, '', url);
  }

  /* ---- drawing ---- */

  #resized() {
    if (!this.#picture || this.element.hidden) return;
    if (this.#columns() !== this.#wanted) this.#load();
    else this.#draw();
  }

  #layout() {
    const { rows, columns } = this.#picture, width = Math.max(160, this.frame.clientWidth);
    const digits = rows.reduce((most, { start }) => Math.max(most, start.length), 0);
    const gutter = width >= WIDE.from ? digits * DIGIT_PX + 10 : 0;
    const tall = Math.min(HEIGHT.most, Math.max(HEIGHT.least, this.deepest * HEIGHT.row));
    return { left: gutter, width: (width - gutter) / columns, height: Math.min(CELL_HEIGHT_MAX, tall / rows.length), all: width, tall };
  }

  #draw() {
    if (!this.#picture || !this.frame.isConnected) return;
    const layout = this.layout = this.#layout(), paper = context(this.canvas, layout.all, layout.tall);
    const looks = this.legend.looks(), style = getComputedStyle(this.frame);
    paper.font = `11px ${style.getPropertyValue('--mono')}`;
    paper.textBaseline = 'middle';
    const ink = style.color, ground = style.backgroundColor;
    let labelled = -LABEL_PX;
    this.#picture.rows.forEach((row, i) => {
      const y = i * layout.height, middle = y + layout.height / 2;
      if (row.cells) this.#drawCells(paper, row.cells, layout, looks, y);
      else this.#drawGap(paper, row, layout, middle, ink);
      if (layout.left && y - labelled >= LABEL_PX && row.cells) {
        paper.fillStyle = ink;
        paper.fillText(row.start, 0, middle);
        labelled = y;
      }
    });
    this.#drawSelection(paper, layout, { ink, ground });
  }

  #drawCells(paper, cells, { left, width, height }, looks, y) {
    const gap = width >= 6 && height >= 6 ? 1 : 0, top = Math.round(y), h1 = Math.round(y + height) - top - gap;
    for (let i = 0; i < cells.length; i++) {
      const kind = this.#picture.kinds[cells[i]];
      if (!kind) continue;
      const x = Math.round(left + i * width), w = Math.round(left + (i + 1) * width) - x - gap;
      paint(paper, kind, looks[kind], x, top, w, h1);
    }
  }

  #drawGap(paper, row, { left, all, height }, y, ink) {
    paper.fillStyle = paper.strokeStyle = ink;
    const text = height >= 11 ? ` ${bytes(row.gap_bytes)} without memory ` : '';
    const wide = text ? paper.measureText(text).width : 0;
    paper.globalAlpha = 0.75;
    if (text) paper.fillText(text, left + (all - left - wide) / 2, y);
    paper.globalAlpha = 0.35;
    paper.setLineDash([3, 3]);
    for (const [from, to] of [[left, left + (all - left - wide) / 2], [left + (all - left + wide) / 2, all]]) {
      paper.beginPath();
      paper.moveTo(from, y);
      paper.lineTo(to, y);
      paper.stroke();
    }
    paper.setLineDash([]);
    paper.globalAlpha = 1;
  }

  /** What is not selected grows pale, and the cursor is seen on any colour. */
  #drawSelection(paper, layout, { ink, ground }) {
    const marked = this.#marked !== null && this.#cellOf(this.#marked);
    const ends = this.selection ?? (marked && this.#cursor && { a: marked, b: this.#cursor });
    if (ends) {
      const flat = ({ row, column }) => row * this.#picture.columns + column;
      const [first, last] = [flat(ends.a), flat(ends.b)].sort((x, y) => x - y);
      paper.fillStyle = ground;
      paper.globalAlpha = 0.65;
      this.#picture.rows.forEach((row, i) => {
        const begin = i * this.#picture.columns, end = begin + this.#picture.columns, y = i * layout.height;
        const pale = (from, to) => to > from && paper.fillRect(layout.left + (from - begin) * layout.width, y, (to - from) * layout.width, layout.height);
        pale(begin, Math.min(end, first));
        pale(Math.max(begin, last + 1), end);
      });
      paper.globalAlpha = 1;
    }
    if (!this.#cursor) return;
    const { row, column } = this.#cursor;
    for (const [colour, width] of [[ground, 5], [ink, 2]]) {
      paper.strokeStyle = colour;
      paper.lineWidth = width;
      paper.strokeRect(layout.left + column * layout.width, row * layout.height, layout.width, layout.height);
    }
  }
}
