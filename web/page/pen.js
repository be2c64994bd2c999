// Two pens with the same strokes, one for a canvas and one that writes SVG, so that what is seen and what is
// saved come from the same drawing. Lengths are CSS pixels.

export class CanvasPen {
  constructor(canvas, width, height, scale = window.devicePixelRatio || 1) {
    if (canvas.width !== Math.round(width * scale)) canvas.width = Math.round(width * scale);
    if (canvas.height !== Math.round(height * scale)) canvas.height = Math.round(height * scale);
    this.c = canvas.getContext('2d');
    this.c.setTransform(scale, 0, 0, scale, 0, 0);
    this.c.clearRect(0, 0, width, height);
    this.width = width;
    this.height = height;
  }

  rect(x, y, width, height, fill) {
    this.c.fillStyle = fill;
    this.c.fillRect(x, y, width, height);
  }

  // points: [[x, y], ...]; one that is null breaks the line.
  line(points, stroke, width = 1, dash = []) {
    this.c.beginPath();
    let pen = false;
    for (const p of points) {
      if (p === null) pen = false;
      else if (pen) this.c.lineTo(p[0], p[1]);
      else { this.c.moveTo(p[0], p[1]); pen = true; }
    }
    this.c.strokeStyle = stroke;
    this.c.lineWidth = width;
    this.c.lineJoin = 'round';
    this.c.setLineDash(dash);
    this.c.stroke();
    this.c.setLineDash([]);
  }

  circle(x, y, radius, fill, stroke = null) {
    this.c.beginPath();
    this.c.arc(x, y, radius, 0, 2 * Math.PI);
    if (fill) { this.c.fillStyle = fill; this.c.fill(); }
    if (stroke) { this.c.strokeStyle = stroke; this.c.lineWidth = 1.5; this.c.stroke(); }
  }

  // anchor: start, middle or end.
  text(x, y, value, fill, { size = 12, anchor = 'start', turn = 0, weight = 400 } = {}) {
    this.c.save();
    this.c.translate(x, y);
    this.c.rotate(turn * Math.PI / 180);
    this.c.font = `${weight} ${size}px ${FONT}`;
    this.c.fillStyle = fill;
    this.c.textAlign = { start: 'left', middle: 'center', end: 'right' }[anchor];
    this.c.fillText(value, 0, 0);
    this.c.restore();
  }
}

export const FONT = '"Inter", "Helvetica Neue", "Liberation Sans", Arial, sans-serif';

const escaped = (value) => String(value).replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);
const short = (value) => Math.round(value * 100) / 100;

export class SvgPen {
  constructor(width, height, background) {
    this.width = width;
    this.height = height;
    this.parts = [];
    if (background) this.rect(0, 0, width, height, background);
  }

  rect(x, y, width, height, fill) {
    this.parts.push(`<rect x="${short(x)}" y="${short(y)}" width="${short(width)}" height="${short(height)}" fill="${fill}"/>`);
  }

  line(points, stroke, width = 1, dash = []) {
    let d = '', pen = false;
    for (const p of points) {
      if (p !== null) d += `${pen ? 'L' : 'M'}${short(p[0])} ${short(p[1])}`;
      pen = p !== null;
    }
    const dashed = dash.length ? ` stroke-dasharray="${dash.join(' ')}"` : '';
    this.parts.push(`<path d="${d}" fill="none" stroke="${stroke}" stroke-width="${width}" stroke-linejoin="round"${dashed}/>`);
  }

  circle(x, y, radius, fill, stroke = null) {
    this.parts.push(`<circle cx="${short(x)}" cy="${short(y)}" r="${radius}" fill="${fill || 'none'}"${stroke ? ` stroke="${stroke}" stroke-width="1.5"` : ''}/>`);
  }

  text(x, y, value, fill, { size = 12, anchor = 'start', turn = 0, weight = 400 } = {}) {
    const turned = turn ? ` transform="rotate(${turn} ${short(x)} ${short(y)})"` : '';
    this.parts.push(`<text x="${short(x)}" y="${short(y)}" fill="${fill}" font-size="${size}" font-weight="${weight}" text-anchor="${anchor}"${turned}>${escaped(value)}</text>`);
  }

  toString() {
    return `<svg xmlns="http://www.w3.org/2000/svg" width="${this.width}" height="${this.height}" viewBox="0 0 ${this.width} ${this.height}" font-family='${FONT}'>${this.parts.join('\n')}</svg>\n`;
  }
}

// The page's colours, which dark mode changes, and those of data, which it does not: Okabe and Ito's set,
// told apart by all eyes.
export function inks() {
  const style = getComputedStyle(document.documentElement);
  const of = (name) => style.getPropertyValue(name).trim();
  return { ink: of('--ink'), soft: of('--soft'), faint: of('--faint'), paper: of('--card'),
    accent: of('--accent'), second: of('--second') };
}

// Viridis by its ninths: rises in lightness, for eyes of all kinds and in grey.
const VIRIDIS = ['#440154', '#472d7b', '#3b528b', '#2c728e', '#21918c', '#28ae80', '#5ec962', '#addc30', '#fde725']
  .map((hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16)));

export function viridis(share) {
  const at = Math.min(Math.max(share, 0), 1) * (VIRIDIS.length - 1);
  const i = Math.min(Math.floor(at), VIRIDIS.length - 2), rest = at - i;
  const mixed = VIRIDIS[i].map((c, k) => Math.round(c + rest * (VIRIDIS[i + 1][k] - c)));
  return `rgb(${mixed.join(',')})`;
}

// From blue by white to orange, 0 in the middle.
export function diverging(share) {
  const end = share < 0 ? [0, 114, 178] : [213, 94, 0], s = Math.min(Math.abs(share), 1);
  return `rgb(${end.map((c) => Math.round(255 + s * (c - 255))).join(',')})`;
}

// Around a circle of n, at one lightness.
export function hue(i, n) {
  return `hsl(${Math.round(360 * i / Math.max(n, 1))} 65% 48%)`;
}
