/** Pieces that several families share. */
import { type ActivationFunction, activations } from '../graph/activations.ts';
import type { GraphBuilder, ParameterShapes } from '../graph/builder.ts';
import type { Graph, ValueId } from '../graph/graph.ts';
import type { BuildOptions } from './variant.ts';

const IMAGENET_CLASSES = 1000;

/** An activation that is a module of its own. */
export function activationModule(b: GraphBuilder, path: string, x: ValueId, kind: ActivationFunction): ValueId {
  return b.activation(path, x, kind, { moduleType: activations[kind].module });
}

/**
 * timm's BatchNormAct2d: a batch norm that ends in an activation, its submodule `act`. The reference's counter does not
 * know the class, so the norm is not counted; the activation is.
 */
export function batchNormAct(
  b: GraphBuilder,
  path: string,
  x: ValueId,
  act?: ActivationFunction,
  eps?: number,
): ValueId {
  const y = b.batchNorm(path, x, { moduleType: 'BatchNormAct2d', ...(eps !== undefined && { eps }) });
  return act ? activationModule(b, `${path}.act`, y, act) : y;
}

/** Global average pooling of [N, C, H, W] to [N, C] by an nn.AdaptiveAvgPool2d module, which the counter sees. */
export function globalPool(b: GraphBuilder, path: string, x: ValueId): ValueId {
  return b.mean(path, x, [2, 3], false, { moduleType: 'AdaptiveAvgPool2d', suffix: '' });
}

/** `x` with its first row and column before, and its last after, the border itself left out (PyTorch's reflection by one). */
function reflected(b: GraphBuilder, path: string, x: ValueId): ValueId {
  let y = x;
  for (const axis of [2, 3]) {
    const size = b.shape(y)[axis];
    const before = b.slice(path, y, axis, 1, 2, 1, 'before');
    const after = b.slice(path, y, axis, size - 2, size - 1, 1, 'after');
    y = b.concat(path, [before, y, after], axis, 'reflected');
  }
  return y;
}

/**
 * timm's BlurPool2d (Zhang 2019) with a filter of 3 and a stride of 2: [1 2 1] / 4 along both dimensions, which is two
 * averages of two in turn.
 */
export function blurPool(b: GraphBuilder, path: string, x: ValueId, border: 'reflect' | 'zeros'): ValueId {
  b.module(path, 'BlurPool2d');
  const padded = border === 'reflect' ? reflected(b, path, x) : x;
  const plain = { moduleType: '' } as const;
  const once = b.averagePool(path, padded, 2, 1, { ...plain, suffix: 'blur1', padding: border === 'zeros' ? 1 : 0 });
  return b.averagePool(path, once, 2, 2, { ...plain, suffix: 'blur2' });
}

/** nn.Dropout; nothing is added where it would drop nothing. */
export function dropout(b: GraphBuilder, path: string, x: ValueId, probability: number): ValueId {
  if (!probability) return x;
  return b.add('dropout', path, [x], { probability }, {}, { moduleType: 'Dropout', counted: false });
}

/** shortcut + stochastic depth of the branch, which is left out where it is 0. */
export function residual(
  b: GraphBuilder,
  path: string,
  shortcut: ValueId,
  branch: ValueId,
  drop: { readonly path: string; readonly probability: number },
  suffix = 'add',
): ValueId {
  const kept = drop.probability > 0 ? b.dropPath(drop.path, branch, drop.probability) : branch;
  return b.plus(path, shortcut, kept, suffix);
}

/** Stochastic depth of each of `count` blocks: linear from 0 to `last` (Huang et al. 2016; timm's torch.linspace). */
export function depthRamp(count: number, last = 0): number[] {
  return Array.from({ length: count }, (_, i) => (count > 1 ? (last * i) / (count - 1) : 0));
}

/** Stochastic depth of the blocks of stages of these depths, stage by stage: one ramp through all of them. */
export function stageRamps(depths: readonly number[], last?: number): number[][] {
  const ramp = depthRamp(
    depths.reduce((sum, depth) => sum + depth, 0),
    last,
  );
  return depths.map((depth) => ramp.splice(0, depth));
}

/**
 * How many blocks a stage has: as many as the checkpoint names, else the architecture's own number.
 * `anchor` names a parameter that every checkpoint of the family has: where it is known, a stage may have lost all blocks.
 */
export function blockCount(
  given: ParameterShapes | undefined,
  anchor: string,
  probe: (index: number) => string,
  usual: number,
): number {
  if (!given?.(anchor)) return usual;
  let count = 0;
  while (given(probe(count))) count++;
  return count;
}

/** timm's Mlp: fc1 → GELU → fc2 over the last dimension. timm's own GELU class is not counted, nn.GELU is. */
export function mlp(
  b: GraphBuilder,
  path: string,
  x: ValueId,
  widths: { readonly hidden: number; readonly out: number },
  geluCounted = true,
  act: 'gelu' | 'geluTanh' = 'gelu',
): ValueId {
  b.module(path, 'Mlp');
  const hidden = b.linear(`${path}.fc1`, x, widths.hidden);
  const active = b.activation(`${path}.act`, hidden, act, {
    moduleType: act === 'gelu' ? 'GELU' : 'GELUTanh',
    counted: geluCounted,
  });
  return b.linear(`${path}.fc2`, active, widths.out);
}

/** Squeeze and excitation (Hu et al. 2018): channels scaled by a gate that two 1 × 1 convolutions compute from their means. */
export function squeezeExcitation(
  b: GraphBuilder,
  path: string,
  x: ValueId,
  options: {
    readonly type: string;
    readonly reduced: number;
    readonly names: { reduce: string; act: string; expand: string; gate: string };
    readonly act: ActivationFunction;
    /** The name of the pooling module, where pooling is one and so is counted. */
    readonly pool?: string;
  },
): ValueId {
  const { names, pool } = options;
  b.module(path, options.type);
  const pooled = pool
    ? b.mean(`${path}.${pool}`, x, [2, 3], true, { moduleType: 'AdaptiveAvgPool2d', suffix: '' })
    : b.mean(path, x, [2, 3], true);
  const reduced = b.conv(`${path}.${names.reduce}`, pooled, { out: options.reduced, kernel: 1, bias: true });
  const active = activationModule(b, `${path}.${names.act}`, reduced, options.act);
  const out = b.shape(x)[1];
  const gate = b.conv(`${path}.${names.expand}`, active, { out, kernel: 1, bias: true });
  return b.times(path, x, activationModule(b, `${path}.${names.gate}`, gate, 'sigmoid'));
}

/**
 * The end of most networks: dropout of the features [N, C] and one linear layer, with as many classes as the checkpoint has,
 * else as asked for, else ImageNet's.
 */
export function classify(
  b: GraphBuilder,
  x: ValueId,
  network: Pick<Graph, 'name' | 'family' | 'input'>,
  options: BuildOptions,
  head: { readonly linear: string; readonly dropout: string; readonly usualDropout?: number },
): Graph {
  const features = dropout(b, head.dropout, x, options.dropout ?? head.usualDropout ?? 0);
  const classes = options.shapes?.(`${head.linear}.weight`)?.[0] ?? options.classes ?? IMAGENET_CLASSES;
  return b.finish({ ...network, classes }, b.linear(head.linear, features, classes));
}
