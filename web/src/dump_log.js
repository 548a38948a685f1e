// SPDX-License-Identifier: BSD-2-Clause
// The log of a dump: a piece of it at a time, with the panic's lines marked, and a search.
import { ApiError } from './api.js';
import { h, replace, say } from './dom.js';
import { bytes, count } from './format.js';
import { failure, notice } from './parts.js';
import { FOUND_MAX, pattern, Text } from './dump_text.js';

const PIECE = 400; // rows; three pieces are there at a time
const EDGE_PX = 300;

async function read(path, signal) {
  let answer;
  try {
    answer = await fetch(path, { signal });
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new ApiError('The log could not be read: panicweb does not answer.', 'Try again when it runs.', 0);
  }
  if (answer.ok) return answer.text();
  const body = await answer.json().catch(() => ({}));
  throw new ApiError(body.error ?? `The log could not be read (status ${answer.status}).`, body.do ?? '', answer.status);
}

export class Log {
  #text = new Text('');
  #first = 0; // rows [#first, #end) are there
  #end = 0;
  #found = [];
  #at = -1; // which of them
  #panic = null;
  #abort = null;

  constructor(id) {
    this.id = id;
    this.box = h('div', { class: 'log', tabindex: '0', role: 'region', 'aria-label': 'The log' });
    this.where = h('p', { class: 'log-where' });
    this.search = h('input', { type: 'search', 'aria-label': 'Search in the log', placeholder: 'Search in the log', autocomplete: 'off', spellcheck: 'false' });
    this.hits = h('span', { class: 'log-hits', role: 'status' });
    const button = (text, act, attrs) => h('button', { type: 'button', class: 'quiet', onclick: act, ...attrs }, text);
    this.toPanic = button('The panic', () => this.#goPanic(), { hidden: true });
    this.names = h('input', { type: 'checkbox', onchange: () => this.load() });
    this.tools = h('div', { class: 'log-tools' },
      h('div', { class: 'log-search', role: 'search' }, this.search,
        button('▲', () => this.#step(-1), { 'aria-label': 'The one before', title: 'The one before (Shift+Enter)' }),
        button('▼', () => this.#step(1), { 'aria-label': 'The next one', title: 'The next one (Enter)' }), this.hits),
      h('div', { class: 'log-jumps' }, button('Start', () => this.#show(0)), this.toPanic, button('End', () => this.#show(this.#text.count - 1, 'end')),
        h('label', { title: 'Names of functions and lines beside the addresses of the backtrace' }, this.names, 'Symbols')));
    this.trouble = h('div');
    this.element = h('section', { class: 'log-section', 'aria-labelledby': 'log-title' },
      h('h2', { id: 'log-title' }, 'Log'), this.tools, this.trouble, this.box, this.where);
    this.#listen();
  }

  #listen() {
    let typed = null;
    this.search.addEventListener('input', () => {
      clearTimeout(typed);
      typed = setTimeout(() => this.#find(), 150);
    });
    this.search.addEventListener('keydown', (event) => {
      if (event.key !== 'Enter') return;
      event.preventDefault();
      clearTimeout(typed);
      if (this.search.value !== this.needle) this.#find();
      else this.#step(event.shiftKey ? -1 : 1);
    });
    this.box.addEventListener('scroll', () => this.#scrolled(), { passive: true });
    this.box.addEventListener('keydown', (event) => {
      const to = { Home: [0], End: [this.#text.count - 1, 'end'] }[event.key];
      if (!to) return;
      event.preventDefault();
      this.#show(...to);
    });
  }

  /** Reads it anew. What is shown stays until then, and where it was looked at. */
  async load(panic = this.panicText) {
    this.panicText = panic;
    this.#abort?.abort();
    this.#abort = new AbortController();
    this.element.setAttribute('aria-busy', 'true');
    try {
      const text = await read(`/api/dumps/${this.id}/log${this.names.checked ? '?symbols' : ''}`, this.#abort.signal);
      replace(this.trouble);
      if (this.names.checked && text === this.#text.text) this.#unnamed();
      else this.#take(text);
    } catch (error) {
      if (error.name === 'AbortError') return;
      if (error.status === 404 && !this.names.checked) this.#none(error);
      else replace(this.trouble, failure(error));
      if (this.names.checked) this.names.checked = false; // what is shown is without
    }
    this.element.removeAttribute('aria-busy');
  }

  end() {
    this.#abort?.abort();
  }

  /** The server knows no names for it: who has the symbols is told what to type. */
  #unnamed() {
    this.names.checked = false;
    replace(this.trouble, h('ul', { class: 'notices' },
      notice('The symbols of this kernel are not here. Who has them can see the names with:', `panicctl log ${this.id} --symbols PATH`)));
  }

  #none(error) {
    this.tools.hidden = this.box.hidden = true;
    say(this.where, [error.message, error.act].filter(Boolean).join(' '));
  }

  #take(text) {
    const before = this.#text.count ? this.#topRow() : -1;
    this.#text = new Text(text);
    this.tools.hidden = this.box.hidden = false;
    this.#panic = this.#text.panic(this.panicText);
    if (!this.#panic) {
      const loud = this.#text.firstLoud();
      this.#panic = loud < 0 ? null : { first: loud, end: loud + 1 };
    }
    this.toPanic.hidden = !this.#panic;
    if (this.needle) this.#search();
    if (before > 0) this.#show(Math.min(before, this.#text.count - 1));
    else if (this.#panic) this.#goPanic();
    else this.#show(this.#text.count - 1, 'end');
  }

  #goPanic() {
    this.#show(this.#panic.first, 'third');
  }

  /* ---- what is there ---- */

  #row(number) {
    const text = this.#text.row(number);
    const panic = this.#panic && number >= this.#panic.first && number < this.#panic.end;
    const current = this.#at >= 0 && this.#found[this.#at] === number;
    const kind = panic ? 'log-row panic' : Text.loud(text) ? 'log-row loud' : 'log-row';
    const shown = this.needle && this.#found.length ? this.#marked(text) : text;
    return h('div', { class: current ? `${kind} current` : kind, 'data-row': number }, shown === '' ? ' ' : shown);
  }

  #marked(text) {
    const parts = [];
    let end = 0;
    for (const match of text.matchAll(pattern(this.needle))) {
      parts.push(text.slice(end, match.index), h('mark', null, match[0]));
      end = match.index + match[0].length;
    }
    parts.push(text.slice(end));
    return parts;
  }

  #rows(first, end) {
    const made = document.createDocumentFragment();
    for (let i = first; i < end; i++) made.append(this.#row(i));
    return made;
  }

  /** @param place  'start', 'third', 'end' of the box, where the row is to be */
  #show(row, place = 'start') {
    const top = Math.max(0, row);
    this.#first = Math.max(0, top - PIECE);
    this.#end = Math.min(this.#text.count, top + PIECE);
    this.box.replaceChildren(this.#rows(this.#first, this.#end));
    const node = this.box.children[top - this.#first];
    if (node) {
      const above = { start: 0, third: this.box.clientHeight / 3, end: this.box.clientHeight - node.offsetHeight }[place];
      this.box.scrollTop = node.offsetTop - above;
    }
    this.#said();
  }

  #scrolled() {
    const { box } = this;
    if (box.scrollTop < EDGE_PX && this.#first > 0) {
      const first = Math.max(0, this.#first - PIECE), height = box.scrollHeight, top = box.scrollTop;
      box.prepend(this.#rows(first, this.#first));
      box.scrollTop = top + (box.scrollHeight - height);
      this.#first = first;
      while (this.#end - this.#first > 3 * PIECE) {
        box.lastChild.remove();
        this.#end--;
      }
    } else if (box.scrollHeight - box.scrollTop - box.clientHeight < EDGE_PX && this.#end < this.#text.count) {
      const end = Math.min(this.#text.count, this.#end + PIECE);
      box.append(this.#rows(this.#end, end));
      this.#end = end;
      if (this.#end - this.#first > 3 * PIECE) this.#dropTop(this.#end - this.#first - 3 * PIECE);
    }
    this.#said();
  }

  #dropTop(number) {
    const { box } = this, top = box.scrollTop, away = box.children[number].offsetTop - box.children[0].offsetTop;
    for (let i = 0; i < number; i++) box.firstChild.remove();
    this.#first += number;
    box.scrollTop = top - away;
  }

  #topRow() {
    const { box } = this;
    let low = 0, high = box.children.length;
    while (low < high) { // the last that begins at or above the edge
      const middle = (low + high) >> 1;
      if (box.children[middle].offsetTop <= box.scrollTop) low = middle + 1;
      else high = middle;
    }
    return this.#first + Math.max(0, low - 1);
  }

  #said() {
    const all = this.#text.count;
    if (!all) return say(this.where, 'The log is empty.');
    const top = this.#topRow();
    say(this.where, `From line ${count(top + 1)} of ${count(all)}, ${bytes(this.#text.text.length)}`);
  }

  /* ---- the search ---- */

  #search() {
    this.#found = this.#text.find(this.needle);
    this.#at = Math.min(this.#at, this.#found.length - 1);
  }

  #find() {
    const from = this.#text.count ? this.#topRow() : 0;
    this.needle = this.search.value;
    this.#at = -1;
    this.#search();
    const next = this.#found.findIndex((row) => row >= from);
    if (this.#found.length) this.#goFound(Math.max(0, next));
    else this.#show(from);
    this.#sayFound();
  }

  #step(by) {
    if (!this.#found.length) return;
    this.#goFound((this.#at + by + this.#found.length) % this.#found.length);
    this.#sayFound();
  }

  #goFound(number) {
    this.#at = number;
    this.#show(this.#found[number], 'third');
  }

  #sayFound() {
    const all = this.#found.length, some = all === FOUND_MAX ? `the first ${count(all)}` : count(all);
    say(this.hits, !this.needle ? '' : all ? `${count(this.#at + 1)} of ${some}` : 'not found');
  }
}
