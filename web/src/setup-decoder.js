// SPDX-License-Identifier: BSD-2-Clause
// What a line of boot-args does: its bits as boxes to tick, its words, its traps and how they are put
// right, and what the machine does with it. The boxes and the line are always in step.
import { h, replace, say, theirs } from './dom.js';
import { of } from './format.js';
import { tree } from './setup-tree.js';

const KINDS = [['', 'Intel and Apple silicon'], ['x86_64', 'Intel'], ['arm64', 'Apple silicon']];
const EXAMPLES = ['0xd44', 'debug=0x24c44 _panicd_ip=10.0.40.2 kdp_match_name=en0 wdt=-1'];
const EVERY = 'all', ROUNDS_MAX = 64;

const hex = (value) => `0x${value.toString(16)}`;
const option = (chosen) => ([value, label]) => h('option', { value, selected: value === chosen }, label);

/** The same sentences for several, told once: [{title, parts: [{head, text, steps}]}] */
export function told(actions) {
  const groups = [];
  for (const action of actions) {
    const last = groups.at(-1);
    if (last && last.title === action.title && last.actions.length === 1 && last.actions[0].core_file && !action.core_file) last.actions.push(action);
    else groups.push({ title: action.title, actions: [action] });
  }
  return groups.map(({ title, actions: [one, other] }) => ({ title, parts: !other || one.text === other.text
    ? [{ head: '', text: one.text, steps: one.steps }]
    : [{ head: 'With a file for the local core', text: one.text, steps: one.steps }, { head: 'Without one', text: other.text, steps: other.steps }] }));
}

const sentence = (text) => `${text[0].toUpperCase()}${text.slice(1)}.`;

export class Decoder {
  constructor(advice, known, query, changed) {
    Object.assign(this, { advice, known, changed });
    const newest = String(known.releases.at(-1).xnu);
    this.newest = newest;
    this.touched = query.has('line');
    this.xnu = known.releases.some(({ xnu }) => String(xnu) === query.get('xnu')) || query.get('xnu') === EVERY ? query.get('xnu') : newest;
    this.kind = KINDS.some(([name]) => name === query.get('kind')) ? query.get('kind') : '';
    this.#build(query.get('line') ?? EXAMPLES[0]);
    this.#work();
  }

  query() {
    if (!this.touched) return [];
    return [['line', this.input.value], ...(this.xnu === this.newest ? [] : [['xnu', this.xnu]]), ...(this.kind ? [['kind', this.kind]] : [])];
  }

  /** Takes a line from elsewhere on the page, and goes there. */
  take(line) {
    const typed = this.#typed('decode', { line });
    if (typed) this.#use(typed.value_only ? hex(typed.debug) : typed.line);
    this.element.scrollIntoView({ block: 'start' });
    this.input.focus({ preventScroll: true });
  }

