// Axes: where values lie, which of them are marked, and how they are written.

// Steps of 1, 2 or 5 times a power of ten that make at most `most` marks.
export function marks(low, high, most = 6) {
  if (!(high > low)) return [low];
  const rough = (high - low) / most, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= rough);
  const found = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + 1e-9 * step; i++) found.push(i * step);
  return found;
}

export function logMarks(low, high) {
  const found = [], decades = Math.log10(high / low);
  for (let p = Math.floor(Math.log10(low)); p <= Math.ceil(Math.log10(high)); p++)
    for (const m of decades > 3 ? [1] : [1, 2, 5]) {
      const value = m * 10 ** p;
      if (value >= low * (1 - 1e-9) && value <= high * (1 + 1e-9)) found.push(value);
    }
  return found;
}

export function written(value) {
  if (value === 0) return '0';
  const size = Math.abs(value);
  if (size >= 1e6 || size < 1e-3) return value.toExponential(1).replace('.0e', 'e').replace('e+', 'e');
  if (size >= 1000) return Math.round(value).toLocaleString('en').replace(/,/g, '\u202f');
  return String(Number(value.toPrecision(3)));
}

export class Scale {
  constructor(low, high, from, to, log = false) {
    Object.assign(this, { low, high, from, to, log });
  }

  at(value) {
    const share = this.log ? Math.log(value / this.low) / Math.log(this.high / this.low)
      : (value - this.low) / (this.high - this.low);
    return this.from + (this.to - this.from) * (Number.isFinite(share) ? share : 0);
  }

  value(at) {
    const share = (at - this.from) / (this.to - this.from);
    return this.log ? this.low * (this.high / this.low) ** share : this.low + share * (this.high - this.low);
  }

  marks(most) {
    return this.log ? logMarks(this.low, this.high) : marks(this.low, this.high, most);
  }
}
