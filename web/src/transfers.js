// SPDX-License-Identifier: BSD-2-Clause
// Dumps as they arrive: one row each, of one height from its first packet to its verdict.
import { h, replace, say, theirs, visible } from './dom.js';
import { bytes, count, duration, of } from './format.js';
import { machineOf } from './parts.js';

const IDLE_SHOWN_MS = 2000;
const STAYS_MS = 12000; // a row, after its dump has ended
const SHOWN_MAX = 50;
const SMOOTH = 0.4; // of a new rate, in the one that is shown

const PROTOCOLS = { kdp: 'Apple KDP', netdump: 'FreeBSD netdump', tftp: 'TFTP', import: 'import', stream: 'stream' };

class Row {
  constructor(transfer) {
    this.id = transfer.id;
    this.startedMs = Date.parse(transfer.started_at) || Date.now();
    this.endedMs = 0;
    this.rate = 0;
    this.title = h('p', { class: 'cause' });
    this.link = h('a', { class: 'cover' });
    this.known = h('p', { class: 'known' });
    this.from = h('p', { class: 'from' });
    this.fill = h('span', { class: 'fill' });
    this.bar = h('div', { class: 'bar', role: 'progressbar', 'aria-label': 'Progress' }, this.fill);
    this.numbers = ['bytes', 'pace', 'left', 'age'].map((name) => h('span', { class: name }));
    this.element = h('li', { class: 'transfer' }, this.title, this.from, this.known, this.bar,
      h('p', { class: 'numbers' }, this.numbers));
    this.update(transfer);
  }

  /** @param news as of the event "cause", or a transfer of /api/now */
  cause(news) {
    this.group = news.group ?? this.group;
    this.transfer.title = news.title ?? this.transfer.title;
    const seen = news.seen > 1 ? `Seen ${count(news.seen)} times on ${of(news.machines, 'machine')}, this time included.` : news.seen ? 'Seen for the first time.' : '';
    if (news.note || seen) replace(this.known, seen, news.note && [seen && ' ', 'Note: ', theirs(news.note)]);
    this.draw();
  }

  update(transfer) {
    const title = transfer.title ?? this.transfer?.title;
    this.rate = this.rate ? this.rate + SMOOTH * ((transfer.rate ?? 0) - this.rate) : transfer.rate ?? 0;
    this.transfer = { ...this.transfer, ...transfer, title };
    this.draw();
  }

  /** It has ended. @param how 'complete', 'incomplete' @param final the check has spoken */
  end(dump, final) {
    this.transfer = { ...this.transfer, ...dump, title: dump.title ?? this.transfer.title };
    this.endedMs ||= Date.now();
    this.final = final || dump.state === 'incomplete';
    this.draw();
  }

  draw() {
    const t = this.transfer;
    if (t.title !== this.drawnTitle || !this.drawn) {
      this.drawn = true;
      this.drawnTitle = t.title;
      this.link.href = `/dumps/${t.id}`;
      this.link.title = t.title ? visible(t.title) : '';
      replace(this.link, theirs(t.title || 'Why is not known yet'));
      replace(this.title, this.link);
      this.title.classList.toggle('unknown', !t.title);
      replace(this.from, theirs(t.name), ' from ', theirs(machineOf(t)), `, ${PROTOCOLS[t.protocol] ?? t.protocol}`);
    }
    this.drawBar(t);
    say(this.numbers[0], t.total ? `${bytes(t.bytes)} of ${bytes(t.total)}` : bytes(t.bytes));
    say(this.numbers[1], this.pace(t));
    say(this.numbers[2], this.left(t));
    this.drawAge();
  }

  drawAge() {
    say(this.numbers[3], duration(((this.endedMs || Date.now()) - this.startedMs) / 1000));
  }

