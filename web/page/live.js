// One model, live: a run in a worker of its own, asked for a frame's worth of steps at a time.
import { csvOf, save, stagesOf, yamlOf } from './experiment.js';
import { drawCurve } from './curve.js';
import { drawMatrices, drawPlane, drawRanks, Frame } from './looks.js';
import { CanvasPen, inks, SvgPen } from './pen.js';
import { EngineWorker } from './crew.js';

const FRAME_SECONDS = 0.024; // of training between two looks
const RATE_EVERY = 250; // ms between two stages while a rate is dragged

export class Live {
  // `told` hears of messages, of stages that were dragged, and of every frame.
  constructor(assets, root, told) {
    Object.assign(this, { assets, root, told, playing: false, points: [], ratedAt: 0, speed: 1,
      sequences: 3, sequence: '', frames: { embeddings: new Frame(), positions: new Frame() } });
    this.worker = new EngineWorker(assets);
    this.round = 0;
    new ResizeObserver(() => this.redraw()).observe(root.querySelector('.views'));
  }

  get ready() { return this.worker.started; }

  // Begins anew. Its stages come as the run gets to their steps.
  async open(experiment) {
    const round = ++this.round;
    this.playing = false;
    this.experiment = experiment;
    this.pending = undefined;
    this.points = [];
    this.view = null;
    this.snapshots = null;
    this.step = 0;
    this.ended = '';
    this.speedSeen = null;
    for (const frame of Object.values(this.frames)) frame.size = 0;
    try {
      const run = await this.ask('begin', yamlOf(experiment.fields));
      if (round !== this.round) return false;
      this.run = run;
      this.rate = run.rate;
      this.told.opened(run);
      await this.advance(0);
      return true;
    } catch (error) {
      if (round === this.round) this.told.failed(error.message);
      return false;
    }
  }

  // A worker that is gone is replaced, and the run begins anew.
  async ask(call, ...args) {
    try {
      return await this.worker.ask(call, ...args);
    } catch (error) {
      if (!error.broken) throw error;
      this.worker = new EngineWorker(this.assets);
      this.playing = false;
      const message = `${error.message}; the engine was started again`;
      if (call !== 'begin' && this.run) await this.open(this.experiment);
      this.told.failed(message);
      throw Object.assign(error, { message });
    }
  }

  // A rate that is waiting becomes a stage of the run; while it is dragged not more often than a list of
  // stages has room for.
  async takePending() {
    const now = performance.now(), waits = this.playing && !this.settled && now - this.ratedAt < RATE_EVERY;
    if (this.pending === undefined || waits) return;
    const rate = this.pending;
    this.pending = undefined;
    this.ratedAt = now;
    const { stages } = await this.ask('rate', String(rate));
    this.experiment.fields['train.stages'] = stages;
    this.told.staged();
  }

  async advance(n, seconds = 0) {
    const round = this.round;
    await this.takePending();
    if (round !== this.round) return;
    const before = this.step;
    const result = await this.ask('advance', n, seconds, this.sequences, this.sequence);
    if (round !== this.round) return;
    this.points.push(...result.points);
    this.step = result.step;
    this.ended = result.ended;
    this.view = result.view;
    if (this.pending === undefined) this.rate = result.rate;
    const speed = (this.step - before) / result.seconds;
    if (this.step - before > 5) this.speedSeen = this.speedSeen ? 0.9 * this.speedSeen + 0.1 * speed : speed;
    this.queueDraw();
    this.told.framed(this);
  }

  async play() {
    if (this.playing || !this.run) return;
    if (this.snapshots) return this.playBack();
    if (this.ended === 'done') await this.rewind(0);
    this.playing = true;
    const round = this.round;
    this.told.framed(this);
    try {
      while (this.playing && round === this.round && this.ended === '') {
        const shown = performance.now();
        if (this.speed >= 1) await this.advance(1e9, FRAME_SECONDS);
        else await this.advance(1);
        if (this.speed < 1) await pause(Math.max(0, 1000 * this.speed - (performance.now() - shown)));
      }
    } catch (error) {
      this.told.failed(error.message);
    }
    if (round === this.round) this.playing = false;
    this.told.framed(this);
  }

  // The snapshots of a stored run one after the other.
  async playBack() {
    this.playing = true;
    const round = this.round, from = this.snapshots.filter(({ step }) => step > this.step);
    for (const { step } of from.length > 0 ? from : this.snapshots) {
      if (!this.playing || round !== this.round) break;
      await this.look(step);
      await pause(80);
    }
    this.playing = false;
    this.told.framed(this);
  }

  pause() { this.playing = false; }

