// SPDX-License-Identifier: BSD-2-Clause
// Panics: which there were, how often, on which machines; and all dumps. What is looked for stands
// in the address, so that it can be sent to somebody.
import { h, replace, say } from './dom.js';
import { count, of } from './format.js';
import { Groups } from './groups.js';
import { dumpTable, failure } from './parts.js';

export const title = 'Panics';

const FILTERS = [
  ['text', 'Text', 'search', 'panic, name, host, note'], ['machine', 'Machine', 'text', 'any'],
  ['os', 'System', 'text', 'any'], ['kernel', 'Kernel', 'text', 'any'],
];
const PER_PAGE = 50, DAYS = 30, TYPING_MS = 250, NEWS_MS = 1500;
const SPANS = [[7, '7 days'], [30, '30 days'], [90, '90 days'], [365, 'a year']], SPAN = 90;

/** The filter as it stands in an address of the API. */
function filtered(query) {
  return FILTERS.flatMap(([name]) => (query.get(name) ? [[name, query.get(name)]] : []));
}

function pathOf(query, changes) {
  const next = new URLSearchParams(query);
  for (const [name, value] of Object.entries(changes)) {
    if (value) next.set(name, value);
    else next.delete(name);
  }
  return `/panics${next.size ? `?${next}` : ''}`;
}

function filterForm(query, changed) {
  let typing = null;
  const inputs = FILTERS.map(([name, label, type, hint]) => {
    const input = h('input', { type, id: `filter-${name}`, name, placeholder: hint, autocomplete: 'off', spellcheck: 'false', value: query.get(name) ?? '',
      list: name === 'machine' ? 'machines' : null, maxlength: '200' });
    return h('div', { class: `field ${name}` }, h('label', { for: input.id }, label), input);
  });
  const machines = h('datalist', { id: 'machines' });
  const form = h('form', { class: 'filter', role: 'search', 'aria-label': 'Filter' }, inputs, machines, h('button', { type: 'button', class: 'quiet', onclick: clear }, 'Clear'));
  const read = () => changed(Object.fromEntries(FILTERS.map(([name]) => [name, form.elements[name].value.trim()])));
  function clear() {
    for (const [name] of FILTERS) form.elements[name].value = '';
    read();
    form.elements.text.focus();
  }
  form.addEventListener('input', () => {
    clearTimeout(typing);
    typing = setTimeout(read, TYPING_MS);
  });
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    clearTimeout(typing);
    read();
  });
  return { form, names: (names) => replace(machines, names.slice(0, 200).map((name) => h('option', { value: name }))), end: () => clearTimeout(typing) };
}

/** One of "groups" and "dumps", which are shown the same way: read, draw, say how many. */
class View {
  constructor(app, said) {
    this.app = app;
    this.said = said;
    this.element = h('div', { class: 'view' });
    this.abort = null;
  }

  /** Draws what the address says. What was asked before is not waited for. */
  async read(query) {
    this.abort?.abort();
    const abort = this.abort = new AbortController();
    try {
      const data = await this.app.api(this.path(query), { signal: abort.signal });
      if (!abort.signal.aborted) this.draw(data, query);
    } catch (error) {
      if (error.name === 'AbortError') return;
      replace(this.element, failure(error));
    }
  }
}

class GroupsView extends View {
  groups = new Groups(this.app);

  path(query) {
    return `/api/groups?${new URLSearchParams([...filtered(query), ['days', DAYS]])}`;
  }

  /** All of them; or one alone, and open, if the address names it. */
  draw(data, query) {
    const only = query.get('group');
    const groups = only ? data.groups.filter(({ group }) => group === only) : data.groups;
    if (only) say(this.said, '');
    else say(this.said, groups.length ? `${of(groups.length, 'group')}, the last seen first` : '');
    if (!groups.length) return replace(this.element, nothing(only || filtered(query).length, 'No panic is known yet.'));
    this.groups.set(groups, Boolean(only));
    if (this.element.firstChild !== this.groups.element) replace(this.element, this.groups.element);
  }
}

class DumpsView extends View {
  path(query) {
    return `/api/dumps?${new URLSearchParams([...filtered(query), ['limit', PER_PAGE], ...(query.get('group') ? [['group', query.get('group')]] : []), ...(query.get('before') ? [['before', query.get('before')]] : [])])}`;
  }

