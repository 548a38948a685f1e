// SPDX-License-Identifier: BSD-2-Clause
// How kinds of memory look: a colour, and a pattern that says the same without it. The colours are
// those of dump.css, read from elements, so that light and dark need no care here.

/** What is drawn over the colour: w and h are the cell's. */
const PATTERNS = {
  excluded(context, w, h) { // slanted lines
    const step = Math.max(4, Math.min(w, h) / 2);
    for (let x = -h; x < w; x += step) line(context, x, h, x + h, 0);
  },
  unreadable(context, w, h) { // a dot
    context.beginPath();
    context.arc(w / 2, h / 2, Math.max(1, Math.min(w, h) / 5), 0, 7);
    context.fill();
  },
  missing(context, w, h) { // a cross
    const m = Math.min(w, h) / 5;
    line(context, m, m, w - m, h - m);
    line(context, w - m, m, m, h - m);
  },
};

function line(context, x1, y1, x2, y2) {
  context.beginPath();
  context.moveTo(x1, y1);
  context.lineTo(x2, y2);
  context.stroke();
}

/** One cell. @param look {fill, mark} */
export function paint(context, kind, look, x, y, w, h) {
  context.save();
  context.translate(x, y);
  context.beginPath();
  context.rect(0, 0, w, h);
  context.clip();
  context.fillStyle = look.fill;
  context.fillRect(0, 0, w, h);
  if (Math.min(w, h) >= 4) {
    context.strokeStyle = context.fillStyle = look.mark;
    context.lineWidth = Math.max(1, Math.min(w, h) / 8);
    PATTERNS[kind]?.(context, w, h);
  }
  context.restore();
}

/** Fits a canvas to its place on the screen. @return its context, in CSS pixels */
export function context(canvas, width, height) {
  const ratio = devicePixelRatio || 1;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  const made = canvas.getContext('2d');
  made.setTransform(ratio, 0, 0, ratio, 0, 0);
  return made;
}
