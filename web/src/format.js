// SPDX-License-Identifier: BSD-2-Clause
// Numbers and times in words, as panicctl prints them.
import { h } from './dom.js';

/** 4404019 → "4.1 MiB" */
export function bytes(count) {
  if (!(count >= 1024)) return `${Math.max(0, Math.floor(count || 0))} B`;
  let unit = -1, whole = count;
  for (; whole >= 1024; unit++) whole /= 1024;
  const shown = whole < 100 ? (Math.floor(whole * 10) / 10).toFixed(1) : String(Math.floor(whole));
  return `${shown} ${'KMGTPE'[unit]}iB`;
}

export function count(number) {
  return Number(number || 0).toLocaleString('en-US');
}

/** count(1, 'dump') → "1 dump", of(2, 'dump') → "2 dumps" */
export function of(number, word, plural) {
  return `${count(number)} ${number === 1 ? word : plural ?? `${word}s`}`;
}

/** "0:07", "12:30", "3:05:00", "4d02h" */
export function duration(seconds) {
  const s = Math.max(0, Math.floor(seconds)), two = (n) => String(n).padStart(2, '0');
  if (s >= 360000) return `${Math.floor(s / 86400)}d${two(Math.floor(s / 3600) % 24)}h`;
  if (s >= 3600) return `${Math.floor(s / 3600)}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}`;
  return `${Math.floor(s / 60)}:${two(s % 60)}`;
}

const two = (n) => String(n).padStart(2, '0');

/** "2026-11-23 16:28:01", in the reader's own zone */
export function clock(ms) {
  const t = new Date(ms);
  return `${t.getFullYear()}-${two(t.getMonth() + 1)}-${two(t.getDate())} ` +
    `${two(t.getHours())}:${two(t.getMinutes())}:${two(t.getSeconds())}`;
}

/** "just now", "5 min ago", "3 h ago", "2 days ago", "2026-03-01" */
export function ago(ms, now = Date.now()) {
  const s = (now - ms) / 1000;
  if (s < 45) return 'just now';
  if (s < 5400) return `${Math.max(1, Math.round(s / 60))} min ago`;
  if (s < 129600) return `${Math.round(s / 3600)} h ago`;
  if (s < 40 * 86400) return `${Math.round(s / 86400)} days ago`;
  return clock(ms).slice(0, 10);
}

/** A <time> that says how long ago that was, and keeps saying it (see tick). Null: "-" */
export function when(iso) {
  const ms = Date.parse(iso ?? '');
  if (Number.isNaN(ms)) return h('span', null, '-');
  return h('time', { datetime: iso, title: clock(ms), 'data-ms': String(ms) }, ago(ms));
}

/** Brings every when() below @p root up to date. */
export function tick(root) {
  const now = Date.now();
  for (const node of root.querySelectorAll('time[data-ms]')) {
    const text = ago(Number(node.dataset.ms), now);
    if (node.textContent !== text) node.textContent = text;
  }
}
