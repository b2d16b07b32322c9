/** The run editor: what a run does, its curves, its settings and its log. */
import './charts.css';
import './run.css';
import '../shared/axis.css';
import '../shared/base.css';
import { formatNumber, formatPercent, formatSeconds } from '../../src/common/format.ts';
import { phaseWords } from '../../src/common/progress.ts';
import type { HostToRun, RunAction, RunCurve, RunToHost, RunView } from '../../src/protocol/panels.ts';
import type { RunPoint } from '../../src/protocol/values.ts';
import { type Button, button, progressBar, registerControls } from '../shared/controls.ts';
import { element, scrollRegion, setText } from '../shared/dom.ts';
import { connect } from '../shared/host-wire.ts';
import { t } from '../shared/l10n.ts';
import { LineChart } from './chart.ts';
import { chartTools } from './chart-tools.ts';
import { type ChartView, SharedView } from './chart-view.ts';
import { bestEpoch, type Measure, seriesOf } from './curves.ts';
import { epochTable, legend, stateLabel } from './run-parts.ts';
import { TradeOffView } from './trade-off.ts';

registerControls();

const LOG_LINES = 200;
/** The next step, where there is one. */
const PRIMARY: ReadonlySet<RunAction> = new Set(['resume', 'openResult', 'openReport']);

interface RemembersRun {
  readonly id: string;
  readonly smoothing?: number;
  readonly logarithmic?: boolean;
}

interface Actions {
  readonly label: string;
  readonly icon: string;
  readonly when: (run: RunView) => boolean;
}

const going = ({ state }: RunView): boolean => state === 'running' || state === 'paused' || state === 'queued';

const actions: { readonly [A in RunAction]: Actions } = {
  pause: { label: t('Pause'), icon: 'debug-pause', when: ({ canPause }) => canPause },
  continue: { label: t('Continue'), icon: 'debug-continue', when: ({ state }) => state === 'paused' },
  stopAfterEpoch: {
    label: t('Stop after epoch'),
    icon: 'debug-step-over',
    when: ({ canStopAfterEpoch }) => canStopAfterEpoch,
  },
  stop: { label: t('Stop now'), icon: 'debug-stop', when: going },
  resume: { label: t('Resume'), icon: 'debug-start', when: ({ canResume }) => canResume },
  openResult: { label: t('Open model'), icon: 'go-to-file', when: ({ result }) => result === 'model' },
  openReport: { label: t('Open report'), icon: 'go-to-file', when: ({ result }) => result === 'report' },
  openBest: { label: t('Open best so far'), icon: 'go-to-file', when: ({ result }) => result === 'best' },
  evaluate: { label: t('Evaluate…'), icon: 'beaker', when: (run) => run.hasCurves && run.result === 'model' },
  openFolder: { label: t('Open folder'), icon: 'folder-opened', when: () => true },
};

let run: RunView | undefined;
let points: RunPoint[] = [];
let compared: readonly RunCurve[] = [];
let log: string[] = [];
/** As the run said last; it says so only while it trains. */
let stepsPerEpoch: number | undefined;

const title = element('h1', {});
const subject = element('p', { class: 'muted subject' });
const state = element('span', { class: 'state' });
const bar = progressBar(t('Progress'));
const status = element('p', { class: 'status', role: 'status' });
const failure = element('p', { class: 'error', role: 'alert' });
const buttons = new Map<RunAction, Button>();
const toolbar = element('div', { class: 'toolbar', role: 'toolbar', 'aria-label': t('Run') });
const names = element('div', { class: 'legend' });
const table = scrollRegion(t('Epochs'));
const settings = element('dl', { class: 'settings' });
const logText = element('pre', { class: 'log', role: 'log', tabindex: 0, 'aria-label': t('Log') });

function section(label: string, content: HTMLElement, open: boolean): HTMLElement {
  return element('details', { open }, element('summary', {}, label), content);
}

const host = connect<HostToRun, RunToHost, RemembersRun>({
  'run/snapshot': (snapshot) => {
    run = snapshot.run;
    points = [...snapshot.points];
    log = [...snapshot.log];
    compared = snapshot.compared;
    tradeOff.show(snapshot.tradeOff ?? undefined);
    remember();
    showRun();
    showCurves();
    showLog();
  },
  'run/tradeOff': (value) => tradeOff.show(value ?? undefined),
  'run/state': (value) => {
    const before = run;
    run = value;
    showRun();
    if (before?.hasCurves !== run.hasCurves || before.referenceTop1 !== run.referenceTop1) showCurves();
  },
  'run/points': (more) => {
    points = merge(points, more);
    scheduleCurves();
  },
  'run/log': (lines) => {
    log = [...log, ...lines].slice(-LOG_LINES);
    showLog();
  },
  'run/compared': (curvesOfOthers) => {
    compared = curvesOfOthers;
    showCurves();
  },
});

