/** Boxes that a detector found, and which of them to keep. */

/** A box with its score; sides in shares of the image it lies in, 0 to 1. */
export interface Detection {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
  readonly label: number;
  readonly score: number;
}

type Box = Pick<Detection, 'left' | 'top' | 'right' | 'bottom'>;

const area = ({ left, top, right, bottom }: Box): number => Math.max(0, right - left) * Math.max(0, bottom - top);

/** Area of the intersection over area of the union. */
export function intersectionOverUnion(a: Box, b: Box): number {
  const width = Math.min(a.right, b.right) - Math.max(a.left, b.left);
  const height = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
  if (width <= 0 || height <= 0) return 0;
  const both = width * height;
  return both / (area(a) + area(b) - both);
}

export interface SuppressionOptions {
  /** Boxes of one class that overlap a better one by more than this go. */
  readonly overlap: number;
  /** How many stay at most. */
  readonly most: number;
}

/** Non-maximum suppression, each class by itself (torchvision.ops.batched_nms); best first. */
export function suppress(found: readonly Detection[], { overlap, most }: SuppressionOptions): readonly Detection[] {
  const sorted = found.toSorted((a, b) => b.score - a.score);
  const kept: Detection[] = [];
  const byLabel = new Map<number, Detection[]>();
  for (const one of sorted) {
    const rivals = byLabel.get(one.label) ?? [];
    if (rivals.some((better) => intersectionOverUnion(better, one) > overlap)) continue;
    rivals.push(one);
    byLabel.set(one.label, rivals);
    kept.push(one);
    if (kept.length === most) break;
  }
  return kept;
}
