// The page: which view is shown, and what its controls do. The address says both, so that every state is a
// link.
import { addressOf, fileOf, readAddress, save } from './experiment.js';
import { assetsOf } from './assets.js';
import { Crew, EngineWorker } from './crew.js';
import { FieldMap, valuesOf } from './map.js';
import { Form } from './form.js';
import { GALLERY, LESSONS, MAPS } from './data.js';
import { hasVectors } from './engine.js';
import { judge } from './claims.js';
import { Lesson } from './lesson.js';
import { Live } from './live.js';
import { CanvasPen, viridis } from './pen.js';
import { fetchRuns, Stored } from './stored.js';

const $ = (id) => document.getElementById(id);
const embedded = new URLSearchParams(location.search).has('embed');
const assets = assetsOf();
const experiment = { fields: {}, stages: undefined, title: '', story: '', name: '' }; // stages: those it was opened with
let table, live, map, crew, form, mapForm, lesson, stored, shown = '';

const MEASURES = [
  ['plateau length', 'plateau_length(perplexity)'],
  ['steps from 60 to 35', 'coalesce(first_below(perplexity, 35), train.steps) - coalesce(first_below(perplexity, 60), train.steps)'],
  ['final perplexity', 'final(perplexity)'],
  ['final accuracy', 'final(accuracy)'],
  ['step at which half is right', 'emergence(accuracy, 0.5)'],
  ['lowest perplexity', 'lowest(perplexity)'],
];

function tell(message) {
  $('message').textContent = message;
  $('message').hidden = message === '';
}

const mirror = (view, options) => history.replaceState(null, '', location.search + addressOf(view, experiment, options));

// --- one model -----------------------------------------------------------------------------------

const told = {
  opened(run) {
    tell('');
    form.blame('');
    showRate(run.rate);
    $('rewind').max = run.steps;
  },
  failed(message) {
    tell(message.replace(/^experiment: /, ''));
    form.blame(message);
  },
  staged() {
    if (shown === 'live') mirror('live', optionsOfLive());
  },
  framed(run) {
    $('play').textContent = run.playing ? 'Pause' : run.snapshots ? 'Play' : 'Train';
    $('rewind').value = run.step;
    showRate(run.rate);
    const speed = run.speedSeen ? `, ${Math.round(run.speedSeen).toLocaleString('en')} steps a second` : '';
    $('clock').value = `step ${run.step.toLocaleString('en')}${speed}${run.ended ? `, ${run.ended}` : ''}`;
    document.body.dataset.step = run.step;
  },
  references(run) {
    const fields = experiment.fields, lines = [];
    if ((fields['task.name'] || 'copy') === 'copy' || fields['task.name'] === 'similar') lines.push({ value: run.V / 2, label: 'V/2' });
    if (run.bayes > 1.001) lines.push({ value: run.bayes, label: 'best possible' });
    return lines;
  },
};

function showRate(rate) {
  if (live.pending !== undefined) return; // what is dragged stays under the hand
  if (Math.abs($('rate').value - Math.log10(rate)) > 0.006) $('rate').value = Math.log10(rate);
  $('rate-shown').value = Number(rate.toPrecision(3));
}

const optionsOfLive = () => ({ title: experiment.title, lesson: lesson.id || '', from: experiment.name });

function openLive(fields, about = {}) {
  Object.assign(experiment, { fields: { ...fields }, stages: fields['train.stages'], title: about.title || '', story: about.story || '', name: about.name || '' });
  $('title').textContent = experiment.title || 'A model of your own';
  $('story').textContent = experiment.story;
  $('judge').hidden = !(entryOf(experiment.name)?.yaml.includes('\nclaims:'));
  $('verdicts').replaceChildren();
  form.set(experiment.fields, lesson.form());
  return live.open(experiment);
}

// From the next step on; before the first one, of the experiment.
function takeRate(settled) {
  const rate = Number((10 ** Number($('rate').value)).toPrecision(3));
  $('rate-shown').value = rate;
  if (live.step > 0) {
    live.setRate(rate, settled);
    if (!live.playing) live.advance(0).catch((error) => told.failed(error.message));
    return;
  }
  experiment.fields['train.learning_rate'] = String(rate);
  live.open(experiment).then(() => mirror('live', optionsOfLive()));
}

