// SPDX-License-Identifier: BSD-2-Clause
// The memory of a dump as one line without gaps, and windows on it. Addresses have 64 bits, so all
// of it is BigInt. A position is how much memory lies below; a window is {from, to} of positions.

export const KINDS = ['present', 'zero', 'excluded', 'unreadable', 'missing'];

export const hex = (address) => `0x${address.toString(16)}`;

const PAGE = 4096n;
const ADDRESSES = 1n << 64n;

function range(json) {
  try {
    const start = BigInt(json.start), end = BigInt(json.end);
    return start < end && end < ADDRESSES ? { start, end, json } : null;
  } catch { // not a number
    return null;
  }
}

export class Space {
  /** @param ranges  of the facts: {start: "0x..", end: "0x..", present: bytes, ..}; sorted, disjoint */
  constructor(ranges) {
    this.ranges = (ranges ?? []).map(range).filter(Boolean);
    this.size = 0n;
    for (const at of this.ranges) {
      at.before = this.size;
      this.size += at.end - at.start;
    }
  }

  get all() {
    return { from: 0n, to: this.size };
  }

  /** The first range of which some lies at or above @p value by @p end; their number if there is none. */
  #first(value, end) {
    let low = 0, high = this.ranges.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (end(this.ranges[middle]) <= value) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** The range that @p address is in, or null. */
  rangeAt(address) {
    const at = this.ranges[this.#first(address, (r) => r.end)];
    return at && at.start <= address ? at : null;
  }

  /** How much memory lies below @p address. */
  position(address) {
    const at = this.ranges[this.#first(address, (r) => r.end)];
    if (!at) return this.size;
    return at.before + (address > at.start ? address - at.start : 0n);
  }

  /** The address at a position. @param end  as the end of something: not that of what lies behind a gap */
  address(position, end = false) {
    const value = end ? position - 1n : position;
    const at = this.ranges[Math.min(this.#first(value, (r) => r.before + r.end - r.start), this.ranges.length - 1)];
    if (!at) return 0n;
    const address = at.start + (position - at.before);
    return address < at.end || end ? address : at.end - 1n;
  }

  /** [start, end) of addresses, as panicweb is asked for them. */
  addresses({ from, to }) {
    return { start: this.address(from), end: this.address(to, true) };
  }

  /** A window of addresses; null if nothing is there. */
  window(start, end) {
    const made = { from: this.position(start), to: this.position(end) };
    return made.from < made.to ? made : null;
  }

  /** The ranges of which some is in the window. */
  within({ from, to }) {
    const first = this.#first(from, (r) => r.before + r.end - r.start);
    let end = first;
    while (end < this.ranges.length && this.ranges[end].before < to) end++;
    return this.ranges.slice(first, end);
  }

  /** The same around @p position, with @p factor times as much in it: at least @p least pages, and whole ones. */
  zoom({ from, to }, factor, position, least) {
    const smallest = BigInt(least) * PAGE;
    const was = to - from;
    let size = (was * BigInt(Math.round(factor * 1024))) / 1024n;
    if (size < smallest) size = was < smallest ? was : smallest;
    if (size >= this.size) return this.all;
    const part = was ? ((position - from) * size) / was : 0n;
    return this.#place(position - part, size);
  }

  /** The same, @p part of its size further on; negative: back. */
  pan({ from, to }, part) {
    return this.#place(from + ((to - from) * BigInt(Math.round(part * 1024))) / 1024n, to - from);
  }

  #place(from, size) {
    let at = from < 0n ? 0n : from;
    if (at + size > this.size) at = this.size - size;
    const rest = (value) => (value === this.size ? 0n : value % PAGE);
    return { from: at - rest(at), to: at + size - rest(at + size) };
  }
}

/** How a window was come to: all of it first, each within the one before where it was zoomed. */
export class Trail {
  static MAX = 7;

  constructor(all) {
    this.steps = [all];
  }

  get last() {
    return this.steps.at(-1);
  }

  /** @param same  it goes on with the last step: a turn of the wheel after another */
  go(window, same = false) {
    const holds = (outer) => outer.from <= window.from && outer.to >= window.to;
    if (same && this.steps.length > 1) this.steps.pop();
    while (this.steps.length > 1 && !holds(this.last)) this.steps.pop();
    if (window.from === this.last.from && window.to === this.last.to) return;
    this.steps.push(window);
    if (this.steps.length > Trail.MAX) this.steps.splice(1, 1);
  }

  back(number) {
    this.steps.length = number + 1;
  }
}
