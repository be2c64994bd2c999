// The runs of a store that `fovea explore` has opened: the sweep as a figure, a table, their curves, and one of
// them with its snapshots played back. The server reads the store; nothing is written.
import { drawCurve } from './curve.js';
import { drawSweep } from './sweep.js';
import { CanvasPen, inks } from './pen.js';

const COLOURS = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9', '#6b6b6b', '#b8a800'];

export async function fetchRuns() {
  if (location.protocol === 'file:') return null;
  const answer = await fetch('store/runs').catch(() => null);
  if (!answer || !answer.ok || !(answer.headers.get('Content-Type') || '').includes('json')) return null;
  const store = await answer.json();
  return store.runs.length > 0 || store.source ? store : null;
}

const floatsOf = (base64) => new Float32Array(Uint8Array.from(atob(base64), (c) => c.charCodeAt(0)).buffer);

export class Stored {
  // defaults: the values of fields that a run does not name.
  constructor(root, defaults, told) {
    Object.assign(this, { root, defaults, told, chosen: [], store: null, metric: 'perplexity' });
    this.canvas = root.querySelector('#stored-curves canvas');
    this.sweep = root.querySelector('#sweep');
    for (const input of this.sweep.querySelectorAll('[data-of]')) input.addEventListener('change', () => this.drawFigure());
    new ResizeObserver(() => this.drawFigure()).observe(this.sweep.querySelector('.drawing'));
    root.querySelector('input[type=search]').addEventListener('input', () => this.list());
    root.querySelector('#stored-series').addEventListener('change', (event) => { this.metric = event.target.value; this.draw(); });
    new ResizeObserver(() => this.draw()).observe(this.canvas.parentElement);
  }

  show(store) {
    this.store = store;
    const keys = new Map();
    for (const run of store.runs)
      for (const [key, value] of Object.entries(run.config)) keys.set(key, (keys.get(key) || new Set()).add(value));
    this.varying = [...keys].filter(([key, values]) => values.size > 1 || store.runs.some((r) => !(key in r.config))).map(([key]) => key);
    this.root.querySelector('.lead').textContent = `${store.runs.length} runs of ${store.source || 'the store'}, which is only read.`;
    this.offerFigure();
    this.list();
    if (store.runs.length > 0) this.toggle(store.runs[0]);
  }

  // What the figure can have along its axes: fields that are numbers, one of them varying, and final values.
  offerFigure() {
    const numeric = this.varying.filter((key) => this.store.runs.every((run) => Number.isFinite(Number(this.valueOf(run, key)))));
    const series = [...new Set(this.store.runs.flatMap((run) => Object.keys(run.final)))].sort();
    const fields = [...numeric.filter((key) => key !== 'train.seed'), ...numeric.filter((key) => key === 'train.seed')];
    this.sweep.hidden = fields.length === 0 || series.length === 0;
    const fill = (of, names, chosen) => this.control(of).replaceChildren(...names.map((name) => new Option(name || 'nothing', name, false, name === chosen)));
    fill('series', series, 'perplexity');
    fill('x', fields, fields[0]);
    const others = this.varying.filter((key) => key !== 'train.seed' && key !== fields[0]);
    fill('lines', ['', ...this.varying], others[0] || '');
    const spread = this.store.runs.map((run) => Number(this.valueOf(run, fields[0]))).filter((value) => value > 0);
    this.control('logx').checked = spread.length === this.store.runs.length && Math.max(...spread) / Math.min(...spread) > 30;
  }

  control(of) { return this.sweep.querySelector(`[data-of=${of}]`); }

  valueOf(run, key) { return run.config[key] ?? this.defaults[key]; }

