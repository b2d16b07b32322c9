/** What a rule for the dimensions of an operation works with. */
import type { GraphNode } from '../../graph/graph.ts';
import type { OperationKind, ParameterRole, Shape } from '../../graph/operations.ts';
import type { Dimensions, FactorList, FactorTable, FrozenReason } from './factors.ts';
import type { Relation } from './relations.ts';

/** What a rule sees of its node and may say about it. */
export interface AxisContext<K extends OperationKind = OperationKind> {
  readonly node: GraphNode<K>;
  readonly factors: FactorTable;
  readonly inputs: readonly Dimensions[];
  readonly inputShapes: readonly Shape[];
  /** Whether an input is a bare parameter or a constant. */
  readonly isStored: readonly boolean[];
  readonly isConstant: readonly boolean[];
  /** Whether it is a mean that a norm goes by. */
  readonly isNorm: boolean;
  /** Shape of the output. */
  readonly shape: Shape;
  /** Shape of the parameter of a role; undefined where the node has none. */
  parameterShape(role: ParameterRole): readonly number[] | undefined;
  /** Says what the parameter's dimensions are; a parameter bound before is united with them. */
  bind(role: ParameterRole, dimensions: Dimensions): void;
  relate(relation: Omit<Relation, 'otherwise'>): void;
  /** Why this node freezes something. */
  reason(text: string): FrozenReason;
}

export type AxisRule<K extends OperationKind> = (context: AxisContext<K>) => Dimensions;
/** New dimensions that nobody prunes. */
export const fresh = (factors: FactorTable, shape: readonly number[], reason: FrozenReason): FactorList[] =>
  shape.map((d) => factors.createDimension(d, reason));
