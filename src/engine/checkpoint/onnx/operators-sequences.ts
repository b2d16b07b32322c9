/** ONNX operators on sequences [N, C, L]: those of images one pixel high, and convolutions as products. */
import type { DraftId } from './draft.ts';
import type { OnnxAttribute } from './onnx-proto.ts';
import type { Value } from './onnx-values.ts';
import { OperatorCall, type OperatorRule } from './operator-call.ts';

/** Attributes of windows, and what they are along the height that sequences lack. */
const WINDOWS: Readonly<Record<string, readonly number[]>> = {
  kernel_shape: [1],
  strides: [1],
  dilations: [1],
  pads: [0],
};

/** The rule for sequences too: the length is the width of an image one pixel high. */
export const ofImages =
  (rule: OperatorRule): OperatorRule =>
  (call) => {
    const shape = call.shape(0);
    if (shape.length !== 3) return rule(call);
    const [n, channels, length] = shape;
    const attributes = [...call.node.attributes].map(([name, value]): [string, OnnxAttribute] => {
      const above = WINDOWS[name];
      if (!above || value.kind !== 'ints') return [name, value];
      const [first, ...rest] = value.value;
      return [name, { kind: 'ints', value: rest.length ? [0, first, 0, ...rest] : [...above, first] }];
    });
    const image = call.computed(call.reshape(call.operand(0), [n, channels, 1, length]));
    const inner = new OperatorCall(call.scope, { ...call.node, attributes: new Map(attributes) }, [
      image,
      ...call.inputs.slice(1),
    ]);
    const result = rule(inner) as Value;
    if (result.kind !== 'computed') return result;
    const [, out, , positions] = call.scope.graph.shape(result.draft);
    return call.computed(call.reshape(result.draft, [n, out, positions]));
  };

/** Taps that are written out one by one. */
const MAX_TAPS = 64;

interface Taps {
  readonly stride: number;
  readonly dilation: number;
  readonly positions: number;
}

function tapsOf(
  call: OperatorCall,
  length: number,
  kernel: number,
): Taps & { readonly before: number; readonly after: number } {
  if (call.string('auto_pad', 'NOTSET') !== 'NOTSET') call.fail('says how it pads a sequence by a mode');
  const [stride = 1] = call.ints('strides') ?? [];
  const [dilation = 1] = call.ints('dilations') ?? [];
  const [before = 0, after = 0] = call.ints('pads') ?? [];
  if (before < 0 || after < 0) call.fail('cuts off part of the sequence by negative padding');
  const positions = Math.floor((length + before + after - dilation * (kernel - 1) - 1) / stride) + 1;
  return { stride, dilation, positions, before, after };
}

/**
 * A convolution of a sequence: a product with the weights of each tap, added up. Weights [O, C / groups, k] stay as they are; groups are one,
 * or as many as channels.
 */
export const sequenceConv: OperatorRule = (call) => {
  const { graph } = call.scope;
  const [n, channels, length] = call.shape(0);
  const [out, perGroup, kernel] = call.shape(1);
  const groups = call.int('group', 1);
  const isDepthwise = groups > 1 && groups === channels && out === channels;
  if (groups > 1 && !isDepthwise) call.fail('convolves a sequence in groups, which Espalier cannot take over');
  if (kernel > MAX_TAPS) call.fail(`has ${kernel} taps; Espalier takes over ${MAX_TAPS}`);
  const { stride, dilation, positions, before, after } = tapsOf(call, length, kernel);
  const x = before + after ? call.add('pad', [call.operand(0)], { axis: 2, before, after }) : call.operand(0);
  const weight = call.operand(1);
  const tap = (k: number): DraftId => {
    const start = k * dilation;
    const end = start + (positions - 1) * stride + 1;
    const isAll = start === 0 && end === graph.shape(x)[2] && stride === 1;
    const taken = isAll ? x : call.add('slice', [x], { axis: 2, start, end, step: stride });
    const own = kernel === 1 ? weight : call.add('slice', [weight], { axis: 2, start: k, end: k + 1, step: 1 });
    if (isDepthwise) return call.add('multiply', [taken, call.reshape(own, [channels, 1])], {});
    const tokens = call.add('transpose', [taken], { permutation: [0, 2, 1] });
    return call.add('matmul', [tokens, call.reshape(own, [out, perGroup])], { transposeB: true });
  };
  const sum = Array.from({ length: kernel }, (_, k) => tap(k)).reduce((a, b) => call.add('add', [a, b], {}));
  const shaped = isDepthwise ? sum : call.add('transpose', [sum], { permutation: [0, 2, 1] });
  if (String(graph.shape(shaped)) !== String([n, out, positions])) call.fail('gives another length than it should');
  return call.has(2) ? call.emit('add', [shaped, call.reshape(call.operand(2), [out, 1])], {}) : call.computed(shaped);
};
