// Many models: a map of a measure over two fields, filled by all workers, coarse first and then where
// neighbours differ most.
import { drawCurve } from './curve.js';
import { written } from './axis.js';
import { CanvasPen, inks, SvgPen, viridis } from './pen.js';
import { save, yamlOf } from './experiment.js';

// "1e-4..1e-1 log 16", "1..16", "2, 4, 8": the values of an axis.
export function valuesOf(text, type) {
  const spread = text.match(/^\s*(\S+?)\s*\.\.\s*(\S+?)(?:\s+(log))?(?:\s+(\d+))?\s*$/);
  if (!spread) return text.split(',').map((part) => part.trim()).filter((part) => part !== '');
  const low = Number(spread[1]), high = Number(spread[2]);
  const n = Number(spread[4]) || (type === 'int' && high - low < 64 ? high - low + 1 : 16);
  const found = [];
  for (let i = 0; i < n; i++) {
    const share = n > 1 ? i / (n - 1) : 0;
    const value = spread[3] ? low * (high / low) ** share : low + share * (high - low);
    found.push(type === 'int' ? String(Math.round(value)) : String(Number(value.toPrecision(4))));
  }
  return [...new Set(found)];
}

const COARSE = [4, 2]; // strides of the first passes

export class FieldMap {
  constructor(crew, root, told) {
    Object.assign(this, { crew, root, told, cells: [], plan: null });
    this.canvas = root.querySelector('canvas');
    this.note = root.querySelector('.note');
    this.canvas.addEventListener('pointermove', (event) => this.hover(event));
    this.canvas.addEventListener('pointerleave', () => { this.note.hidden = true; });
    this.canvas.addEventListener('click', (event) => this.choose(this.cellAt(event)));
    this.canvas.addEventListener('keydown', (event) => this.key(event));
    new ResizeObserver(() => this.redraw()).observe(this.canvas.parentElement);
  }

  // plan: {fields, x: {key, values}, y: {key, values}, measure, seeds}; stored: values of a map that ships
  // computed, row by row. Each place of the map has a strip of `seeds` cells, one a seed.
  show(plan, stored = null) {
    this.crew.cancel();
    this.plan = plan;
    this.cells = [];
    this.at = 0;
    plan.y.values.forEach((y, r) => plan.x.values.forEach((x, c) => {
      for (let s = 0; s < plan.seeds; s++) this.cells.push({ r, c, s, x, y, state: 'open', value: null, curve: null });
    }));
    if (stored) this.cells.forEach((cell, i) => Object.assign(cell, { state: 'done', value: stored[i] }));
    this.redraw();
  }

  fieldsOf(cell) {
    const { fields, x, y, seeds } = this.plan, seed = seeds > 1 ? { 'train.seed': String(this.seedOf(cell)) } : {};
    return { ...fields, ...seed, [x.key]: cell.x, [y.key]: cell.y };
  }

  seedOf(cell) { return Number(this.plan.fields['train.seed'] || 0) + cell.s; }

  cell(r, c, s = 0) {
    const columns = this.plan.x.values.length;
    return r >= 0 && c >= 0 && c < columns ? this.cells[(r * columns + c) * this.plan.seeds + s] : undefined;
  }

  // The next cell: every fourth one of both axes first, then every second one, then those between cells that differ
  // most; further seeds behind the first.
  next() {
    const all = this.cells.filter((cell) => cell.state === 'open');
    if (all.length === 0) return null;
    const seed = Math.min(...all.map((cell) => cell.s)), open = all.filter((cell) => cell.s === seed);
    const coarse = COARSE.map((n) => open.find((cell) => cell.r % n === 0 && cell.c % n === 0)).find(Boolean);
    const cell = coarse || open.reduce((best, one) => this.contrast(one) > this.contrast(best) ? one : best);
    cell.state = 'asked';
    return { call: 'cell', args: [yamlOf(this.fieldsOf(cell)), this.plan.measure], cell };
  }

  contrast(cell) {
    let low = Infinity, high = -Infinity;
    for (let r = cell.r - 2; r <= cell.r + 2; r++)
      for (let c = cell.c - 2; c <= cell.c + 2; c++) {
        const near = this.cell(r, c);
        if (!near || near.state !== 'done') continue;
        const value = near.value === null ? this.high * 1.5 : near.value;
        low = Math.min(low, value);
        high = Math.max(high, value);
      }
    return high >= low ? high - low : 0;
  }

