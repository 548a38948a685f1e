// SPDX-License-Identifier: BSD-2-Clause
// Now: what arrives, what is wrong, how much room there is, who listens, what came last.
import { h, replace, say, theirs } from './dom.js';
import { bytes, count, of, when } from './format.js';
import { dumpTable, failure, notice } from './parts.js';
import { Transfers } from './transfers.js';

export const title = 'Now';

const LATEST = 5;
const SETTLED_MS = 3000; // after panicd went or came

/** The page in one sentence, and how good that is. */
function headline({ server, problems }, arriving) {
  if (!server) return ['panicd is not listening', 'bad'];
  if (arriving) return [`${of(arriving, 'dump is', 'dumps are')} arriving`, 'live'];
  if (problems.length) return [`${of(problems.length, 'thing needs', 'things need')} you`, 'warn'];
  return ['Nothing is arriving', 'good'];
}

function subline({ server, dumps }, arriving) {
  if (!server) return 'A machine that panics now has nobody to send its dump to.';
  if (arriving) return 'This page follows by itself.';
  return dumps ? 'The server listens. A panic shows up here with its first packets.' : 'The server listens, and no dump has come yet.';
}

const fact = (name, ...what) => h('div', null, h('dt', null, name), h('dd', null, what));

const SERVICES = { kdp: 'Apple KDP', netdump: 'FreeBSD netdump', tftp: 'TFTP' };

class Server {
  constructor() {
    this.fill = h('span', { class: 'fill' });
    this.floor = h('span', { class: 'floor' });
    this.room = h('p', { class: 'figure' });
    this.roomText = h('p', { class: 'under' });
    this.meter = h('div', { class: 'bar room', role: 'img' }, this.fill, this.floor);
    this.facts = h('dl', { class: 'facts' });
    this.where = h('ul', { class: 'where' });
    this.refusal = null;
    this.element = h('div', { class: 'cards' },
      h('section', { class: 'card', 'aria-labelledby': 'room-title' }, h('h2', { id: 'room-title' }, 'Free room'), this.room, this.meter, this.roomText),
      h('section', { class: 'card', 'aria-labelledby': 'listens-title' }, h('h2', { id: 'listens-title' }, 'Who listens where'), this.where),
      h('section', { class: 'card', 'aria-labelledby': 'since-title' }, h('h2', { id: 'since-title' }, 'Since it started'), this.facts));
  }

  refused(event) {
    this.refusal = event;
    this.drawFacts();
  }

  /** @param room of the directory, when no server says it */
  update(server, room) {
    this.server = server;
    this.drawRoom(server?.room ?? room);
    this.drawWhere();
    this.drawFacts();
  }

  drawRoom(room) {
    say(this.room, room?.total ? bytes(room.free) : '–');
    say(this.roomText, room?.total ? `of ${bytes(room.total)}${room.floor ? `; ${bytes(room.floor)} of it stay free` : ''}` : 'How much is not known.');
    const used = room?.total ? 1 - room.free / room.total : 0;
    this.fill.style.transform = `scaleX(${used})`;
    this.floor.style.transform = `scaleX(${room?.total ? Math.min(1, room.floor / room.total) : 0})`;
    this.meter.classList.toggle('low', Boolean(room?.total) && room.free <= room.floor * 1.1);
    this.meter.setAttribute('aria-label', `${Math.round(used * 100)} percent used`);
  }

  drawWhere() {
    const s = this.server, text = JSON.stringify([s?.listening, s?.not_listening]);
    if (text === this.drawnWhere) return;
    this.drawnWhere = text;
    replace(this.where,
      (s?.listening ?? []).map((at) => h('li', null, h('span', null, SERVICES[at.protocol] ?? theirs(at.protocol)), h('code', null, `${at.address}:${at.port}`))),
      (s?.not_listening ?? []).map((at) => h('li', { class: 'unheard' }, h('span', null, `${SERVICES[at.protocol] ?? at.protocol}, port ${at.port}`), h('span', null, theirs(at.why)))),
      !s && h('li', { class: 'unheard' }, 'Nobody.'));
  }

