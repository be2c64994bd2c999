// What is to be trained: fields that are no defaults, as YAML texts under their dotted keys, and the
// learning rates that were dragged while a run went on. It lives in the address, so that a link is a run.

export function yamlOf(fields, extra = '') {
  const sections = { task: [], model: [], train: [] };
  for (const [key, value] of Object.entries(fields)) {
    const [section, name] = key.split('.');
    sections[section].push(`${name}: ${value}`);
  }
  let text = '';
  for (const [section, lines] of Object.entries(sections))
    if (lines.length > 0) text += `${section}:\n${lines.map((line) => `  ${line}\n`).join('')}`;
  return text + extra;
}

// The file that "fovea run" takes. Rates that were dragged are no field of a configuration: they stand in
// comments that opening the file reads back.
export function fileOf(experiment) {
  const lines = [`source: ${JSON.stringify(experiment.title || 'Fovea explorer')}`];
  for (const [step, rate] of experiment.rates)
    lines.push(`# explorer: from step ${step} on, learning rate ${rate}`);
  return lines.join('\n') + '\n' + yamlOf(experiment.fields);
}

export function ratesOfFile(text) {
  const found = text.matchAll(/^# explorer: from step (\d+) on, learning rate ([-+.\de]+)$/gm);
  return [...found].map((match) => [Number(match[1]), Number(match[2])]);
}

// --- the address ---------------------------------------------------------------------------------

// "#live?task.vocab_size=10&...": the view, then what belongs to it.
export function addressOf(view, experiment, options = {}) {
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries(experiment.fields)) query.set(key, value);
  if (experiment.rates.length > 0)
    query.set('rates', experiment.rates.map(([step, rate]) => `${step}:${rate}`).join(','));
  for (const [key, value] of Object.entries(options))
    if (value !== '' && value !== undefined && value !== null) query.set(key, value);
  return `#${view}?${query.toString().replace(/%2C/g, ',').replace(/%3A/g, ':')}`;
}

export function readAddress(hash) {
  const [view, query = ''] = hash.replace(/^#/, '').split('?');
  const fields = {}, options = {};
  let rates = [];
  for (const [key, value] of new URLSearchParams(query)) {
    if (/^(task|model|train)\./.test(key)) fields[key] = value;
    else if (key === 'rates') rates = value.split(',').map((part) => part.split(':').map(Number));
    else options[key] = value;
  }
  return { view, fields, rates, options };
}

// --- files that leave the page -------------------------------------------------------------------

export function save(name, content, type) {
  const blob = content instanceof Blob ? content : new Blob([content], { type });
  const link = document.createElement('a');
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

export function csvOf(points) {
  const rows = points.map((p) => p.map((value) => value === null ? '' : value).join(','));
  return ['step,loss,perplexity,accuracy,learning_rate', ...rows].join('\n') + '\n';
}
