/** What a graph under construction hands out, and how its nodes are asked for. */
import type { PartialShape, TensorFlowType } from './saved-model.ts';

/** A tensor of the graph: `name` is `node` or `node:1`. */
export interface TensorRef {
  readonly name: string;
  readonly dtype: TensorFlowType;
  readonly shape: PartialShape;
}

/** A resource variable; its value lives in the session. */
export interface VariableRef {
  /** Its shared name: what identifies it in the session. */
  readonly name: string;
  readonly dtype: TensorFlowType;
  readonly shape: readonly number[];
  readonly handle: TensorRef;
}

/** An operation that must have run: a tensor, or a node's name. */
export type Control = TensorRef | string;

export interface NodeOptions {
  /** Default: the operation's name. Made unique. */
  readonly name?: string;
  readonly controls?: readonly Control[];
}
