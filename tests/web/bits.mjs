// Bits: the first run of every experiment of the gallery, cut to 300 steps, ends with the same parameters
// in WebAssembly as in the portable build; and one run after 1000 steps.
//
//   node bits.mjs ENGINE.wasm web_native [--all] [--keep FILE]
//
// --all: those that take over 5 s, too. FILE gets what the portable build gave, "NAME STEPS" -> digest, which
// browser.py --bits holds Chromium against.
import { existsSync, readFileSync, writeFileSync, mkdtempSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const top = join(dirname(fileURLToPath(import.meta.url)), '../..');
const [wasm, native, ...options] = process.argv.slice(2);
const all = options.includes('--all'), keep = options.includes('--keep') ? options.at(-1) : null;

if (!existsSync(wasm)) {
  console.log(`skipped: ${wasm} is not there; make web builds it`);
  process.exit(77);
}

// Node takes a module from a file that says that it is one.
const folder = mkdtempSync(join(tmpdir(), 'fovea-bits-'));
writeFileSync(join(folder, 'engine.mjs'), readFileSync(join(top, 'web/page/engine.js')));
const { Engine } = await import(join(folder, 'engine.mjs'));
const engine = await Engine.load(readFileSync(wasm));

function train(path, steps) {
  engine.call('begin', readFileSync(path, 'utf8'));
  const begun = performance.now();
  engine.call('steps', steps, 0);
  const us = 1000 * (performance.now() - begun) / steps;
  return { digest: engine.call('digest'), us };
}

function trainNative(path, steps) {
  const done = spawnSync(native, [steps, path], { encoding: 'utf8', env: { ...process.env, FOVEA_CPU: 'portable' } });
  if (done.status !== 0) throw new Error(`${path}: ${done.stdout}${done.stderr}`);
  const [, digest, us] = done.stdout.trim().split(' ');
  return { digest: JSON.parse(digest), us: Number(us) };
}

const MOST_US = 5e6 / 300;
const gallery = readFileSync(join(top, 'web/gallery.txt'), 'utf8').split('\n')
  .filter((line) => line.trim() !== '' && !line.startsWith('#')).map((line) => line.split('|')[0].trim());
const asked = [[gallery[0], 1000], ...gallery.map((name) => [name, 300])];
let differ = 0, left = 0;
const kept = {};
for (const [name, steps] of asked) {
  const path = join(top, 'experiments', `${name}.yaml`);
  if (!all && trainNative(path, 3).us > MOST_US / 3) { left++; continue; }
  const here = train(path, steps), there = trainNative(path, steps), same = here.digest === there.digest;
  if (!same) differ++;
  kept[`${name} ${steps}`] = there.digest;
  console.log(`${same ? 'same' : 'DIFFERENT'} ${name} ${steps} steps ${here.digest} wasm ${here.us.toFixed(0)} us, native ${there.us.toFixed(0)} us, ratio ${(there.us / here.us).toFixed(2)}`);
}
if (keep) writeFileSync(keep, JSON.stringify(kept, null, 1));
if (left > 0) console.log(`${left} experiments of over 5 s were left to make web-test`);
process.exit(differ > 0 ? 1 : 0);
