// SPDX-License-Identifier: BSD-2-Clause
// The shell: which page is shown, the way between them, the live connection, light and dark, keys.
import { api, Live } from './api.js';
import { h, replace, say } from './dom.js';
import { clock, of, tick } from './format.js';
import { helpDialog, keys } from './keys.js';
import * as now from './now.js';

// A page is {title, show(root, params, app)}. What is not Now comes when it is asked for.
const PAGES = [
  { match: /^\/$/, nav: '/', load: () => now },
  { match: /^\/panics$/, nav: '/panics', load: () => import('./panics.js') },
  { match: /^\/dumps\/(?<id>\d+)$/, nav: '/panics', load: () => import('./dump.js') },
  { match: /^\/setup$/, nav: '/setup', load: () => import('./setup.js') },
];
const NAV = [['/', 'Now'], ['/panics', 'Panics'], ['/setup', 'Set up a machine']];
const THEMES = { auto: 'Auto', light: 'Light', dark: 'Dark' };

const live = new Live();
let down = null; // takes the page that is shown down
let shown = 0; // counts pages, so that one which comes late is not shown
let waiting = [], saying = null;

const main = h('main', { id: 'main', tabindex: '-1' });
const polite = h('p', { class: 'unseen', role: 'status', 'aria-live': 'polite' });
const links = NAV.map(([path, title]) => h('a', { href: path }, title));
const badge = h('span', { class: 'badge', hidden: true });
const connection = h('span', { class: 'connection', role: 'status' }, h('span', { class: 'dot' }), h('span', { class: 'words' }));
const themeButton = h('button', { type: 'button', class: 'quiet', onclick: nextTheme });
const dialog = helpDialog();

/** What pages get. */
const app = {
  api,
  on: (name, listener) => live.on(name, listener),
  get connection() {
    return live.state;
  },
  /** Goes to a path of this page. @param how {replace: true} leaves no step to come back to */
  go(path, how = {}) {
    history[how.replace ? 'replaceState' : 'pushState'](null, '', path);
    return route(how.replace ? 'keep' : 'new');
  },
  /** Says it to whoever listens instead of looking. Several within a second are said in one go. */
  announce(text) {
    waiting.push(text);
    saying ??= setTimeout(() => {
      say(polite, waiting.length > 3 ? `${waiting.length} messages; the last: ${waiting.at(-1)}` : waiting.join(' '));
      waiting = [];
      saying = null;
    }, 1000);
  },
};

/* ---- how many dumps are arriving: in the navigation, and in the window's title ---- */

const SILENCE_MS = 5000; // every transfer says its progress each second
const arriving = new Map(); // id → when it was heard of
let title = '';

function titled(text = title) {
  title = text;
  document.title = `${arriving.size ? `(${arriving.size}) ` : ''}${title ? `${title} – ` : ''}panicd`;
}

function countArriving() {
  for (const [id, ms] of arriving) if (Date.now() - ms > SILENCE_MS) arriving.delete(id);
  badge.hidden = !arriving.size;
  say(badge, String(arriving.size));
  badge.setAttribute('aria-label', `${of(arriving.size, 'dump')} arriving`);
  titled();
}

function hearArriving() {
  const more = ({ transfer }) => {
    const known = arriving.has(transfer.id);
    arriving.set(transfer.id, Date.now());
    if (!known) countArriving();
  };
  const less = ({ dump }) => arriving.delete(dump.id) && countArriving();
  live.on('begin', more);
  live.on('progress', more);
  live.on('complete', less);
  live.on('incomplete', less);
  setInterval(countArriving, 2000);
}

/* ---- light and dark ---- */

function theme() {
  try {
    const kept = localStorage.getItem('theme');
    return kept in THEMES ? kept : 'auto';
  } catch { // storage can be forbidden
    return document.documentElement.dataset.theme ?? 'auto';
  }
}

function useTheme(name) {
  document.documentElement.dataset.theme = name;
  try {
    localStorage.setItem('theme', name);
  } catch { /* then it lasts until the page is left */ }
  say(themeButton, THEMES[name]);
  themeButton.setAttribute('aria-label', `Colours: ${THEMES[name]}. Change`);
  dispatchEvent(new Event('themechange'));
}

function nextTheme() {
  const names = Object.keys(THEMES);
  useTheme(names[(names.indexOf(theme()) + 1) % names.length]);
}

/* ---- the connection ---- */

function showConnection() {
  const { live: good, since } = live.state;
  connection.classList.toggle('lost', !good);
  connection.title = good ? `Connected since ${clock(since)}` : `No connection since ${clock(since)}; what is shown is from then`;
  say(connection.lastChild, good ? 'Live' : `Reconnecting since ${clock(since).slice(11)}`);
}

/* ---- pages ---- */

