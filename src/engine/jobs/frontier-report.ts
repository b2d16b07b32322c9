/** A frontier as CSV, Markdown and a picture (SVG). */
import type { FrontierPoint, FrontierReport } from './frontier.ts';

const COLUMNS = [
  'criterion',
  'mode',
  'target',
  'macs',
  'params',
  'top1',
  'top1_among_folders',
  'images',
  'agreement',
  'latency_ms',
  'latency_runs',
];

const cells = (point: FrontierPoint): (string | number | undefined)[] => [
  point.criterion,
  point.mode,
  point.target,
  point.macs,
  point.params,
  point.top1,
  point.top1Among,
  point.images,
  point.agreement,
  point.latency,
  point.latencyRuns,
];

export const frontierCsv = ({ points }: FrontierReport): string =>
  [COLUMNS, ...points.map(cells)]
    .map((row) => row.map((cell) => cell ?? '').join(','))
    .join('\n')
    .concat('\n');

const percent = (share: number | undefined): string => (share === undefined ? '' : `${(100 * share).toFixed(2)} %`);

/** A table, and below it what its figures were measured on. */
export function frontierMarkdown(report: FrontierReport, name: string): string {
  const { points, backend, recalibrate } = report;
  const dense = points[0];
  const among = dense.top1Among !== undefined;
  const rows = points.map((point) => [
    point.mode === 'dense' ? 'dense' : `${point.criterion}, ${point.mode}`,
    point.target,
    `${(point.macs / 1e6).toFixed(2)} M (${((100 * point.macs) / dense.macs).toFixed(1)} %)`,
    `${(point.params / 1e6).toFixed(2)} M`,
    percent(point.top1),
    ...(among ? [percent(point.top1Among)] : []),
    percent(point.agreement),
    `${point.latency.toFixed(2)} ms`,
  ]);
  const table = [
    ['network', 'target', 'MACs', 'params', 'top-1', ...(among ? ['among the folders'] : []), 'agreement', 'latency'],
    Array.from({ length: among ? 8 : 7 }, () => '---'),
    ...rows,
  ];
  const images =
    dense.images === undefined
      ? ''
      : ` Top-1 on ${dense.images} images${among ? ', of all classes and of those alone that have a folder' : ''}.`;
  const statistics = recalibrate
    ? ` Pruned networks have batch norm statistics of up to ${recalibrate.batches} batches of training images at the end (share ${recalibrate.share ?? 1}), the dense network its own.`
    : '';
  return [
    `# ${name}`,
    '',
    '![Accuracy over MACs and over latency](frontier.svg)',
    '',
    ...table.map((row) => `| ${row.join(' | ')} |`),
    '',
    `MACs by the paper's counter.${images}${statistics} Agreement: same class as the dense network on held-out training images. Latency: median of ${dense.latencyRuns} runs or as many as the point's row in the CSV says, batch 1, ${backend}.`,
    '',
  ].join('\n');
}

const COLOURS = ['#1f77b4', '#d62728', '#2ca02c', '#9467bd', '#ff7f0e', '#17becf', '#8c564b', '#e377c2'];
const WIDTH = 480;
const HEIGHT = 360;
const MARGIN = { left: 60, right: 16, top: 36, bottom: 48 };

