/** What each operation of a Graph that is read from a file must look like: attributes with their ranges, inputs, parameters. */
import * as v from 'valibot';
import { ACTIVATION_FUNCTIONS } from './activations.ts';
import type { OperationAttributes, OperationKind, ParameterRole, Shape } from './operations.ts';
import type { Tensor } from './tensor.ts';

/** No size of a network comes near. */
const MAX_SIZE = 2 ** 31 - 1;
/** PyTorch's kernels, TensorFlow's and ONNX's take eight dimensions at most. */
const MAX_RANK = 8;

export const natural = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(MAX_SIZE));
export const positive = v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(MAX_SIZE));
const finite = v.pipe(v.number(), v.finite());
/** −k: k times the batch. */
const dimension = v.pipe(v.number(), v.integer(), v.minValue(-MAX_SIZE), v.maxValue(MAX_SIZE), v.notValue(0));
const shape = v.pipe(v.array(dimension), v.maxLength(MAX_RANK));
export const sizes = v.pipe(v.array(natural), v.maxLength(MAX_RANK));
const axis = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(MAX_RANK - 1));
const axes = v.pipe(v.array(axis), v.minLength(1), v.maxLength(MAX_RANK));
const pair = v.tuple([positive, positive]);
const naturalPair = v.object({ top: natural, left: natural, bottom: natural, right: natural });
const probability = v.pipe(v.number(), v.minValue(0), v.maxValue(1));
const eps = v.pipe(v.number(), v.minValue(0), v.maxValue(1));
const none = v.object({});
/** Output size over input size. */
const scale = v.pipe(v.number(), v.minValue(1e-6), v.maxValue(1e6));
const text = v.pipe(v.string(), v.maxLength(4096));

const activation = v.picklist(ACTIVATION_FUNCTIONS);

const floats = v.instance(Float32Array);
const integers = v.instance(Int32Array);
const elements = (of: readonly number[]): number => of.reduce((product, size) => product * size, 1);
const tensor = v.pipe(
  v.object({ dtype: v.literal('float32'), shape: sizes, data: floats }),
  v.check(({ shape: s, data }) => elements(s) === data.length, 'has other elements than its shape'),
) as v.GenericSchema<unknown, Tensor<'float32'>>;

interface OperationSchema<K extends OperationKind> {
  readonly attributes: v.GenericSchema<unknown, OperationAttributes[K]>;
  /** Fewest and most inputs. */
  readonly inputs: readonly [number, number];
  /** Roles of the operation that there must be, with the number of their dimensions where the shape rule does not say. */
  readonly roles?: Readonly<Partial<Record<ParameterRole, number | undefined>>>;
  /** Dimensions of the first input that it names. */
  readonly axes?: (attributes: OperationAttributes[K]) => readonly number[];
  /** What is wrong beside that. */
  readonly check?: (attributes: OperationAttributes[K], inputs: readonly Shape[]) => string | undefined;
}

const elementwise = { attributes: none, inputs: [2, 2] } as const;
const shortEnough = ({ axis: at }: { axis: number }): readonly number[] => [at];

