/** Small networks by hand, one for each situation that coupling must follow. */
import { GraphBuilder } from '../../../src/engine/graph/builder.ts';
import type { Graph, ValueId } from '../../../src/engine/graph/graph.ts';
import { squareInput } from '../../support/input-config.ts';

const CLASSES = 5;

/** Builds a network: `body` takes the image and gives [N, C, H, W] or [N, C]; pooling and classifier follow. */
export function network(
  body: (b: GraphBuilder, x: ValueId) => ValueId,
  options: { side?: number; shapes?: (name: string) => readonly number[] | undefined } = {},
): Graph {
  const b = new GraphBuilder(options.shapes);
  const input = squareInput(options.side ?? 8);
  let x = body(b, b.input(input));
  if (b.shape(x).length === 4) x = b.mean('', x, [2, 3], false, { suffix: 'pool' });
  return b.finish({ name: 'small', family: 'test', input, classes: CLASSES }, b.linear('head', x, CLASSES));
}

export const conv = (b: GraphBuilder, path: string, x: ValueId, out: number, kernel = 3, groups = 1): ValueId =>
  b.conv(path, x, { out, kernel, padding: kernel >> 1, groups });

/** q, k and v from [N, L, C] by three layers or one, heads first; `kvHeads` for grouped-query attention. */
export function attention(
  b: GraphBuilder,
  x: ValueId,
  options: { heads: number; headDim: number; fused: boolean; kvHeads?: number },
): ValueId {
  const { heads, headDim, fused, kvHeads = heads } = options;
  const [, tokens, width] = b.shape(x);
  const repeats = heads / kvHeads;
  const split = (path: string, y: ValueId, count: number): ValueId =>
    b.transpose(path, b.reshape(path, y, [-1, tokens, count, headDim], 'split'), [0, 2, 1, 3], 'heads');
  let parts: ValueId[];
  if (fused) {
    const qkv = b.linear('attn.qkv', x, 3 * heads * headDim);
    parts = ['q', 'k', 'v'].map((name, i) => {
      const size = heads * headDim;
      return split(`attn.${name}`, b.slice(`attn.${name}`, qkv, 2, i * size, (i + 1) * size), heads);
    });
  } else {
    parts = ['q', 'k', 'v'].map((name) => {
      const count = name === 'q' ? heads : kvHeads;
      const y = split(`attn.${name}`, b.linear(`attn.${name}`, x, count * headDim), count);
      if (name === 'q' || repeats === 1) return y;
      const one = b.reshape(`attn.${name}`, y, [-1, kvHeads, 1, tokens, headDim], 'one');
      const many = b.expand(`attn.${name}`, one, [-1, kvHeads, repeats, tokens, headDim]);
      return b.reshape(`attn.${name}`, many, [-1, heads, tokens, headDim], 'repeated');
    });
  }
  const [q, k, v] = parts;
  // Unscaled: the scale follows head_dim, and the tests compare networks of other widths.
  const scores = b.softmax('attn', b.matmul('attn', q, k, true, 'scores'), 3);
  const context = b.transpose('attn', b.matmul('attn', scores, v, false, 'context'), [0, 2, 1, 3], 'back');
  const merged = b.reshape('attn', context, [-1, tokens, heads * headDim], 'merge');
  return b.linear('attn.proj', merged, width);
}

/** [N, 3, H, W] to tokens [N, L, C]. */
export function tokens(b: GraphBuilder, x: ValueId, width: number): ValueId {
  const y = b.conv('embed', x, { out: width, kernel: 2, stride: 2 });
  const [, , rows, columns] = b.shape(y);
  return b.transpose('', b.reshape('', y, [-1, width, rows * columns], 'flatten'), [0, 2, 1], 'tokens');
}

/** Mean of tokens [N, L, C]. */
export const pooled = (b: GraphBuilder, x: ValueId): ValueId => b.mean('', x, [1], false, { suffix: 'mean_of_tokens' });
