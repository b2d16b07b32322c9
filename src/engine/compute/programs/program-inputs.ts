/** What a run is given, as tensors of the shapes that its program declares. */
import type { Shape } from '../../graph/operations.ts';
import { formatShape, sizePerImage, withBatch } from '../../graph/shapes.ts';
import type { Tensor } from '../../graph/tensor.ts';
import type { ProgramInputs } from '../executor.ts';
import type { InputSpec, Program } from './program.ts';

type InputTensor = Tensor<'float32' | 'int32'>;

export interface ResolvedInputs {
  /** One for each input of the program. */
  readonly tensors: Readonly<Record<string, InputTensor>>;
  readonly batch: number;
}

const isBatched = (shape: Shape): boolean => shape.some((d) => d < 0);
const asArray = (value: ProgramInputs[string]): Float32Array | Int32Array =>
  typeof value === 'number' ? Float32Array.of(value) : value;

function batchOf(program: Program, inputs: ProgramInputs): number {
  for (const { name, shape } of program.inputs)
    if (isBatched(shape) && name in inputs) return asArray(inputs[name]).length / sizePerImage(shape);
  return 1;
}

function resolve(
  { name, dtype, shape }: InputSpec,
  value: ProgramInputs[string] | undefined,
  batch: number,
): InputTensor {
  const wrong = (what: string): never => {
    throw new Error(`input ${name} (${dtype} ${formatShape(shape)}) ${what}`);
  };
  const data = value === undefined ? wrong('is missing') : asArray(value);
  if (data instanceof Int32Array !== (dtype === 'int32')) wrong(`was given a ${data.constructor.name}`);
  const sizes = withBatch(shape, batch);
  if (data.length !== sizePerImage(sizes)) wrong(`was given ${data.length} values for a batch of ${batch}`);
  return { dtype, shape: sizes, data };
}

/** Checks a run's inputs; values that the program does not take are ignored. Throws an Error that names the input. */
export function resolveInputs(
  program: Program,
  inputs: ProgramInputs,
  batch = batchOf(program, inputs),
): ResolvedInputs {
  if (!Number.isInteger(batch) || batch < 1)
    throw new Error(`the inputs do not make up a whole batch (${batch} samples)`);
  const tensors = program.inputs.map((spec) => [spec.name, resolve(spec, inputs[spec.name], batch)] as const);
  return { tensors: Object.fromEntries(tensors), batch };
}
