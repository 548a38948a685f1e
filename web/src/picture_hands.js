// SPDX-License-Identifier: BSD-2-Clause
// What a pointer, fingers, a wheel and keys do to the picture of memory.

const DRAG_PX = 5; // less is a click
const IN = 0.5, OUT = 2;
const WHEEL = 1.25;

const KEYS = {
  ArrowUp: (p) => p.move(-1, 0), ArrowDown: (p) => p.move(1, 0), ArrowLeft: (p) => p.move(0, -1), ArrowRight: (p) => p.move(0, 1),
  PageUp: (p) => p.pan(-0.9), PageDown: (p) => p.pan(0.9), Home: (p) => p.point({ row: 0, column: 0 }, 'key'),
  End: (p) => p.point({ row: Infinity, column: Infinity }, 'key'),
  '+': (p) => p.zoom(IN), '=': (p) => p.zoom(IN), '-': (p) => p.zoom(OUT), Enter: (p) => p.zoom(IN), Escape: (p) => p.everything(),
  0: (p) => p.everything(), ' ': (p) => p.mark(),
};
const SHIFTED = { ArrowUp: (p) => p.pan(-0.25), ArrowDown: (p) => p.pan(0.25), ArrowLeft: (p) => p.pan(-0.05), ArrowRight: (p) => p.pan(0.05) };

export class Hands {
  #fingers = new Map(); // pointers that touch: id → {x, y}
  #from = null; // where a drag began
  #spread = 0; // of two fingers, when they were last looked at
  #touched = false;

  constructor(canvas, picture) {
    this.canvas = canvas;
    this.picture = picture;
    this.stop = new AbortController();
    const on = (name, act, more) => canvas.addEventListener(name, act, { signal: this.stop.signal, ...more });
    on('pointerdown', (event) => this.#down(event));
    on('pointermove', (event) => this.#move(event));
    on('pointerup', (event) => this.#up(event));
    on('pointercancel', (event) => this.#up(event, true));
    on('pointerleave', (event) => event.pointerType === 'mouse' && !this.#from && document.activeElement !== canvas && picture.point(null, 'pointer'));
    on('wheel', (event) => this.#wheel(event), { passive: false });
    on('keydown', (event) => this.#key(event));
    on('dblclick', (event) => { event.preventDefault(); picture.zoom(IN, this.#cell(event)); });
  }

  end() {
    this.stop.abort();
  }

  #cell(event) {
    const box = this.canvas.getBoundingClientRect();
    return this.picture.cellAtPoint(event.clientX - box.left, event.clientY - box.top);
  }

  #down(event) {
    if (event.button) return;
    this.#fingers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    this.#touched = event.pointerType === 'touch';
    if (this.#fingers.size === 2) {
      this.#from = null;
      this.#spread = this.#apart();
    } else if (!this.#touched) {
      this.canvas.setPointerCapture(event.pointerId);
      this.#from = { cell: this.#cell(event), x: event.clientX, y: event.clientY, along: event.shiftKey };
    }
    this.picture.point(this.#cell(event), 'pointer');
  }

  #move(event) {
    const finger = this.#fingers.get(event.pointerId);
    if (finger) Object.assign(finger, { x: event.clientX, y: event.clientY });
    if (this.#fingers.size === 2) return this.#pinch(event);
    if (this.#from?.along) return this.#along(event);
    if (this.#from?.cell && this.#far(event)) this.picture.dragged(this.#from.cell, this.#cell(event) ?? this.#from.cell);
    if (!this.#touched || !finger) this.picture.point(this.#cell(event), 'pointer');
  }

  #up(event, lost = false) {
    this.#fingers.delete(event.pointerId);
    const from = this.#from;
    this.#from = null;
    this.picture.dragged(null);
    if (lost || !from?.cell || from.along || !this.#far(event, from)) return;
    const to = this.#cell(event);
    if (to) this.picture.select(from.cell, to);
  }

  #far(event, from = this.#from) {
    return Math.hypot(event.clientX - from.x, event.clientY - from.y) >= DRAG_PX;
  }

  /** With Shift: memory goes along with the pointer. */
  #along(event) {
    const tall = this.canvas.clientHeight || 1, part = (this.#from.y - event.clientY) / tall;
    if (Math.abs(part) < 0.02) return;
    this.#from.y = event.clientY;
    this.picture.pan(part);
  }

  #apart() {
    const [a, b] = [...this.#fingers.values()];
    return Math.hypot(a.x - b.x, a.y - b.y) || 1;
  }

  #pinch(event) {
    const now = this.#apart(), factor = this.#spread / now;
    if (factor > 0.87 && factor < 1.15) return;
    this.#spread = now;
    const [a, b] = [...this.#fingers.values()];
    this.picture.zoom(factor, this.#cell({ clientX: (a.x + b.x) / 2, clientY: (a.y + b.y) / 2 }));
    event.preventDefault();
  }

  // A wheel that turns over the picture scrolls the page, unless it is meant.
  #wheel(event) {
    if (!event.deltaY) return;
    if (!event.ctrlKey && document.activeElement !== this.canvas) return this.picture.hint('Click here first, or hold Ctrl, to zoom with the wheel.');
    event.preventDefault();
    this.picture.zoom(event.deltaY < 0 ? 1 / WHEEL : WHEEL, this.#cell(event));
  }

  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const act = (event.shiftKey && SHIFTED[event.key]) || KEYS[event.key];
    if (!act) return;
    event.preventDefault();
    event.stopPropagation();
    act(this.picture);
  }
}
