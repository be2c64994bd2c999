// The claims of an experiment, judged in the tab: all its runs are trained by the workers, their records
// given to one of them, and the verdicts are the engine's.

export async function judge(crew, judgeWorker, entry, progress) {
  const opened = await judgeWorker.ask('open', entry.name.split('/').pop(), entry.yaml);
  if (opened.claims.length === 0) throw new Error('this experiment makes no claims');
  if (opened.adaptive) throw new Error('an adaptive sweep chooses its runs as it goes: judge it with the fovea command');
  const n = opened.n_runs;
  let next = 0, done = 0, failure = null;
  const given = [];
  const whole = await crew.run(
    () => next < n && !failure ? { call: 'train', args: [next], i: next++ } : null,
    (job, result, error) => {
      if (error) { failure = error; return; }
      done++;
      given.push(judgeWorker.ask('give', job.i, result.record));
      progress(done, n, result.us_per_step);
    },
    (worker) => worker.ask('open', entry.name.split('/').pop(), entry.yaml));
  if (failure) throw failure;
  if (!whole) return null;
  await Promise.all(given);
  return judgeWorker.askLong('judge');
}
