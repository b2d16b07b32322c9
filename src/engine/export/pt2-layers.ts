/** ATen calls of activations, and of operations that take several. */
import { UserError } from '../../common/errors.ts';
import { activations, slopeOf } from '../graph/activations.ts';
import type { GraphNode } from '../graph/graph.ts';
import type { Shape } from '../graph/operations.ts';
import { resizeMatrix } from '../graph/resize-matrix.ts';
import {
  bool,
  float,
  ints,
  isEven,
  NONE,
  type Pt2Argument,
  type Pt2Scope,
  type Pt2Value,
  padded,
  permuted,
  tensor,
  text,
} from './pt2-calls.ts';

/** ATen's functions have the names and keywords of torch.nn.functional. */
export function activation({ attributes }: GraphNode<'activation'>, s: Pt2Scope): Pt2Value {
  const { name, keywords } = activations[attributes.function].python;
  const given = Object.entries(keywords?.(slopeOf(attributes)) ?? {});
  const more = given.map(([key, value]) => [key, typeof value === 'number' ? float(value) : text(value)]);
  const inputs = { self: tensor(s.input(0)), ...Object.fromEntries(more) };
  return s.call(`aten.${name.slice(name.indexOf('.') + 1)}.default`, inputs, s.shape);
}

export function layerNorm({ attributes: { eps, axis } }: GraphNode<'layerNorm'>, s: Pt2Scope): Pt2Value {
  const shape = s.inputShape(0);
  const norm = (x: Pt2Value, of: Shape): Pt2Value =>
    s.call(
      'aten.layer_norm.default',
      {
        input: tensor(x),
        normalized_shape: ints([shape[axis]]),
        weight: tensor(s.parameter('weight')),
        bias: tensor(s.parameter('bias')),
        eps: float(eps),
      },
      of,
    );
  const rank = shape.length;
  if (axis === rank - 1) return norm(s.input(0), shape);
  const there = [...Array(rank).keys()].filter((i) => i !== axis).concat(axis);
  const back = Array.from({ length: rank }, (_, i) => there.indexOf(i));
  const moved = s.call('aten.permute.default', { self: tensor(s.input(0)), dims: ints(there) }, permuted(shape, there));
  return s.call('aten.permute.default', { self: tensor(norm(moved, permuted(shape, there))), dims: ints(back) }, shape);
}

export function averagePool({ id, attributes: a }: GraphNode<'averagePool'>, s: Pt2Scope): Pt2Value {
  const even = isEven(a.padding);
  // Without padding in the count, more rows at the far end are what rounding up takes in.
  if (!even && !a.countPadding && (a.padding.bottom < a.padding.top || a.padding.right < a.padding.left))
    throw new UserError(
      `${id} cannot be written as .pt2: PyTorch has no average pooling with less padding at the far end.`,
    );
  const { x, padding } =
    even || a.countPadding ? padded(s, a.padding) : { x: s.input(0), padding: [a.padding.top, a.padding.left] };
  const inputs = {
    self: tensor(x),
    kernel_size: ints(a.kernel),
    stride: ints(a.stride),
    padding: ints(padding),
    ceil_mode: bool(!even && !a.countPadding),
    count_include_pad: bool(a.countPadding),
  };
  return s.call('aten.avg_pool2d.default', inputs, s.shape);
}

export function resize({ attributes: a }: GraphNode<'resize'>, s: Pt2Scope): Pt2Value {
  const isExact = a.mode === 'nearest' && a.coordinates === 'halfPixel' && a.rounding === 'preferCeil';
  const mode = { nearest: isExact ? 'nearest_exact2d' : 'nearest2d', linear: 'bilinear2d', cubic: 'bicubic2d' }[a.mode];
  const target = `${isExact || a.antialias ? '_' : ''}upsample_${mode}${a.antialias ? '_aa' : ''}`;
  const isPlain =
    isExact || (a.mode === 'nearest' && a.coordinates === 'asymmetric' && (a.rounding ?? 'floor') === 'floor');
  const isSmooth = a.mode !== 'nearest' && (a.coordinates === 'halfPixel' || a.coordinates === 'alignCorners');
  if (isPlain || isSmooth) {
    const size = a.scales
      ? { output_size: NONE, scale_factors: { as_floats: a.scales } }
      : { output_size: ints(a.size), scale_factors: NONE };
    const corners: Record<string, Pt2Argument> = isSmooth
      ? { align_corners: bool(a.coordinates === 'alignCorners') }
      : {};
    const { output_size, scale_factors } = size;
    return s.call(`aten.${target}.vec`, { input: tensor(s.input(0)), output_size, ...corners, scale_factors }, s.shape);
  }
  // Modes that PyTorch has not: a product with a matrix along each axis.
  const [n, c, height, width] = s.inputShape(0);
  const columns = s.constant({ dtype: 'float32', shape: [width, a.size[1]], data: resizeMatrix(a, 1, width) });
  const wide = s.call('aten.matmul.default', { self: tensor(s.input(0)), other: tensor(columns) }, [
    n,
    c,
    height,
    a.size[1],
  ]);
  const rows = s.constant({ dtype: 'float32', shape: [height, a.size[0]], data: resizeMatrix(a, 0, height) });
  const turned = s.call('aten.permute.default', { self: tensor(rows), dims: ints([1, 0]) }, [a.size[0], height]);
  return s.call('aten.matmul.default', { self: tensor(turned), other: tensor(wide) }, s.shape);
}
