// SPDX-License-Identifier: BSD-2-Clause
// One dump: all that is known of it. What still arrives is followed, and becomes the ended one in
// place: a part of the page is made anew only when what it says has changed.
import { h, replace, say, theirs } from './dom.js';
import { bytes, count, of, when } from './format.js';
import { backtrace, cut, downloads, file, holes, kernel, machine, modules, part, registers, text, ways } from './dump_facts.js';
import { Log } from './dump_log.js';
import { dumpTable, notice, state } from './parts.js';
import { Picture } from './picture.js';

export const title = ({ id }) => `Dump ${id}`;

const FOLLOW_MS = 3000; // how often it is read while it arrives
const LOOK_MS = 60000; // and else: it may have been removed
const SILENT_MS = 2000; // what still arrives has said nothing for so long
const OTHERS = 5; // dumps of the same panic
const HEADLINE_MAX = 240; // characters
const HEADLINE_LARGE = 90; // more are written smaller

const arriving = (info) => info.state === 'receiving' && !info.received_at;

/** Elements that are made of some of what is known, and made anew when that is not the same. */
class Part {
  #shown = null;

  constructor(pick, make, attrs) {
    this.pick = pick;
    this.make = make;
    this.element = h('div', attrs);
  }

  update(info) {
    const key = JSON.stringify(this.pick(info) ?? null);
    if (key === this.#shown) return;
    this.#shown = key;
    replace(this.element, this.make(info));
  }
}

/* ---- why it died, and how the dump is ---- */

function headline(info) {
  const panic = info.facts.panic ?? info.title ?? '';
  const [first, ...more] = panic.split('\n');
  const long = first.length > HEADLINE_MAX;
  const rest = [long && first, ...more].filter((line) => line && line.trim()).join('\n');
  return [
    h('p', { class: 'crumb' }, h('a', { href: '/panics' }, 'Panics'), ` › Dump ${info.id}`),
    h('h1', { class: `panic-string ${panic ? '' : 'unknown'} ${first.length > HEADLINE_LARGE ? 'long' : ''}` },
      first ? theirs(long ? `${cut(first, HEADLINE_MAX)}…` : first) : arriving(info) ? 'Why is not known yet' : 'It does not say why'),
    rest && (rest.length > HEADLINE_MAX
      ? h('details', { class: 'panic-more' }, h('summary', null, 'All that it says'), h('pre', null, theirs(rest)))
      : h('pre', { class: 'panic-more' }, theirs(rest))),
  ];
}

function verdict(info) {
  if (arriving(info)) return info.idle_ms > SILENT_MS ? 'It still arrives, and its sender is silent.' : 'It still arrives.';
  if (info.state === 'receiving') return 'It has arrived, and is being checked.';
  if (info.state === 'complete') return 'Every byte has arrived, and the file is whole.';
  return [info.reason ? text(info.reason.replace(/\.$/, '')) : 'Not all of it has arrived', '. What has arrived is kept.'];
}

const standing = (info) => [h('div', { class: 'standing' }, state(info), h('span', null, verdict(info))), holes(info), downloads(info)];

/* ---- the same panic elsewhere ---- */

function group({ seen }, others) {
  if (!seen) return null;
  const once = seen.count <= 1;
  return part('The same panic', 'group-title',
    h('p', null, once ? 'Seen for the first time.'
      : [`Seen ${of(seen.count, 'time')} on ${of(seen.machines, 'machine')}, first `, when(seen.first_seen),
        ', last ', when(seen.last_seen), '. ',
        h('a', { href: `/panics?group=${encodeURIComponent(seen.group)}` }, 'All of them')]),
    seen.note && h('p', { class: 'group-note' }, 'Note: ', text(seen.note)), others);
}

/** The others of its group; what cannot be read is not shown. */
async function others(app, info) {
  try {
    const { dumps } = await app.api(`/api/dumps?group=${encodeURIComponent(info.seen.group)}&limit=${OTHERS + 1}`);
    const rows = dumps.filter(({ id }) => id !== info.id).slice(0, OTHERS);
    return rows.length ? dumpTable(rows, 'Other dumps of the same panic') : null;
  } catch {
    return null;
  }
}

/* ---- how it arrives ---- */

class Progress {
  constructor() {
    this.fill = h('span', { class: 'fill' });
    this.bar = h('div', { class: 'bar open', role: 'progressbar', 'aria-label': 'Arriving' }, this.fill);
    this.words = h('p', { class: 'pace' });
    this.element = h('div', { class: 'progress' }, this.bar, this.words);
  }