  async once() {
    this.pause();
    if (this.snapshots) return;
    await this.advance(1).catch((error) => this.told.failed(error.message));
  }

  async rewind(step) {
    this.pause();
    if (this.snapshots) { await this.look(step); return; }
    const { step: at } = await this.ask('rewind', step);
    this.step = at;
    this.ended = '';
    this.points = this.points.filter((p) => p[0] < at);
    await this.advance(0);
  }

  // What is dragged while the run goes on holds from its next step; `settled`: it is dragged no further.
  setRate(rate, settled = true) { Object.assign(this, { pending: rate, settled }); }

  // A stored run: its curve whole, its snapshots to be looked at one by one. Nothing is trained.
  async openStored(experiment, points, snapshots) {
    if (!await this.open(experiment)) return;
    this.points = points;
    this.snapshots = snapshots;
    if (snapshots.length > 0) await this.look(snapshots.at(-1).step);
  }

  async look(step) {
    const near = this.snapshots.reduce((best, one) => Math.abs(one.step - step) < Math.abs(best.step - step) ? one : best);
    this.view = await this.ask('place', near.step, near.params, this.sequences, this.sequence);
    this.step = near.step;
    this.ended = 'stored';
    this.queueDraw();
    this.told.framed(this);
  }

  // --- what is seen ------------------------------------------------------------------------------

  queueDraw() {
    if (this.queued) return;
    this.queued = true;
    const draw = () => { this.queued = false; this.redraw(); };
    if (document.hidden) setTimeout(draw, 200);
    else requestAnimationFrame(draw);
  }

  // The drawings by their names: name -> (pen, inks) => void.
  drawings() {
    const view = this.view || {}, run = this.run || { steps: 1 };
    const lines = this.told.references ? this.told.references(run) : [];
    const all = {
      curve: (pen, colours) => drawCurve(pen, colours, { curves: [{ points: this.points.map((p) => [p[0], p[2]]) }],
        lines, steps: run.steps, log: this.log, now: this.snapshots || this.points.length < 2 ? this.step : null,
        events: this.experiment ? stagesOf(this.experiment.fields).filter(({ step }) => step <= this.step) : [] }),
    };
    if (view.embeddings) all.embeddings = (pen, colours) => drawPlane(pen, colours, this.frames.embeddings, view.embeddings);
    if (view.positions) all.positions = (pen, colours) => drawPlane(pen, colours, this.frames.positions, view.positions);
    if (view.attention) all.attention = (pen, colours) => drawMatrices(pen, colours, patternsOf(view.attention));
    if (view.qk && view.qk.length > 0) all.qk = (pen, colours) => drawMatrices(pen, colours, headsOf(view.qk), { signed: true });
    if (view.ranks && view.ranks.length > 0) all.ranks = (pen, colours) => drawRanks(pen, colours, view.ranks, run.d || 2);
    return all;
  }

  redraw() {
    const drawings = this.drawings(), colours = inks();
    for (const card of this.root.querySelectorAll('[data-view]')) {
      const draw = drawings[card.dataset.view];
      card.hidden = !draw;
      if (!draw) continue;
      const canvas = card.querySelector('canvas'), box = canvas.parentElement.getBoundingClientRect();
      if (box.width > 0) draw(new CanvasPen(canvas, Math.floor(box.width), Math.floor(box.height)), colours);
    }
  }

  saveView(name, kind) {
    const draw = this.drawings()[name], colours = inks();
    if (!draw) return;
    if (kind === 'svg') {
      const pen = new SvgPen(720, 440, colours.paper);
      draw(pen, colours);
      save(`${name}.svg`, String(pen), 'image/svg+xml');
      return;
    }
    const canvas = document.createElement('canvas'), pen = new CanvasPen(canvas, 720, 440, 2);
    pen.rect(0, 0, 720, 440, colours.paper);
    draw(pen, colours);
    canvas.toBlob((blob) => save(`${name}.png`, blob, 'image/png'));
  }

  saveCsv() { save('curve.csv', csvOf(this.points), 'text/csv'); }
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

function patternsOf(attention) {
  const shown = [];
  for (const { tokens, layers } of attention)
    layers.forEach((heads, l) => heads.forEach((rows, h) => {
      if (shown.length >= 8) return;
      const where = layers.length > 1 || heads.length > 1 ? ` L${l} H${h}` : '';
      shown.push({ rows, names: tokens, title: `tokens${where}` });
    }));
  return shown;
}

function headsOf(qk) {
  return qk.flatMap((heads, l) => heads.map((rows, h) => ({ rows, title: `layer ${l}, head ${h}` }))).slice(0, 8);
}
