/** Shapes of unpruned models, and of models that the reference pruned. */
import { readReference, referenceNames } from '../../support/reference.ts';

/** Name, shape, and whether it is a parameter: the state dict without counters. */
export type StateEntry = readonly [name: string, shape: readonly number[], isParameter: boolean];

export const shapeFiles = referenceNames('shapes', 10);
export const readShapes = (name: string): StateEntry[] => readReference(`shapes/${name}.json`);

export interface ReferenceCase {
  readonly model: string;
  readonly base: { readonly macs: number; readonly params: number };
  readonly pruned: { readonly macs: number; readonly params: number };
  /** Heads of each pruned layer, by the path of its qkv. */
  readonly num_heads?: Readonly<Record<string, number>>;
  readonly tensors: Readonly<Record<string, { readonly shape: readonly number[] }>>;
}

export const readCase = (name: string): ReferenceCase => readReference(`cases/${name}.json`);
