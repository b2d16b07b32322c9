/** Accuracy and loss over batches of logits, in double precision, as PyTorch's reference scripts count them. */

import type { AccuracyAmong } from '../../common/confidence.ts';

export interface Metrics {
  /** Shares, 0 to 1. */
  readonly top1: number;
  readonly top5: number;
  /** Mean cross-entropy. */
  readonly loss: number;
  readonly images: number;
  /** Images whose first class is right. */
  readonly correct: number;
  /** Where the images are of some of the network's classes only: with the others left out of the ranking. */
  readonly among?: AccuracyAmong;
}

/** −log softmax(logits)[label] of one row, in double precision. */
export function crossEntropy(logits: Float32Array, start: number, classes: number, label: number): number {
  let largest = Number.NEGATIVE_INFINITY;
  for (let c = 0; c < classes; c++) largest = Math.max(largest, logits[start + c]);
  let sum = 0;
  for (let c = 0; c < classes; c++) sum += Math.exp(logits[start + c] - largest);
  return Math.log(sum) + largest - logits[start + label];
}

/** How many of the `candidates` are ranked before the label: 0 when the prediction is right. Ties go to the lower class. */
function rankOf(logits: Float32Array, start: number, candidates: ArrayLike<number>, label: number): number {
  const score = logits[start + label];
  // A network that overflows has no right answer.
  if (Number.isNaN(score)) return candidates.length;
  let before = 0;
  for (let i = 0; i < candidates.length; i++) {
    const c = candidates[i];
    const other = logits[start + c];
    if (other > score || (other === score && c < label)) before++;
  }
  return before;
}

export function argMax(logits: Float32Array, start: number, classes: number): number {
  let best = 0;
  for (let c = 1; c < classes; c++) if (logits[start + c] > logits[start + best]) best = c;
  return best;
}

/** Adds up batches; `result` may be asked for at any time. */
export class MetricsSum {
  #images = 0;
  #correct = 0;
  #correct5 = 0;
  #loss = 0;
  #correctAmong = 0;
  #all = new Int32Array();

  /** @param among the classes that images are of, where not of all: they are also ranked by themselves */
  constructor(private readonly among?: readonly number[]) {}

  /** @param logits [labels.length, classes] */
  add(logits: Float32Array, labels: ArrayLike<number>): void {
    const count = labels.length;
    const classes = logits.length / count;
    if (this.#all.length !== classes) this.#all = Int32Array.from({ length: classes }, (_, c) => c);
    for (let i = 0; i < count; i++) {
      const rank = rankOf(logits, i * classes, this.#all, labels[i]);
      if (this.among && rankOf(logits, i * classes, this.among, labels[i]) === 0) this.#correctAmong++;
      if (rank === 0) this.#correct++;
      if (rank < 5) this.#correct5++;
      this.#loss += crossEntropy(logits, i * classes, classes, labels[i]);
    }
    this.#images += count;
  }

  get result(): Metrics {
    const n = this.#images || 1;
    return {
      top1: this.#correct / n,
      top5: this.#correct5 / n,
      loss: this.#loss / n,
      images: this.#images,
      correct: this.#correct,
      ...(this.among && { among: { classes: this.among.length, top1: this.#correctAmong / n } }),
    };
  }
}
