/** Turns nodes that were built as a graph into the body of a function. */
import { functionTensorName } from './output-names.ts';
import type { ArgDef, Attrs, FunctionDef, NodeDef } from './saved-model.ts';

export interface FunctionParts {
  readonly name: string;
  readonly args: readonly ArgDef[];
  /** Tensors by their names in a graph: `node`, `node:1` or an argument. */
  readonly results: readonly ArgDef[];
  /** Nodes that run although no result needs them. */
  readonly controls: readonly string[];
  readonly nodes: readonly NodeDef[];
  readonly attrs: Attrs;
}

/** The function; its nodes' inputs are renamed from a graph's manner (`node:1`) to a function's (`node:output_arg:index`). */
export function toFunctionDef({ name, args, results, controls, nodes, attrs }: FunctionParts): FunctionDef {
  const argNames = new Set(args.map((arg) => arg.name));
  const operations = new Map(nodes.map((node) => [node.name, node.op]));
  const inside = (input: string): string => {
    if (input.startsWith('^') || argNames.has(input)) return input;
    const [node, index = '0'] = input.split(':');
    const op = operations.get(node);
    if (!op) throw new Error(`Function ${name} uses ${input}, which is neither an argument nor one of its nodes.`);
    return functionTensorName(node, op, Number(index));
  };
  return {
    name,
    args: args.map((arg) => ({ name: arg.name, dtype: arg.dtype })),
    results: results.map((result, index) => ({
      name: `result${index}`,
      dtype: result.dtype,
      from: inside(result.name),
    })),
    nodes: nodes.map((node) => ({ ...node, inputs: node.inputs.map(inside) })),
    controls: [...new Set(controls)],
    attrs,
  };
}