export const operationSchemas: { readonly [K in OperationKind]: OperationSchema<K> } = {
  input: { attributes: v.object({ shape }), inputs: [0, 0] },
  parameter: { attributes: none, inputs: [0, 0], roles: { value: undefined } },
  constant: { attributes: v.object({ tensor }), inputs: [0, 0] },
  conv: {
    attributes: v.object({ kernel: pair, stride: pair, padding: naturalPair, dilation: pair, groups: positive }),
    inputs: [1, 1],
    roles: { weight: 4 },
  },
  convTranspose: {
    attributes: v.object({
      kernel: pair,
      stride: pair,
      padding: naturalPair,
      outputPadding: v.tuple([natural, natural]),
      dilation: pair,
      groups: positive,
    }),
    inputs: [1, 1],
    roles: { weight: 4 },
  },
  linear: { attributes: none, inputs: [1, 1], roles: { weight: 2 } },
  matmul: { attributes: v.object({ transposeB: v.boolean() }), inputs: [2, 2] },
  batchNorm: {
    attributes: v.object({ eps, momentum: probability }),
    inputs: [1, 1],
    roles: { weight: 1, bias: 1, runningMean: 1, runningVar: 1 },
    check: (_, [x]) => (x.length < 2 ? 'has no channels' : undefined),
  },
  layerNorm: {
    attributes: v.object({ eps, axis }),
    inputs: [1, 1],
    roles: { weight: 1, bias: 1 },
    axes: shortEnough,
  },
  groupNorm: {
    attributes: v.object({ groups: positive, eps }),
    inputs: [1, 1],
    roles: { weight: 1, bias: 1 },
  },
  activation: { attributes: v.object({ function: activation, slope: v.exactOptional(finite) }), inputs: [1, 1] },
  add: elementwise,
  subtract: elementwise,
  multiply: elementwise,
  divide: elementwise,
  scale: { attributes: v.object({ by: v.union([finite, v.literal('rsqrt(last dimension)')]) }), inputs: [1, 1] },
  concat: { attributes: v.object({ axis }), inputs: [1, 10_000], axes: shortEnough },
  slice: {
    attributes: v.object({ axis, start: natural, end: natural, step: positive }),
    inputs: [1, 1],
    axes: shortEnough,
  },
  pad: { attributes: v.object({ axis, before: natural, after: natural }), inputs: [1, 1], axes: shortEnough },
  reshape: { attributes: v.object({ shape }), inputs: [1, 1] },
  transpose: {
    attributes: v.object({ permutation: v.pipe(v.array(axis), v.maxLength(MAX_RANK)) }),
    inputs: [1, 1],
    axes: ({ permutation }) => permutation,
  },
  softmax: { attributes: v.object({ axis }), inputs: [1, 1], axes: shortEnough },
  maxPool: { attributes: v.object({ kernel: pair, stride: pair, padding: naturalPair }), inputs: [1, 1] },
  averagePool: {
    attributes: v.object({ kernel: pair, stride: pair, padding: naturalPair, countPadding: v.boolean() }),
    inputs: [1, 1],
  },
  resize: {
    attributes: v.object({
      size: pair,
      mode: v.picklist(['nearest', 'linear', 'cubic']),
      coordinates: v.picklist(['halfPixel', 'pytorchHalfPixel', 'alignCorners', 'asymmetric']),
      scales: v.exactOptional(v.tuple([scale, scale])),
      rounding: v.exactOptional(v.picklist(['floor', 'ceil', 'preferFloor', 'preferCeil'])),
      antialias: v.exactOptional(v.literal(true)),
    }),
    inputs: [1, 1],
  },
  mean: { attributes: v.object({ axes, keepDimensions: v.boolean() }), inputs: [1, 1], axes: (a) => a.axes },
  roll: {
    attributes: v.object({ axes, shifts: v.array(v.pipe(v.number(), v.safeInteger())) }),
    inputs: [1, 1],
    axes: (a) => a.axes,
    check: (a) => (a.axes.length === a.shifts.length ? undefined : 'has not one shift for each dimension'),
  },
  gather: {
    attributes: v.object({ indices: integers }),
    inputs: [1, 1],
    check: ({ indices }, [table]) =>
      indices.every((index) => index >= 0 && index < table[0]) ? undefined : 'has an index beyond its table',
  },
  expand: { attributes: v.object({ shape }), inputs: [1, 1] },
  dropout: { attributes: v.object({ probability }), inputs: [1, 1] },
  dropPath: { attributes: v.object({ probability }), inputs: [1, 1] },
  opaque: {
    attributes: v.object({
      operator: text,
      reason: text,
      shape,
      call: v.exactOptional(v.pipe(v.string(), v.maxLength(1 << 16))),
    }),
    inputs: [0, 10_000],
  },
};
