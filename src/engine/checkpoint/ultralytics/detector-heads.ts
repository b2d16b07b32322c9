/** The heads of YOLOv5 and of YOLOv8 and later: from feature maps to boxes in pixels and scores, in evaluation. */
import type { ValueId } from '../../graph/graph.ts';
import { float32Tensor } from '../../graph/tensor.ts';
import { numberAttribute, refuseLayer } from '../modules/layer-record.ts';
import type { ModuleRecord } from '../torch/module-record.ts';
import { block } from './detector-blocks.ts';
import { type Build, childOf, conv } from './detector-layers.ts';

const constant = ({ b }: Build, path: string, suffix: string, shape: readonly number[], data: Float32Array): ValueId =>
  b.add('constant', path, [], { tensor: float32Tensor(shape, data) }, {}, { suffix });

/** Pixels of the image under one cell of a feature map. */
const strideOf = ({ b }: Build, x: ValueId, side: number): number => side / b.shape(x)[2];

/** Centres of all cells of all levels in cells, [1, 2, positions], and the levels' strides, [1, 1, positions]. */
function anchorPoints(build: Build, inputs: readonly ValueId[], side: number): readonly [Float32Array, Float32Array] {
  const x: number[] = [];
  const y: number[] = [];
  const strides: number[] = [];
  for (const input of inputs) {
    const [, , rows, columns] = build.b.shape(input);
    for (let row = 0; row < rows; row++)
      for (let column = 0; column < columns; column++) {
        x.push(column + 0.5);
        y.push(row + 0.5);
        strides.push(strideOf(build, input, side));
      }
  }
  return [Float32Array.of(...x, ...y), Float32Array.from(strides)];
}

/**
 * [N, 4 + classes, positions]. A side's distance from the cell's centre is the mean of a distribution over `reg_max` bins (Li et al.
 * 2020, generalized focal loss); ultralytics/nn/modules/head.py, Detect.
 */
function distributionHead(build: Build, layer: ModuleRecord, inputs: readonly ValueId[], side: number): ValueId {
  const { b } = build;
  const { path } = layer;
  if (layer.children.has('one2one_cv2'))
    refuseLayer(layer, 'chooses its boxes itself (end to end), which is not known here');
  const bins = numberAttribute(layer, 'reg_max', 16);
  const [points, strides] = anchorPoints(build, inputs, side);
  const positions = strides.length;
  const levels = (name: string): ValueId => {
    const parts = inputs.map((input, i) => {
      const value = block(build, childOf(childOf(layer, name), String(i)), [input]);
      const [, channels, rows, columns] = b.shape(value);
      return b.reshape(path, value, [-1, channels, rows * columns], `${name}_${i}`);
    });
    return b.concat(path, parts, 2, name);
  };
  const byBin = b.transpose(path, b.reshape(path, levels('cv2'), [-1, 4, bins, positions], 'bins'), [0, 2, 1, 3]);
  const mean = childOf(childOf(layer, 'dfl'), 'conv');
  const weight = b.parameter(`${mean.path}.weight`, build.shape(`${mean.path}.weight`), false);
  const pixel = { kernel: [1, 1], stride: [1, 1], dilation: [1, 1], groups: 1 } as const;
  const none = { top: 0, left: 0, bottom: 0, right: 0 };
  const node = { moduleType: 'Conv2d' };
  const likely = b.softmax(path, byBin, 1);
  const distances = b.add('conv', mean.path, [likely], { ...pixel, padding: none }, { weight }, node);
  const sides = b.reshape(path, distances, [-1, 4, positions], 'distances');
  const centres = constant(build, path, 'anchors', [1, 2, positions], points);
  const [near, far] = [b.slice(path, sides, 1, 0, 2, 1, 'near'), b.slice(path, sides, 1, 2, 4, 1, 'far')];
  const first = b.add('subtract', path, [centres, near], {}, {}, { suffix: 'first' });
  const second = b.plus(path, centres, far, 'last');
  const middle = b.scale(path, b.plus(path, first, second, 'sum'), 0.5, 'middle');
  const size = b.add('subtract', path, [second, first], {}, {}, { suffix: 'size' });
  const boxes = b.times(
    path,
    b.concat(path, [middle, size], 1, 'cells'),
    constant(build, path, 'strides', [1, 1, positions], strides),
    'boxes',
  );
  return b.concat(path, [boxes, b.activation(path, levels('cv3'), 'sigmoid', { suffix: 'scores' })], 1, 'output');
}

/**
 * [N, positions, 5 + classes]: three anchors a cell, (2σ − ½ + cell) · stride and (2σ)² · anchor; models/yolo.py of YOLOv5, Detect. The
 * anchors are a buffer, in cells.
 */
function anchorHead(build: Build, layer: ModuleRecord, inputs: readonly ValueId[], side: number): ValueId {
  const { b } = build;
  const { path } = layer;
  const name = `${path}.anchors`;
  const [, count] = build.shape(name);
  const stored = b.add(
    'parameter',
    path,
    [],
    {},
    { value: b.parameter(name, build.shape(name), false) },
    { suffix: 'anchors' },
  );
  const levels = inputs.map((input, i) => {
    const at = (suffix: string): string => `${suffix}_${i}`;
    const raw = conv(build, childOf(childOf(layer, 'm'), String(i)), input);
    const [, channels, rows, columns] = b.shape(raw);
    const each = channels / count;
    const perAnchor = b.reshape(path, raw, [-1, count, each, rows, columns], at('anchored'));
    const last = b.transpose(path, perAnchor, [0, 1, 3, 4, 2], at('last'));
    const y = b.activation(path, last, 'sigmoid', { suffix: at('sigmoid') });
    const twice = (from: number, part: string): ValueId =>
      b.scale(path, b.slice(path, y, 4, from, from + 2, 1, at(part)), 2, at(`${part}_twice`));
    const stride = strideOf(build, input, side);
    const cells = Float32Array.from({ length: rows * columns * 2 }, (_, j) => {
      const cell = j >> 1;
      return (j & 1 ? Math.floor(cell / columns) : cell % columns) - 0.5;
    });
    const grid = constant(build, path, at('grid'), [1, 1, rows, columns, 2], cells);
    const xy = b.scale(path, b.plus(path, twice(0, 'xy'), grid, at('cells')), stride, at('centre'));
    const doubled = twice(2, 'wh');
    const anchor = b.reshape(path, b.slice(path, stored, 0, i, i + 1, 1, at('own')), [1, count, 1, 1, 2], at('anchor'));
    const pixels = b.scale(path, anchor, stride, at('anchor_pixels'));
    const wh = b.times(path, b.times(path, doubled, doubled, at('squared')), pixels, at('size'));
    const rest = b.slice(path, y, 4, 4, each, 1, at('scores'));
    const whole = b.concat(path, [xy, wh, rest], 4, at('boxes'));
    return b.reshape(path, whole, [-1, count * rows * columns, each], at('rows'));
  });
  return b.concat(path, levels, 1, 'output');
}

/** @throws UserError for a head of another kind */
export function detectorHead(build: Build, layer: ModuleRecord, inputs: readonly ValueId[], side: number): ValueId {
  build.b.module(layer.path, 'Detect');
  if (layer.hooks.length) refuseLayer(layer, `has a hook on its forward (${layer.hooks[0]})`);
  if (layer.children.has('cv2') && layer.children.has('cv3') && layer.children.has('dfl'))
    return distributionHead(build, layer, inputs, side);
  if (layer.children.has('m') && layer.buffers.includes('anchors')) return anchorHead(build, layer, inputs, side);
  return refuseLayer(layer, 'is a head of a kind that Espalier does not know');
}
