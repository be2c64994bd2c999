// The curve of a run: perplexity over steps, with lines to hold it against.
import { Scale, written } from './axis.js';

const LEFT = 52, RIGHT = 22, TOP = 12, BOTTOM = 34;

// Of many points the lowest and highest of each pixel: a spike is never lost.
export function thinned(points, x, y) {
  const out = [];
  let column = null, low, high, last;
  const flush = () => {
    if (column === null) return;
    if (low === high) out.push([low[0], low[1]]);
    else out.push(...(low[2] < high[2] ? [low, high] : [high, low]).map((p) => [p[0], p[1]]));
    if (last !== low && last !== high) out.push([last[0], last[1]]);
  };
  points.forEach(([step, value], i) => {
    if (value === null || !Number.isFinite(value)) { flush(); column = null; out.push(null); return; }
    const p = [x.at(step), y.at(value), i];
    if (Math.round(p[0]) !== column) { flush(); column = Math.round(p[0]); low = high = p; }
    if (p[1] < low[1]) low = p;
    if (p[1] > high[1]) high = p;
    last = p;
  });
  flush();
  return out;
}

function limits(curves, lines, log) {
  let low = Infinity, high = -Infinity;
  for (const curve of curves)
    for (const [, value] of curve.points)
      if (value !== null && Number.isFinite(value)) { low = Math.min(low, value); high = Math.max(high, value); }
  for (const line of lines) { low = Math.min(low, line.value); high = Math.max(high, line.value); }
  if (!(low <= high)) return [log ? 1 : 0, 10];
  if (log) return [low / 1.1, high * 1.1];
  return [0, high * 1.06 || 1];
}

// curves: [{points: [[step, value], ...], colour, width}], lines: [{value, label}], marksAt: [{step, label}].
export function drawCurve(pen, inks, { curves, lines = [], steps, log = false, label = 'perplexity', now = null, events = [] }) {
  const [low, high] = limits(curves, lines, log);
  const x = new Scale(0, Math.max(steps, 1), LEFT, pen.width - RIGHT);
  const y = new Scale(low, high, pen.height - BOTTOM, TOP, log);
  for (const mark of y.marks(5)) {
    pen.line([[LEFT, y.at(mark)], [pen.width - RIGHT, y.at(mark)]], inks.faint, 1);
    pen.text(LEFT - 8, y.at(mark) + 4, written(mark), inks.soft, { anchor: 'end', size: 11 });
  }
  for (const mark of x.marks(pen.width < 420 ? 4 : 7))
    pen.text(x.at(mark), pen.height - BOTTOM + 17, written(mark), inks.soft, { anchor: 'middle', size: 11 });
  pen.line([[LEFT, pen.height - BOTTOM], [pen.width - RIGHT, pen.height - BOTTOM]], inks.soft, 1);
  for (const line of lines) {
    pen.line([[LEFT, y.at(line.value)], [pen.width - RIGHT, y.at(line.value)]], inks.second, 1.25, [5, 4]);
    pen.text(pen.width - RIGHT - 2, y.at(line.value) - 5, line.label, inks.second, { anchor: 'end', size: 11 });
  }
  for (const event of events) {
    pen.line([[x.at(event.step), TOP], [x.at(event.step), pen.height - BOTTOM]], inks.soft, 1, [2, 3]);
    pen.text(x.at(event.step) + 4, TOP + 10, event.label, inks.soft, { size: 10 });
  }
  for (const curve of curves)
    pen.line(thinned(curve.points, x, y), curve.colour || inks.accent, curve.width || 1.75);
  if (now !== null) pen.line([[x.at(now), TOP], [x.at(now), pen.height - BOTTOM]], inks.accent, 1);
  pen.text(14, (TOP + pen.height - BOTTOM) / 2, label, inks.soft, { anchor: 'middle', size: 11, turn: -90 });
  pen.text((LEFT + pen.width - RIGHT) / 2, pen.height - 3, 'training steps', inks.soft, { anchor: 'middle', size: 11 });
  return { x, y };
}
