/** timm's VisionTransformer and VisionTransformerDistilled. */
import type { PickleObject } from '../../checkpoint/torch/pickle-values.ts';
import { pickledCall } from '../../checkpoint/torch/pickle-write.ts';
import { attentionHeads } from '../../graph/attention-heads.ts';
import type { LayerTree } from './layer-tree.ts';
import { type Children, dropout, float, identity, moduleOf, sequential, tuple } from './module-records.ts';

/** timm's PatchEmbed. */
export function patchEmbed(tree: LayerTree, format: 'NCHW' | 'NHWC', norm: PickleObject): PickleObject {
  const { height, width } = tree.graph.input;
  const { kernel } = tree.node('patch_embed.proj', 'conv').attributes;
  const grid = [Math.floor(height / kernel[0]), Math.floor(width / kernel[1])] as const;
  return moduleOf(
    'timm.layers.patch_embed.PatchEmbed',
    {
      patch_size: tuple(...kernel),
      img_size: tuple(height, width),
      grid_size: tuple(...grid),
      num_patches: grid[0] * grid[1],
      flatten: format === 'NCHW',
      output_fmt: pickledCall('timm.layers.format', 'Format', [format]),
      strict_img_size: true,
      dynamic_img_pad: false,
    },
    { proj: tree.conv('patch_embed.proj'), norm },
  );
}

function attention(tree: LayerTree, path: string, heads: number): PickleObject {
  const width = tree.shape(`${path}.qkv.weight`)[0] / 3;
  return moduleOf(
    'timm.layers.attention.Attention',
    {
      num_heads: heads,
      head_dim: width / heads,
      attn_dim: width,
      scale: float((width / heads) ** -0.5),
      fused_attn: true,
      gate: null,
    },
    {
      qkv: tree.linear(`${path}.qkv`),
      q_norm: identity(),
      k_norm: identity(),
      attn_drop: dropout(),
      norm: identity(),
      proj: tree.linear(`${path}.proj`),
      proj_drop: dropout(),
    },
  );
}

function layerScale(tree: LayerTree, path: string): PickleObject {
  if (!tree.has(`${path}.gamma`)) return identity();
  const parameters = { gamma: tree.shape(`${path}.gamma`) };
  return moduleOf('timm.layers.layer_scale.LayerScale', { inplace: false }, {}, { parameters });
}

function block(tree: LayerTree, path: string, heads: number): PickleObject {
  return moduleOf(
    'timm.models.vision_transformer.Block',
    {},
    {
      norm1: tree.layerNorm(`${path}.norm1`, 'LayerNorm'),
      attn: attention(tree, `${path}.attn`, heads),
      ls1: layerScale(tree, `${path}.ls1`),
      drop_path1: tree.dropPath(`${path}.drop_path1`),
      norm2: tree.layerNorm(`${path}.norm2`, 'LayerNorm'),
      mlp: tree.mlp(`${path}.mlp`),
      ls2: layerScale(tree, `${path}.ls2`),
      drop_path2: tree.dropPath(`${path}.drop_path2`),
    },
  );
}

export function visionTransformer(tree: LayerTree): PickleObject {
  const { graph } = tree;
  const heads = new Map(attentionHeads(graph).map((found) => [found.attention, found.heads]));
  const distilled = tree.has('dist_token');
  const registers = tree.has('reg_token') ? tree.shape('reg_token')[1] : 0;
  const depth = tree.count('blocks.', 'norm1.weight');
  const paths = Array.from({ length: depth }, (_, i) => `blocks.${i}`);
  const width = tree.shape('cls_token')[2];
  const names = ['cls_token', 'reg_token', 'pos_embed', 'dist_token'].filter((name) => tree.has(name));
  const children: Children = {
    patch_embed: patchEmbed(tree, 'NCHW', identity()),
    pos_drop: dropout(),
    patch_drop: identity(),
    norm_pre: identity(),
    blocks: sequential(paths.map((path) => block(tree, path, heads.get(`${path}.attn`) ?? 1))),
    norm: tree.layerNorm('norm', 'LayerNorm'),
    fc_norm: identity(),
    head_drop: tree.dropout('head_drop'),
    head: tree.linear('head'),
    head_dist: distilled ? tree.linear('head_dist') : null,
  };
  const patch = tree.node('patch_embed.proj', 'conv').attributes.kernel[0];
  return moduleOf(
    distilled ? 'timm.models.deit.VisionTransformerDistilled' : 'timm.models.vision_transformer.VisionTransformer',
    {
      num_classes: graph.classes,
      in_chans: graph.input.channels,
      global_pool: 'token',
      num_features: width,
      head_hidden_size: width,
      embed_dim: width,
      num_prefix_tokens: (distilled ? 2 : 1) + registers,
      num_reg_tokens: registers,
      has_class_token: true,
      no_embed_class: !prefixEmbedded(tree),
      pool_include_prefix: false,
      dynamic_img_size: false,
      grad_checkpointing: false,
      ...(registers ? {} : { reg_token: null }),
      feature_info: tree.features(paths.map((path) => [path, patch])),
      attn_pool: null,
      weight_init_mode: '',
      fix_init: false,
      ...(distilled && { distilled_training: false }),
      ...tree.timmConfig(distilled ? tuple('head', 'head_dist') : 'head', 'patch_embed.proj'),
    },
    children,
    { parameters: Object.fromEntries(names.map((name) => [name, tree.shape(name)])) },
  );
}

/** Whether class token and registers have positions of their own. */
function prefixEmbedded(tree: LayerTree): boolean {
  const { input } = tree.graph;
  const { kernel } = tree.node('patch_embed.proj', 'conv').attributes;
  return tree.shape('pos_embed')[1] !== Math.floor(input.height / kernel[0]) * Math.floor(input.width / kernel[1]);
}
