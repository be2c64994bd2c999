// What a model looks like: points in the plane, attention, matrices, ranks.
import { Scale, written } from './axis.js';
import { diverging, hue, viridis } from './pen.js';

// Points keep their frame while they fit and do not shrink in it, so that they move and not the axes.
export class Frame {
  constructor() { this.size = 0; }

  fit(points) {
    let most = 1e-6;
    for (const [x, y] of points) most = Math.max(most, Math.abs(x), Math.abs(y));
    if (most > this.size || most < 0.4 * this.size) this.size = 1.25 * most;
    return this.size;
  }
}

export function drawPlane(pen, inks, frame, { points, shares, width }, { labels = true } = {}) {
  const size = frame.fit(points), half = Math.min(pen.width, pen.height) / 2 - 8;
  const x = new Scale(-size, size, pen.width / 2 - half, pen.width / 2 + half);
  const y = new Scale(-size, size, pen.height / 2 + half, pen.height / 2 - half);
  pen.line([[x.at(-size), y.at(0)], [x.at(size), y.at(0)]], inks.faint, 1);
  pen.line([[x.at(0), y.at(-size)], [x.at(0), y.at(size)]], inks.faint, 1);
  const n = points.length, many = n > 40;
  points.forEach(([px, py], i) => {
    const at = [x.at(px), y.at(py)];
    pen.circle(at[0], at[1], many ? 3 : 9, hue(i, n));
    if (labels && !many) pen.text(at[0], at[1] + 3.5, i, '#fff', { anchor: 'middle', size: 10, weight: 600 });
    if (labels && many && i % Math.ceil(n / 12) === 0)
      pen.text(at[0] + 5, at[1] + 3, i, inks.soft, { size: 9 });
  });
  pen.text(pen.width - 6, pen.height - 6, written(size), inks.soft, { anchor: 'end', size: 10 });
  if (width > 2)
    pen.text(8, pen.height - 6, `${Math.round(100 * (shares[0] + shares[1]))} % of the variance`, inks.soft, { size: 10 });
}

// Matrices side by side: [{rows: [[...]], title, tops, lefts}], white to dark or around 0.
export function drawMatrices(pen, inks, matrices, { signed = false } = {}) {
  if (matrices.length === 0) return;
  const gap = 16, top = 20, n = matrices.length;
  const columns = Math.min(n, Math.max(1, Math.floor(pen.width / 110))), rows = Math.ceil(n / columns);
  const room = Math.min((pen.width - gap * (columns - 1)) / columns - 16, (pen.height - rows * (top + 6)) / rows - 14);
  matrices.forEach((matrix, i) => {
    const left = (i % columns) * ((pen.width + gap) / columns) + 16;
    const above = Math.floor(i / columns) * (room + top + 20) + top;
    drawMatrix(pen, inks, matrix, left, above, Math.max(room, 10), signed);
  });
}

function drawMatrix(pen, inks, { rows, title, names }, left, top, room, signed) {
  const n = rows.length, side = room / n;
  const most = Math.max(1e-9, ...rows.flat().map(Math.abs));
  rows.forEach((row, r) => row.forEach((value, c) => {
    const fill = signed ? diverging(value / most) : viridis(value);
    pen.rect(left + c * side, top + r * side, side + 0.3, side + 0.3, fill);
    if (signed && n <= 4)
      pen.text(left + (c + 0.5) * side, top + (r + 0.5) * side + 4, written(value),
        Math.abs(value) > 0.7 * most ? '#fff' : '#222', { anchor: 'middle', size: 10 });
  }));
  pen.text(left, top - 6, title, inks.soft, { size: 10.5 });
  if (!names || n > 16) return;
  names.forEach((name, i) => {
    pen.text(left - 4, top + (i + 0.5) * side + 3.5, name, inks.soft, { anchor: 'end', size: 9 });
    pen.text(left + (i + 0.5) * side, top + n * side + 10, name, inks.soft, { anchor: 'middle', size: 9 });
  });
}

// Bars from 0 to the width that a rank can have at most.
export function drawRanks(pen, inks, ranks, most) {
  const line = Math.min(26, (pen.height - 8) / Math.max(ranks.length, 1)), left = Math.min(110, 0.4 * pen.width);
  const x = new Scale(0, most, left, pen.width - 44);
  ranks.forEach(([name, value], i) => {
    const y = 6 + i * line, end = value === null ? left : x.at(Math.min(value, most));
    pen.rect(left, y + 0.2 * line, x.at(most) - left, 0.5 * line, inks.faint);
    pen.rect(left, y + 0.2 * line, Math.max(end - left, 0), 0.5 * line, inks.accent);
    pen.text(left - 8, y + 0.62 * line, name.replace('blocks.', '').replace('attn.', ''), inks.ink, { anchor: 'end', size: 11 });
    pen.text(x.at(most) + 8, y + 0.62 * line, value === null ? '' : value.toFixed(2), inks.soft, { size: 11 });
  });
}
