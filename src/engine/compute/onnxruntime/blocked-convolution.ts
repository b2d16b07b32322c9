/**
 * Convolutions in ONNX Runtime's blocked layout, where channels lie in blocks of as many as the processor's vectors hold. Its optimiser moves
 * convolutions of constant weights there; those of a train step change, so they are moved here: half the time at 3 × 3, a third and less for
 * depthwise ones. 1 × 1 gains nothing.
 */
import type { KernelAttributes } from '../programs/kernels.ts';
import { isDepthwise, type KernelLowering, type Value } from './kernel-lowering.ts';
import type { OnnxRuntime } from './load-onnxruntime.ts';
import { type Attributes, OnnxGraph } from './onnx-graph.ts';

/** Domain of the operators that ONNX Runtime's optimiser puts in. */
const BLOCKED = 'com.microsoft.nchwc';
/** Only multiples of so many channels are moved into blocks. */
const MOVED = 4;

const roundUp = (count: number, to: number): number => Math.ceil(count / to) * to;

/** Zeros behind the first dimensions, up to `sizes`. */
const padTo = (c: KernelLowering, x: string, shape: readonly number[], sizes: readonly number[]): string =>
  c.pad(
    x,
    shape.map(() => 0),
    shape.map((size, i) => Math.max(0, (sizes[i] ?? size) - size)),
  );

/** [C, 1, kh, kw] as blocks of C, then kernel, then the block's channels. */
function blockedDepthwise(c: KernelLowering, w: Value, block: number): string {
  const [channels, , kh, kw] = w.shape;
  const whole = roundUp(channels, block);
  const blocks = c.reshape(padTo(c, w.name, w.shape, [whole]), [whole / block, block, kh, kw]);
  return c.reshape(c.transpose(blocks, [0, 2, 3, 1]), [whole, 1, kh, kw]);
}

/** [O, I, kh, kw] as blocks of O, blocks of I, kernel, then a block's inputs and outputs. */
function blockedDense(c: KernelLowering, w: Value, block: number): string {
  const [out, into, kh, kw] = w.shape;
  const [outs, intos] = [roundUp(out, block), roundUp(into, block)];
  const padded = padTo(c, w.name, w.shape, [outs, intos]);
  const blocks = c.reshape(padded, [outs / block, block, intos / block, block, kh, kw]);
  return c.reshape(c.transpose(blocks, [0, 2, 4, 5, 3, 1]), [outs, intos, kh, kw]);
}

/**
 * Such a convolution, or undefined where there are no blocks or they gain nothing.
 *
 * @param attributes of the plain operator
 */
export function blockedConvolution(
  c: KernelLowering,
  [x, w, bias]: readonly Value[],
  { groups, kernel }: Pick<KernelAttributes['conv'], 'groups' | 'kernel'>,
  attributes: Attributes,
): string | undefined {
  const block = c.channelBlock;
  const [out, into] = w.shape;
  const depthwise = isDepthwise(groups, w.shape);
  if (!block || kernel[0] * kernel[1] === 1 || !(depthwise || (groups === 1 && Math.min(out, into) >= block)))
    return undefined;
  const outs = roundUp(out, block);
  const moved = padTo(c, x.name, x.shape, [x.shape[0], roundUp(x.shape[1], MOVED)]);
  const inputs = [
    c.graph.op('ReorderInput', [moved], {}, BLOCKED),
    depthwise ? blockedDepthwise(c, w, block) : blockedDense(c, w, block),
    ...(bias ? [padTo(c, bias.name, bias.shape, [outs])] : []),
  ];
  const y = c.graph.op('Conv', inputs, { ...attributes, group: depthwise ? outs : 1 }, BLOCKED);
  return c.graph.op('ReorderOutput', [y], { channels: out }, BLOCKED);
}

/** A session with an operator that this build has no kernel for is refused when it is made: there are no blocks then. */
const orNone = <T>(made: Promise<T>): Promise<T | undefined> => made.catch(() => undefined);

/** How many channels a block has on this processor; undefined where ONNX Runtime has no such convolutions for it. */
export async function findChannelBlock({ ort, kind }: Pick<OnnxRuntime, 'ort' | 'kind'>): Promise<number | undefined> {
  if (kind !== 'native') return undefined;
  const graph = new OnnxGraph();
  const x = graph.input({ name: 'x', shape: [1, MOVED, 1, 1] });
  // Sizes of a block are left open: the processor says them.
  const y = { name: 'y', shape: [1, -1, 1, 1], value: graph.op('ReorderInput', [x], {}, BLOCKED) };
  const { model } = graph.encode('block', [y]);
  // Severity 4: what is refused here is no error that anyone should read.
  const session = await orNone(ort.InferenceSession.create(model, { logSeverityLevel: 4 }));
  if (!session) return undefined;
  try {
    const feeds = { x: new ort.Tensor('float32', new Float32Array(MOVED), [1, MOVED, 1, 1]) };
    const [, channels] = (await session.run(feeds)).y.dims;
    return channels > MOVED ? channels : undefined;
  } finally {
    await session.release();
  }
}
