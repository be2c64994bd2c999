// The runs of a store that `fovea explore` has opened: a table, their curves, and one of them with its
// snapshots played back. The server reads the store; nothing is written.
import { drawCurve } from './curve.js';
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
    this.canvas = root.querySelector('canvas');
    root.querySelector('input[type=search]').addEventListener('input', () => this.list());
    root.querySelector('select').addEventListener('change', (event) => { this.metric = event.target.value; this.draw(); });
    new ResizeObserver(() => this.draw()).observe(this.canvas.parentElement);
  }

  show(store) {
    this.store = store;
    const keys = new Map();
    for (const run of store.runs)
      for (const [key, value] of Object.entries(run.config)) keys.set(key, (keys.get(key) || new Set()).add(value));
    this.varying = [...keys].filter(([key, values]) => values.size > 1 || store.runs.some((r) => !(key in r.config))).map(([key]) => key);
    this.root.querySelector('.lead').textContent = `${store.runs.length} runs of ${store.source || 'the store'}, which is only read.`;
    this.list();
    if (store.runs.length > 0) this.toggle(store.runs[0]);
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
      this.root.querySelector('select').replaceChildren(...names.map((name) => new Option(name, name, false, name === this.metric)));
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
    const box = this.canvas.parentElement.getBoundingClientRect();
    if (box.width === 0) return;
    const curves = this.chosen.map((run, i) => ({ points: run.series[this.metric] || [], colour: COLOURS[i % COLOURS.length], width: 1.5 }));
    const steps = Math.max(1, ...this.chosen.map((run) => run.steps));
    drawCurve(new CanvasPen(this.canvas, Math.floor(box.width), Math.floor(box.height)), inks(), { curves, steps, label: this.metric });
  }
}
