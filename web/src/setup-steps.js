// SPDX-License-Identifier: BSD-2-Clause
// The form of "panicctl setup", and the steps that come of it.
import { command, h, replace, say } from './dom.js';

const SYSTEMS = [
  ['macos', 'macOS', ['server', 'interface', 'port', 'release', 'arch', 'on-nmi', 'paniclog-only', 'local', 'stay']],
  ['freebsd', 'FreeBSD', ['server', 'interface', 'client', 'gateway', 'release']],
  ['linux', 'Linux', ['server', 'interface', 'port', 'on-nmi']],
  ['tftp', 'TFTP', ['server', 'port', 'client', 'gateway']],
];
const DEFAULT_PORT = { macos: 1069, linux: 1069, tftp: 69 }, SERVICE = { macos: 'kdp', linux: 'kdp', tftp: 'tftp' };
const USUAL = { macos: 'en0', freebsd: 'em0' }; // what the interface is called on most of them
const KINDS = [['', 'Any Mac'], ['x86_64', 'Intel'], ['arm64', 'Apple silicon']];
const FREEBSD = ['14', '13', '12'];

/** By the names of panicctl's options: what a field is called, and what is to be typed there. */
const FIELDS = {
  server: ['Address of this receiver', '10.0.40.2'],
  interface: ['Its network interface', { macos: 'en0', freebsd: 'em0', linux: 'found by itself' }],
  client: ['Its own address', '10.0.40.7'],
  gateway: ['Router on the way', 'none'],
  port: ['UDP port', ''],
  release: ['Release', ''],
  arch: ['Kind of Mac', ''],
};
const FLAGS = {
  'on-nmi': ['Dump on an NMI, too', 'keys or a button make a machine that hangs send its core'],
  'paniclog-only': ['Only the panic log', 'some kilobytes of text instead of the memory'],
  local: ['Also, or only, to its own disk', 'without a receiver\'s address: only there'],
  stay: ['Stay for a debugger', 'do not restart after the core'],
};

/** What panicctl says of its options, said of the fields here. */
export function inWords(text) {
  const labels = { ...FIELDS, ...FLAGS };
  const said = text.replace(/(: )?--([a-z-]+)(?: (\d[\d.]*|en0|x86_64|arm64))?/g, (all, colon, name, value) => {
    if (!labels[name]) return all;
    return colon && value ? `: ${value}` : `${colon ?? ''}“${labels[name][0]}”${value ? ` ${value}` : ''}`;
  });
  return `${said[0].toUpperCase()}${said.slice(1)}${/[.!?]$/.test(said) ? '' : '.'}`;
}

/** The fields that a refusal is about. */
export const namedIn = (text) => [...text.matchAll(/--([a-z-]+)/g)].map((found) => found[1]);

