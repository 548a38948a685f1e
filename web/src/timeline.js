// SPDX-License-Identifier: BSD-2-Clause
// Panics over time, a line for each machine. Drawn by uPlot; loaded when it is to be seen.
import uPlot from 'uplot';
import { h, replace, theirs, visible } from './dom.js';
import { ago, clock, count, of } from './format.js';

const LINE = 22, EDGES = 48; // pixels: of a machine, of the axis of time
const MACHINES_MAX = 16; // drawn; the rest are in the table and behind the filter
const TABLE_MAX = 50;
const NEAR = 14; // pixels from a mark that still mean it
const LABEL = 150, LABEL_SMALL = 84; // widths of names

/** What a colour of the stylesheet is in this scheme: a canvas knows no variables. */
function colours(box) {
  const probe = h('span', { hidden: true });
  box.append(probe);
  const found = (name) => {
    probe.style.color = `var(${name})`;
    return getComputedStyle(probe).color;
  };
  const all = { mark: found('--mark'), line: found('--line'), soft: found('--soft') };
  probe.remove();
  return all;
}

const short = (text, cap) => (text.length > cap ? `${text.slice(0, cap - 1)}…` : text);

/** Machines by how much happened on them, those that are drawn first. */
function ranked({ machines, points }) {
  const all = machines.map((name, index) => ({ name, index, count: 0, last: 0, lastId: 0 }));
  for (const [ms, index, id] of points) {
    const at = all[index];
    if (!at) continue;
    at.count++;
    if (ms >= at.last) Object.assign(at, { last: ms, lastId: id });
  }
  return all.filter((row) => row.count).sort((a, b) => b.count - a.count || b.last - a.last);
}

function table(rows, hidden) {
  return h('details', { class: 'as-table' }, h('summary', null, 'The same as a table'),
    h('table', null, h('caption', { class: 'unseen' }, 'Panics by machine'),
      h('thead', null, h('tr', null, ['Machine', 'Panics', 'Last'].map((name) => h('th', { scope: 'col' }, name)))),
      h('tbody', null, rows.slice(0, TABLE_MAX).map((row) => h('tr', null, h('th', { scope: 'row' }, theirs(row.name || '-')),
        h('td', { class: 'size' }, count(row.count)), h('td', null, h('a', { href: `/dumps/${row.lastId}` }, ago(row.last))))))),
    hidden > 0 && h('p', { class: 'none' }, `and ${of(hidden, 'machine')} more`));
}

/** Marks are drawn here, not by uPlot's lines. Of a filled one the dump is still there. */
function drawMarks(points, paint) {
  return (u) => {
    const { ctx } = u, size = 4 * devicePixelRatio;
    ctx.save();
    ctx.lineWidth = 1.5 * devicePixelRatio;
    ctx.strokeStyle = ctx.fillStyle = paint.mark;
    for (const [ms, line, , , kept] of points) {
      ctx.beginPath();
      ctx.arc(u.valToPos(ms / 1000, 'x', true), u.valToPos(line, 'y', true), size, 0, 2 * Math.PI);
      if (kept) {
        ctx.globalAlpha = 0.75;
        ctx.fill();
      } else ctx.stroke();
      ctx.globalAlpha = 1;
    }
    ctx.restore();
  };
}

function nearest(u, points, x, y) {
  let best = null, distance = NEAR * NEAR;
  for (const point of points) {
    const dx = u.valToPos(point[0] / 1000, 'x') - x, dy = u.valToPos(point[1], 'y') - y;
    if (dx * dx + dy * dy < distance) [best, distance] = [point, dx * dx + dy * dy];
  }
  return best;
}

function plot(box, tip, names, points, range, app) {
  const width = () => Math.max(280, box.clientWidth), small = () => width() < 560;
  const paint = colours(box);
  const grid = { stroke: () => paint.line, width: 1 };
  const axis = { stroke: () => paint.soft, grid, ticks: { show: false }, font: '12px system-ui, sans-serif' };
  const day = (s) => clock(s * 1000).slice(5, range[1] - range[0] < 9 * 86400 ? 16 : 10); // month, day
  const u = new uPlot({
    width: width(), height: names.length * LINE + EDGES, legend: { show: false },
    cursor: { drag: { x: false, y: false }, points: { show: false }, y: false },
    scales: { x: { time: true, range: () => range }, y: { dir: -1, range: () => [-0.5, names.length - 0.5] } },
    axes: [{ ...axis, space: 70, values: (_, splits) => splits.map(day) }, { ...axis, size: () => (small() ? LABEL_SMALL : LABEL), splits: () => names.map((_, i) => i),
      values: (_, splits) => splits.map((i) => short(visible(names[i] || '-').replace(/\s+/g, ' '), small() ? 10 : 20)) }],
    series: [{}, { paths: () => null, points: { show: false } }],
    hooks: { draw: [drawMarks(points, paint)] },
  }, [range, [0, 0]], box);
  const pick = (event) => {
    const { left, top } = u.over.getBoundingClientRect();
    return nearest(u, points, event.clientX - left, event.clientY - top);
  };
  u.over.addEventListener('mousemove', (event) => {
    const point = pick(event);
    u.over.style.cursor = point?.[4] ? 'pointer' : '';
    replace(tip, point ? [theirs(names[point[1]] || '-'), `, ${clock(point[0])}, dump ${point[2]}${point[4] ? '' : ' (removed)'}`] : '\u00a0');
  });
  u.over.addEventListener('click', (event) => {
    const point = pick(event);
    if (point?.[4]) app.go(`/dumps/${point[2]}`);
  });
  const resized = new ResizeObserver(() => u.setSize({ width: width(), height: u.height }));
  resized.observe(box);
  return { redraw: () => { Object.assign(paint, colours(box)); u.redraw(); }, end: () => { resized.disconnect(); u.destroy(); } };
}

/**
 * @param data as of /api/timeline @param days how many it is about
 * @return a function that takes it down
 */
export function timeline(root, data, days, app) {
  const rows = ranked(data), drawn = rows.slice(0, MACHINES_MAX);
  const line = new Map(drawn.map((row, i) => [row.index, i]));
  const points = data.points.filter(([, index]) => line.has(index)).map(([ms, index, ...rest]) => [ms, line.get(index), ...rest]);
  const now = Date.now() / 1000, range = [now - days * 86400, now + days * 864];
  const box = h('div', { class: 'plot', role: 'img', 'aria-label': `${of(data.points.length, 'panic')} on ${of(rows.length, 'machine')} in ${days} days. The table below says the same.` });
  const tip = h('p', { class: 'tip' }, '\u00a0');
  replace(root, box, tip,
    data.cut && h('p', { class: 'none' }, 'There are more than can be drawn; the filter makes them fewer.'),
    rows.length > drawn.length && h('p', { class: 'none' }, `Drawn are the ${MACHINES_MAX} machines with the most panics, of ${count(rows.length)}.`),
    table(rows, rows.length - TABLE_MAX));
  const drawnPlot = plot(box, tip, drawn.map(({ name }) => name), points, range, app);
  const scheme = matchMedia('(prefers-color-scheme: dark)');
  addEventListener('themechange', drawnPlot.redraw);
  scheme.addEventListener('change', drawnPlot.redraw);
  return () => {
    removeEventListener('themechange', drawnPlot.redraw);
    scheme.removeEventListener('change', drawnPlot.redraw);
    drawnPlot.end();
  };
}