const tradeOff = new TradeOffView((point) => host.send('run/takePlan', point));
const shared = new SharedView({
  smoothing: host.getState()?.smoothing ?? 0.6,
  logarithmic: host.getState()?.logarithmic ?? false,
});
const charts: readonly (readonly [measure: Measure, chart: LineChart])[] = [
  ['loss', new LineChart({ title: t('Loss'), format: formatNumber, canBeLogarithmic: true, legend: true }, shared)],
  ['top1', new LineChart({ title: t('Top-1 (validation)'), format: (v) => formatPercent(v, 1) }, shared)],
  [
    'learningRate',
    new LineChart({ title: t('Learning rate'), format: formatNumber, include: [0], canBeLogarithmic: true }, shared),
  ],
  [
    'imagesPerSecond',
    new LineChart({ title: t('Images per second'), format: (v) => v.toFixed(0), include: [0] }, shared),
  ],
];
let smoothing = shared.value.smoothing;
shared.onChange((view: ChartView) => {
  remember();
  if (view.smoothing === smoothing) return;
  smoothing = view.smoothing;
  scheduleCurves();
});

function remember(): void {
  const { smoothing, logarithmic } = shared.value;
  if (run) host.setState({ id: run.id, smoothing, logarithmic });
}

const chartGrid = element('div', { class: 'charts' }, ...charts.map(([, chart]) => chart.root));
const curves = element(
  'div',
  { class: 'curves' },
  chartTools(shared),
  names,
  chartGrid,
  section(t('Epochs'), table, true),
);

/** A resumed run writes steps again: newer points take the place of those at and after them. */
function merge(old: RunPoint[], more: readonly RunPoint[]): RunPoint[] {
  const [first] = more;
  if (!first) return old;
  const last = old.at(-1);
  const goesOn = !last || first.step > last.step || (first.step === last.step && first.kind !== last.kind);
  return goesOn ? [...old, ...more] : [...old.filter(({ step }) => step < first.step), ...more];
}

for (const [action, { label, icon }] of Object.entries(actions) as [RunAction, Actions][]) {
  const made = button(label, {
    icon,
    look: PRIMARY.has(action) ? 'primary' : 'secondary',
    onClick: () => host.send('run/action', action),
  });
  // Which of them can be used is known once the run is.
  made.hidden = true;
  buttons.set(action, made);
  toolbar.append(made);
}

document
  .getElementById('root')
  ?.append(
    element('header', {}, element('div', { class: 'title-row' }, title, state), subject),
    bar.root,
    toolbar,
    element(
      'div',
      { class: 'content' },
      status,
      failure,
      tradeOff.root,
      curves,
      section(t('Settings'), settings, false),
      section(t('Log'), logText, true),
    ),
  );

function showRun(): void {
  if (!run) return;
  stepsPerEpoch = run.stepsPerEpoch ?? stepsPerEpoch;
  setText(title, run.title);
  setText(subject, run.subject);
  state.textContent = stateLabel[run.state]();
  state.dataset.state = run.state;
  for (const [action, made] of buttons) made.hidden = !actions[action].when(run);
  const { progress } = run;
  const share = progress && progress.total > 0 ? progress.done / progress.total : undefined;
  bar.root.classList.toggle('hidden', run.state !== 'running');
  bar.set(run.state === 'running' ? share : 0);
  setText(status, statusText(run));
  setText(failure, run.error ?? '');
  failure.hidden = !run.error;
  curves.hidden = !run.hasCurves;
  settings.replaceChildren(
    ...Object.entries(run.settings).flatMap(([name, value]) => [
      element('dt', {}, name),
      element('dd', {}, String(value)),
    ]),
  );
}

function statusText({ state: now, progress, summary }: RunView): string {
  if (now === 'running' && progress) {
    const share = progress.total > 0 ? `${Math.floor((100 * progress.done) / progress.total)} %` : '';
    const eta = progress.eta === undefined ? '' : t('{0} left', formatSeconds(progress.eta));
    return [phaseWords(progress.phase), share, progress.message ?? '', eta].filter((part) => part).join(' · ');
  }
  if (now === 'queued') return t('Waits for the runs before it.');
  if (now === 'paused') return t('Paused after the last step. Nothing is lost.');
  if (now === 'interrupted') return t('Interrupted: resume takes it up where it was saved last.');
  return summary ?? '';
}

let scheduled = false;
/** Points come faster than anyone reads: one drawing for each frame is enough. */
function scheduleCurves(): void {
  if (scheduled) return;
  scheduled = true;
  requestAnimationFrame(() => {
    scheduled = false;
    showCurves();
  });
}

function showCurves(): void {
  if (!run?.hasCurves) return;
  const { epochs, referenceTop1 } = run;
  const dense =
    referenceTop1 === undefined
      ? undefined
      : { label: t('dense {0}', formatPercent(referenceTop1, 1)), value: referenceTop1 };
  const best = bestEpoch(points);
  const marked = best && {
    label: t('best {0}, epoch {1}', formatPercent(best.top1, 1), best.epoch + 1),
    value: best.top1,
    x: best.epoch + 1,
  };
  for (const [measure, chart] of charts)
    chart.draw({
      series: seriesOf(measure, points, compared, stepsPerEpoch, shared.value.smoothing),
      xMax: epochs,
      ...(measure === 'top1' && { reference: dense, best: marked }),
    });
  names.replaceChildren(...legend(compared));
  table.replaceChildren(epochTable(points));
}

function showLog(): void {
  const atEnd = logText.scrollTop + logText.clientHeight >= logText.scrollHeight - 4;
  setText(
    logText,
    log.join('\n') || (run && going(run) ? t('Nothing was said yet.') : t('Nothing was kept of what it said.')),
  );
  if (atEnd) logText.scrollTop = logText.scrollHeight;
}

host.send('ready', null);
