/** Composite modules of timm and torchvision whose forward the architectures follow, and the attributes that decide it. */
import { attentionHeads } from '../../graph/attention-heads.ts';
import type { Graph, GraphNode } from '../../graph/graph.ts';
import type { ModuleRecord } from '../torch/module-record.ts';
import {
  isLibraryClass,
  numberAttribute,
  pairAttribute,
  refuseAttribute,
  refuseLayer,
  requireAttribute,
  shortClass,
  valueText,
} from './layer-record.ts';

/** Where a composite module stands in the Graph that it is compared with. */
export interface Place {
  readonly graph: Graph;
  /** Its path there: timm's, where its own is torchvision's. */
  readonly path: string;
}

type Check = (layer: ModuleRecord, place: Place) => void;

const classes = (text: string): ReadonlySet<string> => new Set(text.split(' '));

const COMMON = classes(
  'Sequential ModuleList ModuleDict SelectAdaptivePool2d ClassifierHead Mlp MLP Conv2dNormActivation ConvNormActivation ' +
    'ConvBNReLU ConvNormAct ConvBnAct',
);

/** By family of architectures: blocks of the same names elsewhere compute something else. */
const FAMILIES: Readonly<Record<string, ReadonlySet<string>>> = {
  resnet: classes('ResNet BasicBlock Bottleneck SEModule'),
  deit: classes(
    'VisionTransformer VisionTransformerDistilled DistilledVisionTransformer Block Attention PatchEmbed LayerScale Encoder EncoderBlock MLPBlock MultiheadAttention',
  ),
  convnext: classes(
    'ConvNeXt ConvNeXtStage ConvNeXtBlock Downsample NormMlpClassifierHead CNBlock GlobalResponseNorm GlobalResponseNormMlp',
  ),
  swin: classes(
    'SwinTransformer SwinTransformerStage BasicLayer SwinTransformerBlock WindowAttention ShiftedWindowAttention PatchEmbed PatchMerging',
  ),
  mobilenet: classes('MobileNetV2 InvertedResidual'),
  efficientnet: classes(
    'EfficientNet MobileNetV3 InvertedResidual DepthwiseSeparableConv EdgeResidual ConvBnAct SqueezeExcite SqueezeExcitation MBConv FusedMBConv',
  ),
  regnet: classes(
    'RegNet RegStage Bottleneck SEModule AnyStage ResBottleneckBlock BottleneckTransform SimpleStemIN SqueezeExcitation',
  ),
  vgg: classes('VGG ConvMlp'),
  densenet: classes('DenseNet DenseBlock DenseLayer DenseTransition _DenseBlock _DenseLayer _Transition'),
};

const nodeAt = (graph: Graph, id: string): GraphNode | undefined => graph.nodes.find((node) => node.id === id);

const heads: Check = (layer, { graph, path }) => {
  const found = attentionHeads(graph).find(({ attention }) => attention === path)?.heads;
  if (found !== undefined && numberAttribute(layer, 'num_heads', found) !== found) refuseAttribute(layer, 'num_heads');
};

/** Windows of Swin: their side is the bias table's, and every second block is shifted by half of it. */
const windows: Check = (layer, { graph, path }) => {
  const block = path.replace(/\.attn$/, '');
  const table = graph.parameters.find(({ name }) => name === `${block}.attn.relative_position_bias_table`);
  if (!table) return;
  const side = (Math.sqrt(table.shape[0]) + 1) / 2;
  const window = pairAttribute(layer, 'window_size', side);
  if (window.some((size) => size !== side)) refuseAttribute(layer, 'window_size');
  if (layer.attributes['shift_size'] === undefined) return;
  const roll = nodeAt(graph, `${block}.shift`);
  const shifts = roll?.kind === 'roll' ? roll.attributes.shifts.map((shift) => -shift) : [0, 0];
  const found = pairAttribute(layer, 'shift_size', 0);
  // torchvision shifts no window that is as large as the image, whatever the attribute says.
  const isWhole = !roll && shortClass(layer) === 'ShiftedWindowAttention' && found.every((s) => s === side >> 1);
  if (!isWhole && found.some((shift, i) => shift !== shifts[i])) refuseAttribute(layer, 'shift_size');
  // timm keeps the mask of shifted windows with the block, unless it makes one for each size of image.
  const hasMask = layer.buffers.includes('attn_mask') || layer.attributes['dynamic_mask'] === true;
  if (roll && shortClass(layer) === 'SwinTransformerBlock' && !hasMask)
    refuseLayer(layer, 'shifts windows without a mask');
};

