/** The comparison editor: table, plot, images that changed verdict. */
import { COST_UNIT } from '../shared/cost.ts';
import './compare.css';
import '../shared/axis.css';
import '../shared/base.css';
import type { ChangedImages, CompareToHost, CompareView, HostToCompare } from '../../src/protocol/panels.ts';
import { button, registerControls, select } from '../shared/controls.ts';
import { element, scrollRegion } from '../shared/dom.ts';
import { connect } from '../shared/host-wire.ts';
import { t } from '../shared/l10n.ts';
import { changedImages } from './changed.ts';
import { toCsv, toMarkdown } from './comparison-export.ts';
import { scatterPlot } from './scatter.ts';
import { type Sorting, sorted } from './sorting.ts';
import { comparisonTable } from './table.ts';

registerControls();

interface State {
  readonly sorting?: Sorting;
  /** Row whose images are compared with the baseline's. */
  readonly against?: string;
}

let view: CompareView = { rows: [] };
let changed: ChangedImages | undefined;
let problem = '';

const host = connect<HostToCompare, CompareToHost, State>({
  'compare/snapshot': (value) => {
    view = value;
    changed = undefined;
    problem = '';
    show();
  },
  'compare/changed': (value) => {
    changed = value;
    problem = '';
    showChanged();
  },
  'compare/error': (text) => {
    problem = text;
    showChanged();
  },
});
let state: State = host.getState() ?? {};

function remember(change: State): void {
  state = { ...state, ...change };
  host.setState(state);
}

const table = scrollRegion(t('Models'));
const measuredOn = element('p', { class: 'muted' });
const plot = scatterPlot();
const images = element('div', { class: 'images' });
const imagesSection = element('section', {}, element('h2', {}, t('Images that changed verdict')), images);
const content = element(
  'div',
  { class: 'content' },
  table,
  measuredOn,
  element('h2', {}, t('Accuracy over {0}', COST_UNIT)),
  plot.root,
  imagesSection,
);
const empty = element(
  'div',
  { class: 'empty' },
  element('p', {}, t('Nothing was evaluated yet. Evaluate one or several models: their figures appear here.')),
  button(t('Evaluate…'), { icon: 'beaker', onClick: () => host.send('compare/evaluate', null) }),
);
const exports = [
  button(t('Export CSV'), {
    look: 'secondary',
    icon: 'export',
    onClick: () => host.send('compare/save', { format: 'csv', text: toCsv(sorted(view.rows, state.sorting)) }),
  }),
  button(t('Export Markdown'), {
    look: 'secondary',
    icon: 'markdown',
    onClick: () =>
      host.send('compare/save', { format: 'markdown', text: toMarkdown(sorted(view.rows, state.sorting)) }),
  }),
];
const toolbar = element(
  'div',
  { class: 'toolbar', role: 'toolbar', 'aria-label': t('Comparison') },
  button(t('Evaluate…'), { icon: 'beaker', onClick: () => host.send('compare/evaluate', null) }),
  element('span', { class: 'spacer' }),
  ...exports,
);
document
  .getElementById('root')
  ?.append(element('h1', { class: 'visually-hidden' }, t('Comparison')), toolbar, empty, content);

function show(): void {
  const { rows, baseline } = view;
  empty.hidden = rows.length > 0;
  toolbar.hidden = content.hidden = rows.length === 0;
  if (rows.length === 0) return;
  table.replaceChildren(
    comparisonTable(rows, baseline, state.sorting, {
      sort: (column) => {
        const descending = state.sorting?.column === column ? !state.sorting.descending : column !== 'label';
        remember({ sorting: { column, descending } });
        show();
      },
      setBaseline: (id) => host.send('compare/baseline', id),
      remove: (id) => host.send('compare/remove', id),
    }),
  );
  const places = [...new Set(rows.map(({ device, backend }) => `${device}, ${backend}`))].join('; ');
  measuredOn.textContent = t('Measured on {0}. Latency: median at batch 1.', places);
  plot.draw(rows, baseline);
  showChanged();
}

/** Rows that were evaluated on the baseline's images. */
function comparable(): CompareView['rows'] {
  const baseline = view.rows.find(({ id }) => id === view.baseline);
  if (!baseline?.canCompareImages) return [];
  return view.rows.filter(
    (row) =>
      row.id !== baseline.id &&
      row.canCompareImages &&
      row.dataPath === baseline.dataPath &&
      row.split === baseline.split &&
      row.images === baseline.images,
  );
}

function showChanged(): void {
  const others = comparable();
  const { baseline } = view;
  imagesSection.hidden = others.length === 0;
  if (others.length === 0 || baseline === undefined) return;
  const [first] = others;
  const against = others.find(({ id }) => id === state.against)?.id ?? first.id;
  const baselineLabel = view.rows.find(({ id }) => id === baseline)?.label ?? '';
  const choose = select({
    label: t('Model to compare with the baseline'),
    choices: others.map(({ id, label }) => [id, label]),
    value: against,
    onChange: (id) => {
      remember({ against: id });
      host.send('compare/askChanged', { before: baseline, after: id });
    },
  });
  const line = element(
    'div',
    { class: 'choose' },
    `${baselineLabel} →`,
    choose,
    button(t('Show'), {
      look: 'secondary',
      onClick: () => host.send('compare/askChanged', { before: baseline, after: choose.value || against }),
    }),
  );
  const fits = changed?.before === baseline;
  images.replaceChildren(
    line,
    ...(problem ? [element('p', { class: 'error', role: 'alert' }, problem)] : []),
    ...(changed && fits ? [changedImages(changed)] : []),
  );
}

host.send('ready', null);
