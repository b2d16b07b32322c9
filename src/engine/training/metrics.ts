/** Accuracy and loss over batches of logits, in double precision, as PyTorch's reference scripts count them. */

export interface Metrics {
  /** Shares, 0 to 1. */
  readonly top1: number;
  readonly top5: number;
  /** Mean cross-entropy. */
  readonly loss: number;
  readonly images: number;
  /** Images whose first class is right. */
  readonly correct: number;
}

/** −log softmax(logits)[label] of one row, in double precision. */
export function crossEntropy(logits: Float32Array, start: number, classes: number, label: number): number {
  let largest = Number.NEGATIVE_INFINITY;
  for (let c = 0; c < classes; c++) largest = Math.max(largest, logits[start + c]);
  let sum = 0;
  for (let c = 0; c < classes; c++) sum += Math.exp(logits[start + c] - largest);
  return Math.log(sum) + largest - logits[start + label];
}

/** How many classes are ranked before the label: 0 when the prediction is right. Ties go to the lower class. */
function rankOf(logits: Float32Array, start: number, classes: number, label: number): number {
  const score = logits[start + label];
  // A network that overflows has no right answer.
  if (Number.isNaN(score)) return classes;
  let before = 0;
  for (let c = 0; c < classes; c++) {
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

  /** @param logits [labels.length, classes] */
  add(logits: Float32Array, labels: ArrayLike<number>): void {
    const count = labels.length;
    const classes = logits.length / count;
    for (let i = 0; i < count; i++) {
      const rank = rankOf(logits, i * classes, classes, labels[i]);
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
    };
  }
}