  update(transfer) {
    const total = transfer.total > 0 ? transfer.total : 0, part = total ? Math.min(1, transfer.bytes / total) : 0;
    this.bar.classList.toggle('open', !total);
    this.bar.classList.toggle('still', transfer.idle_ms > SILENT_MS);
    this.fill.style.transform = total ? `scaleX(${part})` : '';
    if (total) this.bar.setAttribute('aria-valuenow', String(Math.round(100 * part)));
    else this.bar.setAttribute('aria-valuetext', `${bytes(transfer.bytes)}, the end is not known`);
    say(this.words, `${bytes(transfer.bytes)}${total ? ` of ${bytes(total)}` : ''}, ` +
      (transfer.idle_ms > SILENT_MS ? `silent for ${count(Math.round(transfer.idle_ms / 1000))} s` : `${bytes(transfer.rate ?? 0)}/s`));
  }
}

/* ---- the page ---- */

class Page {
  #logShown = null;
  #memoryShown = null;

  constructor(root, params, app, info) {
    this.app = app;
    this.id = info.id;
    this.gone = h('ul', { class: 'notices', hidden: true });
    this.progress = new Progress();
    this.others = null; // a table of them, and what it was made for
    this.othersOf = '';
    const facts = (...names) => (at) => names.map((name) => at.facts[name] ?? at[name]);
    this.parts = {
      head: new Part((at) => [at.facts.panic, at.title, arriving(at)], headline),
      standing: new Part((at) => [at.state, at.received_at, at.reason, at.missing, at.may_download, at.received_at && at.bytes,
        at.idle_ms > SILENT_MS], standing, { class: 'how' }),
      machine: new Part(facts('host', 'peer', 'model', 'arch', 'crash_time', 'uptime', 'trigger', 'task'), machine),
      kernel: new Part(facts('os', 'os_version', 'kernel', 'build_id', 'kernel_version', 'boot_args', 'load', 'slide'), kernel),
      where: new Part(facts('backtrace'), backtrace),
      group: new Part((at) => [at.seen, this.othersOf], (at) => group(at, this.others)),
      ways: new Part((at) => [at.commands, at.encrypted, at.may_download, at.received_at, at.name], ways),
      file: new Part((at) => [at.path, at.received_at && at.bytes, at.format, at.beside, at.sha256, at.received_at, at.peer], file),
      registers: new Part(facts('cpus'), registers),
      modules: new Part(facts('modules'), modules),
    };
    this.picture = new Picture(this.id, windowOf(params.query));
    this.log = new Log(this.id);
    const p = this.parts;
    replace(root, h('div', { class: 'dump' }, this.gone, h('header', null, p.head.element, p.standing.element, this.progress.element),
      h('div', { class: 'pair' }, p.machine.element, p.kernel.element),
      h('div', { class: 'pair' }, p.where.element, p.group.element),
      this.picture.element, this.log.element, p.registers.element, p.modules.element,
      h('div', { class: 'pair' }, p.ways.element, p.file.element)));
  }

  update(info) {
    this.info = info = { ...info, facts: info.facts ?? {} };
    this.gone.hidden = true;
    for (const at of Object.values(this.parts)) at.update(info);
    this.progress.element.hidden = !arriving(info);
    if (arriving(info)) this.progress.update(info);
    this.#memory(info.facts.memory);
    this.#readLog(info);
    this.#readOthers();
  }

  #memory(memory) {
    const key = JSON.stringify(memory ?? null);
    if (key === this.#memoryShown) return;
    this.#memoryShown = key;
    this.picture.update(memory);
  }

