/** Targets of attention layers whose heads lost dims: the nearest products of fewer dims, in place of the dims that stayed. */

import { type RunContext, throwIfAborted } from '../../../common/progress.ts';
import type { Executor } from '../../compute/executor.ts';
import { outputMomentsProgram } from '../../compute/programs/moments-program.ts';
import type { GraphNode } from '../../graph/graph.ts';
import { toFloat32 } from '../../graph/tensor.ts';
import { productMaps, valueMaps } from '../../pruning/repair/head-factors.ts';
import type { AttentionHeads, HeadRows } from '../../pruning/repair/head-rows.ts';
import { type HeadsPair, lostHeads } from '../../pruning/repair/lost-heads.ts';
import { usersOf } from '../../pruning/repair/repair-layers.ts';
import type { CalibrationBatch } from './calibration.ts';
import type { RepairInputs } from './repair-report.ts';

/** A head of the pruned network, and the one that it was. */
interface HeadPair {
  readonly left: readonly number[];
  readonly dense: readonly number[];
}

/** By a layer's weight in the pruned network: what its outputs should be of the dense layer's. */
interface TargetMap {
  /** [outputs, dense outputs], of the rows that are no longer chosen ones. */
  readonly rows: ReadonlyMap<number, ReadonlyMap<number, number>>;
}

export interface FactorisedAttention {
  readonly targets: ReadonlyMap<string, TargetMap>;
  /** By a projection's weight: columns of its inputs, which the new values ask for. */
  readonly columns: ReadonlyMap<string, ReadonlyMap<number, Float64Array>>;
}

/** Heads of both networks that belong together; undefined where the dense one has none of that layer. */
function pairs(
  left: HeadRows,
  dense: HeadRows,
  { kept }: Pick<RepairInputs, 'kept'>,
  dimension: 0 | 1,
): readonly HeadPair[] | undefined {
  const origin = kept.get(left.layer.parameters.weight as string);
  if (!origin || origin.from !== dense.layer.parameters.weight) return undefined;
  const headOf = new Map(dense.rows.flatMap((rows, head) => rows.map((row) => [row, head] as const)));
  const found = left.rows.map((rows): HeadPair | undefined => {
    const head = headOf.get(origin.kept[dimension]?.[rows[0]] ?? rows[0]);
    return head === undefined ? undefined : { left: rows, dense: dense.rows[head] };
  });
  return found.every((pair) => pair !== undefined) ? found : undefined;
}

const matched = (inputs: RepairInputs): readonly HeadsPair[] =>
  lostHeads(inputs, { student: usersOf(inputs.student), teacher: usersOf(inputs.teacher) });

/** Whether some attention's queries and keys lost dims, so that there is something to factorise. */
export const lostHeadDims = (inputs: RepairInputs): boolean => matched(inputs).length > 0;

type Squares = (layer: GraphNode<'linear'>, rows: readonly number[]) => Float64Array;

/** E[y yᵀ] of dense layers' outputs on the images that are fitted to; rows of one head at a time. */
async function outputSquares(
  { teacher, teacherWeights }: RepairInputs,
  layers: readonly GraphNode<'linear'>[],
  batches: readonly CalibrationBatch[],
  executor: Executor,
  { signal }: RunContext,
): Promise<Squares> {
  const sums = new Map<string, Float64Array>();
  const session = await executor.open({ moments: outputMomentsProgram(teacher, layers) }, signal ? { signal } : {});
  try {
    await session.assign(teacherWeights);
    for (const { images, held } of batches) {
      if (held) continue;
      throwIfAborted(signal);
      for (const [name, values] of Object.entries(await session.run('moments', { images }))) {
        const sum = sums.get(name) ?? new Float64Array(values.length);
        for (let i = 0; i < sum.length; i++) sum[i] += values[i];
        sums.set(name, sum);
      }
    }
  } finally {
    await session.dispose();
  }
  return ({ id }, rows) => {
    const all = sums.get(id) as Float64Array;
    const width = Math.sqrt(all.length);
    return Float64Array.from({ length: rows.length ** 2 }, (_, at) => {
      const [i, j] = [Math.floor(at / rows.length), at % rows.length];
      return all[rows[i] * width + rows[j]];
    });
  };
}

class Factors implements FactorisedAttention {
  readonly targets = new Map<string, { readonly rows: Map<number, ReadonlyMap<number, number>> }>();
  readonly columns = new Map<string, Map<number, Float64Array>>();

  constructor(
    private readonly inputs: RepairInputs,
    private readonly squares: Squares,
  ) {}

  private map({ layer }: HeadRows, { left, dense }: HeadPair, maps: readonly Float64Array[]): void {
    const weight = layer.parameters.weight as string;
    const target = this.targets.get(weight) ?? { rows: new Map<number, ReadonlyMap<number, number>>() };
    this.targets.set(weight, target);
    left.forEach((row, i) => {
      target.rows.set(row, new Map(dense.map((from, d) => [from, maps[i][d]])));
    });
  }

  products(left: AttentionHeads, dense: AttentionHeads): void {
    const queries = pairs(left.queries, dense.queries, this.inputs, 0);
    const keys = pairs(left.keys, dense.keys, this.inputs, 0);
    if (!queries || !keys) return;
    queries.forEach((query, head) => {
      const key = keys[head];
      const maps = productMaps(
        this.squares(dense.queries.layer, query.dense),
        this.squares(dense.keys.layer, key.dense),
        query.dense.length,
        query.left.length,
      );
      if (!maps) return;
      this.map(left.queries, query, maps.queries);
      this.map(left.keys, key, maps.keys);
    });
  }

  /** The projection's inputs change with the values: its columns follow. */
  values(left: AttentionHeads, dense: AttentionHeads): void {
    if (!left.projection || !dense.projection) return;
    const values = pairs(left.values, dense.values, this.inputs, 0);
    const projected = pairs(left.projection, dense.projection, this.inputs, 1);
    if (!values || !projected || values[0].left.length === values[0].dense.length) return;
    const weight = left.projection.layer.parameters.weight as string;
    const origin = this.inputs.kept.get(weight);
    const tensor = origin && this.inputs.teacherWeights.get(origin.from);
    if (!origin || !tensor) return;
    const full = toFloat32(tensor);
    const [outputs, width] = tensor.shape;
    const rows = origin.kept[0] ?? Int32Array.from({ length: outputs }, (_, i) => i);
    const columns = new Map<number, Float64Array>();
    this.columns.set(weight, columns);
    values.forEach((value, head) => {
      const { left: into, dense: from } = projected[head];
      const taken = from.map((column) => Float64Array.from(rows, (row) => full[row * width + column]));
      const maps = valueMaps(this.squares(dense.values.layer, value.dense), taken, value.left.length);
      if (!maps) return;
      this.map(left.values, value, maps.values);
      for (const [i, column] of into.entries()) columns.set(column, maps.projection[i]);
    });
  }
}

/** Measures the dense heads, and finds the nearest products of fewer dims. */
export async function factoriseAttention(
  inputs: RepairInputs,
  batches: readonly CalibrationBatch[],
  executor: Executor,
  context: RunContext,
): Promise<FactorisedAttention> {
  const found = matched(inputs);
  const layers = new Map(
    found
      .flatMap(([, { queries, keys, values }]) => [queries.layer, keys.layer, values.layer])
      .map((layer) => [layer.id, layer]),
  );
  const squares = await outputSquares(inputs, [...layers.values()], batches, executor, context);
  const factors = new Factors(inputs, squares);
  for (const [left, dense] of found) {
    factors.products(left, dense);
    factors.values(left, dense);
  }
  return factors;
}
