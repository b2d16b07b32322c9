/** timm's SwinTransformer. */
import { UserError } from '../../../common/errors.ts';
import type { PickleObject, PickleValue } from '../../checkpoint/torch/pickle-values.ts';
import { pickledTensor } from '../../checkpoint/torch/pickle-write.ts';
import type { GraphNode } from '../../graph/graph.ts';
import type { OperationKind, Shape } from '../../graph/operations.ts';
import { inferShapes } from '../../graph/shapes.ts';
import type { LayerTree } from './layer-tree.ts';
import { dropout, float, identity, moduleOf, sequential, tuple } from './module-records.ts';
import { patchEmbed } from './vision-transformer-tree.ts';

/** The tree, and what its modules hold beside weights: tables of positions and masks, by the key of their storage. */
interface SwinContext {
  readonly tree: LayerTree;
  readonly shapes: ReadonlyMap<string, Shape>;
  readonly storages: Map<string, Uint8Array>;
}

const bytesOf = (data: ArrayBufferView): Uint8Array => new Uint8Array(data.buffer, data.byteOffset, data.byteLength);

function nodeIn<K extends OperationKind>({ tree }: SwinContext, module: string, kind: K): GraphNode<K> | undefined {
  const isIt = (node: GraphNode): boolean => node.module === module && node.kind === kind;
  return tree.graph.nodes.find(isIt) as GraphNode<K> | undefined;
}

/** Side of the windows of a block, by the pairs of positions in one. */
function windowOf(context: SwinContext, path: string): { side: number; indices: Int32Array } {
  const indices = nodeIn(context, `${path}.attn`, 'gather')?.attributes.indices;
  const side = Math.sqrt(Math.sqrt(indices?.length ?? Number.NaN));
  if (!indices || !Number.isInteger(side))
    throw new UserError(`${path} of ${context.tree.graph.name} has no square windows: its modules cannot be written`);
  return { side, indices };
}

/** [H, W] that enters a layer of [N, H, W, C]. */
function resolution({ tree, shapes }: SwinContext, norm: string): readonly [number, number] {
  const [, height, width] = shapes.get(tree.node(norm, 'layerNorm').inputs[0]) ?? [];
  return [height, width];
}

function attention(context: SwinContext, path: string): PickleObject {
  const { tree, storages } = context;
  const { side, indices } = windowOf(context, path.replace(/\.attn$/, ''));
  const table = tree.shape(`${path}.relative_position_bias_table`);
  const heads = table[1];
  const storageKey = `index${side}`;
  storages.set(storageKey, bytesOf(BigInt64Array.from(indices, BigInt)));
  const area = side * side;
  const index = pickledTensor({ dtype: 'int64', shape: [area, area], storageKey });
  const [outputs, dim] = tree.shape(`${path}.qkv.weight`);
  return moduleOf(
    'timm.models.swin_transformer.WindowAttention',
    {
      dim,
      window_size: tuple(side, side),
      window_area: area,
      num_heads: heads,
      scale: float((outputs / 3 / heads) ** -0.5),
      fused_attn: false,
    },
    {
      qkv: tree.linear(`${path}.qkv`),
      attn_drop: dropout(),
      proj: tree.linear(`${path}.proj`),
      proj_drop: dropout(),
      softmax: moduleOf('torch.nn.modules.activation.Softmax', { dim: -1 }),
    },
    {
      parameters: { relative_position_bias_table: table },
      buffers: { relative_position_index: index },
      hidden: ['relative_position_index'],
    },
  );
}

/** The mask of shifted windows that a block adds, [windows, L, L]; None without. */
function maskOf(context: SwinContext, path: string): PickleValue {
  const { tree, storages } = context;
  const added = tree.graph.nodes.flatMap((node) => (node.module === `${path}.attn` ? node.inputs : []));
  const mask = tree.graph.nodes.find(
    (node): node is GraphNode<'constant'> => node.kind === 'constant' && added.includes(node.id),
  );
  if (!mask) return null;
  const { shape, data } = mask.attributes.tensor;
  const storageKey = `mask_${mask.id.replace(/\W/g, '_')}`;
  storages.set(storageKey, bytesOf(data));
  return pickledTensor({ dtype: 'float32', shape: [shape[0], shape[2], shape[3]], storageKey });
}

