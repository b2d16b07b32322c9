/** Multi-head self-attention with one `qkv` layer, as in timm's ViT and Swin, over any leading dimensions. */
import type { GraphBuilder } from '../graph/builder.ts';
import type { ValueId } from '../graph/graph.ts';

export interface AttentionOptions {
  /** PyTorch class: `Attention`, `WindowAttention`. */
  readonly type: string;
  readonly heads: number;
  /** heads × head_dim where the checkpoint does not say. */
  readonly width: number;
  /** Adds to the scores [lead…, heads, L, L] before the softmax: position bias, mask. */
  readonly bias?: (scores: ValueId) => ValueId;
}

/** q, k and v, each [lead…, heads, L, head_dim], of qkv [lead…, L, 3 · heads · head_dim]. */
function splitHeads(b: GraphBuilder, path: string, qkv: ValueId, heads: number): [ValueId, ValueId, ValueId] {
  const shape = b.shape(qkv);
  const lead = shape.slice(0, -2);
  const tokens = shape.at(-2) as number;
  const width = shape.at(-1) as number;
  const headDim = width / (3 * heads);
  if (!Number.isInteger(headDim))
    throw new Error(`${path}.qkv has ${width} outputs, which do not divide into q, k and v of ${heads} heads`);
  const n = lead.length;
  const factors = b.reshape(path, qkv, [...lead, tokens, 3, heads, headDim], 'split');
  const permutation = [n + 1, ...lead.keys(), n + 2, n, n + 3];
  const stacked = b.transpose(path, factors, permutation, 'permute');
  const part = (index: number, name: string): ValueId => {
    const slice = b.slice(path, stacked, 0, index, index + 1, 1, `${name}_slice`);
    return b.reshape(path, slice, [...lead, heads, tokens, headDim], name);
  };
  return [part(0, 'q'), part(1, 'k'), part(2, 'v')];
}

/** [lead…, heads, L, head_dim] to [lead…, L, heads · head_dim]. */
function mergeHeads(b: GraphBuilder, path: string, x: ValueId): ValueId {
  const shape = b.shape(x);
  const lead = shape.slice(0, -3);
  const [heads, tokens, headDim] = shape.slice(-3);
  const n = lead.length;
  const swapped = b.transpose(path, x, [...lead.keys(), n + 1, n, n + 2], 'gather_heads');
  return b.reshape(path, swapped, [...lead, tokens, heads * headDim], 'merge');
}

/**
 * softmax(q·kᵀ / √head_dim + bias)·v over x [lead…, L, C], and the output projection back to C (Vaswani et al. 2017).
 * The widths of qkv and proj are the checkpoint's; the head dimension follows.
 */
export function selfAttention(b: GraphBuilder, path: string, x: ValueId, options: AttentionOptions): ValueId {
  b.module(path, options.type);
  const qkv = b.linear(`${path}.qkv`, x, 3 * options.width);
  const [q, k, v] = splitHeads(b, path, qkv, options.heads);
  const scaled = b.scale(path, q, 'rsqrt(last dimension)');
  const scores = b.matmul(path, scaled, k, true, 'scores');
  const biased = options.bias?.(scores) ?? scores;
  const weights = b.softmax(path, biased, b.shape(biased).length - 1);
  const context = b.matmul(path, weights, v, false, 'context');
  return b.linear(`${path}.proj`, mergeHeads(b, path, context), b.shape(x).at(-1) as number);
}

/**
 * Heads of a layer whose q has `width` channels in all, where nothing says how many: the network's own number if the width
 * divides by its head dimension, else the most heads that are no wider than dense ones.
 */
export function likelyHeads(width: number, dense: { readonly heads: number; readonly headDim: number }): number {
  if (width % dense.headDim === 0) return width / dense.headDim;
  for (let heads = dense.heads; heads > 1; heads--)
    if (width % heads === 0 && width / heads <= dense.headDim) return heads;
  return 1;
}
