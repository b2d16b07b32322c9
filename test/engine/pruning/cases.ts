/** The reference's results (test/reference/cases) and what is needed to repeat them. */
import assert from 'node:assert/strict';
import { type Criterion, needsGradients } from '../../../src/common/criteria.ts';
import { buildModel } from '../../../src/engine/architectures/registry.ts';
import type { Graph } from '../../../src/engine/graph/graph.ts';
import type { GradientSource } from '../../../src/engine/pruning/scoring/importance.ts';
import { type Digest, gradient } from '../../support/detfill.ts';
import { caseNames, readReference } from '../../support/reference.ts';

export interface ReferenceCase {
  readonly case: string;
  readonly model: string;
  readonly args: {
    readonly pruning_ratio: number;
    readonly head_pruning_ratio: number;
    readonly head_dim_pruning_ratio: number | null;
    readonly pruning_type: Criterion;
    readonly global_pruning: boolean;
    readonly isomorphic: boolean;
    readonly round_to: number;
    readonly remove_layers: number;
  };
  readonly groups: readonly {
    readonly root: string;
    readonly scope: number;
    readonly members: readonly (readonly [layer: string, direction: string, count: number])[];
    readonly channel_groups: number;
    readonly importance: Digest | null;
  }[];
  readonly pruned_groups: readonly (readonly [root: string, direction: string, count: number, indexSum: number])[];
  readonly num_heads: Readonly<Record<string, number>>;
  readonly kept_blocks?: readonly number[];
  readonly base: { readonly macs: number; readonly params: number };
  readonly pruned: { readonly macs: number; readonly params: number };
  /** The first eight, for the deterministic image. */
  readonly base_logits: readonly number[];
  readonly pruned_logits: readonly number[];
  readonly tensors: Readonly<Record<string, Digest>>;
}

export const readCases = (): ReferenceCase[] => caseNames.map((name) => readReference(`cases/${name}.json`));

/** The gradients that a case was scored with: one for Taylor, two samples for Hessian. */
export function caseGradients(graph: Graph, criterion: Criterion): GradientSource | undefined {
  if (!needsGradients(criterion)) return undefined;
  const shapes = new Map(graph.parameters.map(({ name, shape }) => [name, shape]));
  const suffixes = criterion === 'hessian' ? ['#0', '#1'] : [''];
  return {
    kind: 'samples',
    of: (name) => suffixes.map((suffix) => gradient(name + suffix, shapes.get(name) as readonly number[])),
  };
}

export const caseGraph = ({ model }: ReferenceCase): Graph => buildModel(model) ?? assert.fail(`no model ${model}`);