  drawFigure() {
    const place = this.sweep.querySelector('.drawing'), box = place.getBoundingClientRect();
    if (!this.store || this.sweep.hidden || box.width === 0) return;
    const [series, x, lines] = ['series', 'x', 'lines'].map((of) => this.control(of).value);
    const points = this.store.runs.filter((run) => Number.isFinite(run.final[series]))
      .map((run) => ({ x: Number(this.valueOf(run, x)), y: run.final[series], line: lines ? this.valueOf(run, lines) : '' }));
    drawSweep(new CanvasPen(place.querySelector('canvas'), Math.floor(box.width), Math.floor(box.height)), inks(),
      { points, x, y: `final ${series}`, lines, colours: COLOURS, logX: this.control('logx').checked, logY: this.control('logy').checked });
  }

  list() {
    const word = this.root.querySelector('input[type=search]').value.toLowerCase();
    const head = ['run', 'experiment', ...this.varying, 'outcome', 'steps', 'perplexity', 'accuracy'];
    const rows = this.store.runs.filter((run) => `${run.id} ${run.experiment} ${JSON.stringify(run.config)}`.toLowerCase().includes(word));
    const cells = (tag, values) => values.map((v) => Object.assign(document.createElement(tag), { textContent: v ?? '' }));
    const table = document.createElement('table');
    const first = document.createElement('tr');
    first.append(...cells('th', head));
    table.append(first, ...rows.slice(0, 500).map((run) => this.row(run, cells)));
    this.root.querySelector('.table').replaceChildren(table);
  }

  row(run, cells) {
    const number = (value) => value === undefined || value === null ? '' : Number(value.toPrecision(4));
    const row = document.createElement('tr');
    row.append(...cells('td', [run.id.slice(0, 8), run.experiment, ...this.varying.map((key) => run.config[key] ?? this.defaults[key]), run.outcome,
      run.steps, number(run.final.perplexity), number(run.final.accuracy)]));
    row.tabIndex = 0;
    row.setAttribute('aria-selected', this.chosen.some((one) => one.id === run.id));
    row.onclick = () => this.toggle(run);
    row.onkeydown = (event) => { if (event.key === 'Enter') this.toggle(run); };
    const open = Object.assign(document.createElement('button'), { textContent: 'open' });
    open.onclick = (event) => { event.stopPropagation(); this.open(run); };
    row.lastChild.after(Object.assign(document.createElement('td')));
    row.lastChild.append(open);
    return row;
  }

  async load(run) {
    const answer = await fetch(`store/run/${run.id}`);
    if (!answer.ok) throw new Error(await answer.text());
    return answer.json();
  }

  async toggle(run) {
    try {
      if (this.chosen.some((one) => one.id === run.id)) this.chosen = this.chosen.filter((one) => one.id !== run.id);
      else this.chosen = [...this.chosen, await this.load(run)].slice(-COLOURS.length);
      const names = [...new Set(this.chosen.flatMap((one) => Object.keys(one.series)))].sort();
      this.root.querySelector('#stored-series').replaceChildren(...names.map((name) => new Option(name, name, false, name === this.metric)));
      this.list();
      this.draw();
    } catch (error) {
      this.told.failed(error.message);
    }
  }

  // In the live view: its configuration, its curve, and its snapshots to play back.
  async open(run) {
    try {
      const whole = await this.load(run);
      const snapshots = whole.snapshots.map(({ step, params }) => ({ step, params: floatsOf(params) }));
      this.told.opened(run, whole, snapshots);
    } catch (error) {
      this.told.failed(error.message);
    }
  }

  draw() {
    this.drawFigure();
    const box = this.canvas.parentElement.getBoundingClientRect();
    if (box.width === 0) return;
    const curves = this.chosen.map((run, i) => ({ points: run.series[this.metric] || [], colour: COLOURS[i % COLOURS.length], width: 1.5 }));
    const steps = Math.max(1, ...this.chosen.map((run) => run.steps));
    drawCurve(new CanvasPen(this.canvas, Math.floor(box.width), Math.floor(box.height)), inks(), { curves, steps, label: this.metric });
  }
}
