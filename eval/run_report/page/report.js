// Builds the page from its data. Every text goes in as text, never as HTML.
'use strict';

// An element; functions among its attributes are listeners, texts among its children are text.
function el(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === 'function') element[name] = value;
    else if (value !== false) element.setAttribute(name, value === true ? '' : value);
  }
  element.append(...children);
  return element;
}
function svg(tag, attributes, ...children) {
  const element = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}
function table(head, rows, { numbers = false, css = '' } = {}) {
  const cell = (tag, content, i, more = {}) =>
    el(tag, { ...more, ...(numbers && i > 0 ? { class: 'number' } : {}) }, ...[content].flat());
  return el('table', { class: css }, el('thead', {}, el('tr', {}, ...head.map((text, i) => cell('th', text, i, { scope: 'col' })))),
    el('tbody', {}, ...rows.map((row) => el('tr', {}, ...row.map((content, i) =>
      i === 0 ? cell('th', content, i, { scope: 'row' }) : cell('td', content, i))))));
}

const data = JSON.parse(document.getElementById('data').textContent);
const { runs, pictures } = data;
const several = runs.length > 1;
const percent = (share) => (100 * share).toFixed(2) + '\u00a0%';

function section(id, title, ...content) {
  document.getElementById('contents').append(el('a', { href: '#' + id }, title));
  document.getElementById('main').append(el('section', { id }, el('h2', {}, title), ...content));
}
// A part for each run that has it, under the run's name where there are several.
function partsOf(has, make) {
  return runs.filter(has).flatMap((run) => [several ? el('h3', {}, run.name) : '', ...[make(run)].flat()]);
}
function image(picture, text) {
  return picture < 0 ? el('div', { class: 'none' }, 'cannot be read') : el('img', { src: pictures[picture], alt: text });
}

function overview() {
  const card = (run) => el('div', { class: 'card' }, el('h3', {}, run.name),
    el('dl', {}, ...[['folder', run.folder], ...run.facts].flatMap(([name, text]) => [el('dt', {}, name), el('dd', {}, text)])),
    ...run.missing.map((line) => el('p', { class: 'missing' }, 'Left out: ' + line)));
  section('overview', several ? 'Runs' : 'Run', el('div', { class: 'cards' }, ...runs.map(card)));
}

function scores() {
  const rows = runs.flatMap((run) => run.table.rows.map((row) => [...(several ? [run.name] : []), row.features, String(row.width),
    row.knn === undefined ? '–' : percent(row.knn), row.linear === undefined ? '–' : percent(row.linear) + (row.converged ? '' : ' *')]));
  if (!rows.length) return;
  const texts = [...new Set(runs.map((run) => run.table.text).filter(Boolean))];
  const unfinished = runs.some((run) => run.table.rows.some((row) => row.converged === false));
  section('accuracy', 'Accuracy', ...texts.map((text) => el('p', { class: 'soft' }, text)),
    el('div', { class: 'scroll' }, table([...(several ? ['run'] : []), 'features', 'width', 'kNN', 'linear probe'], rows, { numbers: !several })),
    unfinished ? el('p', { class: 'soft' }, '* the probe has not converged') : '');
}

function curves() {
  const names = namesOfCurves(runs);
  if (!names.length) return;
  const how = typeof Dygraph === 'undefined'
    ? 'As tables: this build of mec has no dygraphs, which draws them (Debian’s libjs-dygraphs, and build again).'
    : 'Drag to zoom, with Shift to pan, double-click to see all; on a touch screen two fingers. By keyboard: arrow keys choose a step, + and − zoom, < and > pan.';
  section('curves', 'Curves', el('p', { class: 'soft no-print' }, how),
    el('div', { class: 'curves' }, ...names.map((name) => curveFigure(name, runs))));
}

function settings() {
  const keys = [...new Set(runs.flatMap((run) => run.settings.map(([key]) => key)))];
  const of = (run, key) => run.settings.find((line) => line[0] === key);
  const cell = (line) => {
    const box = el('span', {}, line ? line[1] : '–');
    if (line && line[1] !== line[2]) { box.className = 'changed'; box.append(el('small', {}, 'default: ' + (line[2] || 'none'))); }
    return box;
  };
  const lines = keys.map((key) => {
    const all = runs.map((run) => of(run, key));
    const differs = all.some((line) => !line || line[1] !== all[0]?.[1]) || all.some((line) => line && line[1] !== line[2]);
    return { row: [key, ...all.map(cell)], differs };
  });
  const shown = table(['setting', ...runs.map((run) => run.name)], lines.map((line) => line.row), { css: 'settings' });
  const rows = [...shown.tBodies[0].rows];
  const show = (all) => rows.forEach((row, i) => { row.hidden = !all && !lines[i].differs; });
  show(false);
  const box = el('input', { type: 'checkbox', id: 'all-settings', onchange: () => show(box.checked) });
  section('settings', 'Settings', el('p', { class: 'soft' }, 'Those that are not the method’s defaults' +
    (several ? ', or differ between runs.' : '.') + ' Bold with a dot: not the default.'),
  el('p', { class: 'no-print' }, box, el('label', { for: 'all-settings' }, ' all settings')), el('div', { class: 'scroll' }, shown));
}

