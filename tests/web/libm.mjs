// What a run takes from C's library, rounded to the floats that parameters and draws are: glibc's results, with
// the fused operations of this machine, and musl's, as the page has them.
//
//   node libm.mjs libm.wasm web_libm [N]      N arguments of each function; 10^7 unless told otherwise
import { existsSync, readFileSync } from 'node:fs';
import { execFileSync, spawn } from 'node:child_process';

const [wasm, native, asked = '10000000'] = process.argv.slice(2);
const BLOCK = 8192, blocks = Math.floor(Number(asked) / BLOCK);
if (!existsSync(wasm)) {
  console.log(`skipped: ${wasm} is not there; make web builds it`);
  process.exit(77);
}
const module = new WebAssembly.Module(readFileSync(wasm)), imports = {};
for (const { module: from, name } of WebAssembly.Module.imports(module)) (imports[from] ||= {})[name] = () => 0;
const { exports } = new WebAssembly.Instance(module, imports);

// Of one function: in how many doubles, and in how many of them as floats, the two builds differ.
async function compare(name, f) {
  const child = spawn(native, [name, String(blocks * BLOCK)], { stdio: ['ignore', 'pipe', 'inherit'] });
  let doubles = 0, floats = 0, done = 0, rest = Buffer.alloc(0);
  for await (const chunk of child.stdout) {
    rest = Buffer.concat([rest, chunk]);
    while (rest.length >= 8 * BLOCK) {
      const there = new Float64Array(rest.buffer.slice(rest.byteOffset, rest.byteOffset + 8 * BLOCK));
      const here = new Float64Array(exports.memory.buffer, exports.libm_block(f, done === 0 ? 1 : 0), BLOCK);
      for (let i = 0; i < BLOCK; i++)
        if (!Object.is(here[i], there[i])) {
          doubles++;
          if (!Object.is(Math.fround(here[i]), Math.fround(there[i]))) floats++;
        }
      done++;
      rest = rest.subarray(8 * BLOCK);
    }
  }
  if (done !== blocks) throw new Error(`${name}: ${done} of ${blocks} blocks`);
  console.log(`${floats === 0 ? 'same' : 'DIFFERENT'} ${name}: of ${blocks * BLOCK} results ${doubles} differ as doubles, ${floats} as floats`);
  return floats;
}

let differ = 0;
for (const [f, name] of execFileSync(native, { encoding: 'utf8' }).trim().split('\n').entries())
  differ += await compare(name, f);
process.exit(differ > 0 ? 1 : 0);
