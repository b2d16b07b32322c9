/**
 * The order in which a group's channels can go with least loss: one by one, always the one whose loss its consumers make
 * good best (the step of OSSCAR, Meng et al. 2024: ½ tr(Wⱼᵀ [(H⁻¹)ⱼⱼ]⁻¹ Wⱼ), with H⁻¹ and W brought up to date after each).
 */
import { cholesky, choleskySolve } from '../repair/cholesky.ts';
import { covariance, type DenseLayer } from './reconstruction.ts';

/** One consumer and which of its inputs each of the group's channels is; inputs of other groups are in none. */
export interface EliminationLayer extends DenseLayer {
  /** By channel of the group. */
  readonly inputsOf: readonly Int32Array[];
}

/** A consumer half way: the inverse of H over all inputs, and its weights refitted to what is left. */
class Working {
  private readonly inverse: Float64Array;
  private readonly weight: Float64Array;
  private readonly scale: number;

  constructor(private readonly layer: EliminationLayer) {
    const { inputs: n, outputs } = layer;
    const { h, ridge } = covariance(layer);
    for (let i = 0; i < n; i++) h[i * (n + 1)] += ridge + 1e-300;
    this.weight = layer.weight.slice();
    let energy = 0;
    for (let o = 0; o < outputs; o++)
      for (let i = 0; i < n; i++) {
        const w = this.weight[o * n + i];
        if (w === 0) continue;
        for (let j = 0; j < n; j++) energy += w * this.weight[o * n + j] * h[i * n + j];
      }
    this.scale = energy > 0 ? 1 / energy : 0;
    this.inverse = new Float64Array(n * n);
    for (let i = 0; i < n; i++) this.inverse[i * (n + 1)] = 1;
    if (cholesky(h, n)) choleskySolve(h, n, this.inverse, n);
  }

  /** The block of H⁻¹ at some inputs, factored. */
  private block(at: Int32Array): Float64Array | undefined {
    const m = at.length;
    const block = new Float64Array(m * m);
    for (let i = 0; i < m; i++)
      for (let j = 0; j < m; j++) block[i * m + j] = this.inverse[at[i] * this.layer.inputs + at[j]];
    return cholesky(block, m) ? block : undefined;
  }

  /** Weights at some inputs: [outputs, inputs at]. */
  private columns(at: Int32Array): Float64Array {
    const { inputs: n, outputs } = this.layer;
    const columns = new Float64Array(outputs * at.length);
    for (let o = 0; o < outputs; o++)
      for (let i = 0; i < at.length; i++) columns[o * at.length + i] = this.weight[o * n + at[i]];
    return columns;
  }

  /** Share of the output energy that goes with a channel. */
  loss(channel: number): number {
    const at = this.layer.inputsOf[channel];
    const block = this.block(at);
    if (!block) return 0;
    const columns = this.columns(at);
    const solved = columns.slice();
    choleskySolve(block, at.length, solved, this.layer.outputs);
    let sum = 0;
    for (let i = 0; i < columns.length; i++) sum += columns[i] * solved[i];
    return sum * this.scale;
  }

  remove(channel: number): void {
    const { inputs: n, outputs, inputsOf } = this.layer;
    const at = inputsOf[channel];
    const m = at.length;
    const block = this.block(at);
    if (!block) return;
    // B = (H⁻¹)ⱼⱼ⁻¹ (H⁻¹)ⱼ: [inputs, at], one row an input.
    const b = new Float64Array(n * m);
    for (let i = 0; i < n; i++) for (let j = 0; j < m; j++) b[i * m + j] = this.inverse[i * n + at[j]];
    const across = b.slice();
    choleskySolve(block, m, b, n);
    const columns = this.columns(at);
    for (let o = 0; o < outputs; o++)
      for (let i = 0; i < n; i++)
        for (let j = 0; j < m; j++) this.weight[o * n + i] -= columns[o * m + j] * b[i * m + j];
    for (let i = 0; i < n; i++)
      for (let j = 0; j < m; j++) {
        const factor = b[i * m + j];
        if (factor !== 0) for (let k = 0; k < n; k++) this.inverse[i * n + k] -= factor * across[k * m + j];
      }
    for (let j = 0; j < m; j++) for (let o = 0; o < outputs; o++) this.weight[o * n + at[j]] = 0;
  }
}

/**
 * All channels of a group in the order in which they should go.
 *
 * @param layers its consumers
 */
export function eliminationOrder(layers: readonly EliminationLayer[], channels: number): Int32Array {
  const working = layers.map((layer) => new Working(layer));
  const left = new Set(Array.from({ length: channels }, (_, i) => i));
  const order = new Int32Array(channels);
  for (let step = 0; step < channels; step++) {
    let best = -1;
    let least = Number.POSITIVE_INFINITY;
    for (const channel of left) {
      const loss = working.reduce((sum, layer) => sum + layer.loss(channel), 0);
      if (loss < least) {
        least = loss;
        best = channel;
      }
    }
    if (best < 0) best = [...left][0];
    left.delete(best);
    order[step] = best;
    if (left.size) for (const layer of working) layer.remove(best);
  }
  return order;
}