function problem(error) {
  return h('section', { class: 'notice bad', role: 'alert' }, h('h1', null, 'This page could not be shown'),
    h('p', null, error.message), error.act && h('p', null, error.act),
    h('p', null, h('button', { type: 'button', onclick: () => location.reload() }, 'Try again')));
}

/** A panicweb that was replaced has the parts of this page no longer; the page anew has its own. */
async function part(page) {
  try {
    return await page.load();
  } catch {
    throw new Error('A part of this page could not be loaded: panicweb does not answer, or is another one by now.');
  }
}

function mark(nav) {
  for (const link of links) {
    if (link.getAttribute('href') === nav) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
}

/** Who has followed a link is at the heading of what it leads to. @return is there one? */
function arrive(root) {
  const heading = root.querySelector('h1');
  if (!heading) return false;
  scrollTo(0, 0);
  heading.setAttribute('tabindex', '-1');
  heading.focus({ preventScroll: true });
  return true;
}

/** @param how 'first', 'new' (by a link: focus goes to the heading), 'back', 'keep' (in place) */
async function route(how) {
  const number = ++shown, path = location.pathname.replace(/(.)\/$/, '$1');
  const page = PAGES.find(({ match }) => match.test(path));
  mark(page?.nav);
  main.setAttribute('aria-busy', 'true');
  let root = h('div', { class: 'page' }), arrived = false;
  try {
    if (!page) throw new Error('There is no such page here. Choose one above.');
    const module = await part(page);
    if (number !== shown) return;
    down?.();
    down = null;
    const params = { ...match(page, path), query: new URLSearchParams(location.search) };
    titled(typeof module.title === 'function' ? module.title(params) : module.title);
    replace(main, root);
    const showing = module.show(root, params, app);
    arrived = how === 'new' && arrive(root); // a page may have its heading before it has all
    const end = await showing;
    if (number !== shown) {
      end?.();
      return;
    }
    down = end;
  } catch (error) {
    if (number !== shown) return;
    down?.();
    down = null;
    arrived = false;
    root = h('div', { class: 'page' }, problem(error));
    replace(main, root);
    titled('Not shown');
  } finally {
    if (number === shown) main.removeAttribute('aria-busy');
  }
  if (how === 'new' && !arrived) arrive(root);
}

const match = (page, path) => page.match.exec(path).groups ?? {};

function follow(event) {
  const link = event.target.closest?.('a[href]');
  if (!link || event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  const url = new URL(link.href, location.href);
  if (url.origin !== location.origin || link.hasAttribute('download') || link.target) return;
  if (!PAGES.some(({ match: at }) => at.test(url.pathname)) || url.hash) return;
  event.preventDefault();
  app.go(url.pathname + url.search);
}

/* ---- what every page hears ---- */

const machine = (transfer) => transfer.host || transfer.peer || 'a machine';

let serves = null; // is not known yet

/** Is said when it changes; it is heard again and again. */
function hearServing(serving) {
  if (serves !== null && serves !== serving) app.announce(serving ? 'panicd is listening again.' : 'panicd has gone.');
  serves = serving;
}

function hear() {
  live.on('connection', showConnection);
  live.on('begin', ({ transfer }) => app.announce(`A dump arrives from ${machine(transfer)}.`));
  live.on('cause', ({ arriving }) => arriving?.title && app.announce(`Panic: ${arriving.title}.`));
  live.on('incomplete', ({ dump }) => app.announce(`The dump ${dump.name} ended incomplete.`));
  live.on('checked', ({ dump }) => app.announce(`The dump ${dump.name} is ${dump.state}.`));
  live.on('status', () => hearServing(true));
  live.on('server', ({ serving }) => hearServing(serving));
}

async function search() {
  const field = () => main.querySelector('input[type=search]');
  if (!field()) await app.go('/panics');
  field()?.focus();
}

function build() {
  document.body.append(
    h('a', { class: 'skip', href: '#main', onclick: (event) => { event.preventDefault(); main.focus(); } }, 'To the content'),
    h('header', { class: 'top' },
      h('a', { class: 'brand', href: '/', 'aria-label': 'panicd: what happens now' }, 'panicd'),
      h('nav', { 'aria-label': 'Pages' }, h('span', null, links[0], badge), links.slice(1)),
      h('div', { class: 'tools' }, connection, themeButton,
        h('button', { type: 'button', class: 'quiet', 'aria-label': 'Keys', title: 'Keys (?)', onclick: () => dialog.showModal() }, '?'))),
    main, polite, dialog);
  document.addEventListener('click', follow);
  addEventListener('popstate', () => route('back'));
  keys({ '?': () => dialog.showModal(), n: () => app.go('/'), p: () => app.go('/panics'), s: () => app.go('/setup'),
    t: nextTheme, '/': search });
  setInterval(() => tick(main), 15000);
}

useTheme(theme());
build();
hear();
hearArriving();
showConnection();
live.start();
route('first');

