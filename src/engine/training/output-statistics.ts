/** What a dense network's outputs are like, channel by channel: the units in which another network's distance from them is measured. */

import type { ProgramInputs } from '../compute/executor.ts';
import {
  channelAxis,
  channelCount,
  deviationInput,
  meanInput,
  precisionInput,
} from '../compute/programs/output-losses.ts';
import type { Shape } from '../graph/operations.ts';
import { sizePerImage } from '../graph/shapes.ts';

export interface OutputSpec {
  /** As the predict program calls it. */
  readonly name: string;
  readonly shape: Shape;
}

/** Of one output, a number for each channel. */
export interface OutputStatistics {
  readonly mean: Float32Array;
  /** 1 / variance; 0 where the whole output is the same for all images. */
  readonly precision: Float32Array;
}

/**
 * A channel's variance counts at least as this share of the output's median one: classes that hardly occur would otherwise weigh
 * the more the less they say.
 */
const LEAST_SHARE = 0.1;

/** The channel that an element of one image belongs to, elements in their order. */
export function channelOf(shape: Shape): (element: number) => number {
  const axis = channelAxis(shape);
  if (axis === undefined) return () => 0;
  const inner = shape.slice(axis + 1).reduce((n, size) => n * size, 1);
  return (element) => Math.floor(element / inner) % shape[axis];
}

/** Adds up batches of one output. */
class ChannelSums {
  private readonly sum: Float64Array;
  private readonly squares: Float64Array;
  private readonly count: Float64Array;
  private readonly channel: (element: number) => number;
  private readonly size: number;

  constructor({ shape }: OutputSpec) {
    const channels = channelCount(shape);
    [this.sum, this.squares, this.count] = [0, 1, 2].map(() => new Float64Array(channels)) as Float64Array[];
    this.channel = channelOf(shape);
    this.size = sizePerImage(shape);
  }

  add(values: Float32Array): void {
    for (let i = 0; i < values.length; i++) {
      const c = this.channel(i % this.size);
      this.sum[c] += values[i];
      this.squares[c] += values[i] ** 2;
      this.count[c]++;
    }
  }

  get result(): OutputStatistics {
    const mean = this.sum.map((sum, c) => sum / this.count[c]);
    // Of numbers that are all the same, rounding would leave a variance.
    const variance = this.squares.map((sum, c) => {
      const found = sum / this.count[c] - mean[c] ** 2;
      return found > 1e-12 * mean[c] ** 2 ? found : 0;
    });
    const sorted = variance.toSorted();
    const median = sorted[sorted.length >> 1] || variance.reduce((a, b) => a + b, 0) / variance.length;
    const precision = variance.map((v) => (median > 0 ? 1 / Math.max(v, LEAST_SHARE * median) : 0));
    return { mean: Float32Array.from(mean), precision: Float32Array.from(precision) };
  }
}

export class StatisticsSum {
  private readonly sums: readonly (readonly [string, ChannelSums])[];

  constructor(outputs: readonly OutputSpec[]) {
    this.sums = outputs.map((output) => [output.name, new ChannelSums(output)]);
  }

  add(values: Readonly<Record<string, Float32Array>>): void {
    for (const [name, sums] of this.sums) sums.add(values[name]);
  }

  get result(): ReadonlyMap<string, OutputStatistics> {
    return new Map(this.sums.map(([name, sums]) => [name, sums.result]));
  }
}

/** Statistics as the programs over outputs take them. */
export function statisticsInputs(statistics: ReadonlyMap<string, OutputStatistics>): ProgramInputs {
  return Object.fromEntries(
    [...statistics].flatMap(([name, { mean, precision }]) => [
      [meanInput(name), mean],
      [precisionInput(name), precision],
      [deviationInput(name), precision.map(Math.sqrt)],
    ]),
  );
}
