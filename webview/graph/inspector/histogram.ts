/** A scope's scores as a histogram, the selected layer's in front, the threshold as a line. */
import { formatFigure, formatLocalInteger } from '../../../src/common/format.ts';
import type { ScopeScores } from '../../../src/protocol/graph-view.ts';
import { element, svg } from '../../shared/dom.ts';
import { t } from '../../shared/l10n.ts';

export interface HistogramOptions {
  readonly scores: ScopeScores;
  /** Counts of the selected group in the same bins; empty for none. */
  readonly own: readonly number[];
  readonly threshold: number | null;
  readonly color: string;
  readonly width: number;
  readonly height: number;
  /** For screen readers, and in front of the figures. */
  readonly label: string;
}

const total = (counts: readonly number[]): number => counts.reduce((sum, count) => sum + count, 0);

/** Where a score stands among the edges, 0 … bins: bins are drawn equally wide, whatever scale they were cut on. */
export function positionOf(edges: readonly number[], score: number): number {
  if (score <= edges[0]) return 0;
  for (let bin = 0; bin + 1 < edges.length; bin++)
    if (score <= edges[bin + 1]) {
      const width = edges[bin + 1] - edges[bin];
      return width > 0 ? bin + (score - edges[bin]) / width : bin + 1;
    }
  return edges.length - 1;
}

function bars(counts: readonly number[], most: number, bin: number, height: number): string {
  const sum = total(counts) || 1;
  const path: string[] = [];
  for (const [i, count] of counts.entries()) {
    if (!count) continue;
    const top = height - Math.max(1, (height * count) / sum / most);
    path.push(`M${(i * bin).toFixed(2)} ${height}V${top.toFixed(2)}H${((i + 1) * bin - 0.6).toFixed(2)}V${height}Z`);
  }
  return path.join('');
}

/** Both histograms as shares of their own channels, so that a narrow layer can be compared with its wide scope. */
export function histogram(options: HistogramOptions): HTMLElement {
  const { scores, own, threshold, color, width, height } = options;
  const bins = scores.counts.length;
  const share = (counts: readonly number[]): number => Math.max(0, ...counts) / (total(counts) || 1);
  const most = Math.max(share(scores.counts), own.length ? share(own) : 0) || 1;
  const bin = width / Math.max(1, bins);
  const picture = svg('svg', {
    class: 'histogram',
    viewBox: `0 0 ${width} ${height}`,
    role: 'img',
    'aria-label': options.label,
    preserveAspectRatio: 'none',
  });
  picture.append(svg('path', { d: bars(scores.counts, most, bin, height), class: 'histogram-scope' }));
  if (own.length) {
    const front = svg('path', { d: bars(own, most, bin, height), class: 'histogram-own' });
    front.setAttribute('fill', color);
    picture.append(front);
  }
  if (threshold !== null && bins) {
    const x = positionOf(scores.edges, threshold) * bin;
    picture.append(
      svg('rect', { x: 0, y: 0, width: x, height, class: 'histogram-gone' }),
      svg('line', { x1: x, x2: x, y1: 0, y2: height, class: 'histogram-threshold' }),
    );
  }
  const [first, last] = [scores.edges[0], scores.edges[scores.edges.length - 1]];
  return element(
    'div',
    { class: 'histogram-box' },
    picture,
    element(
      'div',
      { class: 'histogram-axis muted' },
      element('span', {}, formatFigure(first ?? 0)),
      element(
        'span',
        {},
        threshold === null
          ? t('{0} scores', formatLocalInteger(total(scores.counts)))
          : t('threshold {0}', formatFigure(threshold)),
      ),
      element('span', {}, formatFigure(last ?? 0)),
    ),
  );
}
