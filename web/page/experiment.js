// What is to be trained: fields that are no defaults, as YAML texts under their dotted keys. A learning rate that
// was dragged while the run went on is a stage of it (train.stages). It lives in the address, so that a link is a
// run, and in the file that "fovea run" takes.

export function yamlOf(fields) {
  const sections = { task: [], model: [], train: [] };
  for (const [key, value] of Object.entries(fields)) {
    const [section, name] = key.split('.');
    sections[section].push(`${name}: ${value}`);
  }
  let text = '';
  for (const [section, lines] of Object.entries(sections))
    if (lines.length > 0) text += `${section}:\n${lines.map((line) => `  ${line}\n`).join('')}`;
  return text;
}

export const fileOf = (experiment) =>
  `source: ${JSON.stringify(experiment.title || 'Fovea explorer')}\n${yamlOf(experiment.fields)}`;

// Where stages begin, and what to call them: [{step, label}].
export function stagesOf(fields) {
  return (fields['train.stages'] || '').split('{at: ').slice(1).map((stage) => {
    const rate = stage.match(/train\.learning_rate: ([-+.\de]+)/);
    return { step: parseInt(stage, 10), label: rate ? `rate ${Number(Number(rate[1]).toPrecision(2))}` : 'stage' };
  });
}

// --- the address ---------------------------------------------------------------------------------

// "#live?task.vocab_size=10&...": the view, then what belongs to it.
export function addressOf(view, experiment, options = {}) {
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries(experiment.fields)) query.set(key, value);
  for (const [key, value] of Object.entries(options))
    if (value !== '' && value !== undefined && value !== null) query.set(key, value);
  return `#${view}?${query.toString().replace(/%2C/g, ',').replace(/%3A/g, ':')}`;
}

export function readAddress(hash) {
  const [view, query = ''] = hash.replace(/^#/, '').split('?');
  const fields = {}, options = {};
  for (const [key, value] of new URLSearchParams(query)) {
    if (/^(task|model|train)\./.test(key)) fields[key] = value;
    else options[key] = value;
  }
  return { view, fields, options };
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
