/** Reference interpreter of Programs: double precision, plain loops. With the backends it shares the records of activations and the hash of masks alone. */
import type { KernelKind } from '../../src/engine/compute/programs/kernels.ts';
import type { Program, Ref } from '../../src/engine/compute/programs/program.ts';
import { withBatch } from '../../src/engine/graph/shapes.ts';
import { count, type Values, values } from './interpreter/array.ts';
import { type KernelRule, kernelRules } from './interpreter/kernels.ts';

export { type Values, values } from './interpreter/array.ts';

export interface InterpreterResult {
  readonly outputs: Readonly<Record<string, Values>>;
  /** New values of the states that the program updates. */
  readonly updates: ReadonlyMap<string, Values>;
  /** The value of any ref. */
  value(ref: Ref): Values;
}

/** Runs a program. States not given start at their initial value. The batch size is that of the first input with a batch dimension. */
export function interpret(
  program: Program,
  inputs: Readonly<Record<string, Values>>,
  states: ReadonlyMap<string, Values> = new Map(),
): InterpreterResult {
  const batched = program.inputs.find((spec) => spec.shape[0] < 0);
  const batch = batched ? inputs[batched.name].shape[0] : 1;
  const results: (readonly Values[])[] = [];
  const value = (ref: Ref): Values => results[ref.node][ref.output];
  for (const [i, node] of program.nodes.entries()) {
    const shapes = node.shapes.map((shape) => withBatch(shape, batch));
    let outputs: readonly Values[];
    if (node.kind === 'input') outputs = [required(inputs[node.attributes.name], `input ${node.attributes.name}`)];
    else if (node.kind === 'state') outputs = [stateValue(program, node.attributes.name, states)];
    else {
      const rule = kernelRules[node.kind] as KernelRule<KernelKind>;
      outputs = rule(node.attributes, node.inputs.map(value), { shapes, batch });
    }
    outputs.forEach((output, j) => {
      if (String(output.shape) !== String(shapes[j]) || output.data.length !== count(shapes[j]))
        throw new Error(`%${i} ${node.kind} ${node.source}: [${output.shape}] where [${shapes[j]}] was inferred`);
    });
    results.push(outputs);
  }
  const updates = new Map(program.updates.map((update) => [update.state, value(update.value)]));
  const outputs = Object.fromEntries(Object.entries(program.outputs).map(([name, ref]) => [name, value(ref)]));
  return { outputs, updates, value };
}

function required(found: Values | undefined, what: string): Values {
  if (!found) throw new Error(`the interpreter was given no ${what}`);
  return found;
}

function stateValue(program: Program, name: string, states: ReadonlyMap<string, Values>): Values {
  const spec = program.states.find((state) => state.name === name);
  if (!spec) throw new Error(`the program lists no state ${name}`);
  const given = states.get(name);
  if (given || spec.initial === undefined) return required(given, `state ${name}`);
  const initial = values(spec.shape);
  initial.data.fill(spec.initial);
  return initial;
}
