// The engine as JavaScript sees it: the module's few imports of WASI, and its functions with texts as
// strings and JSON as objects. The same file serves Node, workers and the single page.

// What C's library asks of a system. There are no files, no arguments and no environment here; what the
// engine prints, which it never does, goes to the console.
const BAD_FILE = 8, NOT_THERE = -52;

function systemOf(memory) {
  const view = () => new DataView(memory().buffer);
  return {
    clock_time_get(id, precision, at) {
      view().setBigUint64(at, BigInt(Math.round(performance.now() * 1e6)), true);
      return 0;
    },
    environ_sizes_get(count, size) {
      view().setUint32(count, 0, true);
      view().setUint32(size, 0, true);
      return 0;
    },
    environ_get: () => 0,
    fd_close: () => BAD_FILE,
    fd_read: () => BAD_FILE,
    fd_seek: () => BAD_FILE,
    fd_write(file, parts, n, written) {
      let text = '', total = 0;
      for (let i = 0; i < n; i++) {
        const at = view().getUint32(parts + 8 * i, true), size = view().getUint32(parts + 8 * i + 4, true);
        text += new TextDecoder().decode(new Uint8Array(memory().buffer, at, size).slice());
        total += size;
      }
      console.error(text);
      view().setUint32(written, total, true);
      return 0;
    },
    proc_exit(code) { throw new Error(`the engine ended with code ${code}`); },
    emscripten_notify_memory_growth: () => {},
  };
}

// Whether the browser has vectors of 128 bits, without which the module does not compile: a function that
// makes one and takes a number out of it.
export function hasVectors() {
  return WebAssembly.validate(new Uint8Array([
    0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15, 253,
    98, 11]));
}

export class Engine {
  constructor(exports) {
    this.exports = exports;
    if (exports._initialize) exports._initialize();
  }

  // bytes: the module. Fails where the browser lacks what it needs.
  static async load(bytes) {
    const module = await WebAssembly.compile(bytes);
    let exports;
    const known = systemOf(() => exports.memory), imports = {};
    for (const { module: from, name } of WebAssembly.Module.imports(module)) {
      imports[from] = imports[from] || {};
      imports[from][name] = known[name] || (() => NOT_THERE);
    }
    const instance = await WebAssembly.instantiate(module, imports);
    exports = instance.exports;
    return new Engine(exports);
  }

  text(at) {
    const bytes = new Uint8Array(this.exports.memory.buffer);
    return new TextDecoder().decode(bytes.slice(at, bytes.indexOf(0, at)));
  }

  // Calls web_<name>; strings and typed arrays among the arguments go through the engine's room.
  invoke(name, args) {
    const sent = args.map((a) => typeof a === 'string' ? new TextEncoder().encode(a + '\0')
      : ArrayBuffer.isView(a) ? new Uint8Array(a.buffer, a.byteOffset, a.byteLength) : null);
    const size = sent.reduce((sum, b) => sum + (b ? (b.length + 15) & ~15 : 0), 0);
    let at = size > 0 ? this.exports.web_room(size) : 0;
    if (size > 0 && at === 0) throw new Error('out of memory');
    const numbers = args.map((a, i) => {
      if (!sent[i]) return a;
      const here = at;
      new Uint8Array(this.exports.memory.buffer, here, sent[i].length).set(sent[i]);
      at += (sent[i].length + 15) & ~15;
      return here;
    });
    return this.exports[`web_${name}`](...numbers);
  }

  // The JSON that the function writes, or undefined; throws its sentence where it fails.
  call(name, ...args) {
    this.exports.web_forget();
    const status = this.invoke(name, args);
    if (status < 0) throw new Error(this.text(this.exports.web_error()));
    const text = this.text(this.exports.web_text());
    return text === '' ? undefined : JSON.parse(text);
  }

  // The record of the last run, a copy.
  record() {
    const n = this.exports.web_record_size(), at = this.exports.web_record();
    return new Uint32Array(this.exports.memory.buffer, at, n).slice();
  }
}
