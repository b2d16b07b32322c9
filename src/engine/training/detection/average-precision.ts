/** Mean average precision as COCO counts it (pycocotools.cocoeval: all areas, no crowds, at most 100 boxes a class and image). */
import { type Detection, intersectionOverUnion } from './boxes.ts';

export interface DetectionMetrics {
  /** Mean average precision at an overlap of 0.5, and its mean over 0.5, 0.55, …, 0.95. Shares, 0 to 1. */
  readonly map50: number;
  readonly map: number;
  readonly images: number;
  /** Boxes that were labelled, and classes that occur. */
  readonly objects: number;
  readonly classes: number;
}

export type LabelledObject = Omit<Detection, 'score'>;

const OVERLAPS = Array.from({ length: 10 }, (_, i) => 0.5 + 0.05 * i);
const RECALLS = Array.from({ length: 101 }, (_, i) => i / 100);
const MOST_BOXES = 100;

/** What became of one box at each overlap. */
interface Match {
  readonly score: number;
  readonly isRight: readonly boolean[];
}

/** Boxes of one class in one image against the objects there, best first: each object is found once. */
function match(found: readonly Detection[], objects: readonly LabelledObject[]): readonly Match[] {
  const sorted = found.toSorted((a, b) => b.score - a.score).slice(0, MOST_BOXES);
  const overlaps = sorted.map((box) => objects.map((object) => intersectionOverUnion(box, object)));
  const right = OVERLAPS.map((threshold) => {
    const taken = new Set<number>();
    return overlaps.map((row) => {
      let best = -1;
      let most = Math.min(threshold, 1 - 1e-10);
      row.forEach((overlap, i) => {
        if (taken.has(i) || overlap < most) return;
        most = overlap;
        best = i;
      });
      if (best >= 0) taken.add(best);
      return best >= 0;
    });
  });
  return sorted.map(({ score }, i) => ({ score, isRight: right.map((row) => row[i]) }));
}

/** Precision at 101 recalls, each the largest at that recall or beyond, averaged. */
function averagePrecision(isRight: readonly boolean[], objects: number): number {
  let hits = 0;
  const recall: number[] = [];
  const precision = isRight.map((right, i) => {
    if (right) hits++;
    recall.push(hits / objects);
    return hits / (i + 1);
  });
  for (let i = precision.length - 1; i > 0; i--) precision[i - 1] = Math.max(precision[i - 1], precision[i]);
  let sum = 0;
  let at = 0;
  for (const wanted of RECALLS) {
    while (at < recall.length && recall[at] < wanted) at++;
    if (at === recall.length) break;
    sum += precision[at];
  }
  return sum / RECALLS.length;
}

interface OfClass {
  objects: number;
  readonly matches: Match[];
}

/** Adds up images; `result` may be asked for at any time. */
export class AveragePrecisionSum {
  private readonly byClass = new Map<number, OfClass>();
  private images = 0;

  add(found: readonly Detection[], objects: readonly LabelledObject[]): void {
    this.images++;
    for (const label of new Set([...found, ...objects].map((box) => box.label))) {
      const own = objects.filter((object) => object.label === label);
      const entry = this.byClass.get(label) ?? { objects: 0, matches: [] };
      this.byClass.set(label, entry);
      entry.objects += own.length;
      entry.matches.push(
        ...match(
          found.filter((box) => box.label === label),
          own,
        ),
      );
    }
  }

  /** Classes that no image has are left out. */
  get result(): DetectionMetrics {
    const present = [...this.byClass.values()].filter(({ objects }) => objects > 0);
    const precisions = present.map(({ objects, matches }) => {
      const sorted = matches.toSorted((a, b) => b.score - a.score);
      return OVERLAPS.map((_, t) =>
        averagePrecision(
          sorted.map(({ isRight }) => isRight[t]),
          objects,
        ),
      );
    });
    const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / (values.length || 1);
    return {
      map50: mean(precisions.map(([first]) => first)),
      map: mean(precisions.map(mean)),
      images: this.images,
      objects: present.reduce((sum, { objects }) => sum + objects, 0),
      classes: present.length,
    };
  }
}
