/** A call that stays as it is, as text that the Graph carries: enough for writing it into an exported program again. */
import type { Argument, ProgramGraph, ProgramNode } from './exported-program.ts';

/** Parts of arguments as the schema has them, tensors by their place among the call's inputs. */
function written(argument: Argument, next: () => number): object | undefined {
  switch (argument.kind) {
    case 'none':
      return { as_none: true };
    case 'tensor':
      return { input: next() };
    case 'tensors':
      return argument.names.every((name) => name !== undefined)
        ? { inputs: argument.names.map(() => next()) }
        : undefined;
    case 'ints': {
      // A size that the program computes has a name that nothing else knows.
      if (argument.values.some((value) => typeof value !== 'number')) return undefined;
      return argument.single ? { as_int: argument.values[0] } : { as_ints: argument.values };
    }
    case 'floats':
      if (!argument.values.every(Number.isFinite)) return undefined;
      return argument.single ? { as_float: argument.values[0] } : { as_floats: argument.values };
    case 'bool':
      return { as_bool: argument.value };
    case 'string':
      return { as_string: argument.value };
    case 'type':
      return { as_scalar_type: argument.value };
    case 'graph':
    case 'other':
      return undefined;
  }
}

/**
 * The call, and which of its outputs is meant.
 * @returns undefined where something in it depends on more than its inputs
 */
export function keptCall(node: ProgramNode, { tensors }: ProgramGraph, output: number): string | undefined {
  let inputs = 0;
  const next = (): number => inputs++;
  const args = node.inputs.map(({ name, argument }) => ({ name, arg: written(argument, next) }));
  const outputs = node.outputs.map((name) => tensors.get(name));
  const isKnown = outputs.every((meta) => meta?.sizes.every((size) => size !== undefined));
  if (!isKnown || args.some(({ arg }) => arg === undefined)) return undefined;
  return JSON.stringify({ target: node.target, args, inputs, outputs, output });
}
