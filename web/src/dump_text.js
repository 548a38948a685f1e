// SPDX-License-Identifier: BSD-2-Clause
// A log of up to 16 MiB as rows that can be shown one by one, and what is found in it.

const ROW_MAX = 2000; // characters; a longer line has several rows
export const FOUND_MAX = 10000;

// Where kernels say why they stop, besides the panic string itself.
const LOUD = new RegExp([
  'Kernel panic', '\\bBUG: ', '\\bOops\\b', 'general protection fault', 'Unable to handle kernel', 'Call Trace:', 'Call trace:',
  '\\bRIP: ', 'Internal error', 'panic\\(cpu \\d', '\\bpanic: ', 'Fatal trap \\d', 'Fatal double fault', '^Backtrace',
  'Kernel Extensions in backtrace', 'KDB: stack backtrace', 'watchdog: .*LOCKUP', '^Panicked task',
].join('|'));

const escape = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');

/** A pattern for what somebody types: as it stands, in capitals or not. */
export const pattern = (needle) => new RegExp(escape(needle), 'gi');

export class Text {
  constructor(text) {
    this.text = text;
    const starts = [];
    for (let at = 0; at < text.length;) {
      const end = text.indexOf('\n', at);
      const stop = end < 0 ? text.length : end + 1;
      starts.push(at);
      for (let i = at + ROW_MAX; i < stop - 1; i += ROW_MAX) starts.push(i);
      at = stop;
    }
    this.starts = Uint32Array.from(starts);
  }

  get count() {
    return this.starts.length;
  }

  row(number) {
    const end = number + 1 < this.count ? this.starts[number + 1] : this.text.length;
    return this.text.slice(this.starts[number], this.text[end - 1] === '\n' ? end - 1 : end);
  }

  rowAt(offset) {
    let low = 0, high = this.count;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.starts[middle] <= offset) low = middle + 1;
      else high = middle;
    }
    return Math.max(0, low - 1);
  }

  /** Rows in which @p needle begins, once for each time: at most FOUND_MAX. */
  find(needle) {
    const found = [];
    if (!needle) return found;
    for (const match of this.text.matchAll(pattern(needle))) {
      found.push(this.rowAt(match.index));
      if (found.length === FOUND_MAX) break;
    }
    return found;
  }

  /** Rows [first, end) of the panic string; null if the log does not have it. */
  panic(panic) {
    const lines = (panic ?? '').split('\n').map((line) => line.trim()).filter(Boolean);
    const at = lines.length ? this.text.indexOf(lines[0]) : -1;
    if (at < 0) return null;
    const first = this.rowAt(at);
    let end = this.rowAt(at + lines[0].length - 1) + 1;
    for (const line of lines.slice(1)) {
      if (end >= this.count || !this.row(end).includes(line)) break;
      end++;
    }
    return { first, end };
  }

  /** Is it one of those that say why a kernel stops? */
  static loud(row) {
    return LOUD.test(row);
  }

  /** The first such row; -1 if there is none. */
  firstLoud() {
    for (let i = 0; i < this.count; i++) if (Text.loud(this.row(i))) return i;
    return -1;
  }
}
