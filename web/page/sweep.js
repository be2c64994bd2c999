// The figure of a sweep: a value of every run over one field, and the medians of equal runs as a line, one for
// each value of another field.
import { Scale, written } from './axis.js';

const LEFT = 58, TOP = 12, BOTTOM = 36;

const median = (values) => {
  const sorted = [...values].sort((a, b) => a - b), n = sorted.length;
  return n % 2 ? sorted[(n - 1) / 2] : 0.5 * (sorted[n / 2 - 1] + sorted[n / 2]);
};

// [{line, points, medians: [[x, y], ...]}] in the order of the values of `line`.
export function groupsOf(points) {
  const groups = new Map();
  for (const point of points) groups.set(point.line, [...(groups.get(point.line) || []), point]);
  const ordered = [...groups].sort(([a], [b]) => Number(a) - Number(b) || String(a).localeCompare(String(b)));
  return ordered.map(([line, own]) => {
    const xs = [...new Set(own.map((p) => p.x))].sort((a, b) => a - b);
    return { line, points: own, medians: xs.map((x) => [x, median(own.filter((p) => p.x === x).map((p) => p.y))]) };
  });
}

// From the smallest to the largest with a little room; for a logarithm of what is above 0.
function scaleOf(values, from, to, log) {
  const own = log ? values.filter((v) => v > 0) : values;
  let low = Math.min(...own), high = Math.max(...own);
  if (!(low <= high)) return new Scale(0, 1, from, to, false);
  if (log) return new Scale(low / 1.15, high * 1.15, from, to, true);
  if (low === high) [low, high] = [low - 1, high + 1];
  const room = 0.06 * (high - low);
  return new Scale(low > 0 && low - room < 0 ? 0 : low - room, high + room, from, to);
}

// points: [{x, y, line}]; x, y, lines: what they are called.
export function drawSweep(pen, inks, { points, x, y, lines, colours, logX, logY }) {
  const groups = groupsOf(points), right = lines ? 118 : 24;
  const across = scaleOf(points.map((p) => p.x), LEFT, pen.width - right, logX);
  const up = scaleOf(points.map((p) => p.y), pen.height - BOTTOM, TOP, logY);
  for (const mark of up.marks(5)) {
    pen.line([[LEFT, up.at(mark)], [pen.width - right, up.at(mark)]], inks.faint, 1);
    pen.text(LEFT - 8, up.at(mark) + 4, written(mark), inks.soft, { anchor: 'end', size: 11 });
  }
  for (const mark of across.marks(pen.width < 420 ? 4 : 7))
    pen.text(across.at(mark), pen.height - BOTTOM + 17, written(mark), inks.soft, { anchor: 'middle', size: 11 });
  pen.line([[LEFT, pen.height - BOTTOM], [pen.width - right, pen.height - BOTTOM]], inks.soft, 1);
  groups.forEach((group, i) => {
    const colour = lines ? colours[i % colours.length] : inks.accent;
    pen.line(group.medians.map(([a, b]) => [across.at(a), up.at(b)]), colour, 1.75);
    for (const p of group.points) pen.circle(across.at(p.x), up.at(p.y), 3, colour);
    if (!lines) return;
    pen.line([[pen.width - right + 12, TOP + 26 + 16 * i], [pen.width - right + 28, TOP + 26 + 16 * i]], colour, 2.5);
    pen.text(pen.width - right + 33, TOP + 30 + 16 * i, group.line, inks.ink, { size: 11 });
  });
  if (lines) pen.text(pen.width - right + 12, TOP + 10, lines.split('.').pop(), inks.soft, { size: 11 });
  pen.text(14, (TOP + pen.height - BOTTOM) / 2, y, inks.soft, { anchor: 'middle', size: 11, turn: -90 });
  pen.text((LEFT + pen.width - right) / 2, pen.height - 3, x, inks.soft, { anchor: 'middle', size: 11 });
}