const escaped = (text: string): string =>
  text.replace(/[&<>"]/g, (c) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[c] as string);

/** Round numbers that span a range, ends included. */
export function ticks(low: number, high: number, count = 5): number[] {
  const raw = (high - low || Math.abs(high) || 1) / count;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = ([1, 2, 5, 10].find((k) => k * power >= raw) as number) * power;
  const first = Math.floor(low / step);
  const last = Math.ceil(high / step);
  return Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}

interface Axis {
  readonly label: string;
  readonly of: (point: FrontierPoint) => number | undefined;
}

type Series = ReadonlyMap<string, readonly FrontierPoint[]>;

function chart(series: Series, dense: FrontierPoint, x: Axis, y: Axis, left: number): string {
  const shown = [dense, ...[...series.values()].flat()].filter((p) => x.of(p) !== undefined && y.of(p) !== undefined);
  const range = (axis: Axis): number[] => {
    const values = shown.map((point) => axis.of(point) as number);
    return ticks(Math.min(...values), Math.max(...values));
  };
  const [xs, ys] = [range(x), range(y)];
  const scale = (list: number[], from: number, to: number) => (value: number) =>
    from + ((value - list[0]) / ((list.at(-1) as number) - list[0] || 1)) * (to - from);
  const px = scale(xs, left + MARGIN.left, left + WIDTH - MARGIN.right);
  const py = scale(ys, HEIGHT - MARGIN.bottom, MARGIN.top);
  const place = (point: FrontierPoint): string =>
    `${px(x.of(point) as number).toFixed(1)},${py(y.of(point) as number).toFixed(1)}`;
  const [bottom, top] = [py(ys[0]), py(ys.at(-1) as number)];
  const grid = [
    ...xs.map(
      (v) =>
        `<path d="M${px(v).toFixed(1)} ${bottom}V${top}" class="grid"/><text x="${px(v).toFixed(1)}" y="${bottom + 16}" text-anchor="middle">${v}</text>`,
    ),
    ...ys.map(
      (v) =>
        `<path d="M${px(xs[0])} ${py(v).toFixed(1)}H${px(xs.at(-1) as number)}" class="grid"/><text x="${px(xs[0]) - 6}" y="${(py(v) + 4).toFixed(1)}" text-anchor="end">${v}</text>`,
    ),
    `<text x="${left + WIDTH / 2}" y="${HEIGHT - 10}" text-anchor="middle">${escaped(x.label)}</text>`,
    `<text x="${left + MARGIN.left}" y="${MARGIN.top - 12}">${escaped(y.label)}</text>`,
  ];
  const lines = [...series.values()].map((points, i) => {
    const whole = [dense, ...points].filter((p) => x.of(p) !== undefined && y.of(p) !== undefined);
    const sorted = whole.sort((a, b) => (x.of(a) as number) - (x.of(b) as number));
    const colour = COLOURS[i % COLOURS.length];
    const dots = points
      .filter((p) => y.of(p) !== undefined)
      .map((p) => {
        const [cx, cy] = place(p).split(',');
        return `<circle cx="${cx}" cy="${cy}" r="3.5" fill="${colour}"><title>${escaped(`${p.criterion}, ${p.mode}, ${p.target}`)}</title></circle>`;
      });
    return `<polyline points="${sorted.map(place).join(' ')}" fill="none" stroke="${colour}" stroke-width="1.5"/>${dots.join('')}`;
  });
  const [cx, cy] = place(dense).split(',');
  const whole =
    y.of(dense) === undefined
      ? ''
      : `<rect x="${Number(cx) - 4}" y="${Number(cy) - 4}" width="8" height="8"><title>dense</title></rect>`;
  return [...grid, ...lines, whole].join('\n');
}

/** Accuracy (or agreement, where nothing was evaluated) over MACs and over latency, a line for each criterion and mode. */
export function frontierSvg({ points, backend }: FrontierReport, name: string): string {
  const [dense, ...others] = points;
  const series = new Map<string, FrontierPoint[]>();
  for (const point of others) {
    const key = `${point.criterion}, ${point.mode}`;
    series.set(key, [...(series.get(key) ?? []), point]);
  }
  const labelled = dense.top1 !== undefined;
  const y: Axis = labelled
    ? { label: `top-1, % of ${dense.images} images`, of: ({ top1 }) => top1 && 100 * top1 }
    : {
        label: 'same class as the dense network, %',
        of: (p) => (p.mode === 'dense' ? 100 : p.agreement && 100 * p.agreement),
      };
  const macs: Axis = { label: 'MACs, M', of: (point) => point.macs / 1e6 };
  const latency: Axis = { label: `latency at batch 1, ms (${backend})`, of: (point) => point.latency };
  const legend = [...series.keys()].map((key, i) => {
    const at = HEIGHT + 18 * (i + 1);
    return `<rect x="${MARGIN.left}" y="${at - 9}" width="10" height="10" fill="${COLOURS[i % COLOURS.length]}"/><text x="${MARGIN.left + 16}" y="${at}">${escaped(key)}</text>`;
  });
  const height = HEIGHT + 18 * (series.size + 1);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${2 * WIDTH} ${height}" width="${2 * WIDTH}" height="${height}">`,
    '<style>text{font:12px sans-serif;fill:#333}.grid{stroke:#ddd;fill:none}</style>',
    `<rect width="100%" height="100%" fill="white"/><title>${escaped(name)}</title>`,
    chart(series, dense, macs, y, 0),
    chart(series, dense, latency, y, WIDTH),
    ...legend,
    '</svg>',
    '',
  ].join('\n');
}