// To the first step, without what was dragged since the experiment was opened.
function restart() {
  if (experiment.stages === undefined) delete experiment.fields['train.stages'];
  else experiment.fields['train.stages'] = experiment.stages;
  form.set(experiment.fields, lesson.form());
  live.open(experiment).then(() => mirror('live', optionsOfLive()));
}

function wireLive() {
  $('play').onclick = () => live.playing ? live.pause() : live.play();
  $('step').onclick = () => live.once();
  $('restart').onclick = restart;
  $('rewind').oninput = () => {
    clearTimeout(live.seek);
    live.pause();
    live.seek = setTimeout(() => live.rewind(Number($('rewind').value)).catch((error) => told.failed(error.message)), 60);
  };
  $('rate').oninput = () => takeRate(false);
  $('rate').onchange = () => takeRate(true);
  $('speed').onchange = () => { live.speed = Number($('speed').value); };
  $('log').onchange = () => { live.log = $('log').checked; live.redraw(); };
  $('sequence').onchange = () => { live.sequence = $('sequence').value; if (!live.playing) live.advance(0).catch((error) => told.failed(error.message)); };
  $('csv').onclick = () => live.saveCsv();
  $('share').onclick = () => copyLink($('share'), () => mirror('live', optionsOfLive()));
  $('download').onclick = () => save(`${(experiment.name.split('/').pop() || 'experiment')}.yaml`, fileOf(experiment), 'text/yaml');
  $('open').onclick = () => $('file').click();
  $('file').onchange = async () => { const file = $('file').files[0]; if (file) await openFile(file.name, await file.text()); $('file').value = ''; };
  $('embed').onclick = () => showEmbed(addressOf('live', experiment, optionsOfLive()));
  $('judge').onclick = judgeClaims;
  for (const figure of document.querySelectorAll('figure[data-view]')) {
    const bar = document.createElement('span');
    bar.className = 'save';
    for (const kind of ['svg', 'png']) {
      const button = Object.assign(document.createElement('button'), { textContent: kind.toUpperCase() });
      button.onclick = () => live.saveView(figure.dataset.view, kind);
      bar.append(button);
    }
    figure.querySelector('figcaption').append(bar);
  }
}

// A file's first run; the engine says what is wrong with it, by its line.
async function openFile(name, text) {
  try {
    await live.ready;
    const opened = await live.worker.ask('open', name.replace(/\.[^.]*$/, ''), text);
    lesson.close();
    shown = 'live';
    await openLive(opened.fields, { title: opened.source || opened.name });
    mirror('live', optionsOfLive());
    show('live');
  } catch (error) {
    tell(`${name}: ${error.message}`);
  }
}

// The experiment that `fovea explore FILE.yaml` was given.
async function openServed() {
  const answer = await fetch('store/experiment.yaml');
  if (!answer.ok) throw new Error('no experiment is served here');
  await openFile('experiment', await answer.text());
}

const storedTold = {
  failed: tell,
  opened(run, whole, snapshots) {
    lesson.close();
    Object.assign(experiment, { fields: run.config, stages: run.config['train.stages'], title: `Run ${run.id.slice(0, 8)}`, story: `Stored: ${run.experiment}, ${run.outcome} after ${run.steps} steps. Its snapshots are played back; Restart trains it here.`, name: '' });
    $('title').textContent = experiment.title;
    $('story').textContent = experiment.story;
    $('judge').hidden = true;
    form.set(experiment.fields);
    const series = (name) => new Map(whole.series[name] || []);
    const [loss, accuracy, rate] = ['loss', 'accuracy', 'learning_rate'].map(series);
    const points = (whole.series.perplexity || []).map(([step, value]) => [step, loss.get(step) ?? null, value, accuracy.get(step) ?? null, rate.get(step) ?? null]);
    history.pushState(null, '', `#live?run=${run.id}`);
    show('live');
    live.openStored(experiment, points, snapshots).catch((error) => tell(error.message));
  },
};

async function openStore() {
  const store = await fetchRuns();
  if (!store) return;
  document.querySelector('[data-nav=stored]').hidden = false;
  stored = new Stored($('stored'), Object.fromEntries(table.map((field) => [field.key, field.default])), storedTold);
  stored.show(store);
}

async function judgeClaims() {
  const place = $('verdicts'), entry = entryOf(experiment.name);
  $('judge').disabled = true;
  live.pause();
  try {
    const verdicts = await judge(crew, new EngineWorker(assets), entry, (done, n, us) => {
      place.textContent = `${done} of ${n} runs trained (${Math.round(us)} µs a step)`;
    });
    if (verdicts) showVerdicts(place, verdicts);
  } catch (error) {
    place.textContent = error.message;
  }
  $('judge').disabled = false;
}