  draw({ dumps, total, next }, query) {
    say(this.said, total ? of(total, 'dump') : '');
    if (!dumps.length) return replace(this.element, nothing(query.get('group') || filtered(query).length, 'No dump has come yet.'));
    const older = next && pathOf(query, { before: String(next) }), first = query.get('before') && pathOf(query, { before: '' });
    replace(this.element, dumpTable(dumps, 'Dumps, the newest first'),
      h('nav', { class: 'pager', 'aria-label': 'Pages of dumps' },
        first && h('a', { class: 'button', href: first }, 'Newest'), older && h('a', { class: 'button', href: older }, `Older than ${count(dumps.at(-1).id)}`)));
  }
}

function nothing(any, words) {
  return h('div', { class: 'quiet-box' }, any ? h('p', null, 'Nothing matches the filter.') : [h('p', null, words),
    h('p', null, h('a', { href: '/setup' }, 'Set up a machine'), ' so that its panics come here.')]);
}

/** The picture of all machines; what draws it is loaded now. */
class Timeline {
  constructor(app, named) {
    this.app = app;
    this.named = named;
    this.box = h('div', { class: 'timeline' });
    this.end = null;
    this.number = 0;
  }

  async read(query) {
    const number = ++this.number, days = Number(query.get('days')) || SPAN;
    try {
      const [{ timeline }, data] = await Promise.all([import('./timeline.js'),
        this.app.api(`/api/timeline?${new URLSearchParams([...filtered(query), ['days', days]])}`)]);
      if (number !== this.number) return;
      this.stop();
      this.named(data.machines);
      if (query.get('group')) data.points = data.points.filter(([, , , group]) => group === query.get('group'));
      if (data.points.length) this.end = timeline(this.box, data, days, this.app);
      else replace(this.box, h('p', { class: 'none' }, 'No panic in this time.'));
    } catch (error) {
      if (number === this.number) replace(this.box, failure(error));
    }
  }

  stop() {
    this.end?.();
    this.end = null;
  }
}

/** Says that one group alone is shown, and leads back to all. */
function chip(query) {
  const only = query.get('group');
  return only && h('p', { class: 'chip' }, 'Only group ', h('code', null, only), ' ', h('a', { href: pathOf(query, { group: '', before: '' }) }, 'Show all'));
}

function tabs(view, query) {
  const tab = (name, label, value) => h('a', { href: pathOf(query, { view: value, before: '' }), 'aria-current': view === name ? 'true' : null }, label);
  return h('nav', { class: 'tabs', 'aria-label': 'Shown as' }, tab('groups', 'Groups', ''), tab('dumps', 'All dumps', 'dumps'));
}

export async function show(root, params, app) {
  let query = params.query;
  const view = query.get('view') === 'dumps' ? 'dumps' : 'groups';
  const said = h('p', { class: 'said', role: 'status' });
  const list = view === 'dumps' ? new DumpsView(app, said) : new GroupsView(app, said);
  const tabBox = h('div', null, tabs(view, query));
  const filter = filterForm(query, (changes) => use(pathOf(query, { ...changes, before: '' })));
  const line = view === 'groups' ? new Timeline(app, filter.names) : null;
  const span = h('select', { id: 'span', onchange: () => use(pathOf(query, { days: span.value === String(SPAN) ? '' : span.value })) },
    SPANS.map(([days, label]) => h('option', { value: String(days), selected: days === (Number(query.get('days')) || SPAN) }, label)));

  // Typing changes the address in place: no step of the history for each letter, and no focus lost.
  function use(path) {
    query = new URLSearchParams(path.split('?')[1] ?? '');
    history.replaceState(null, '', path);
    replace(tabBox, tabs(view, query));
    list.read(query);
    line?.read(query);
  }

  replace(root, h('h1', null, 'Panics'), filter.form,
    line && h('section', { class: 'card', 'aria-labelledby': 'line-title' },
      h('div', { class: 'bar-head' }, h('h2', { id: 'line-title' }, 'When, and where'), h('label', { for: 'span', class: 'unseen' }, 'How far back'), span), line.box),
    h('section', { 'aria-label': view === 'dumps' ? 'All dumps' : 'Groups' }, h('div', { class: 'bar-head' }, tabBox, chip(query), said), list.element));
  line?.read(query);
  await list.read(query);

  let news = null; // a fleet that panics at once is one reading
  const reread = () => {
    news ??= setTimeout(() => {
      news = null;
      list.read(query);
      line?.read(query);
    }, NEWS_MS);
  };
  const offs = ['checked', 'incomplete', 'reset'].map((name) => app.on(name, reread));
  return () => {
    offs.forEach((off) => off());
    clearTimeout(news);
    news = 0;
    filter.end();
    list.abort?.abort();
    if (line) line.number++;
    line?.stop();
  };
}
