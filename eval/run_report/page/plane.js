// The plane: a point for each image, by shape and colour of its class; its picture under the pointer.
'use strict';

// Paths around (0,0), so that classes differ without colour.
const SHAPES = ['M-3.4 0a3.4 3.4 0 1 0 6.8 0a3.4 3.4 0 1 0 -6.8 0Z', 'M-3-3h6v6h-6Z', 'M0-4.2L3.8 2.8H-3.8Z', 'M0-4.4L3.6 0 0 4.4-3.6 0Z',
  'M-1.2-4h2.4v2.8h2.8v2.4h-2.8v2.8h-2.4v-2.8h-2.8v-2.4h2.8Z', 'M0 4.2L3.8-2.8H-3.8Z', 'M-4-1.3h8v2.6h-8Z', 'M-1.3-4h2.6v8h-2.6Z',
  'M-4-4L0-1.4 4-4 1.4 0 4 4 0 1.4-4 4-1.4 0Z'];
const MOST_CLASSES = 40;  // with a button each
const SHOWN = 84;  // about so many pixels across the picture under the pointer
const FIELD = 600, MARGIN = 16, REACH = 30;  // in units of the picture

const shapeOf = (label) => SHAPES[label % SHAPES.length];  // nine shapes and eight colours: 72 pairs

function placePoints(xy) {
  const xs = xy.filter((v, i) => i % 2 === 0), ys = xy.filter((v, i) => i % 2 === 1);
  const [left, right] = [Math.min(...xs), Math.max(...xs)], [low, high] = [Math.min(...ys), Math.max(...ys)];
  const scale = (FIELD - 2 * MARGIN) / Math.max(right - left, high - low, 1e-9);
  return { width: (right - left) * scale + 2 * MARGIN, height: (high - low) * scale + 2 * MARGIN,
    points: xs.map((x, i) => [MARGIN + (x - left) * scale, MARGIN + (high - ys[i]) * scale]) };
}

// The nearest point in one direction, within a right angle of it.
function pointBeside(points, from, dx, dy) {
  let best = from, nearest = Infinity;
  points.forEach(([x, y], i) => {
    const along = (x - points[from][0]) * dx + (y - points[from][1]) * dy;
    const distance = Math.hypot(x - points[from][0], y - points[from][1]);
    if (i !== from && along > 0.7 * distance && distance < nearest) [best, nearest] = [i, distance];
  });
  return best;
}

// The picture, name and class of a point, beside it.
function makeCard(plane, picture) {
  const size = plane.side * Math.max(1, Math.round(SHOWN / plane.side));
  const thumb = el('div', { class: 'thumb' }), text = el('div', {});
  Object.assign(thumb.style, { width: size + 'px', height: size + 'px', backgroundImage: `url(${picture})`,
    backgroundSize: plane.columns * size + 'px auto' });
  if (plane.names.length < plane.columns) thumb.style.backgroundSize = plane.names.length * size + 'px auto';
  const card = el('div', { class: 'under', hidden: true }, thumb, text);
  return { card, show(i, x, y) {
    thumb.style.backgroundPosition = `-${i % plane.columns * size}px -${Math.floor(i / plane.columns) * size}px`;
    text.textContent = [plane.classes[plane.labels[i]], plane.names[i]].filter((part) => part !== undefined).join(' · ');
    card.hidden = false;
    card.style.left = (x > 50 ? 'auto' : x + 2 + '%');
    card.style.right = (x > 50 ? 100 - x + 2 + '%' : 'auto');
    card.style.top = (y > 50 ? 'auto' : y + 2 + '%');
    card.style.bottom = (y > 50 ? 100 - y + 2 + '%' : 'auto');
  }, hide() { card.hidden = true; } };
}

function classButtons(plane, marks) {
  if (plane.classes.length === 0 || plane.classes.length > MOST_CLASSES) return '';
  const chosen = new Set();
  return el('div', { class: 'classes', role: 'group', 'aria-label': 'Classes to stress' }, ...plane.classes.map((name, label) => {
    const sample = svg('svg', { width: 12, height: 12, viewBox: '-6 -6 12 12', class: 'c' + label % 8, 'aria-hidden': 'true' },
      svg('path', { d: shapeOf(label), fill: 'currentColor' }));
    const button = el('button', { type: 'button', 'aria-pressed': 'false', onclick: () => {
      if (!chosen.delete(label)) chosen.add(label);
      button.setAttribute('aria-pressed', String(chosen.has(label)));
      marks.forEach((mark, i) => mark.classList.toggle('dim', chosen.size > 0 && !chosen.has(plane.labels[i])));
    } }, sample, name);
    return button;
  }));
}

function planeFigure(plane, picture) {
  const { width, height, points } = placePoints(plane.xy);
  const marks = points.map(([x, y], i) => {
    const label = plane.labels.length ? plane.labels[i] : 0;
    return svg('path', { d: shapeOf(label), transform: `translate(${x.toFixed(1)} ${y.toFixed(1)})`, class: 'c' + label % 8, fill: 'currentColor' });
  });
  const ring = svg('circle', { r: 8, class: 'ring', visibility: 'hidden' });
  const field = svg('svg', { class: 'points', viewBox: `0 0 ${width.toFixed(0)} ${height.toFixed(0)}`, tabindex: 0, role: 'application',
    'aria-roledescription': 'scatter plot', 'aria-label': plane.text + '. Arrow keys go from point to point, Home to the first, End to the last.' }, ...marks, ring);
  const card = makeCard(plane, picture), said = el('p', { class: 'soft', 'aria-live': 'polite' }, '');
  let chosen = -1;
  const choose = (i) => {
    chosen = i;
    if (i < 0) { ring.setAttribute('visibility', 'hidden'); card.hide(); return; }
    const [x, y] = points[i];
    ring.setAttribute('cx', x); ring.setAttribute('cy', y); ring.setAttribute('visibility', 'visible');
    card.show(i, 100 * x / width, 100 * y / height);
    said.textContent = card.card.textContent;
  };
  const under = (event) => {
    const box = field.getBoundingClientRect();
    const x = (event.clientX - box.left) / box.width * width, y = (event.clientY - box.top) / box.height * height;
    let best = -1, nearest = REACH;
    points.forEach((point, i) => {
      const distance = Math.hypot(point[0] - x, point[1] - y);
      if (distance < nearest) [best, nearest] = [i, distance];
    });
    choose(best);
  };
  field.addEventListener('pointermove', under);
  field.addEventListener('pointerdown', under);
  field.addEventListener('pointerleave', (event) => { if (event.pointerType === 'mouse') choose(-1); });
  field.addEventListener('blur', () => choose(-1));
  const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  field.addEventListener('keydown', (event) => {
    if (event.key === 'Escape') choose(-1);
    const ends = { Home: 0, End: points.length - 1 };
    if (!Object.hasOwn(arrows, event.key) && !Object.hasOwn(ends, event.key)) return;
    event.preventDefault();
    if (Object.hasOwn(ends, event.key)) choose(ends[event.key]);
    else choose(chosen < 0 ? 0 : pointBeside(points, chosen, ...arrows[event.key]));
  });
  return el('figure', {}, el('div', { class: 'plane' }, field, card.card), said, classButtons(plane, marks),
    el('figcaption', { class: 'soft' }, plane.text));
}
