// Curves: one chart for each number, with a line for each run. By dygraphs, where it is in the page;
// their values as a table in any case, for readers without a pointer or a picture.
'use strict';

// [title, what it is]; the order is that of the page. Numbers that are not here come after them.
const KNOWN = {
  loss: ['Loss', 'what training makes small'],
  coding_length: ['Coding length', 'MEC’s entropy of the embeddings, which training makes large'],
  spectral_norm: ['Norm', 'of the matrix whose series MEC takes; the series diverges at 1'],
  effective_rank: ['Effective rank', 'directions that the embeddings use'],
  embedding_std: ['Spread of embeddings', 'standard deviation; near 0 they have collapsed'],
  knn: ['kNN', 'accuracy of the encoder while it trains'],
  probe: ['Linear probe', 'accuracy of the encoder while it trains'],
  teacher_knn: ['kNN of the teacher', 'accuracy of the averaged encoder'],
  teacher_probe: ['Linear probe of the teacher', 'accuracy of the averaged encoder'],
  lr: ['Learning rate', 'of the whole batch'],
  images_per_second: ['Throughput', 'images a second, step by step'],
};
const DASHES = [null, [8, 4], [2, 3], [10, 3, 2, 3], [14, 4, 6, 4]];
const MOST_ROWS = 12;  // of the table of values
const PAPER = 320;     // pixels across a chart in print, where the drawing of the screen is made smaller

const runColor = (i) => getComputedStyle(document.documentElement).getPropertyValue('--c' + i % 8).trim();
const dashOf = (i) => DASHES[(i + Math.floor(i / 8)) % DASHES.length];

function short(value) {
  if (value === null || value === undefined) return '–';
  if (Number.isNaN(value)) return 'not finite';
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e6)) return value.toExponential(3);
  return String(Number(value.toPrecision(5)));
}

function namesOfCurves(runs) {
  const found = new Set(runs.flatMap((run) => run.curves.map((curve) => curve.name)));
  const known = Object.keys(KNOWN);
  return [...known.filter((name) => found.has(name)), ...[...found].filter((name) => !known.includes(name))];
}

// Rows [step, value of run 0, …]: null where a run has no value there, NaN where it is not finite.
function rowsOf(name, runs) {
  const rows = new Map();
  const shown = runs.map((run, i) => ({ run, i, curve: run.curves.find((curve) => curve.name === name) })).filter((s) => s.curve);
  shown.forEach(({ curve }, place) => curve.steps.forEach((step, j) => {
    if (!rows.has(step)) rows.set(step, [step, ...shown.map(() => null)]);
    rows.get(step)[place + 1] = curve.values[j] === null ? NaN : curve.values[j];
  }));
  return { rows: [...rows.values()].sort((a, b) => a[0] - b[0]), shown };
}

// The rows for reading: where a run has no value at a step, since only some of its steps are kept,
// its last one before.
function lastValues(rows) {
  const last = [];
  return rows.map(([step, ...values]) => [step, ...values.map((value, place) => {
    if (value !== null) last[place] = value;
    return last[place] === undefined ? null : last[place];
  })]);
}

function lineSample(i) {
  const line = svg('line', { x1: 0, y1: 5, x2: 34, y2: 5, stroke: 'currentColor', 'stroke-width': 2.5 });
  if (dashOf(i)) line.setAttribute('stroke-dasharray', dashOf(i).join(' '));
  return svg('svg', { width: 34, height: 10, class: 'c' + i % 8, 'aria-hidden': 'true' }, line);
}

// The line under a chart: each run's sample, name, and value at the chosen step.
function makeLegend(shown) {
  const step = el('span', {}, '');
  const values = shown.map(() => el('b', {}, ''));
  const box = el('div', { class: 'legend', 'aria-live': 'polite' },
    ...shown.map(({ run, i }, place) => el('span', {}, lineSample(i), run.name + ' ', values[place])), step);
  return { box, show(row) {
    step.textContent = row ? 'step ' + row[0] : '';
    values.forEach((value, place) => { value.textContent = row ? short(row[place + 1]) : ''; });
  } };
}

function valuesTable(rows, shown) {
  const taken = [];
  const count = Math.min(MOST_ROWS, rows.length);
  for (let j = 0; j < count; ++j) taken.push(rows[count === 1 ? 0 : Math.round(j * (rows.length - 1) / (count - 1))]);
  const head = taken.length < rows.length ? `step (${taken.length} of ${rows.length})` : 'step';
  return el('div', { class: 'scroll' }, table([head, ...shown.map((s) => s.run.name)],
    taken.map((row) => [row[0], ...row.slice(1).map(short)]), { numbers: true }));
}

