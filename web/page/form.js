// The form of a configuration, made from the engine's table of fields: bounds, choices, help and defaults
// come from there.
import { ROWS, rowsOf } from './rows.js';

const COMMON = ['task.name', 'task.vocab_size', 'task.context_length', 'task.offset', 'model.n_embd',
  'model.n_head', 'model.layers', 'model.positions', 'model.residual', 'model.init', 'train.steps',
  'train.batch_size', 'train.optimizer', 'train.seed'];

// task.name is what the reader knows as the task.
const nameOf = (key) => { const [section, name] = key.split('.'); return name === 'name' ? section : name.replace(/_/g, ' '); };

const plain = (text) => text.replace(/^["'](.*)["']$/s, '$1');

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

function inputOf(field, value, locked) {
  let input;
  if (field.type === 'choice' || field.type === 'bool') {
    const choices = field.type === 'bool' ? ['true', 'false'] : field.choices;
    input = element('select', {}, ...choices.map((c) => element('option', { value: c, textContent: c })));
  } else {
    input = element('input', { type: 'text', autocomplete: 'off', spellcheck: false });
    if (field.type === 'int' || field.type === 'real') input.inputMode = 'decimal';
  }
  input.value = plain(value);
  input.disabled = locked;
  input.id = `field-${field.key}`;
  return input;
}

function boundsOf(field) {
  if (field.type !== 'int' && field.type !== 'real') return '';
  const high = field.highest === null || field.highest >= 2147483647 ? '' : ` to ${field.highest}`;
  return ` (${field.lowest === null ? '' : `from ${field.lowest}`}${high}; default ${field.default})`;
}

export class Form {
  // changed(fields) hears of every change, once the value is complete.
  constructor(place, table, changed) {
    Object.assign(this, { place, table, changed, fields: {}, locked: [], hidden: [], shown: null });
    if (document.getElementById('stage-fields')) return;
    const names = ['reset', ...table.map((field) => field.key).filter((key) => /^(task|train)\./.test(key))];
    document.body.append(element('datalist', { id: 'stage-fields' }, ...names.map((value) => element('option', { value }))));
  }

  set(fields, { shown = null, locked = [], hidden = [] } = {}) {
    this.fields = { ...fields };
    Object.assign(this, { shown, locked, hidden });
    this.draw();
  }

  row(field) {
    const value = this.fields[field.key] ?? field.default;
    if (ROWS[field.type]) return this.rows(field, value);
    const input = inputOf(field, value, this.locked.includes(field.key));
    const label = element('label', { htmlFor: input.id, textContent: nameOf(field.key) });
    input.addEventListener('change', () => this.take(field, input.value.trim()));
    const row = element('div', { className: 'field', title: field.help + boundsOf(field) }, label, input);
    row.dataset.key = field.key;
    row.classList.toggle('given', field.key in this.fields);
    return row;
  }

  rows(field, value) {
    const place = rowsOf(field.type, value, { id: `field-${field.key}`, locked: this.locked.includes(field.key), choices: 'stage-fields' },
      (text) => this.take(field, text));
    const label = element('label', { htmlFor: `field-${field.key}`, textContent: nameOf(field.key) });
    const row = element('div', { className: 'field', title: field.help }, label, place);
    row.dataset.key = field.key;
    row.classList.toggle('given', field.key in this.fields);
    return row;
  }

  take(field, value) {
    if (value === '' || value === plain(field.default)) delete this.fields[field.key];
    else this.fields[field.key] = value;
    this.changed({ ...this.fields });
  }

  draw() {
    const first = this.shown || [...new Set([...COMMON, ...Object.keys(this.fields)])]
      .filter((key) => key !== 'train.learning_rate');
    const rows = first.filter((key) => !this.hidden.includes(key)).map((key) => this.table.find((field) => field.key === key)).filter(Boolean);
    this.place.replaceChildren(...rows.map((field) => this.row(field)));
    if (this.shown) return;
    const rest = this.table.filter((field) => !first.includes(field.key) && field.key !== 'train.learning_rate');
    const all = element('details', {}, element('summary', { textContent: `All ${this.table.length} fields` }));
    const seek = element('input', { type: 'search', placeholder: 'find a field', ariaLabel: 'find a field' });
    const list = element('div', {});
    const fill = () => {
      const word = seek.value.toLowerCase();
      list.replaceChildren(...rest.filter((f) => `${f.key} ${f.help}`.toLowerCase().includes(word))
        .map((f) => this.row(f)));
    };
    seek.addEventListener('input', fill);
    all.addEventListener('toggle', () => { if (all.open && !list.firstChild) fill(); });
    all.append(seek, list);
    this.place.append(all);
  }

  // Marks the field that a message of the engine names.
  blame(message) {
    for (const row of this.place.querySelectorAll('.field'))
      row.classList.toggle('wrong', message !== '' && message.includes(row.dataset.key));
  }
}
