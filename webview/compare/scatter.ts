/** Accuracy over MACs: one mark a model, models joined to those they were made from. */

import { formatPercent } from '../../src/common/format.ts';
import type { CompareRow } from '../../src/protocol/panels.ts';
import type { Scale } from '../shared/axis.ts';
import { COST_UNIT, formatMacs } from '../shared/cost.ts';
import { element, svg } from '../shared/dom.ts';
import { t } from '../shared/l10n.ts';
import { plotGrid, plotScales } from '../shared/plot.ts';

const HEIGHT = 260;
const MARGIN = { top: 16, right: 16, bottom: 40, left: 60 };
/** Shapes as well as colours tell dense, pruned and finetuned models apart by how far they are from their origin. */
const MARKS = ['circle', 'square', 'diamond'] as const;
/** Room that a label needs to stand beside its mark. */
const LABEL_HEIGHT = 13;
const LABEL_LETTER = 7;

type Mark = (typeof MARKS)[number];

/** How many models lie between this one and the one that it comes from. */
function depthOf(row: CompareRow, rows: ReadonlyMap<string, CompareRow>): number {
  let depth = 0;
  for (let now = row.parent; now !== undefined && depth < 10; now = rows.get(now)?.parent) depth++;
  return depth;
}

function markShape(mark: Mark, x: number, y: number): SVGElement {
  if (mark === 'circle') return svg('circle', { cx: x, cy: y, r: 5 });
  if (mark === 'square') return svg('rect', { x: x - 4.5, y: y - 4.5, width: 9, height: 9 });
  return svg('path', { d: `M${x} ${y - 6}L${x + 6} ${y}L${x} ${y + 6}L${x - 6} ${y}Z` });
}

interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
}

const overlap = (a: Box, b: Box): boolean =>
  a.x < b.x + b.width && b.x < a.x + a.width && Math.abs(a.y - b.y) < LABEL_HEIGHT;

/** A place for a label beside its mark that no other label has; right of it, left, below, above. */
function placeLabel(x: number, y: number, text: string, width: number, taken: Box[]): Box {
  const length = text.length * LABEL_LETTER;
  const places: readonly Box[] = [
    { x: x + 9, y: y + 4, width: length },
    { x: x - 9 - length, y: y + 4, width: length },
    { x: x - length / 2, y: y + 19, width: length },
    { x: x - length / 2, y: y - 11, width: length },
    { x: x + 9, y: y + 17, width: length },
  ];
  const inside = (box: Box): boolean => box.x >= MARGIN.left && box.x + box.width <= width;
  const place = places.find((box) => inside(box) && !taken.some((other) => overlap(box, other))) ?? places[0];
  taken.push(place);
  return place;
}

const horizontal = { title: t('{0} of one image', COST_UNIT), format: formatMacs };
const vertical = { title: t('Top-1'), format: (value: number) => formatPercent(value, 1) };

/** The line from a model to what it was pruned from. */
function lineage(row: CompareRow, byId: ReadonlyMap<string, CompareRow>, x: Scale, y: Scale): SVGElement | undefined {
  const parent = row.parent === undefined ? undefined : byId.get(row.parent);
  if (!parent) return undefined;
  const ends = { x1: x.at(parent.macs), y1: y.at(parent.top1), x2: x.at(row.macs), y2: y.at(row.top1) };
  return svg('line', { class: 'lineage', ...ends });
}

export interface Scatter {
  readonly root: HTMLElement;
  draw(rows: readonly CompareRow[], baseline: string | undefined): void;
}

export function scatterPlot(): Scatter {
  const picture = svg('svg', {
    class: 'scatter',
    height: HEIGHT,
    role: 'img',
    'aria-label': t('Top-1 over {0}', COST_UNIT),
  });
  const root = element('div', { class: 'scatter-box' }, picture);
  let last: Parameters<Scatter['draw']> | undefined;

  const draw: Scatter['draw'] = (rows, baseline) => {
    last = [rows, baseline];
    const width = Math.max(160, root.clientWidth);
    const byId = new Map(rows.map((row) => [row.id, row]));
    const area = { width, height: HEIGHT, margin: MARGIN };
    const scales = plotScales(
      area,
      rows.map(({ macs }) => macs),
      rows.map(({ top1 }) => top1),
    );
    const { x, y } = scales;
    picture.setAttribute('width', String(width));
    picture.setAttribute('viewBox', `0 0 ${width} ${HEIGHT}`);
    picture.setAttribute(
      'aria-label',
      [
        t('Top-1 over {0}', COST_UNIT),
        ...rows.map((r) => `${r.label}: ${formatPercent(r.top1)} at ${formatMacs(r.macs)}`),
      ].join('. '),
    );
    picture.replaceChildren(
      ...plotGrid(area, scales, horizontal, vertical),
      ...rows.flatMap((row) => lineage(row, byId, x, y) ?? []),
    );
    const taken: Box[] = [];
    for (const row of rows) {
      const [px, py] = [x.at(row.macs), y.at(row.top1)];
      const depth = Math.min(MARKS.length - 1, depthOf(row, byId));
      const label = placeLabel(px, py, row.label, width, taken);
      const group = svg('g', { class: `mark depth-${depth}${row.id === baseline ? ' baseline' : ''}` });
      group.append(
        svg('title', {}, `${row.label}: top-1 ${formatPercent(row.top1)}, ${formatMacs(row.macs)} ${COST_UNIT}`),
        markShape(MARKS[depth], px, py),
        svg('text', { class: 'mark-label', x: label.x, y: label.y }, row.label),
      );
      picture.append(group);
    }
  };
  new ResizeObserver(() => {
    if (last) draw(...last);
  }).observe(root);
  return { root, draw };
}
