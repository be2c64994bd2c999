// Workers: how they are started, asked and started again. The page's `assets` say where the module and the
// worker's script come from: files of the folder, or texts inside the single page.

const ANSWER_WITHIN = 20000; // ms, for a question that is not known to take longer

export class EngineWorker {
  constructor(assets) {
    this.assets = assets;
    this.waiting = new Map();
    this.next = 1;
    this.patience = ANSWER_WITHIN;
    this.started = this.start();
  }

  async start() {
    const bytes = await this.assets.module();
    this.worker = this.assets.worker();
    this.worker.onmessage = (event) => this.settle(event.data);
    this.worker.onerror = (event) => this.fail(event.message || 'the worker could not be started');
    return this.post('load', [bytes]);
  }

  settle({ id, result, error, broken }) {
    const question = this.waiting.get(id);
    if (!question) return;
    this.waiting.delete(id);
    clearTimeout(question.timer);
    if (error === undefined) question.resolve(result);
    else question.reject(Object.assign(new Error(error), { broken }));
    if (broken) this.stop();
  }

  fail(message) {
    for (const [, question] of this.waiting) {
      clearTimeout(question.timer);
      question.reject(Object.assign(new Error(message), { broken: true }));
    }
    this.waiting.clear();
    this.stop();
  }

  post(call, args, within = this.patience) {
    return new Promise((resolve, reject) => {
      if (!this.worker) {
        reject(Object.assign(new Error('the engine was stopped'), { broken: true }));
        return;
      }
      const id = this.next++;
      const timer = setTimeout(() => this.fail('the engine stopped answering'), within);
      this.waiting.set(id, { resolve, reject, timer });
      this.worker.postMessage({ id, call, args });
    });
  }

  async ask(call, ...args) {
    await this.started;
    return this.post(call, args);
  }

  async askLong(call, ...args) {
    await this.started;
    return this.post(call, args, 600000);
  }

  stop() {
    if (this.worker) this.worker.terminate();
    this.worker = null;
  }
}

// As many workers as there are cores, which take jobs from whoever hands them out: `take()` gives the next
// {call, args} or null, `done(job, result, error)` hears of it. A worker that broke is replaced and its job
// done again, once.
export class Crew {
  constructor(assets, n) {
    this.assets = assets;
    this.n = n;
    this.workers = [];
    this.round = 0;
  }

  // Ends what is being computed: a run in a worker cannot be interrupted otherwise.
  cancel() {
    this.round++;
    for (const worker of this.workers) if (worker.busy) worker.stop();
    this.workers = this.workers.filter((worker) => worker.worker !== null || !worker.busy);
  }

  spare() {
    let worker = this.workers.find((w) => !w.busy && w.worker !== null);
    if (!worker) {
      worker = new EngineWorker(this.assets);
      this.workers.push(worker);
    }
    worker.busy = true;
    return worker;
  }

  async run(take, done, prepare) {
    const round = ++this.round;
    const loops = [];
    for (let i = 0; i < this.n; i++) loops.push(this.loop(round, take, done, prepare));
    await Promise.all(loops);
    return round === this.round;
  }

  async loop(round, take, done, prepare) {
    let worker = this.spare();
    if (prepare) await prepare(worker).catch(() => {});
    for (let job = take(); job && round === this.round; job = take()) {
      for (let attempt = 0; attempt < 2 && round === this.round; attempt++) {
        try {
          const result = await worker.askLong(job.call, ...job.args);
          if (round === this.round) done(job, result, null);
          break;
        } catch (error) {
          if (round !== this.round) return;
          if (error.broken) {
            this.workers = this.workers.filter((w) => w !== worker);
            worker = this.spare();
            if (prepare) await prepare(worker).catch(() => {});
          }
          if (!error.broken || attempt === 1) {
            done(job, null, error);
            break;
          }
        }
      }
    }
    worker.busy = false;
  }
}