function showVerdicts(place, verdicts) {
  const list = document.createElement('dl');
  for (const v of verdicts) {
    const term = Object.assign(document.createElement('dt'), { textContent: `${v.statement} ` });
    const verdict = Object.assign(document.createElement('b'), { textContent: v.verdict, className: v.verdict === 'reproduced' ? 'yes' : 'no' });
    term.append(verdict);
    list.append(term, Object.assign(document.createElement('dd'), { textContent: `Published: ${v.published}. Measured: ${v.measured}. ${v.note}` }));
  }
  place.replaceChildren(list);
}

// --- many models ---------------------------------------------------------------------------------

const typeOf = (key) => table.find((field) => field.key === key)?.type;

function planOf() {
  const axis = (which) => ({ key: $(`${which}-key`).value, values: valuesOf($(`${which}-values`).value, typeOf($(`${which}-key`).value)) });
  const seeds = Math.min(16, Math.max(1, Math.round(Number($('map-seeds').value)) || 1));
  return { fields: { ...experiment.fields }, x: axis('x'), y: axis('y'), measure: $('measure').value, seeds };
}

const optionsOfMap = () => ({ x: `${$('x-key').value}: ${$('x-values').value}`, y: `${$('y-key').value}: ${$('y-values').value}`,
  measure: $('measure').value, seeds: map.plan?.seeds > 1 ? map.plan.seeds : '', title: experiment.title, lesson: lesson.id || '' });

const identityOf = ({ fields, x, y, measure }) =>
  JSON.stringify([Object.entries(fields).sort(), x.key, x.values, y.key, y.values, measure]);

// A map that ships computed, if it is the one that is asked for.
function storedMap(plan) {
  const asked = identityOf(plan);
  return plan.seeds > 1 ? null : MAPS.find((one) => one.values && identityOf(one) === asked)?.values || null;
}

function showPlan(withStored = !lesson.now) {
  const plan = planOf(), stored = withStored ? storedMap(plan) : null;
  if (plan.x.key === plan.y.key) { tell(`${plan.x.key} stands on both axes: choose two fields`); return false; }
  if (plan.seeds > 1 && [plan.x.key, plan.y.key].includes('train.seed')) { tell('train.seed stands on an axis: strips of seeds have nothing to show'); return false; }
  if (plan.x.values.length * plan.y.values.length * plan.seeds > 4096) { tell('a map has 4096 cells at most'); return false; }
  tell('');
  map.show(plan, stored);
  $('map-progress').textContent = stored ? 'Computed before; train the map to compute it here.' : '';
  return true;
}

async function fillMap() {
  if (!showPlan(false)) return;
  mirror('map', optionsOfMap());
  const plan = map.plan;
  try {
    await crewReady();
    await checker().then((worker) => worker.ask('check_measure', plan.measure));
  } catch (error) {
    tell(`measure: ${error.message}`);
    return;
  }
  const whole = await map.fill();
  document.body.dataset.map = whole ? 'whole' : 'stopped';
  if (whole) lesson.answered();
}

let checkWorker;
async function checker() {
  checkWorker = checkWorker && checkWorker.worker !== null ? checkWorker : live.worker;
  await checkWorker.started;
  return checkWorker;
}
const crewReady = () => live.ready;

function openMap(fields, options) {
  Object.assign(experiment, { fields: { ...fields }, title: options.title || '' });
  $('map-title').textContent = options.title || 'Many models';
  const [xKey, xValues] = split(options.x || 'train.learning_rate: 1e-4..1e-1 log 16');
  const [yKey, yValues] = split(options.y || 'task.vocab_size: 4..64 log 16');
  Object.assign($('x-key'), { value: xKey });
  Object.assign($('y-key'), { value: yKey });
  $('x-values').value = xValues;
  $('y-values').value = yValues;
  $('map-seeds').value = options.seeds || 1;
  $('measure').value = options.measure || MEASURES[0][1];
  $('measures').value = MEASURES.find((m) => m[1] === $('measure').value)?.[1] || '';
  mapForm.set(experiment.fields, { ...lesson.form(), hidden: [xKey, yKey] });
  showPlan();
}