function block(context: SwinContext, path: string, index: number): PickleObject {
  const { tree } = context;
  const { side } = windowOf(context, path);
  const shift = nodeIn(context, path, 'roll')?.attributes.shifts.map((by) => Math.abs(by)) ?? [0, 0];
  const wanted = index % 2 ? side >> 1 : 0;
  return moduleOf(
    'timm.models.swin_transformer.SwinTransformerBlock',
    {
      dim: tree.shape(`${path}.norm1.weight`)[0],
      input_resolution: tuple(...resolution(context, `${path}.norm1`)),
      target_shift_size: tuple(wanted, wanted),
      always_partition: false,
      dynamic_mask: false,
      window_size: tuple(side, side),
      shift_size: tuple(...shift),
      window_area: side * side,
      mlp_ratio: float(4),
    },
    {
      norm1: tree.layerNorm(`${path}.norm1`),
      attn: attention(context, `${path}.attn`),
      drop_path1: tree.dropPath(`${path}.drop_path1`),
      norm2: tree.layerNorm(`${path}.norm2`),
      mlp: tree.mlp(`${path}.mlp`),
      drop_path2: tree.dropPath(`${path}.drop_path2`),
    },
    { buffers: { attn_mask: maskOf(context, path) }, hidden: ['attn_mask'] },
  );
}

function merging(tree: LayerTree, path: string): PickleObject {
  if (!tree.has(`${path}.reduction.weight`)) return identity();
  return moduleOf(
    'timm.models.swin_transformer.PatchMerging',
    { dim: tree.shape(`${path}.norm.weight`)[0] / 4, out_dim: tree.shape(`${path}.reduction.weight`)[0] },
    { norm: tree.layerNorm(`${path}.norm`), reduction: tree.linear(`${path}.reduction`) },
  );
}

function stage(context: SwinContext, path: string): PickleObject {
  const { tree } = context;
  const depth = tree.count(`${path}.blocks.`, 'norm1.weight');
  const blocks = Array.from({ length: depth }, (_, i) => block(context, `${path}.blocks.${i}`, i));
  const output = resolution(context, `${path}.blocks.0.norm1`);
  const merges = tree.has(`${path}.downsample.norm.weight`);
  return moduleOf(
    'timm.models.swin_transformer.SwinTransformerStage',
    {
      dim: merges
        ? tree.shape(`${path}.downsample.norm.weight`)[0] / 4
        : tree.shape(`${path}.blocks.0.norm1.weight`)[0],
      input_resolution: tuple(...output.map((size) => (merges ? 2 * size : size))),
      output_resolution: tuple(...output),
      depth,
      grad_checkpointing: false,
    },
    { downsample: merging(tree, `${path}.downsample`), blocks: sequential(blocks) },
  );
}

/** `storages` gets what its modules hold beside weights. */
export function swinTransformer(tree: LayerTree, storages: Map<string, Uint8Array>): PickleObject {
  const { graph } = tree;
  const context: SwinContext = { tree, shapes: inferShapes(graph), storages };
  const width = tree.shape('head.fc.weight')[1];
  const stages = [0, 1, 2, 3].map((i) => `layers.${i}`);
  const windows = stages.map((path) => windowOf(context, `${path}.blocks.0`).side);
  const pool = moduleOf('timm.layers.adaptive_avgmax_pool.FastAdaptiveAvgPool', { flatten: true, dim: tuple(1, 2) });
  return moduleOf(
    'timm.models.swin_transformer.SwinTransformer',
    {
      dynamic_img_size: false,
      num_classes: graph.classes,
      in_chans: graph.input.channels,
      global_pool: 'avg',
      output_fmt: 'NHWC',
      num_layers: stages.length,
      embed_dim: tree.shape('patch_embed.proj.weight')[0],
      num_features: width,
      head_hidden_size: width,
      feature_info: tree.features(stages.map((path, i) => [path, 4 << i])),
      _ref_window_sizes: tuple(...windows.map((side) => tuple(side, side))),
      _ref_grid_size: tuple(...resolution(context, 'patch_embed.norm')),
      weight_init_mode: '',
      ...tree.timmConfig('head.fc', 'patch_embed.proj'),
    },
    {
      patch_embed: patchEmbed(tree, 'NHWC', tree.layerNorm('patch_embed.norm')),
      layers: sequential(stages.map((path) => stage(context, path))),
      norm: tree.layerNorm('norm'),
      head: moduleOf(
        'timm.layers.classifier.ClassifierHead',
        { in_features: width, use_conv: false, input_fmt: 'NHWC', num_features: width },
        {
          global_pool: moduleOf(
            'timm.layers.adaptive_avgmax_pool.SelectAdaptivePool2d',
            { pool_type: 'avg' },
            { pool, flatten: identity() },
          ),
          drop: tree.dropout('head.drop'),
          fc: tree.linear('head.fc'),
          flatten: identity(),
        },
      ),
    },
  );
}