/** Whether a block adds its input to its output. */
const shortcut =
  (attribute: string): Check =>
  (layer, { graph, path }) => {
    const adds = graph.nodes.some(({ kind, module }) => kind === 'add' && module === path);
    requireAttribute(layer, attribute, adds);
  };

const only =
  (attribute: string, ...values: readonly (string | number | boolean | null)[]): Check =>
  (layer) =>
    requireAttribute(layer, attribute, ...values);

const prefixTokens: Check = (layer, { graph }) => {
  const tokens = graph.parameters.filter(({ name }) => /^(cls_token|dist_token)$/.test(name)).length;
  const registers = graph.parameters.find(({ name }) => name === 'reg_token')?.shape[1] ?? 0;
  requireAttribute(layer, 'num_prefix_tokens', tokens + registers);
  const position = graph.parameters.find(({ name }) => name === 'pos_embed');
  const added = graph.nodes.find(({ id }) => id === 'pos_embed');
  const classless =
    position && added && graph.nodes.some((n) => n.kind === 'add' && n.id === 'patch_embed.add_pos_embed');
  requireAttribute(layer, 'no_embed_class', Boolean(classless));
};

/** What decides the forward of a class, beside its children. */
const checks: Readonly<Record<string, readonly Check[]>> = {
  SelectAdaptivePool2d: [only('pool_type', 'avg', 'fast', 'max', 'fastmax'), only('input_fmt', 'NCHW', null)],
  ClassifierHead: [only('pool_type', 'avg', 'fast', 'max', 'fastmax')],
  NormMlpClassifierHead: [only('pool_type', 'avg', 'fast', 'max', 'fastmax')],
  VisionTransformer: [only('global_pool', 'token'), only('classifier', 'token'), prefixTokens],
  VisionTransformerDistilled: [only('global_pool', 'token'), only('distilled_training', false), prefixTokens],
  DistilledVisionTransformer: [prefixTokens],
  PatchEmbed: [only('flatten', true, false)],
  Attention: [heads],
  MultiheadAttention: [heads],
  WindowAttention: [heads, windows],
  ShiftedWindowAttention: [heads, windows],
  SwinTransformer: [only('global_pool', 'avg')],
  SwinTransformerBlock: [windows, only('always_partition', false)],
  InvertedResidual: [shortcut('has_skip'), shortcut('use_res_connect')],
  DepthwiseSeparableConv: [shortcut('has_skip'), only('has_pw_act', false)],
  EdgeResidual: [shortcut('has_skip')],
  ConvBnAct: [shortcut('has_skip')],
  MBConv: [shortcut('use_res_connect')],
  FusedMBConv: [shortcut('use_res_connect')],
  SEModule: [only('add_maxpool', false)],
  ConvNeXtBlock: [only('use_conv_mlp', false)],
  DenseNet: [only('global_pool', 'avg')],
};

/** Nodes that torchvision's modules compute in their forward, where the Graph has timm's modules. */
const forwardFunctions: Readonly<Record<string, readonly string[]>> = {
  'torchvision.models.densenet.DenseNet': ['features.norm5.act', 'global_pool.pool'],
  'torchvision.models.mobilenetv2.MobileNetV2': ['pool'],
  'torchvision.models.mobilenet.MobileNetV2': ['pool'],
};

export const forwardNodes = ({ className }: ModuleRecord): readonly string[] => forwardFunctions[className] ?? [];

/**
 * Compares a composite module with what the architecture builds in its place.
 * @returns false for a class that is neither PyTorch's nor a library's: what its forward does is not known
 * @throws UserError for a library's class that computes something else, or an attribute that says so
 */
export function checkComposite(layer: ModuleRecord, place: Place): boolean {
  if (!isLibraryClass(layer)) return false;
  const name = shortClass(layer);
  if (!COMMON.has(name) && !FAMILIES[place.graph.family]?.has(name))
    refuseLayer(layer, `is of a class that ${place.graph.name} is not made of`);
  for (const check of checks[name] ?? []) check(layer, place);
  return true;
}

/**
 * The factor of the scores of an attention whose forward takes it from an attribute; undefined where it follows the head
 * dimension (PyTorch's fused attention).
 */
export function recordedScale(layer: ModuleRecord): number | undefined {
  if (!/^(Attention|WindowAttention)$/.test(shortClass(layer)) || layer.attributes['fused_attn'] === true)
    return undefined;
  const { scale } = layer.attributes;
  if (scale === undefined) return undefined;
  if (typeof scale !== 'number') refuseLayer(layer, `has scale ${valueText(scale)}`);
  return scale;
}