const split = (text) => { const at = text.indexOf(': '); return [text.slice(0, at), text.slice(at + 2)]; };

function wireMap() {
  const axes = table.filter((field) => ['int', 'real', 'choice', 'bool'].includes(field.type));
  for (const id of ['x-key', 'y-key'])
    $(id).replaceChildren(...axes.map((field) => new Option(field.key, field.key)));
  $('measures').replaceChildren(...MEASURES.map(([label, value]) => new Option(label, value)), new Option('as written below', ''));
  $('measures').onchange = () => { if ($('measures').value) $('measure').value = $('measures').value; showPlan(); };
  for (const id of ['x-key', 'y-key', 'x-values', 'y-values', 'map-seeds', 'measure']) $(id).addEventListener('change', () => showPlan());
  $('fill').onclick = fillMap;
  $('stop').onclick = () => { crew.cancel(); $('map-progress').textContent += ' (stopped)'; };
  $('map-share').onclick = () => copyLink($('map-share'), () => mirror('map', optionsOfMap()));
  for (const kind of ['svg', 'png', 'csv']) $(`map-${kind}`).onclick = () => map.saveView(kind);
  $('map-embed').onclick = () => showEmbed(addressOf('map', experiment, optionsOfMap()));
}

const mapTold = {
  progress(done, n, seconds, error) {
    $('map-progress').textContent = `${done} of ${n} models, ${seconds.toFixed(1)} s${error ? `; ${error.message}` : ''}`;
    document.body.dataset.cells = done;
  },
  chosen(fields) { location.hash = addressOf('live', { fields }, {}); },
};

// --- the rest ------------------------------------------------------------------------------------

const entryOf = (name) => GALLERY.find((entry) => entry.name === name);

async function copyLink(button, refresh) {
  refresh();
  await navigator.clipboard?.writeText(location.href).catch(() => {});
  const before = button.textContent;
  button.textContent = 'Link is in the address bar';
  setTimeout(() => { button.textContent = before; }, 1500);
}

function showEmbed(address) {
  const url = `${location.href.split(/[?#]/)[0]}?embed${address}`;
  $('embed-dialog').querySelector('textarea').value = `<iframe src="${url.replace(/"/g, '&quot;')}" width="720" height="420" style="border:0" title="Fovea: ${experiment.title || 'a model that trains'}"></iframe>`;
  $('embed-dialog').showModal();
}

const POSTS = { 'sparse-attention-1': 'Sparse attention 1', 'sparse-attention-3': 'Sparse attention 3', 'sparse-attention-4': 'Sparse attention 4',
  'sparse-attention-6': 'Sparse attention 6', 'phase-diagrams': 'Phase diagrams', 'token-frequency': 'Token frequency' };

// A card with its map small, values as colours.
function mapCard(one) {
  const options = { x: `${one.x.key}: ${one.xtext}`, y: `${one.y.key}: ${one.ytext}`, measure: one.measure, title: one.title };
  const made = card(one.title, one.story, addressOf('map', { fields: one.fields }, options));
  const canvas = Object.assign(document.createElement('canvas'), { width: one.x.values.length, height: one.y.values.length, ariaHidden: true });
  const known = one.values.filter((value) => value !== null), low = Math.min(...known), high = Math.max(...known);
  const pen = new CanvasPen(canvas, canvas.width, canvas.height, 1);
  one.values.forEach((value, i) => {
    const fill = value === null ? '#9aa0a8' : viridis((value - low) / (high - low || 1));
    pen.rect(i % canvas.width, canvas.height - 1 - Math.floor(i / canvas.width), 1, 1, fill);
  });
  made.prepend(canvas);
  return made;
}

function drawGallery() {
  const place = $('cards');
  let post = '';
  place.append(Object.assign(document.createElement('h3'), { textContent: 'Maps' }), ...MAPS.filter((one) => one.values).map(mapCard));
  for (const entry of GALLERY) {
    const of = entry.name.split('/')[0];
    if (of !== post) place.append(Object.assign(document.createElement('h3'), { textContent: POSTS[of] || of }));
    post = of;
    place.append(card(entry.title, entry.story, `#live?from=${entry.name}`));
  }
  for (const one of LESSONS) $('lesson-cards').append(card(one.title, one.text, `#${one.view}?lesson=${one.id}`));
}