  async fill() {
    const plan = this.plan, begun = performance.now();
    this.limits();
    const whole = await this.crew.run(() => this.plan === plan ? this.next() : null, (job, result, error) => {
      Object.assign(job.cell, { state: error ? 'failed' : 'done', error: error && error.message,
        value: result && result.value, curve: result && result.curve, outcome: result && result.outcome });
      this.limits();
      this.queueDraw();
      const done = this.cells.filter((cell) => cell.state === 'done' || cell.state === 'failed').length;
      this.told.progress(done, this.cells.length, (performance.now() - begun) / 1000, error);
    });
    return whole && this.plan === plan;
  }

  limits() {
    const values = this.cells.map((cell) => cell.value).filter((value) => value !== null);
    this.low = Math.min(...values, Infinity);
    this.high = Math.max(...values, -Infinity);
    if (!(this.low <= this.high)) [this.low, this.high] = [0, 1];
  }

  // --- what is seen ------------------------------------------------------------------------------

  frame(width, height) {
    const left = 76, bottom = 52, right = 82, top = 14;
    const columns = this.plan.x.values.length, rows = this.plan.y.values.length;
    return { left, top, w: (width - left - right) / columns, h: (height - top - bottom) / rows, columns, rows,
      right: width - right, bottom: height - bottom };
  }

  colour(cell, colours) {
    const source = [1, 2, 4].map((n) => this.cell(cell.r - cell.r % n, cell.c - cell.c % n, cell.s)).find((one) => one.state === 'done');
    if (cell.state === 'failed') return colours.second;
    if (!source) return colours.faint;
    return source.value === null ? colours.soft : viridis((source.value - this.low) / (this.high - this.low || 1));
  }

  draw(pen, colours) {
    const f = this.frame(pen.width, pen.height);
    this.limits();
    for (const cell of this.cells) {
      const [x, y, w, h] = this.place(cell, f);
      pen.rect(x, y, w, h, this.colour(cell, colours));
    }
    const every = (n, room) => Math.max(1, Math.ceil(n * 34 / room));
    this.plan.x.values.forEach((value, i) => {
      if (i % every(f.columns, f.right - f.left) === 0)
        pen.text(f.left + (i + 0.5) * f.w, f.bottom + 16, written(Number(value)), colours.soft, { anchor: 'middle', size: 11 });
    });
    this.plan.y.values.forEach((value, i) => {
      if (i % Math.max(1, Math.ceil(f.rows * 15 / (f.bottom - f.top))) === 0)
        pen.text(f.left - 8, f.bottom - (i + 0.5) * f.h + 4, written(Number(value)), colours.soft, { anchor: 'end', size: 11 });
    });
    pen.text((f.left + f.right) / 2, pen.height - 12, this.plan.x.key, colours.ink, { anchor: 'middle', size: 12 });
    pen.text(18, (f.top + f.bottom) / 2, this.plan.y.key, colours.ink, { anchor: 'middle', size: 12, turn: -90 });
    this.drawScale(pen, colours, f);
    if (this.focused) {
      const [x, y, w, h] = this.place(this.cells[this.at], f);
      pen.line([[x, y], [x + w, y], [x + w, y + h], [x, y + h], [x, y]], colours.ink, 2);
    }
  }

  // [x, y, width, height] of a cell; strips stand a little apart.
  place(cell, f) {
    const seeds = this.plan.seeds, gap = seeds > 1 ? Math.min(2, 0.15 * f.w) : -0.5, w = (f.w - gap) / seeds;
    return [f.left + cell.c * f.w + cell.s * w, f.bottom - (cell.r + 1) * f.h, seeds > 1 ? w + 0.3 : w, f.h - gap];
  }

  drawScale(pen, colours, f) {
    const x = f.right + 16, n = 48, h = (f.bottom - f.top) / n;
    for (let i = 0; i < n; i++) pen.rect(x, f.bottom - (i + 1) * h, 12, h + 0.5, viridis(i / (n - 1)));
    pen.text(x + 17, f.bottom, written(this.low), colours.soft, { size: 11 });
    pen.text(x + 17, f.top + 9, written(this.high), colours.soft, { size: 11 });
  }

