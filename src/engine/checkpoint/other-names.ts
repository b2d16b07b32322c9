/**
 * State dicts whose names differ from timm's in nothing but the names: the networks' own repositories, torchvision, and
 * older releases of both. Each tensor has the same elements, so that a name is all that has to change, and for some the shape.
 */

interface Naming {
  /** Whose names they are. */
  readonly whose: string;
  /** A name that tells them: no other naming has it. */
  readonly sign: string;
  /** What becomes of a name; the first that matches. Others stay. */
  readonly rules: readonly (readonly [RegExp, string | ((...parts: string[]) => string)])[];
  /** Tensors, by timm's names, that they keep as [C, 1, 1] and timm as [C]. */
  readonly vectors?: RegExp;
}

const nextStage = (_: string, stage: string): string => `layers.${Number(stage) + 1}.downsample.`;
const blockOf = (_: string, stage: string, block: string): string => `s${stage}.b${Number(block) + 1}.`;
const stageOf = (_: string, features: string): string => `layers.${(Number(features) - 1) / 2}.blocks.`;
const downsampleOf = (_: string, features: string): string => `stages.${Number(features) / 2}.downsample.`;
const mergingOf = (_: string, features: string): string => `layers.${Number(features) / 2}.downsample.`;

const namings: readonly Naming[] = [
  {
    whose: "older torchvision's DenseNet",
    sign: 'features.denseblock1.denselayer1.norm.1.weight',
    rules: [[/(\.denselayer\d+\.(?:norm|conv))\.([12])\./, '$1$2.']],
  },
  {
    whose: "torchvision's ViT",
    sign: 'encoder.layers.encoder_layer_0.self_attention.in_proj_weight',
    rules: [
      [/^class_token$/, 'cls_token'],
      [/^conv_proj\./, 'patch_embed.proj.'],
      [/^encoder\.pos_embedding$/, 'pos_embed'],
      [/^encoder\.layers\.encoder_layer_(\d+)\.ln_([12])\./, 'blocks.$1.norm$2.'],
      [/^encoder\.layers\.encoder_layer_(\d+)\.self_attention\.in_proj_/, 'blocks.$1.attn.qkv.'],
      [/^encoder\.layers\.encoder_layer_(\d+)\.self_attention\.out_proj\./, 'blocks.$1.attn.proj.'],
      [/^encoder\.layers\.encoder_layer_(\d+)\.mlp\.(?:0|linear_1)\./, 'blocks.$1.mlp.fc1.'],
      [/^encoder\.layers\.encoder_layer_(\d+)\.mlp\.(?:3|linear_2)\./, 'blocks.$1.mlp.fc2.'],
      [/^encoder\.ln\./, 'norm.'],
      [/^heads\.head\./, 'head.'],
    ],
  },
  {
    whose: "torchvision's Swin",
    sign: 'features.1.0.attn.relative_position_bias_table',
    rules: [
      [/^features\.0\.0\./, 'patch_embed.proj.'],
      [/^features\.0\.2\./, 'patch_embed.norm.'],
      [/^features\.([1357])\.(\d+\.)mlp\.0\./, (_, features, block) => `${stageOf(_, features)}${block}mlp.fc1.`],
      [/^features\.([1357])\.(\d+\.)mlp\.3\./, (_, features, block) => `${stageOf(_, features)}${block}mlp.fc2.`],
      [/^features\.([1357])\./, stageOf],
      [/^features\.([246])\./, mergingOf],
      [/^head\./, 'head.fc.'],
    ],
  },
  {
    whose: "torchvision's ConvNeXt",
    sign: 'features.1.0.layer_scale',
    rules: [
      [/^features\.0\./, 'stem.'],
      [/^features\.([1357])\.(\d+)\.(.*)$/, (_, features, block, rest) => convNextLayer(features, block, rest)],
      [/^features\.([246])\./, downsampleOf],
      [/^classifier\.0\./, 'head.norm.'],
      [/^classifier\.2\./, 'head.fc.'],
    ],
    vectors: /\.gamma$/,
  },
  {
    whose: "torchvision's RegNet",
    sign: 'trunk_output.block1.block1-0.f.se.fc1.weight',
    rules: [
      [/^stem\.0\./, 'stem.conv.'],
      [/^stem\.1\./, 'stem.bn.'],
      [/^fc\./, 'head.fc.'],
      [
        /^trunk_output\.block\d+\.block(\d+)-(\d+)\.(?:f\.)?(.*)$/,
        (_, stage, block, rest) => blockOf(_, stage, block) + regNetLayer(rest),
      ],
    ],
  },
  {
    whose: "the Swin authors'",
    sign: 'layers.0.downsample.reduction.weight',
    rules: [
      [/^layers\.(\d+)\.downsample\./, nextStage],
      [/^head\.(?!fc\.)/, 'head.fc.'],
    ],
  },
  {
    whose: "the ConvNeXt authors'",
    sign: 'downsample_layers.0.0.weight',
    rules: [
      [/^downsample_layers\.0\./, 'stem.'],
      [/^downsample_layers\.(\d+)\./, 'stages.$1.downsample.'],
      [/^stages\.(\d+)\.(\d+)\.dwconv\./, 'stages.$1.blocks.$2.conv_dw.'],
      [/^stages\.(\d+)\.(\d+)\.pwconv([12])\./, 'stages.$1.blocks.$2.mlp.fc$3.'],
      [/^stages\.(\d+)\.(\d+)\./, 'stages.$1.blocks.$2.'],
      [/^norm\./, 'head.norm.'],
      [/^head\./, 'head.fc.'],
    ],
  },
];

