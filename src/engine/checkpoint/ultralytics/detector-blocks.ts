/**
 * The blocks that YOLOv5, v8 and 11 are made of, each as its forward computes it (ultralytics/nn/modules/block.py). Halves of a chunk
 * are slices.
 */
import type { ValueId } from '../../graph/graph.ts';
import { numberAttribute, refuseAttribute, refuseLayer, shortClass } from '../modules/layer-record.ts';
import type { ModuleRecord } from '../torch/module-record.ts';
import { type Build, childOf, concat, conv, convBlock, maxPool, upsample } from './detector-layers.ts';

type Block = (build: Build, layer: ModuleRecord, inputs: readonly ValueId[]) => ValueId;

const sequence: Block = (build, layer, [x]) =>
  [...layer.children.values()].reduce((value, child) => block(build, child, [value]), x);

const bottleneck: Block = (build, layer, [x]) => {
  const inner = convBlock(build, childOf(layer, 'cv1'), x);
  const y = convBlock(build, childOf(layer, 'cv2'), inner);
  return layer.attributes['add'] === true ? build.b.plus(layer.path, x, y) : y;
};

/** cv3 of m(cv1(x)) and cv2(x) side by side. */
const c3: Block = (build, layer, [x]) => {
  const through = block(build, childOf(layer, 'm'), [convBlock(build, childOf(layer, 'cv1'), x)]);
  const beside = convBlock(build, childOf(layer, 'cv2'), x);
  return convBlock(build, childOf(layer, 'cv3'), build.b.concat(layer.path, [through, beside], 1));
};

/** The two halves of cv1's channels, which stay halves: `chunk(2, 1)`. */
function halves({ b, tie }: Build, layer: ModuleRecord, x: ValueId): readonly [ValueId, ValueId] {
  const width = b.shape(x)[1];
  const half = numberAttribute(layer, 'c', width / 2);
  if (width !== 2 * half) refuseLayer(layer, `has ${width} channels to halve where its c is ${half}`);
  const first = b.slice(layer.path, x, 1, 0, half, 1, 'first');
  const second = b.slice(layer.path, x, 1, half, width, 1, 'second');
  tie(first, second);
  return [first, second];
}

/** cv2 of both halves of cv1(x) and of what each block of m makes of the value before it. */
const c2f: Block = (build, layer, [x]) => {
  const values = [...halves(build, layer, convBlock(build, childOf(layer, 'cv1'), x))];
  for (const child of childOf(layer, 'm').children.values())
    values.push(block(build, child, [values.at(-1) as ValueId]));
  return convBlock(build, childOf(layer, 'cv2'), build.b.concat(layer.path, values, 1));
};

const c2psa: Block = (build, layer, [x]) => {
  const [first, second] = halves(build, layer, convBlock(build, childOf(layer, 'cv1'), x));
  const attended = block(build, childOf(layer, 'm'), [second]);
  return convBlock(build, childOf(layer, 'cv2'), build.b.concat(layer.path, [first, attended], 1));
};

/** Pooled once, twice, three times, side by side. */
const sppf: Block = (build, layer, [x]) => {
  const values = [convBlock(build, childOf(layer, 'cv1'), x)];
  const times = numberAttribute(layer, 'n', 3);
  for (let i = 0; i < times; i++) values.push(maxPool(build, childOf(layer, 'm'), values[i]));
  const y = convBlock(build, childOf(layer, 'cv2'), build.b.concat(layer.path, values, 1));
  return layer.attributes['add'] === true ? build.b.plus(layer.path, y, x) : y;
};

/** Self-attention over positions; q, k and v lie head by head. What it gives has the width of what enters: `view(B, C, H, W)`. */
const attention: Block = (build, layer, [x]) => {
  const { b } = build;
  const { path } = layer;
  const [, , height, width] = b.shape(x);
  const heads = numberAttribute(layer, 'num_heads', 1);
  const [keys, values] = [numberAttribute(layer, 'key_dim', 0), numberAttribute(layer, 'head_dim', 0)];
  const positions = height * width;
  const qkv = convBlock(build, childOf(layer, 'qkv'), x);
  if (b.shape(qkv)[1] !== heads * (2 * keys + values))
    refuseLayer(layer, `has ${b.shape(qkv)[1]} channels for ${heads} heads of ${keys}, ${keys} and ${values}`);
  const perHead = b.reshape(path, qkv, [-1, heads, 2 * keys + values, positions], 'split');
  const part = (name: string, from: number, to: number): ValueId => b.slice(path, perHead, 2, from, to, 1, name);
  const q = b.scale(path, part('q', 0, keys), numberAttribute(layer, 'scale', keys ** -0.5));
  const k = part('k', keys, 2 * keys);
  const v = part('v', 2 * keys, 2 * keys + values);
  const scores = b.matmul(path, b.transpose(path, q, [0, 1, 3, 2]), k, false, 'scores');
  const weights = b.softmax(path, scores, 3);
  const channels = heads * values;
  const merged = b.reshape(path, b.matmul(path, v, weights, true, 'context'), [-1, channels, height, width], 'merge');
  build.tie(x, merged);
  const position = convBlock(build, childOf(layer, 'pe'), b.reshape(path, v, [-1, channels, height, width], 'values'));
  return convBlock(build, childOf(layer, 'proj'), b.plus(path, merged, position));
};

const psaBlock: Block = (build, layer, [x]) => {
  const { b } = build;
  const isAdded = layer.attributes['add'] === true;
  const attended = attention(build, childOf(layer, 'attn'), [x]);
  const y = isAdded ? b.plus(layer.path, x, attended, 'add1') : attended;
  const fed = block(build, childOf(layer, 'ffn'), [y]);
  return isAdded ? b.plus(layer.path, y, fed, 'add2') : fed;
};

const blocks: Readonly<Record<string, Block>> = {
  Sequential: sequence,
  Conv2d: (build, layer, [x]) => conv(build, layer, x),
  Conv: (build, layer, [x]) => convBlock(build, layer, x),
  DWConv: (build, layer, [x]) => convBlock(build, layer, x),
  MaxPool2d: (build, layer, [x]) => maxPool(build, layer, x),
  Upsample: (build, layer, [x]) => upsample(build, layer, x),
  Concat: concat,
  Identity: (_, __, [x]) => x,
  Bottleneck: bottleneck,
  C3: c3,
  C3k: c3,
  C2f: c2f,
  C3k2: c2f,
  C2PSA: c2psa,
  PSABlock: psaBlock,
  SPPF: sppf,
};

/** Packages whose classes these are. */
const KNOWN = /^(torch\.nn\.|ultralytics\.nn\.|models\.(common|yolo)\.)/;

/** @throws UserError for a class whose forward is not known */
export function block(build: Build, layer: ModuleRecord, inputs: readonly ValueId[]): ValueId {
  const type = shortClass(layer);
  const found = KNOWN.test(layer.className) && Object.hasOwn(blocks, type) ? blocks[type] : undefined;
  if (!found) refuseLayer(layer, 'is of a class that Espalier does not know in detectors');
  if (layer.attributes['forward'] !== undefined) refuseAttribute(layer, 'forward');
  if (layer.hooks.length) refuseLayer(layer, `has a hook on its forward (${layer.hooks[0]})`);
  if (layer.children.size && type !== 'Conv' && type !== 'DWConv') build.b.module(layer.path, type);
  return found(build, layer, inputs);
}