  queueDraw() {
    if (this.queued) return;
    this.queued = true;
    requestAnimationFrame(() => { this.queued = false; this.redraw(); });
  }

  redraw() {
    if (!this.plan) return;
    const box = this.canvas.parentElement.getBoundingClientRect();
    if (box.width > 0) this.draw(new CanvasPen(this.canvas, Math.floor(box.width), Math.floor(box.height)), inks());
  }

  // --- what is pointed at ------------------------------------------------------------------------

  cellAt(event) {
    if (!this.plan) return undefined;
    const box = this.canvas.getBoundingClientRect(), f = this.frame(box.width, box.height);
    const column = (event.clientX - box.left - f.left) / f.w, seed = Math.floor((column - Math.floor(column)) * this.plan.seeds);
    return this.cell(Math.floor((f.bottom - (event.clientY - box.top)) / f.h), Math.floor(column), seed);
  }

  hover(event) {
    const cell = this.cellAt(event);
    if (!cell) { this.note.hidden = true; return; }
    this.explain(cell, event.offsetX, event.offsetY);
  }

  explain(cell, x, y) {
    const value = cell.state === 'failed' ? cell.error : cell.state !== 'done' ? 'not computed yet'
      : cell.value === null ? `none (${cell.outcome || 'no value'})` : written(cell.value);
    this.note.hidden = false;
    const seed = this.plan.seeds > 1 ? `, seed ${this.seedOf(cell)}` : '';
    this.note.querySelector('p').textContent = `${this.plan.x.key} ${cell.x}, ${this.plan.y.key} ${cell.y}${seed}: ${value}`;
    const small = this.note.querySelector('canvas');
    small.hidden = !cell.curve;
    if (cell.curve)
      drawCurve(new CanvasPen(small, 220, 130), inks(), { curves: this.curvesOf(cell), steps: cell.curve.at(-1)?.[0] || 1 });
    const box = this.canvas.getBoundingClientRect();
    this.note.style.left = `${Math.min(x + 16, box.width - 250)}px`;
    this.note.style.top = `${Math.min(y + 16, Math.max(0, box.height - 170))}px`;
  }

  // Those of the other seeds behind it.
  curvesOf(cell) {
    const others = this.cells.filter((one) => one.r === cell.r && one.c === cell.c && one !== cell && one.curve);
    return [...others.map((one) => ({ points: one.curve, colour: '#9aa0a8', width: 1 })), { points: cell.curve }];
  }

  choose(cell) {
    if (cell) this.told.chosen(this.fieldsOf(cell), cell);
  }

  key(event) {
    const row = this.plan.x.values.length * this.plan.seeds;
    const move = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: row, ArrowDown: -row }[event.key];
    if (move && this.cells[this.at + move]) {
      this.at += move;
      this.focused = true;
      this.redraw();
      this.explain(this.cells[this.at], 90, 20);
      event.preventDefault();
    } else if (event.key === 'Enter') this.choose(this.cells[this.at]);
  }

  saveView(kind) {
    if (!this.plan) return;
    const colours = inks();
    if (kind === 'svg') {
      const pen = new SvgPen(720, 520, colours.paper);
      this.draw(pen, colours);
      save('map.svg', String(pen), 'image/svg+xml');
    } else if (kind === 'csv') {
      const several = this.plan.seeds > 1;
      const rows = this.cells.map((cell) => `${cell.x},${cell.y},${several ? `${this.seedOf(cell)},` : ''}${cell.value ?? ''}`);
      save('map.csv', [`${this.plan.x.key},${this.plan.y.key},${several ? 'train.seed,' : ''}value`, ...rows].join('\n') + '\n', 'text/csv');
    } else {
      const canvas = document.createElement('canvas'), pen = new CanvasPen(canvas, 720, 520, 2);
      pen.rect(0, 0, 720, 520, colours.paper);
      this.draw(pen, colours);
      canvas.toBlob((blob) => save('map.png', blob, 'image/png'));
    }
  }
}
