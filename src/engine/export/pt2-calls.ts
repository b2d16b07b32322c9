/** What emitters of ATen calls work with: arguments as the schema of exported programs has them. */
import type { GraphNode } from '../graph/graph.ts';
import type { OperationKind, ParameterRole, Shape, SpatialPadding } from '../graph/operations.ts';
import type { Tensor } from '../graph/tensor.ts';

/** An argument as the schema has it: `{ as_int: 3 }`. */
export type Pt2Argument = Readonly<Record<string, unknown>>;
/** Name of a value. */
export type Pt2Value = string & { readonly __value?: never };

export interface Pt2Scope {
  input(i: number): Pt2Value;
  inputShape(i: number): Shape;
  /** What the node gives. */
  readonly shape: Shape;
  parameter(role: ParameterRole): Pt2Value;
  hasParameter(role: ParameterRole): boolean;
  constant(tensor: Tensor): Pt2Value;
  /** Adds a call between; `shape`: of what it gives. */
  call(target: string, inputs: Readonly<Record<string, Pt2Argument>>, shape: Shape): Pt2Value;
  /** A call of several outputs, of PyTorch's element types; the one that is meant. */
  callOfMany(
    target: string,
    inputs: Readonly<Record<string, Pt2Argument>>,
    outputs: readonly { readonly type: number; readonly sizes: Shape }[],
    output: number,
  ): Pt2Value;
  /** Sizes as an argument, the batch as the symbol that it is. */
  sizes(shape: Shape): Pt2Argument;
}

export const tensor = (name: Pt2Value): Pt2Argument => ({ as_tensor: { name } });
export const tensors = (names: readonly Pt2Value[]): Pt2Argument => ({ as_tensors: names.map((name) => ({ name })) });
export const int = (value: number): Pt2Argument => ({ as_int: value });
export const ints = (values: readonly number[]): Pt2Argument => ({ as_ints: values });
/** JSON has no infinity: PyTorch writes it as text. */
export const float = (value: number): Pt2Argument => ({
  as_float: Number.isFinite(value) ? value : value > 0 ? 'Infinity' : '-Infinity',
});
export const bool = (value: boolean): Pt2Argument => ({ as_bool: value });
export const text = (value: string): Pt2Argument => ({ as_string: value });
export const NONE: Pt2Argument = { as_none: true };

export type Emitter<K extends OperationKind> = (node: GraphNode<K>, scope: Pt2Scope) => Pt2Value;

export const isEven = (p: SpatialPadding): boolean => p.top === p.bottom && p.left === p.right;
/** Uneven padding becomes a call of its own. */
export function padded(
  s: Pt2Scope,
  p: SpatialPadding,
  value = 0,
): { readonly x: Pt2Value; readonly padding: readonly number[] } {
  if (isEven(p)) return { x: s.input(0), padding: [p.top, p.left] };
  const [n, c, h, w] = s.inputShape(0);
  const shape = [n, c, h + p.top + p.bottom, w + p.left + p.right];
  const amounts = ints([p.left, p.right, p.top, p.bottom]);
  const x = s.call(
    'aten.pad.default',
    { self: tensor(s.input(0)), pad: amounts, mode: text('constant'), value: float(value) },
    shape,
  );
  return { x, padding: [0, 0] };
}

export const optional = (s: Pt2Scope, role: ParameterRole): Pt2Argument =>
  s.hasParameter(role) ? tensor(s.parameter(role)) : NONE;
export const permuted = (shape: Shape, order: readonly number[]): Shape => order.map((axis) => shape[axis]);
