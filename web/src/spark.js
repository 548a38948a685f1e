// SPDX-License-Identifier: BSD-2-Clause
// How often something happened on each of the last days, as small bars.
import { svg } from './dom.js';
import { of } from './format.js';

const BAR = 4, HEIGHT = 24;

/** @param days counts, oldest first */
export function spark(days) {
  const most = Math.max(1, ...days), total = days.reduce((sum, n) => sum + n, 0);
  const bars = days.map((n, i) => {
    const height = n ? Math.max(3, (n / most) * HEIGHT) : 1;
    return svg('rect', { class: n ? 'some' : 'none', x: i * BAR, y: HEIGHT - height, width: BAR - 1, height });
  });
  const label = total ? `${of(total, 'panic')} in ${days.length} days; at most ${most} a day` : `none in ${days.length} days`;
  return svg('svg', { class: 'spark', role: 'img', 'aria-label': label, viewBox: `0 0 ${days.length * BAR} ${HEIGHT}`,
    width: days.length * BAR, height: HEIGHT }, svg('title', null, label), bars);
}
