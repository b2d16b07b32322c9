/** Arithmetic written out in ONNX operators: expressions first, so that only the last of them takes the result's name. */
import type { Elementwise } from '../graph/elementwise.ts';
import type { OnnxAttribute } from '../onnx-format/onnx-writer.ts';

/** A named value, a number, or an operator on such. */
export type OnnxExpression =
  | { readonly name: string }
  | { readonly number: number }
  | {
      readonly operator: string;
      readonly operands: readonly OnnxExpression[];
      readonly attributes?: Readonly<Record<string, OnnxAttribute>>;
    };

/** Where an expression is written to. */
export interface OnnxSink {
  /** Adds an initialiser and gives its name. */
  number(value: number): string;
  /** Adds a node and gives its name. */
  op(type: string, inputs: readonly string[], attributes?: Readonly<Record<string, OnnxAttribute>>): string;
  /** Adds the node that gives the result. */
  result(type: string, inputs: readonly string[], attributes?: Readonly<Record<string, OnnxAttribute>>): void;
}

type Operand = OnnxExpression | number;
const expression = (x: Operand): OnnxExpression => (typeof x === 'number' ? { number: x } : x);
const apply = (operator: string, ...operands: Operand[]): OnnxExpression => ({
  operator,
  operands: operands.map(expression),
});
const FLOAT = 1;
const where = (condition: OnnxExpression): OnnxExpression => ({
  operator: 'Cast',
  operands: [condition],
  attributes: { to: FLOAT },
});

export const onOnnx: Elementwise<OnnxExpression> = {
  add: (a, b) => apply('Add', a, b),
  subtract: (a, b) => apply('Sub', a, b),
  multiply: (a, b) => apply('Mul', a, b),
  square: (x) => apply('Mul', x, x),
  exp: (x) => apply('Exp', x),
  log: (x) => apply('Log', x),
  sqrt: (x) => apply('Sqrt', x),
  reciprocal: (x) => apply('Reciprocal', x),
  sin: (x) => apply('Sin', x),
  cos: (x) => apply('Cos', x),
  erf: (x) => apply('Erf', x),
  tanh: (x) => apply('Tanh', x),
  sigmoid: (x) => apply('Sigmoid', x),
  // Clip takes an infinite end as no end.
  clamp: (x, low, high) => apply('Clip', x, low, high),
  within: (x, low, high) => where(apply('And', apply('Greater', x, low), apply('Less', x, high))),
};

/** Writes an expression that is an operator; what it uses twice is written once. */
export function writeExpression(root: OnnxExpression, sink: OnnxSink): void {
  const names = new Map<OnnxExpression, string>();
  const named = (of: OnnxExpression): string => {
    const known = names.get(of);
    if (known !== undefined) return known;
    const name =
      'name' in of
        ? of.name
        : 'number' in of
          ? sink.number(of.number)
          : sink.op(of.operator, of.operands.map(named), of.attributes);
    names.set(of, name);
    return name;
  };
  if (!('operator' in root)) throw new Error('an expression of no operator has no node of its own');
  sink.result(root.operator, root.operands.map(named), root.attributes);
}