  drawFacts() {
    const s = this.server;
    if (!s) return replace(this.facts, fact('panicd', 'not listening'));
    const c = s.counters ?? {};
    const shown = [s.version, s.started_at, c.dumps_complete, c.dumps_incomplete, c.bytes, c.refused, this.refusal?.peer, s.directory].join();
    if (shown === this.drawnFacts) return;
    this.drawnFacts = shown;
    replace(this.facts,
      fact('Complete', count(c.dumps_complete)), fact('Incomplete', count(c.dumps_incomplete)), fact('Received', bytes(c.bytes)),
      fact('Refused', count(c.refused), this.refusal && [' (', theirs(this.refusal.peer), `, rule ${this.refusal.rule})`]),
      fact('panicd', `${s.version}, started `, when(s.started_at)), fact('Directory', h('code', null, s.directory)));
  }
}

function quiet(hasDumps) {
  return h('div', { class: 'quiet-box' }, h('p', null, hasDumps ? 'Nothing is arriving.' : 'No dump has come yet.'),
    h('p', null, h('a', { href: '/setup' }, 'Set up a machine'), ' so that its panics come here.'));
}

export async function show(root, params, app) {
  let data = await app.api('/api/now');
  const head = h('h1', { class: 'headline' }), sub = h('p', { class: 'sub' });
  const problems = h('ul', { class: 'notices', 'aria-label': 'What is wrong' }), latest = h('div', { class: 'view' }), empty = h('div');
  const server = new Server();
  const transfers = new Transfers(draw);

  function draw() {
    const live = transfers.live, [text, kind] = headline(data, live);
    say(head, text);
    head.className = `headline ${kind}`;
    say(sub, subline(data, live));
    empty.hidden = !transfers.empty;
  }

  function drawProblems() {
    const text = JSON.stringify(data.problems);
    if (text === problems.dataset.shown) return;
    problems.dataset.shown = text;
    replace(problems, data.problems.map((at) => notice(at.text, at.do, data.server ? 'warn' : 'bad')));
    problems.hidden = !data.problems.length;
  }

  function drawAll() {
    server.update(data.server, data.room);
    transfers.reset(data.transfers);
    drawProblems();
    replace(empty, quiet(data.dumps > 0));
    replace(latest, data.latest.length ? dumpTable(data.latest.slice(0, LATEST), 'The last dumps') : h('p', { class: 'quiet-box' }, 'None yet.'));
    draw();
  }

  let again = null; // several events in a row are one reading
  function reread() {
    again ??= setTimeout(async () => {
      again = null;
      try {
        data = await app.api('/api/now');
        drawAll();
      } catch (error) {
        if (!app.connection.live) return; // the shell says so
        replace(problems, ...failure(error).children);
        problems.hidden = false;
        delete problems.dataset.shown;
      }
    }, 300);
  }

  // What panicweb answers may be a moment old: what the event says counts, and is asked for once more.
  function turned({ serving }) {
    if (!serving) {
      data.server = null;
      server.update(null, data.room);
      draw();
    }
    reread();
    setTimeout(reread, SETTLED_MS);
  }

  replace(root,
    h('div', { class: 'hero' }, head, sub), problems,
    h('section', { class: 'arriving', 'aria-label': 'Arriving' }, transfers.element, transfers.more, empty),
    server.element,
    h('section', { class: 'latest', 'aria-labelledby': 'latest-title' },
      h('div', { class: 'bar-head' }, h('h2', { id: 'latest-title' }, 'Last dumps'), h('a', { href: '/panics?view=dumps' }, 'All dumps')), latest));
  drawAll();

  const offs = [
    app.on('begin', ({ transfer }) => transfers.take(transfer)),
    app.on('progress', ({ transfer }) => transfers.take(transfer)),
    app.on('cause', ({ arriving }) => transfers.cause(arriving)),
    app.on('complete', ({ dump }) => { transfers.end(dump, false); reread(); }),
    app.on('incomplete', ({ dump }) => { transfers.end(dump, false); reread(); }),
    app.on('checked', ({ dump }) => { transfers.end(dump, true); reread(); }),
    app.on('refused', (event) => server.refused(event)),
    app.on('status', (status) => { data.server = status; server.update(data.server); draw(); }),
    app.on('server', turned),
    app.on('reset', reread),
  ];
  const timer = setInterval(() => transfers.tick(), 1000);
  return () => {
    clearInterval(timer);
    clearTimeout(again);
    again = 0;
    offs.forEach((off) => off());
  };
}
