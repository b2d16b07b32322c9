/** How far one network's outputs are from another's on the same images. */
import { argMax } from './metrics.ts';

export interface Divergence {
  /** Σ (student − teacher)² over Σ teacher²; of a classifier, each image's logits without their mean. */
  readonly distance: number;
  /** Of classifiers: the mean of KL(softmax of the teacher ‖ softmax of the student), in nats. */
  readonly kl?: number;
  /** Of classifiers: the share of the images for which both name the same class. */
  readonly agreement?: number;
}

/** What a repair makes small: the KL divergence of classifiers, the outputs' distance of other networks. */
export const divergenceOf = ({ kl, distance }: Divergence): number => kl ?? distance;

/** Values of every output of a network, over all images. */
export type OutputValues = readonly Float32Array[];

/**
 * Compares two networks.
 *
 * @param teacher where it has more images than the student, its first ones are meant
 * @param classes of a classifier, whose one output is [images, classes]; 0 for another network
 */
export function divergence(teacher: OutputValues, student: OutputValues, classes: number): Divergence {
  if (classes > 0) return logitDivergence(teacher[0], student[0], classes);
  let difference = 0;
  let whole = 0;
  student.forEach((values, output) => {
    for (let i = 0; i < values.length; i++) {
      difference += (values[i] - teacher[output][i]) ** 2;
      whole += teacher[output][i] ** 2;
    }
  });
  return { distance: difference / (whole || 1) };
}

/** log softmax of one row, into `out`. */
function logSoftmax(row: Float32Array, out: Float64Array): void {
  let most = Number.NEGATIVE_INFINITY;
  for (const value of row) if (value > most) most = value;
  let sum = 0;
  for (const value of row) sum += Math.exp(value - most);
  const log = most + Math.log(sum);
  for (let i = 0; i < row.length; i++) out[i] = row[i] - log;
}

const mean = (row: Float32Array): number => row.reduce((sum, value) => sum + value, 0) / row.length;

function logitDivergence(teacher: Float32Array, student: Float32Array, classes: number): Divergence {
  const images = student.length / classes;
  const p = new Float64Array(classes);
  const q = new Float64Array(classes);
  let kl = 0;
  let difference = 0;
  let whole = 0;
  let same = 0;
  for (let image = 0; image < images; image++) {
    const t = teacher.subarray(image * classes, (image + 1) * classes);
    const s = student.subarray(image * classes, (image + 1) * classes);
    logSoftmax(t, p);
    logSoftmax(s, q);
    const [meanT, meanS] = [mean(t), mean(s)];
    for (let i = 0; i < classes; i++) {
      kl += Math.exp(p[i]) * (p[i] - q[i]);
      difference += (s[i] - meanS - t[i] + meanT) ** 2;
      whole += (t[i] - meanT) ** 2;
    }
    if (argMax(t, 0, classes) === argMax(s, 0, classes)) same++;
  }
  return { kl: kl / images, distance: difference / (whole || 1), agreement: same / images };
}