function chartOptions(shown, legend, width, height) {
  const style = getComputedStyle(document.documentElement);
  return {
    labels: ['step', ...shown.map((s, place) => 'run ' + place)],
    colors: shown.map((s) => runColor(s.i)),
    series: Object.fromEntries(shown.map((s, place) => ['run ' + place, { strokePattern: dashOf(s.i) }])),
    strokeWidth: 1.6, connectSeparatedPoints: true, legend: 'never', width, height,
    gridLineColor: style.getPropertyValue('--line').trim(), axisLineColor: style.getPropertyValue('--line').trim(),
    axes: { y: { axisLabelWidth: 62, axisLabelFormatter: (value) => short(value) }, x: { axisLabelFormatter: (value) => short(value) } },
    highlightCallback: (event, x, points, row) => legend.show(legend.rows[row]),
    unhighlightCallback: () => legend.show(null),
  };
}

// One finger scrolls the page, and chooses a step where it taps; two zoom and pan.
function interaction() {
  const model = { ...Dygraph.defaultInteractionModel };
  for (const kind of ['touchstart', 'touchmove', 'touchend']) {
    const all = model[kind];
    model[kind] = (event, g, context) => { if (event.touches.length > 1 || kind === 'touchend') all(event, g, context); };
  }
  return model;
}

function zoomBy(g, factor) {
  const [low, high] = g.xAxisRange(), middle = (low + high) / 2, half = (high - low) / 2 * factor;
  const [first, last] = g.xAxisExtremes();
  if (half * 2 >= last - first) g.resetZoom();
  else g.updateOptions({ dateWindow: [middle - half, middle + half] });
}
function panBy(g, share) {
  const [low, high] = g.xAxisRange(), [first, last] = g.xAxisExtremes();
  const by = Math.max(first - low, Math.min(last - high, (high - low) * share));
  g.updateOptions({ dateWindow: [low + by, high + by] });
}

function addTools(g, chart, rows, legend) {
  let chosen = -1;
  const choose = (row) => {
    chosen = Math.max(0, Math.min(rows.length - 1, row));
    g.setSelection(chosen);
    legend.show(rows[chosen]);
  };
  const reset = () => g.resetZoom();
  const actions = { '+': () => zoomBy(g, 0.5), '-': () => zoomBy(g, 2), '0': reset, '<': () => panBy(g, -0.3), '>': () => panBy(g, 0.3),
    ArrowRight: () => choose(chosen + 1), ArrowLeft: () => choose(chosen < 0 ? rows.length - 1 : chosen - 1),
    Home: () => choose(0), End: () => choose(rows.length - 1) };
  chart.addEventListener('keydown', (event) => {
    const action = actions[event.key === '=' ? '+' : event.key];
    if (!action || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    action();
  });
  const button = (key, text, label) => el('button', { type: 'button', 'aria-label': label, title: label + ' (key ' + key + ')', onclick: actions[key] }, text);
  return el('div', { class: 'tools' }, button('+', '+', 'zoom in'), button('-', '−', 'zoom out'), button('<', '◀', 'earlier steps'),
    button('>', '▶', 'later steps'), button('0', 'all', 'show all'));
}

const charts = [];

// The charts are made once their figures have a width.
function curveFigure(name, runs) {
  const [title, meaning] = Object.hasOwn(KNOWN, name) ? KNOWN[name] : [name.replaceAll('_', ' '), ''];
  const { rows, shown } = rowsOf(name, runs);
  const head = el('figcaption', {}, el('h3', {}, title), meaning ? el('span', { class: 'soft' }, meaning) : '');
  const read = lastValues(rows);
  const values = valuesTable(read, shown);
  if (typeof Dygraph === 'undefined' || rows.length < 2) return el('figure', {}, head, values);
  const legend = makeLegend(shown);
  legend.rows = read;
  const chart = el('div', { class: 'chart', tabindex: 0, role: 'application', 'aria-roledescription': 'chart',
    'aria-label': title + ' by step. Arrow keys choose a step, + and − zoom, < and > pan, 0 shows all.' });
  const figure = el('figure', {}, head, chart, legend.box);
  charts.push({ title, draw() {
    const g = new Dygraph(chart, rows, { ...chartOptions(shown, legend, chart.clientWidth, 220),
      drawPoints: rows.length < 60, pointSize: 3, interactionModel: interaction() });
    figure.append(addTools(g, chart, read, legend), el('details', {}, el('summary', {}, 'Values'), values));
    this.recolor = () => {
      const { colors, gridLineColor, axisLineColor } = chartOptions(shown, legend);
      g.updateOptions({ colors, gridLineColor, axisLineColor });
    };
    this.resize = () => {
      g.resize(chart.clientWidth, 220);
      chart.style.setProperty('--on-paper', PAPER / chart.clientWidth);
    };
    this.resize();
  } });
  return figure;
}

function drawCharts() {
  charts.forEach((chart) => attempt(chart.title, () => chart.draw()));
  const drawn = charts.filter((chart) => chart.resize);
  // Paper has the light colours, also from a dark screen; the size is that of the screen, made smaller.
  for (const media of ['(prefers-color-scheme: dark)', 'print'])
    matchMedia(media).addEventListener('change', () => drawn.forEach((chart) => chart.recolor()));
  let waiting = 0;
  addEventListener('resize', () => { clearTimeout(waiting); waiting = setTimeout(() => drawn.forEach((chart) => chart.resize()), 150); });
}