function card(title, text, href) {
  const made = Object.assign(document.createElement('a'), { className: 'card', href });
  made.append(Object.assign(document.createElement('strong'), { textContent: title }), Object.assign(document.createElement('p'), { textContent: text }));
  return made;
}

function show(view) {
  for (const page of document.querySelectorAll('.page')) page.hidden = page.id !== view;
  for (const link of document.querySelectorAll('[data-nav]')) {
    if (link.dataset.nav === view) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
  if (view !== 'live' && live) live.pause();
  if (view === 'live' && live) live.redraw();
  if (view === 'map' && map) map.redraw();
  if (view === 'stored' && stored) stored.draw();
  shown = view;
}

async function route() {
  const { view, fields, options } = readAddress(location.hash || '#gallery');
  const known = ['gallery', 'live', 'map', 'lessons', 'stored'].includes(view) ? view : 'gallery';
  lesson.open(LESSONS.find((one) => one.id === options.lesson));
  show(known);
  if (['gallery', 'lessons', 'stored'].includes(known)) return;
  await live.ready;
  const of = lesson.now;
  const start = of && Object.keys(fields).length === 0 ? of.fields : fields;
  if (known === 'map') { openMap(start, { ...options, ...(of ? { x: options.x || of.x, y: options.y || of.y, measure: options.measure || of.measure, title: of.title } : {}) }); return; }
  if (options.file) { await openServed(); return; }
  if (options.run) return;
  const entry = entryOf(options.from), about = { title: options.title || of?.title, ...entry };
  if (entry && Object.keys(fields).length === 0) {
    const opened = await live.worker.ask('open', entry.name.split('/').pop(), entry.yaml);
    await openLive(opened.fields, about);
  } else await openLive(Object.keys(start).length > 0 ? start : experiment.fields, about);
  if (embedded) live.play();
}

function keys(event) {
  if (/^(INPUT|SELECT|TEXTAREA|BUTTON|A|CANVAS)$/.test(event.target.tagName) && event.target.type !== 'range') return;
  if (shown !== 'live' || event.ctrlKey || event.metaKey || event.altKey) return;
  const act = { ' ': $('play').onclick, s: $('step').onclick, 0: $('restart').onclick }[event.key];
  if (act) { act(); event.preventDefault(); }
}

function wireDark() {
  const dark = () => localStorageGet('theme') || (matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light');
  document.documentElement.dataset.theme = dark();
  $('dark').onclick = () => {
    const theme = document.documentElement.dataset.theme === 'dark' ? 'light' : 'dark';
    document.documentElement.dataset.theme = theme;
    try { localStorage.setItem('theme', theme); } catch { /* a page of a disk may keep nothing */ }
    live?.redraw();
    map?.redraw();
  };
}

function localStorageGet(key) {
  try { return localStorage.getItem(key); } catch { return null; }
}

async function start() {
  wireDark();
  drawGallery();
  lesson = new Lesson($('lesson'), () => shown);
  if (embedded) document.body.classList.add('embed');
  show(readAddress(location.hash || '#gallery').view);
  if (!hasVectors()) { tell('This browser has no vectors of 128 bits in WebAssembly, which the engine needs: one of 2023 or later has them.'); return; }
  live = new Live(assets, $('live'), told);
  crew = new Crew(assets, Math.max(1, Math.min(navigator.hardwareConcurrency || 2, 16)));
  const described = await live.ready;
  table = described.fields;
  form = new Form($('form'), table, (fields) => { Object.assign(experiment, { fields, stages: fields['train.stages'] }); live.open(experiment).then(() => mirror('live', optionsOfLive())); });
  mapForm = new Form($('map-fields'), table, (fields) => { experiment.fields = fields; showPlan(); });
  map = new FieldMap(crew, $('map'), mapTold);
  experiment.fields = {};
  wireLive();
  wireMap();
  addEventListener('hashchange', () => route().catch((error) => tell(error.message)));
  addEventListener('keydown', keys);
  if (embedded) { $('caption').hidden = false; $('caption').textContent = readAddress(location.hash).options.title || 'Trained in this page by Fovea'; document.querySelector('[data-view=curve]').classList.add('embedded'); }
  for (const one of document.querySelectorAll('form:not([method])')) one.addEventListener('submit', (event) => event.preventDefault());
  await openStore();
  await route();
  document.body.dataset.ready = 'yes';
  self.explorer = { live, crew, map, assets, EngineWorker }; // for whoever asks in the console
}

start().catch((error) => tell(error.message));