/** A layer of torchvision's ConvNeXt block as timm names it. */
function convNextLayer(features: string, block: string, rest: string): string {
  const layers: Readonly<Record<string, string>> = { 0: 'conv_dw', 2: 'norm', 3: 'mlp.fc1', 5: 'mlp.fc2' };
  const layer = rest
    .replace(/^block\.(\d)\./, (_, index: string) => `${layers[index] ?? index}.`)
    .replace(/^layer_scale$/, 'gamma');
  return `stages.${(Number(features) - 1) / 2}.blocks.${block}.${layer}`;
}

/** A layer of torchvision's RegNet block as timm names it. */
function regNetLayer(rest: string): string {
  const layers = { proj: 'downsample', a: 'conv1', b: 'conv2', c: 'conv3' } as const;
  return rest.replace(
    /^(proj|[abc])\.([01])\./,
    (_, layer: keyof typeof layers, part) => `${layers[layer]}.${part === '0' ? 'conv' : 'bn'}.`,
  );
}

function renamed(name: string, { rules }: Naming): string {
  for (const [pattern, replacement] of rules)
    if (pattern.test(name)) return name.replace(pattern, replacement as string);
  return name;
}

/** The shape that timm gives a tensor of whoever's names these were. */
export function timmShape(whose: string | undefined, name: string, shape: readonly number[]): readonly number[] {
  const vectors = namings.find((naming) => naming.whose === whose)?.vectors;
  return vectors?.test(name) && shape.slice(1).every((size) => size === 1) ? shape.slice(0, 1) : shape;
}

/**
 * Entries under timm's names, where theirs are known ones of others.
 * @returns the entries, and whose names they had
 */
export function timmNames<T>(entries: ReadonlyMap<string, T>): { entries: ReadonlyMap<string, T>; whose?: string } {
  const naming = namings.find(({ sign }) => entries.has(sign));
  if (!naming) return { entries };
  const result = new Map([...entries].map(([name, value]) => [renamed(name, naming), value]));
  // Two entries under one name: it is something else after all.
  return result.size === entries.size ? { entries: result, whose: naming.whose } : { entries };
}
