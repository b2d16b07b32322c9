/** Adaptive average pooling to a fixed size, which PyTorch defines for every input size. */
import type { GraphBuilder, NodeOptions } from '../graph/builder.ts';
import type { ValueId } from '../graph/graph.ts';
import { float32Tensor, type Tensor } from '../graph/tensor.ts';

/** [from, to]: column o holds the weights of the inputs ⌊o·from/to⌋ … ⌈(o+1)·from/to⌉ whose mean is output o. */
export function poolingMatrix(from: number, to: number): Float32Array {
  const matrix = new Float32Array(from * to);
  for (let o = 0; o < to; o++) {
    const start = Math.floor((o * from) / to);
    const end = Math.ceil(((o + 1) * from) / to);
    for (let i = start; i < end; i++) matrix[i * to + o] = 1 / (end - start);
  }
  return matrix;
}

function transposed(matrix: Float32Array, rows: number, columns: number): Float32Array {
  return matrix.map((_, i) => matrix[(i % rows) * columns + Math.floor(i / rows)]);
}

/**
 * torch.nn.functional.adaptive_avg_pool2d of [N, C, H, W] to [N, C, side, side]: an average pooling where H and W are
 * multiples of `side`, else a product with a matrix along each of the two.
 */
export function adaptiveAveragePool(
  b: GraphBuilder,
  path: string,
  x: ValueId,
  side: number,
  options: NodeOptions,
): ValueId {
  const [, , height, width] = b.shape(x);
  if (height % side === 0 && width % side === 0) {
    const window = [height / side, width / side] as const;
    const padding = { top: 0, left: 0, bottom: 0, right: 0 };
    return b.add(
      'averagePool',
      path,
      [x],
      { kernel: window, stride: window, padding, countPadding: true },
      {},
      options,
    );
  }
  const constant = (tensor: Tensor<'float32'>, suffix: string): ValueId =>
    b.add('constant', path, [], { tensor }, {}, { suffix });
  const across = constant(float32Tensor([1, 1, width, side], poolingMatrix(width, side)), 'column_means');
  const downData = transposed(poolingMatrix(height, side), height, side);
  const down = constant(float32Tensor([1, 1, side, height], downData), 'row_means');
  return b.matmul(path, down, b.matmul(path, x, across, false, 'columns'), false, 'rows');
}
