// A worker: one engine, asked by messages {id, call, args}, answering {id, result} or {id, error}. `broken`
// says that the engine cannot go on, as without memory: whoever asked starts another worker.
import { Engine } from './engine.js';

let engine;

const calls = {
  load: async (bytes) => {
    engine = await Engine.load(bytes);
    return engine.call('describe');
  },
  // Steps and what is seen after them, in one message.
  advance: (n, seconds, sequences, sequence) => {
    const begun = performance.now();
    const result = engine.call('steps', n, seconds);
    result.seconds = (performance.now() - begun) / 1000;
    if (sequences >= 0) result.view = engine.call('view', sequences, sequence);
    return result;
  },
  // A stored run's parameters, looked at.
  place: (step, params, sequences, sequence) => {
    engine.call('place', step, params, params.byteLength);
    return engine.call('view', sequences, sequence);
  },
  train: (i) => {
    const result = engine.call('train', i);
    result.record = engine.record();
    return result;
  },
  give: (i, words) => engine.call('give', i, words, words.length),
};

async function answer({ id, call, args }) {
  try {
    const result = await (calls[call] ? calls[call](...args) : engine.call(call, ...args));
    self.postMessage({ id, result });
  } catch (error) {
    const broken = error instanceof WebAssembly.RuntimeError || error instanceof RangeError || !engine;
    self.postMessage({ id, error: error.message, broken });
  }
}

// One after the other: a module that is still being compiled is waited for.
let last = Promise.resolve();
self.onmessage = (event) => {
  last = last.then(() => answer(event.data));
};
