/** How a group's scores are brought to one scale before groups are compared (`--normalizer` of the paper's script). */

export type Normaliser = 'none' | 'mean' | 'sum' | 'max' | 'standarization' | 'gaussian' | 'lamp';

const total = (scores: Float64Array): number => scores.reduce((sum, score) => sum + score, 0);
const dividedBy = (scores: Float64Array, by: number): Float64Array => scores.map((score) => score / by);

/** Keeps a group of equal scores from dividing by zero (the reference's figure). */
const EPSILON = 1e-8;

export const normalisers: { readonly [K in Normaliser]: (scores: Float64Array) => Float64Array } = {
  none: (scores) => scores,
  /** A group's scores average 1: the paper's choice. */
  mean: (scores) => dividedBy(scores, total(scores) / scores.length),
  sum: (scores) => dividedBy(scores, total(scores)),
  max: (scores) =>
    dividedBy(
      scores,
      scores.reduce((a, b) => Math.max(a, b)),
    ),
  standarization: (scores) => {
    const low = scores.reduce((a, b) => Math.min(a, b));
    const high = scores.reduce((a, b) => Math.max(a, b));
    return scores.map((score) => (score - low) / (high - low + EPSILON));
  },
  gaussian: (scores) => {
    const mean = total(scores) / scores.length;
    const squares = scores.reduce((sum, score) => sum + (score - mean) ** 2, 0);
    const deviation = Math.sqrt(squares / Math.max(1, scores.length - 1));
    return scores.map((score) => (score - mean) / (deviation + EPSILON));
  },
  /** Each score over the sum of itself and all larger ones (Lee et al. 2021, Layer-Adaptive Magnitude-based Pruning). */
  lamp: (scores) => {
    const order = Array.from(scores.keys()).sort((a, b) => scores[a] - scores[b]);
    const result = new Float64Array(scores.length);
    let rest = total(scores);
    for (const i of order) {
      result[i] = scores[i] / rest;
      rest -= scores[i];
    }
    return result;
  },
};