  #build(line) {
    this.input = h('textarea', { id: 'line', rows: '2', maxlength: '2041', spellcheck: 'false', autocapitalize: 'none', autocomplete: 'off',
      'aria-describedby': 'line-hint', oninput: () => this.#edit() }, line);
    this.input.addEventListener('keydown', (event) => event.key === 'Enter' && event.preventDefault()); // it is one line
    const releases = [[EVERY, 'Every macOS'], ...this.known.releases.map(({ xnu, name }) => [String(xnu), `macOS ${name}`]).reverse()];
    this.release = h('select', { id: 'xnu', onchange: () => this.#choose() }, releases.map(option(this.xnu)));
    this.machine = h('select', { id: 'kind', onchange: () => this.#choose() }, KINDS.map(option(this.kind)));
    this.wrong = h('p', { class: 'notice bad', role: 'alert', hidden: true });
    this.said = h('p', { class: 'said', role: 'status', tabindex: '-1' });
    this.traps = h('div', { class: 'traps' });
    this.actions = h('div', { class: 'actions' });
    this.words = h('div', { class: 'view' });
    this.value = h('code', null);
    this.unknown = h('div', null);
    this.element = h('section', { class: 'decoder', 'aria-labelledby': 'decoder-title' },
      h('h2', { id: 'decoder-title', class: 'big' }, 'What boot-args do'),
      h('div', { class: 'card line-form' },
        h('div', { class: 'field' }, h('label', { for: 'line' }, 'A line of boot-args, or a value of debug='), this.input,
          h('p', { class: 'hint', id: 'line-hint' }, 'Or what nvram prints. For example ', EXAMPLES.map((text, i) => [i ? ', ' : '', h('button', { type: 'button', class: 'link', onclick: () => this.#use(text) }, h('code', null, text))]))),
        h('div', { class: 'field' }, h('label', { for: 'xnu' }, 'Read by'), this.release),
        h('div', { class: 'field' }, h('label', { for: 'kind' }, 'Machine'), this.machine)),
      this.wrong, this.said, this.traps,
      h('section', { 'aria-labelledby': 'does-title' }, h('h3', { id: 'does-title' }, 'What the machine then does'), this.actions),
      h('section', { 'aria-labelledby': 'bits-title' }, h('div', { class: 'bar-head' }, h('h3', { id: 'bits-title' }, 'The bits of debug='), this.value),
        h('div', { class: 'view' }, h('ul', { class: 'bits' }, this.#bits()), this.unknown)),
      h('section', { 'aria-labelledby': 'words-title' }, h('h3', { id: 'words-title' }, 'The words'), this.words));
  }

  #bits() {
    this.boxes = this.known.flags.map(({ value, name, since, until }) => {
      const id = `bit-${value}`, box = h('input', { type: 'checkbox', id, 'aria-describedby': `${id}-note`, onchange: () => this.#flip(value) });
      const note = h('span', { class: 'hint', id: `${id}-note` });
      const row = h('li', null, box, h('label', { for: id }, h('code', null, name.replace(/^DB_/, '')), h('span', { class: 'hex' }, hex(value))), note,
        h('span', { class: 'hint releases' }, until ? `macOS ${since} to ${until}` : `since macOS ${since}`));
      return { value, box, note, row };
    });
    return this.boxes.map(({ row }) => row);
  }

  /** What the machine is, for a question. */
  #machine() {
    return { ...(this.xnu === EVERY ? {} : { xnu: this.xnu }), ...(this.kind ? { arch: this.kind } : {}) };
  }

  #typed(about, values) {
    try {
      const answer = this.advice.ask(about, { ...values, ...this.#machine() });
      this.wrong.hidden = true;
      return answer;
    } catch (error) {
      this.wrong.hidden = false;
      say(this.wrong, sentence(error.message));
      return null;
    }
  }

  #edit() {
    this.touched = true;
    this.#work();
    this.changed();
  }

  #use(line) {
    this.input.value = line;
    this.#edit();
  }

  #choose() {
    this.xnu = this.release.value;
    this.kind = this.machine.value;
    this.#edit();
  }

  #flip(bit) {
    const answer = this.#typed('debug', { line: this.input.value, value: (this.debug ^ bit) >>> 0 });
    if (answer) this.#use(answer.line);
    else this.#tick(this.debug);
  }

  #tick(debug) {
    for (const { value, box } of this.boxes) box.checked = (debug & value) !== 0;
  }

  #work() {
    const line = this.input.value, answer = this.#typed('decode', { line });
    if (!answer) return;
    const notes = this.advice.ask('known', this.#machine()).flags;
    this.debug = answer.debug;
    this.boxes.forEach(({ note, row }, i) => {
      row.classList.toggle('idle', !notes[i].effective);
      say(note, notes[i].note);
    });
    this.#tick(answer.debug);
    say(this.value, `debug=${hex(answer.debug)}`);
    this.#drawUnknown(answer.flags.filter(({ name }) => !name));
    this.#drawTraps(answer);
    this.#drawActions(answer.actions);
    this.#drawWords(answer);
  }

  #drawUnknown(flags) {
    replace(this.unknown, flags.length > 0 && h('ul', { class: 'bits' }, flags.map(({ value }) => h('li', { class: 'idle' },
      h('input', { type: 'checkbox', id: `bit-${value}`, checked: true, onchange: () => { // it is gone then
        this.#flip(value);
        this.said.focus();
      } }),
      h('label', { for: `bit-${value}` }, h('span', { class: 'hex' }, hex(value))), h('span', { class: 'hint' }, 'no release knows it')))));
  }

  #drawTraps({ traps, macos }) {
    const fixable = traps.filter(({ fixed }) => fixed !== null);
    say(this.said, `${traps.length ? of(traps.length, 'trap') : 'No traps'} in it, as macOS ${macos} reads it.`);
    this.said.classList.toggle('fine', !traps.length);
    replace(this.traps,
      traps.length > 0 && h('ul', { class: 'notices' }, traps.map(({ text, instead, fixed }) => h('li', { class: 'notice trap' },
        h('div', null, h('p', null, theirs(text), '.'), h('p', { class: 'do' }, 'Instead: ', theirs(instead))),
        fixed !== null && h('button', { type: 'button', 'aria-label': `Apply: ${instead}`, onclick: () => this.#apply(fixed) }, 'Apply')))),
      fixable.length > 1 && h('p', null, h('button', { type: 'button', onclick: () => this.#applyAll() }, `Apply all ${fixable.length}`)));
  }

  /** The button that was pressed is gone: the focus goes to what is said now. */
  #apply(line) {
    this.#use(line);
    this.said.focus();
  }

  #applyAll() {
    let line = this.input.value;
    for (let round = 0; round < ROUNDS_MAX; round++) {
      const fix = this.advice.ask('lint', { line, ...this.#machine() }).traps.find(({ fixed }) => fixed !== null);
      if (!fix) break;
      line = fix.fixed;
    }
    this.#apply(line);
  }

  #drawActions(actions) {
    const triggers = [...new Set(actions.map(({ when }) => when))];
    replace(this.actions, triggers.map((when) => {
      const groups = told(actions.filter((action) => action.when === when)), alone = groups.length === 1;
      return h('div', { class: 'card action' }, h('h4', null, when), groups.map(({ title, parts }) => h('div', { class: 'told' },
        (!alone || this.xnu === EVERY) && h('p', { class: 'release' }, title.replace(/^xnu \d+ \((.*?)\)/, '$1')),
        parts.map(({ head, text, steps }) => [head && h('p', { class: 'case' }, head), h('p', { class: 'does' }, `… ${text}.`),
          alone ? tree(steps) : h('details', null, h('summary', null, 'Step by step'), tree(steps))]))));
    }));
  }

  #drawWords({ arguments: words, value_only: alone }) {
    replace(this.words, alone
      ? h('p', { class: 'none inset' }, 'A value alone: _panicd_ip=, kdp_match_name= and what else is needed are taken for given.')
      : words.length ? h('dl', { class: 'words' }, words.map(({ name, value, known, note }) => h('div', { class: known ? null : 'idle' },
        h('dt', null, h('code', null, theirs(name), value !== null && ['=', theirs(value)])), h('dd', { class: 'hint' }, note))))
        : h('p', { class: 'none inset' }, 'None.'));
  }
}
