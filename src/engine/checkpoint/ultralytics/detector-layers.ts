/** Building a Graph from the records of a pickled detector's layers: what each needs, and the layers of PyTorch itself. */

import type { ActivationAttributes } from '../../graph/activations.ts';
import type { GraphBuilder } from '../../graph/builder.ts';
import type { ValueId } from '../../graph/graph.ts';
import {
  numberAttribute,
  pairAttribute,
  refuseAttribute,
  refuseLayer,
  requireAttribute,
  shortClass,
} from '../modules/layer-record.ts';
import type { ModuleRecord } from '../torch/module-record.ts';

/** What the layers of one network are built with. */
export interface Build {
  readonly b: GraphBuilder;
  /** Shape of a tensor of the state dict. Throws where there is none. */
  shape(name: string): readonly number[];
  has(name: string): boolean;
  /** Says that the channels of two values are one width to the layer's class: they are pruned together. */
  tie(a: ValueId, b: ValueId): void;
}

export function childOf(layer: ModuleRecord, name: string): ModuleRecord {
  const child = layer.children.get(name);
  return child ?? refuseLayer(layer, `has no ${name}`);
}

/** torch.nn.Conv2d */
export function conv({ b, shape, has }: Build, layer: ModuleRecord, x: ValueId): ValueId {
  requireAttribute(layer, 'padding_mode', 'zeros');
  if (layer.attributes['padding'] === 'same') refuseAttribute(layer, 'padding');
  const [top, left] = pairAttribute(layer, 'padding', 0);
  const name = `${layer.path}.weight`;
  const [out, , ...kernel] = shape(name);
  const [height, width] = kernel;
  const bias = `${layer.path}.bias`;
  const parameters = {
    weight: b.parameter(name, shape(name)),
    ...(has(bias) && { bias: b.parameter(bias, [out]) }),
  };
  const attributes = {
    kernel: [height, width] as const,
    stride: pairAttribute(layer, 'stride', 1),
    dilation: pairAttribute(layer, 'dilation', 1),
    padding: { top, left, bottom: top, right: left },
    groups: numberAttribute(layer, 'groups', 1),
  };
  return b.add('conv', layer.path, [x], attributes, parameters, { moduleType: 'Conv2d' });
}

function batchNorm({ b }: Build, layer: ModuleRecord, x: ValueId): ValueId {
  requireAttribute(layer, 'affine', true);
  requireAttribute(layer, 'track_running_stats', true);
  return b.batchNorm(layer.path, x, {
    eps: numberAttribute(layer, 'eps', 1e-5),
    momentum: numberAttribute(layer, 'momentum', 0.1),
  });
}

const ACTIVATIONS: Readonly<Record<string, (layer: ModuleRecord) => ActivationAttributes>> = {
  SiLU: () => ({ function: 'silu' }),
  ReLU: () => ({ function: 'relu' }),
  Hardswish: () => ({ function: 'hardSwish' }),
  Mish: () => ({ function: 'mish' }),
  LeakyReLU: (layer) => ({ function: 'leakyRelu', slope: numberAttribute(layer, 'negative_slope', 0.01) }),
};

function activation({ b }: Build, layer: ModuleRecord, x: ValueId): ValueId {
  const type = shortClass(layer);
  if (type === 'Identity') return x;
  const attributes =
    ACTIVATIONS[type]?.(layer) ?? refuseLayer(layer, 'is an activation that Espalier does not know here');
  return b.add('activation', layer.path, [x], attributes, {}, { moduleType: type });
}

/** Conv and DWConv: convolution, norm (none where it has been fused), activation. */
export function convBlock(build: Build, layer: ModuleRecord, x: ValueId): ValueId {
  build.b.module(layer.path, shortClass(layer));
  const norm = layer.children.get('bn');
  const convolved = conv(build, childOf(layer, 'conv'), x);
  const normed = norm ? batchNorm(build, norm, convolved) : convolved;
  return activation(build, childOf(layer, 'act'), normed);
}

/** torch.nn.MaxPool2d */
export function maxPool({ b }: Build, layer: ModuleRecord, x: ValueId): ValueId {
  requireAttribute(layer, 'ceil_mode', false);
  requireAttribute(layer, 'dilation', 1);
  const kernel = pairAttribute(layer, 'kernel_size', 1);
  const stride = pairAttribute(layer, 'stride', kernel[0]);
  const [top, left] = pairAttribute(layer, 'padding', 0);
  const attributes = { kernel, stride, padding: { top, left, bottom: top, right: left } };
  return b.add('maxPool', layer.path, [x], attributes, {}, { moduleType: 'MaxPool2d' });
}

/** torch.nn.Upsample by the nearest pixel. */
export function upsample({ b }: Build, layer: ModuleRecord, x: ValueId): ValueId {
  requireAttribute(layer, 'mode', 'nearest');
  const { size } = layer.attributes;
  if (size !== undefined && size !== null) refuseAttribute(layer, 'size');
  const factor = numberAttribute(layer, 'scale_factor', 1);
  if (!Number.isInteger(factor) || factor < 1) refuseAttribute(layer, 'scale_factor');
  const [, , height, width] = b.shape(x);
  return b.add(
    'resize',
    layer.path,
    [x],
    { size: [height * factor, width * factor], mode: 'nearest', coordinates: 'asymmetric' },
    {},
    { moduleType: 'Upsample' },
  );
}

/** Concat along the channels. */
export function concat({ b }: Build, layer: ModuleRecord, inputs: readonly ValueId[]): ValueId {
  requireAttribute(layer, 'd', 1);
  return b.concat(layer.path, inputs, 1);
}
