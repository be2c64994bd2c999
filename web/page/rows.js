// Fields that are lists of parts, as rows of inputs: patterns of tensors' names, factors by such patterns, stages of
// training. Their values are one line of YAML in the form that the engine writes.

// The parts between the brackets of "[a, b]" or "{a: b}", those in brackets and quotes of their own whole.
export function partsOf(text) {
  const parts = [];
  let depth = 0, quote = '', part = '';
  for (const c of text.trim().slice(1, -1)) {
    if (quote) { if (c === quote) quote = ''; } else if (c === '"' || c === "'") quote = c;
    else if (c === '[' || c === '{') depth++;
    else if (c === ']' || c === '}') depth--;
    if (c === ',' && depth === 0 && !quote) { parts.push(part.trim()); part = ''; } else part += c;
  }
  return [...parts, part.trim()].filter((p) => p !== '');
}

const bare = (text) => text.replace(/^["'](.*)["']$/s, '$1');
const quoted = (text) => /^[\w.]+$/.test(text) ? text : JSON.stringify(text);
const pair = (text) => { const at = text.lastIndexOf(': '); return [bare(text.slice(0, at)), text.slice(at + 2)]; };

function stagesFrom(text) {
  return partsOf(text).flatMap((stage) => {
    const members = partsOf(stage).map((m) => { const at = m.indexOf(': '); return [m.slice(0, at), m.slice(at + 2)]; });
    const at = members.find(([key]) => key === 'at')?.[1] || '';
    return members.filter(([key]) => key !== 'at').map(([key, value]) => [at, key, value]);
  });
}

// Rows with the same step are one stage.
function stagesTo(rows) {
  const stages = new Map();
  for (const [at, key, value] of rows) stages.set(Number(at), [...(stages.get(Number(at)) || []), `${key}: ${value}`]);
  return `[${[...stages].sort((a, b) => a[0] - b[0]).map(([at, changes]) => `{at: ${at}, ${changes.join(', ')}}`).join(', ')}]`;
}

// What a row asks for, and the way to rows and back.
export const ROWS = {
  names: { asks: ['tensors, as W_Q'], from: (text) => partsOf(text).map((p) => [bare(p)]), to: (rows) => `[${rows.map(([p]) => quoted(p)).join(', ')}]` },
  factors: { asks: ['tensors, as W_Q', 'factor'], from: (text) => partsOf(text).map(pair), to: (rows) => `{${rows.map(([p, f]) => `${quoted(p)}: ${f}`).join(', ')}}` },
  stages: { asks: ['from step', 'field', 'value'], from: stagesFrom, to: stagesTo },
};

// The rows of a value; changed(text) hears of every row that is complete or taken away, '' where none is left.
export function rowsOf(type, value, { id, locked, choices }, changed) {
  const { asks, from, to } = ROWS[type], place = document.createElement('div');
  place.className = `rows of-${asks.length}`;
  const told = () => {
    const rows = [...place.querySelectorAll('.one')].map((row) => [...row.querySelectorAll('input')].map((input) => input.value.trim()));
    const whole = rows.filter((row) => row.every((part) => part !== ''));
    if (rows.length === whole.length || whole.length > 0) changed(whole.length > 0 ? to(whole) : '');
  };
  const add = (parts) => {
    const row = document.createElement('div'), away = Object.assign(document.createElement('button'), { type: 'button', textContent: '×', ariaLabel: 'take away', disabled: locked });
    row.className = 'one';
    row.append(...asks.map((ask, i) => {
      const input = Object.assign(document.createElement('input'), { type: 'text', value: parts[i] || '', placeholder: ask, ariaLabel: ask, disabled: locked, autocomplete: 'off', spellcheck: false });
      if (ask === 'field') input.setAttribute('list', choices);
      input.addEventListener('change', () => { if ([...row.querySelectorAll('input')].every((one) => one.value.trim() !== '')) told(); });
      return input;
    }), away);
    away.onclick = () => { row.remove(); told(); };
    more.before(row);
    return row;
  };
  const more = Object.assign(document.createElement('button'), { type: 'button', id, textContent: 'add', disabled: locked });
  more.onclick = () => add([]).querySelector('input').focus();
  place.append(more);
  for (const parts of from(value)) add(parts);
  return place;
}
