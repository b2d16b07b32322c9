/**
 * Deterministic tensors that any language can reproduce, so that no weights need to be shipped.
 *
 * Element i of a tensor: FNV-1a of "salt:name" plus i · 0x9E3779B9, through the murmur3 finaliser, as a fraction of 2³²;
 * then scaled by the kind of tensor. The reference's figures (test/reference) were made with the same numbers.
 */
import type { Graph } from '../../src/engine/graph/graph.ts';
import { elementCount, float32Tensor, type Tensor, type Weights } from '../../src/engine/graph/tensor.ts';

function fnv1a(text: string): number {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}

/** `count` numbers in [0, 1). */
export function uniform(name: string, count: number, salt: string): Float64Array {
  const values = new Float64Array(count);
  let state = fnv1a(`${salt}:${name}`);
  for (let i = 0; i < count; i++) {
    let x = state;
    x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
    x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
    values[i] = ((x ^ (x >>> 16)) >>> 0) / 4294967296;
    state = (state + 0x9e3779b9) >>> 0;
  }
  return values;
}

const EMBEDDINGS = /(cls_token|dist_token|pos_embed|relative_position_bias_table)$/;

/** How a uniform number becomes an element of the tensor of this name and shape. */
function weightScale(name: string, shape: readonly number[]): (u: number) => number {
  if (name.endsWith('running_var')) return (u) => 0.75 + 0.5 * u;
  if (name.endsWith('running_mean')) return (u) => 0.2 * (u - 0.5);
  if (shape.length >= 2 && !EMBEDDINGS.test(name)) {
    const limit = Math.sqrt(3 / elementCount(shape.slice(1)));
    return (u) => (2 * u - 1) * limit;
  }
  if (shape.length >= 2) return (u) => 0.5 * (u - 0.5);
  if (name.endsWith('bias')) return (u) => 0.2 * (u - 0.5);
  return (u) => 0.5 + u;
}

/** The tensor of a state dict under this name. */
export function weight(name: string, shape: readonly number[]): Float32Array {
  return scaled(uniform(name, elementCount(shape), 'weight'), weightScale(name, shape));
}

/** A stand-in gradient of a parameter, with a magnitude of its own in [0.5, 2). Hessian samples are named `<parameter>#0`, … */
export function gradient(name: string, shape: readonly number[]): Float32Array {
  const scale = 0.5 + 1.5 * uniform(name, 1, 'scale')[0];
  return scaled(uniform(name, elementCount(shape), 'gradient'), (u) => scale * (2 * u - 1));
}

/** A plain loop: Float32Array.from with a function takes ten times as long on a whole network. */
function scaled(numbers: Float64Array, scale: (u: number) => number): Float32Array {
  const values = new Float32Array(numbers.length);
  for (let i = 0; i < values.length; i++) values[i] = scale(numbers[i]);
  return values;
}

/** The images in (−1, 1) that the reference's logits belong to; [1, 3, 224, 224] unless told otherwise. */
export function image(shape: readonly number[] = [1, 3, 224, 224]): Tensor<'float32'> {
  return float32Tensor(
    shape,
    Float32Array.from(uniform('input', elementCount(shape), 'input'), (u) => 2 * u - 1),
  );
}

/** A whole state dict for a Graph; counters are 0. */
export function fillWeights(graph: Graph): Weights {
  return new Map(
    graph.parameters.map(({ name, shape, dtype }): [string, Tensor] => [
      name,
      dtype === 'int64'
        ? { dtype, shape, data: new BigInt64Array(elementCount(shape)) }
        : float32Tensor(shape, weight(name, shape)),
    ]),
  );
}

export interface Digest {
  readonly shape: readonly number[];
  readonly sum: number;
  readonly weighted: number;
}

/** Sum and position-weighted sum (weights 1 + (i mod 1009) / 1009): equal when the same channels stand in the same order. */
export function digest(shape: readonly number[], data: ArrayLike<number>): Digest {
  let sum = 0;
  let weighted = 0;
  for (let i = 0; i < data.length; i++) {
    sum += data[i];
    weighted += data[i] * (1 + (i % 1009) / 1009);
  }
  return { shape, sum, weighted };
}
