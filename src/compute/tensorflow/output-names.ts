/**
 * Names of operations' outputs (the `output_arg`s of TensorFlow 2.21's registry). The body of a function refers to a tensor as
 * `node:output_arg:index`, so a function can only hold operations of this table.
 */

/** `list` marks one output argument that stands for several tensors. */
interface Outputs {
  readonly names: readonly string[];
  readonly list?: boolean;
}

const rows: readonly (readonly [names: string, operations: string])[] = [
  ['activations', 'Elu LeakyRelu Relu Relu6 Selu Softplus'],
  ['backprops', 'EluGrad Relu6Grad ReluGrad'],
  ['logsoftmax', 'LogSoftmax'],
  ['loss backprop', 'SoftmaxCrossEntropyWithLogits SparseSoftmaxCrossEntropyWithLogits'],
  ['out', 'Cumsum'],
  ['product', 'MatMul _FusedMatMul'],
  ['r0 r1', 'BroadcastGradientArgs'],
  ['resized_images', 'ResizeBicubic ResizeBilinear ResizeNearestNeighbor'],
  ['resource', 'VarHandleOp'],
  ['softmax', 'Softmax'],
  ['sum', 'AddN'],
  ['value', 'ReadVariableOp'],
  ['values indices', 'TopKV2'],
  ['x_backprop scale_backprop offset_backprop reserve_space_4 reserve_space_5', 'FusedBatchNormGradV3'],
  ['y batch_mean batch_variance reserve_space_1 reserve_space_2 reserve_space_3', 'FusedBatchNormV3 _FusedBatchNormEx'],
  [
    'y',
    'Abs Cast Ceil DeepCopy Erf Erfc Exp Floor InvertPermutation IsFinite IsNan Log Log1p LogicalNot Neg OnesLike Reciprocal ' +
      'Rint Round Rsqrt Sigmoid Sign Sin Sqrt Square Tanh Transpose ZerosLike _MklLayerNorm',
  ],
  [
    'z',
    'Add AddV2 Div Equal FloorDiv FloorMod Greater GreaterEqual Less LessEqual LogicalAnd LogicalOr Maximum Minimum Mul ' +
      'MulNoNan NotEqual Pow RealDiv RsqrtGrad SigmoidGrad SqrtGrad SquaredDifference Sub TanhGrad TruncateMod',
  ],
  [
    'output',
    'All Any ArgMax ArgMin AvgPool AvgPoolGrad BatchMatMulV2 BatchMatMulV3 BiasAdd BiasAddGrad BroadcastTo CheckNumerics ClipByValue ConcatV2 ' +
      'Const Conv2D Conv2DBackpropFilter Conv2DBackpropInput DepthToSpace DepthwiseConv2dNative DepthwiseConv2dNativeBackpropFilter ' +
      'DepthwiseConv2dNativeBackpropInput Einsum EnsureShape ExpandDims Fill GatherNd GatherV2 Identity L2Loss Max MaxPool MaxPoolGrad ' +
      'Mean Min MirrorPad MirrorPadGrad OneHot Pack Pad PadV2 Placeholder PreventGradient Prod RandomStandardNormal RandomUniform Range ' +
      'Rank Reshape ResizeBilinearGrad ResourceGather ReverseV2 Roll ScatterNd SegmentSum Select SelectV2 Shape Size Slice Snapshot ' +
      'SpaceToDepth Squeeze StatelessRandomNormalV2 StatelessRandomUniformV2 StopGradient StridedSlice StridedSliceGrad Sum ' +
      'TensorScatterUpdate Tile UnsortedSegmentSum _FusedConv2D',
  ],
];

const LISTS = ['IdentityN', 'PartitionedCall', 'Split', 'SplitV', 'StatefulPartitionedCall', 'Unpack'];

const table = new Map<string, Outputs>([
  ...rows.flatMap(([names, operations]) =>
    operations.split(' ').map((operation): [string, Outputs] => [operation, { names: names.split(' ') }]),
  ),
  ...LISTS.map((operation): [string, Outputs] => [operation, { names: ['output'], list: true }]),
]);

/** How a function's body names output `index` of `node`, which runs `op`. */
export function functionTensorName(node: string, op: string, index: number): string {
  const outputs = table.get(op);
  const name = outputs?.list ? outputs.names[0] : outputs?.names[index];
  if (!outputs || name === undefined) {
    throw new Error(`Output ${index} of ${op} has no name in output-names.ts: a function cannot use it.`);
  }
  return `${node}:${name}:${outputs.list ? index : 0}`;
}