function views() {
  const make = (run) => el('div', { class: 'rows' }, ...run.views.rows.map((row) => el('div', { class: 'tiles' },
    el('figure', { class: 'query' }, image(row.image.picture, 'image ' + row.image.name),
      el('figcaption', { title: row.image.name }, row.image.class || 'image')),
    ...row.views.map((view, i) => el('figure', { class: i > 0 && i % run.views.per_draw === 0 ? 'draws' : '' },
      image(view, `view ${i % run.views.per_draw + 1} of ${row.image.name}`), el('figcaption', {}, 'view ' + (i % run.views.per_draw + 1)))))));
  const parts = partsOf((run) => run.views.rows.length, make);
  if (parts.length) section('views', 'Views', el('p', { class: 'soft' },
    'Images, and the views that training drew of them in its first two epochs.'), ...parts);
}

function neighbours() {
  const caption = (tile) => [tile.class ? el('div', {}, tile.class) : '', el('div', { class: 'soft' }, tile.name.split('/').pop())];
  const near = (tile, query) => {
    const other = Boolean(tile.class && query.class) && tile.class !== query.class;
    return el('figure', { class: other ? 'other' : '' }, image(tile.picture, `${tile.class} ${tile.name}, cosine ${tile.cosine}`),
      el('figcaption', { title: tile.name }, el('b', {}, tile.cosine.toFixed(3)), other ? ' ≠' : '', ...caption(tile)));
  };
  const make = (run) => [el('p', { class: 'soft' }, run.neighbours.text + '. ≠ and a dashed frame: of another class.'),
    el('div', { class: 'rows' }, ...run.neighbours.rows.map(({ query, nearest }) => el('div', { class: 'tiles' },
      el('figure', { class: 'query' }, image(query.picture, query.class + ' ' + query.name), el('figcaption', { title: query.name }, ...caption(query))),
      ...nearest.map((tile) => near(tile, query)))))];
  const parts = partsOf((run) => run.neighbours.rows.length, make);
  if (parts.length) section('neighbours', 'Neighbours', ...parts);
}

function planes() {
  const parts = partsOf((run) => run.plane, (run) => planeFigure(run.plane, pictures[run.plane.sheet]));
  if (parts.length) section('plane', 'Plane', el('p', { class: 'soft no-print' },
    'Images that the encoder finds alike lie together. A point shows its image; buttons stress classes.'), ...parts);
}

const MATRIX_CLASSES = 20, LISTED_CONFUSIONS = 30;
function matrix({ classes, cells }) {
  const counts = classes.map(() => classes.map(() => 0));
  cells.forEach(([truth, said, count]) => { counts[truth][said] = count; });
  const shade = (row, count) => `background: color-mix(in srgb, var(--accent) ${Math.round(60 * count / Math.max(1, ...row))}%, transparent)`;
  return el('table', { class: 'confusion' },
    el('thead', {}, el('tr', {}, el('th', {}, 'is ↓ taken for →'), ...classes.map((name) => el('th', { scope: 'col' }, name)))),
    el('tbody', {}, ...counts.map((row, truth) => el('tr', {}, el('th', { scope: 'row' }, classes[truth]), ...row.map((count, said) =>
      el('td', { class: truth === said ? 'right' : '', style: shade(row, count), title: `${classes[truth]} taken for ${classes[said]}: ${count}` },
        String(count)))))));
}
function confusions({ classes, cells }) {
  const wrong = cells.filter(([truth, said]) => truth !== said).sort((a, b) => b[2] - a[2]).slice(0, LISTED_CONFUSIONS);
  return table(['is', 'taken for', 'images'], wrong.map(([truth, said, count]) => [classes[truth], classes[said], String(count)]));
}
function confusionSection() {
  const parts = partsOf((run) => run.confusion, ({ confusion }) => [el('p', { class: 'soft' }, confusion.text + ', on the test split' +
    (confusion.classes.length > MATRIX_CLASSES ? `. The ${LISTED_CONFUSIONS} most frequent confusions of ${confusion.classes.length} classes` : '')),
  el('div', { class: 'scroll' }, confusion.classes.length > MATRIX_CLASSES ? confusions(confusion) : matrix(confusion))]);
  if (parts.length) section('confusion', 'Confusion matrix', ...parts);
}

document.title = 'mec report: ' + runs.map((run) => run.name).join(', ');
document.getElementById('title').textContent = document.title;
// What is wrong with one section keeps no other from its reader.
function attempt(title, draw) {
  try {
    draw();
  } catch (error) {
    document.getElementById('main').append(el('p', { class: 'missing' }, `${title}: this section failed: ${error.message}`));
  }
}
for (const [title, draw] of [['Runs', overview], ['Accuracy', scores], ['Curves', curves], ['Settings', settings], ['Views', views],
  ['Neighbours', neighbours], ['Plane', planes], ['Confusion matrix', confusionSection],
  ['Machine and versions', () => section('machine', 'Machine and versions', el('p', { class: 'soft' }, 'Of this report.'), el('pre', {}, data.machine))],
  ['Charts', drawCharts]]) attempt(title, draw);