/** A word of a command line, as a shell takes it for one. */
const quoted = (word) => (/^[\w./:=@%+-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`);

function step({ title, how, do: act, check, undo, why }, explain) {
  const rest = [['Check', check], ['Undo', undo], ['Why', why]].filter(([, text]) => text);
  return h('li', { class: 'step' },
    h('h3', null, title), how && h('p', null, how),
    act && act.split('\n').filter(Boolean).map((line) => command(line)),
    act?.includes('nvram boot-args=') && h('p', null, h('button', { type: 'button', class: 'quiet', onclick: () => explain(act) }, 'What does this line do?')),
    rest.length > 0 && h('dl', { class: 'about' }, rest.map(([name, text]) => h('div', null, h('dt', null, name), h('dd', null, text)))));
}

export class Steps {
  /**
   * @param here    {address, listening}: what this receiver may be reached by
   * @param hears   {changed(), explain(line)}
   */
  constructor(advice, known, query, here, hears) {
    Object.assign(this, { advice, here, hears });
    this.releases = { macos: known.releases.map(({ name }) => name).reverse(), freebsd: FREEBSD };
    const asked = query.get('for');
    this.system = SYSTEMS.some(([name]) => name === asked) ? asked : 'macos';
    this.values = Object.fromEntries([...Object.keys(FIELDS), ...Object.keys(FLAGS)].map((name) => [name, query.get(name) ?? '']));
    this.given = query.has('for'); // the address says it all: nothing is filled in
    this.touched = this.given;
    if (!this.given) Object.assign(this.values, { server: here.address, interface: USUAL[this.system] ?? '' });
    this.result = h('div', { class: 'steps-result' });
    this.said = h('p', { class: 'unseen', role: 'status' });
    this.fields = h('div', { class: 'fields' });
    this.element = h('section', { class: 'setup', 'aria-label': 'What to type' }, this.#form(), this.said, this.result);
    this.#drawFields();
    this.#work();
  }

  /** What stands in the address: only what was chosen. */
  query() {
    return this.touched ? [['for', this.system], ...this.#wanted()] : [];
  }

  /** Of the fields that this system has. */
  #wanted() {
    return SYSTEMS.find(([name]) => name === this.system)[2].flatMap((name) => {
      const value = this.values[name].trim();
      return value ? [[name, name in FLAGS ? '1' : value]] : [];
    });
  }

  #form() {
    const radios = SYSTEMS.map(([name, label]) => h('label', { class: 'choice' },
      h('input', { type: 'radio', name: 'for', value: name, checked: name === this.system, onchange: () => this.#choose(name) }), h('span', null, label)));
    return h('form', { class: 'card setup-form', 'aria-label': 'The machine that may panic', autocomplete: 'off', onsubmit: (event) => event.preventDefault() },
      h('fieldset', { class: 'systems' }, h('legend', null, 'Which machine may panic?'), h('div', { class: 'choices' }, radios)), this.fields);
  }

  #choose(system) {
    if ([USUAL[this.system] ?? '', ''].includes(this.values.interface)) this.values.interface = USUAL[system] ?? '';
    this.system = system;
    this.values.release = '';
    this.#drawFields();
    this.#change();
  }

  #change() {
    this.touched = true;
    this.#work();
    this.hears.changed();
  }

  #set(name, value) {
    this.values[name] = value;
    this.#change();
  }

  #drawFields() {
    const names = SYSTEMS.find(([name]) => name === this.system)[2];
    this.inputs = new Map(names.map((name) => [name, name in FLAGS ? this.#flag(name) : this.#field(name)]));
    const rows = names.map((name) => this.#row(name, this.inputs.get(name)));
    const flags = names.filter((name) => name in FLAGS).length;
    replace(this.fields, h('div', { class: 'texts' }, rows.slice(0, rows.length - flags)), flags > 0 && h('div', { class: 'flags' }, rows.slice(rows.length - flags)));
  }

  #row(name, input) {
    if (name in FLAGS) {
      const [label, hint] = FLAGS[name];
      return h('p', { class: 'flag' }, input, h('label', { for: input.id }, label), h('span', { class: 'hint', id: `${input.id}-hint` }, hint));
    }
    return h('div', { class: 'field' }, h('label', { for: input.id }, FIELDS[name][0]), input);
  }

  #flag(name) {
    const input = h('input', { type: 'checkbox', id: `setup-${name}`, checked: this.values[name] !== '', 'aria-describedby': `setup-${name}-hint`,
      onchange: () => this.#set(name, input.checked ? '1' : '') });
    return input;
  }

  #field(name) {
    const id = `setup-${name}`;
    if (name === 'arch' || name === 'release') {
      const newest = [['', 'The newest, or not known']];
      const list = name === 'arch' ? KINDS : [...newest, ...this.releases[this.system].map((text) => [text, `${this.system === 'macos' ? 'macOS' : 'FreeBSD'} ${text}`])];
      const select = h('select', { id, onchange: () => this.#set(name, select.value) },
        list.map(([value, label]) => h('option', { value, selected: value === this.values[name] }, label)));
      return select;
    }
    const hint = name === 'port' ? this.#portHint() : typeof FIELDS[name][1] === 'string' ? FIELDS[name][1] : FIELDS[name][1][this.system];
    const input = h('input', { type: 'text', id, value: this.values[name], placeholder: hint, maxlength: '64', spellcheck: 'false', autocapitalize: 'none',
      inputmode: name === 'port' ? 'numeric' : null, oninput: () => this.#set(name, input.value) });
    return input;
  }

  /** Where this receiver listens for it; asked for nothing else, it stays away. */
  #portHint() {
    const at = this.here.listening.find(({ protocol }) => protocol === SERVICE[this.system]);
    if (at && at.port !== DEFAULT_PORT[this.system] && !this.given && !this.values.port) this.values.port = String(at.port);
    return String(DEFAULT_PORT[this.system]);
  }

  #work() {
    const wanted = this.#wanted();
    let answer, wrong = '';
    try {
      answer = this.advice.ask('setup', { for: this.system, ...Object.fromEntries(wanted) });
    } catch (error) {
      wrong = error.message;
    }
    this.#mark(wrong ? namedIn(wrong) : []);
    if (answer) this.#draw(answer, wanted);
    else this.#refuse(wrong);
  }

  #mark(names) {
    for (const [name, input] of this.inputs) {
      const bad = names.includes(name) && this.touched;
      if (bad) input.setAttribute('aria-invalid', 'true');
      else input.removeAttribute('aria-invalid');
    }
  }

  #refuse(wrong) {
    const text = inWords(wrong);
    say(this.said, text);
    replace(this.result, h('div', { class: 'quiet-box missing' }, h('p', null, text)));
  }

  #draw({ about, steps }, wanted) {
    const words = wanted.flatMap(([name, value]) => (name in FLAGS ? [`--${name}`] : [`--${name}`, quoted(value)]));
    say(this.said, `${steps.length} steps. ${about[0]}`);
    replace(this.result,
      h('div', { class: 'summary' }, about.map((text, i) => h('p', { class: i ? null : 'first' }, text))),
      h('ol', { class: 'steps' }, steps.map((one) => step(one, this.hears.explain))),
      h('div', { class: 'as-typed' }, h('p', { class: 'hint' }, 'The same in a terminal:'), command(['panicctl setup --for', this.system, ...words].join(' '))));
  }
}