  pace(t) {
    if (this.endedMs) return t.state === 'incomplete' ? 'incomplete' : this.final ? 'complete' : 'being checked';
    if (t.phase === 'finishing') return 'finishing';
    if (t.idle_ms >= IDLE_SHOWN_MS) return `silent for ${Math.round(t.idle_ms / 1000)} s`;
    return this.rate > 0 ? `${bytes(this.rate)}/s` : ''; // it is sampled each second
  }

  left(t) {
    if (this.endedMs) return t.state === 'incomplete' ? t.reason : '';
    if (!t.total) return '';
    return this.rate > 0 && t.idle_ms < IDLE_SHOWN_MS ? `${duration((t.total - t.bytes) / this.rate)} left` : '';
  }

  // Most senders never say how long a dump will be: then the bar says only that bytes come.
  drawBar(t) {
    const known = t.total > 0 || this.endedMs;
    const part = this.endedMs ? 1 : known ? Math.min(1, t.bytes / t.total) : 0;
    this.element.classList.toggle('ended', Boolean(this.endedMs));
    this.element.classList.toggle('torn', t.state === 'incomplete');
    this.bar.classList.toggle('open', !known);
    this.bar.classList.toggle('still', !this.endedMs && t.idle_ms >= IDLE_SHOWN_MS);
    this.fill.style.transform = known ? `scaleX(${part})` : '';
    if (known) {
      this.bar.setAttribute('aria-valuenow', String(Math.round(part * 100)));
      this.bar.removeAttribute('aria-valuetext');
    } else {
      this.bar.removeAttribute('aria-valuenow');
      this.bar.setAttribute('aria-valuetext', `${bytes(t.bytes)}, the end is not known`);
    }
  }
}

/**
 * The list, and what it makes of events. @param changed is called when rows come, go or end.
 */
export class Transfers {
  #rows = new Map();

  constructor(changed) {
    this.changed = changed;
    this.element = h('ul', { class: 'transfers' });
    this.more = h('p', { class: 'more', hidden: true });
  }

  /** Rows whose dump still arrives. */
  get live() {
    return [...this.#rows.values()].filter((row) => !row.endedMs).length;
  }

  get empty() {
    return this.#rows.size === 0;
  }

  /** All of them anew; those that are there stay the elements that they are. */
  reset(transfers) {
    const ids = new Set(transfers.map(({ id }) => id));
    for (const [id, row] of this.#rows) if (!ids.has(id) && !row.endedMs) this.#remove(id);
    for (const transfer of transfers) {
      this.#put(transfer);
      this.#rows.get(transfer.id).cause(transfer);
    }
    this.#count();
  }

  take(transfer) {
    if (this.#put(transfer)) this.#count();
  }

  /** @return is it a new row? */
  #put(transfer) {
    const row = this.#rows.get(transfer.id);
    if (row && row.endedMs) this.#remove(transfer.id); // a sender that goes on with what it left
    else if (row) {
      row.update(transfer);
      return false;
    }
    const made = new Row(transfer);
    this.#rows.set(transfer.id, made);
    this.element.prepend(made.element);
    return true;
  }

  cause(news) {
    this.#rows.get(news.id)?.cause(news);
  }

  end(dump, final) {
    const row = this.#rows.get(dump.id);
    if (!row) return;
    row.end(dump, final);
    this.#count();
  }

  /** Every second: how long it takes, and rows that have been seen long enough. */
  tick() {
    for (const [id, row] of this.#rows) {
      if (!row.endedMs) row.drawAge();
      else if (Date.now() - row.endedMs > STAYS_MS) this.#remove(id);
    }
    this.#count();
  }

  #remove(id) {
    this.#rows.get(id).element.remove();
    this.#rows.delete(id);
  }

  #count() {
    const hidden = this.#rows.size - SHOWN_MAX;
    [...this.element.children].forEach((element, i) => { element.hidden = i >= SHOWN_MAX; });
    this.more.hidden = hidden <= 0;
    say(this.more, hidden > 0 ? `and ${count(hidden)} more` : '');
    this.changed();
  }
}