  // The log comes with the facts, and once more when the dump has ended.
  #readLog(info) {
    const key = JSON.stringify([info.facts.panic, info.state, info.received_at, info.sha256]);
    if (key === this.#logShown) return;
    this.#logShown = key;
    this.log.load(info.facts.panic ?? info.title);
  }

  async #readOthers() {
    const { seen, state: how } = this.info, key = seen?.count > 1 ? `${seen.group} ${seen.count} ${how}` : '';
    if (key === this.othersAsked) return;
    this.othersAsked = key;
    const found = key ? await others(this.app, this.info) : null;
    if (key !== this.othersAsked) return;
    this.others = found;
    this.othersOf = key;
    this.parts.group.update(this.info);
  }

  take(transfer) {
    if (transfer.id !== this.id || !arriving(this.info)) return;
    const { bytes: came, rate, idle_ms: idle, total = this.info.total } = transfer;
    Object.assign(this.info, { bytes: came, rate, idle_ms: idle, total });
    this.progress.update(this.info);
    this.parts.standing.update(this.info);
  }

  /** It is not there any more: what was known of it stays to be read. */
  lost(error) {
    replace(this.gone, notice(`Dump ${this.id} is not here any more: it was removed. What was known of it is below.`, error.act, 'bad'));
    this.gone.hidden = false;
    this.progress.element.hidden = true;
    replace(this.parts.ways.element);
    this.parts.standing.element.querySelector('.downloads')?.remove();
  }

  end() {
    this.picture.end();
    this.log.end();
  }
}

/** "?memory=0x1000-0x2000": where somebody else had zoomed to. */
function windowOf(query) {
  const found = /^(0x[0-9a-f]{1,16})-(0x[0-9a-f]{1,16})$/.exec(query.get('memory') ?? '');
  return found && { start: BigInt(found[1]), end: BigInt(found[2]) };
}

function none(root, id, error) {
  replace(root, h('h1', null, `Dump ${id} is not here`),
    h('p', null, theirs(error.message)), h('p', null, error.act ? theirs(error.act) : 'It was removed, or never was.'),
    h('p', null, h('a', { href: '/panics?view=dumps' }, 'All dumps')));
}

export async function show(root, params, app) {
  const path = `/api/dumps/${params.id}`, id = Number(params.id);
  let info;
  try {
    info = await app.api(path);
  } catch (error) {
    if (error.status !== 404) throw error;
    none(root, params.id, error);
    return () => {};
  }
  const page = new Page(root, params, app, info);
  page.update(info);
  let again = null, ended = false;

  function reread(wait = 200) {
    again ??= setTimeout(async () => {
      again = null;
      try {
        const news = await app.api(path);
        if (!ended) page.update(news);
      } catch (error) {
        if (!ended && error.status === 404) page.lost(error);
      }
    }, wait);
  }

  const mine = (at) => at?.id === id && reread();
  const looked = () => document.visibilityState === 'visible' && reread();
  const offs = [
    app.on('progress', ({ transfer }) => page.take(transfer)),
    app.on('begin', ({ transfer }) => mine(transfer)),
    app.on('cause', ({ arriving: at }) => mine(at)),
    app.on('complete', ({ dump }) => mine(dump)),
    app.on('incomplete', ({ dump }) => mine(dump)),
    app.on('checked', ({ dump }) => mine(dump)),
    app.on('reset', () => reread()),
  ];
  let since = Date.now();
  const timer = setInterval(() => {
    const due = page.info.state === 'receiving' ? FOLLOW_MS : LOOK_MS;
    if (document.visibilityState !== 'visible' || Date.now() - since < due) return;
    since = Date.now();
    reread(0);
  }, 1000);
  document.addEventListener('visibilitychange', looked);
  return () => {
    ended = true;
    clearInterval(timer);
    clearTimeout(again);
    document.removeEventListener('visibilitychange', looked);
    offs.forEach((off) => off());
    page.end();
  };
}
