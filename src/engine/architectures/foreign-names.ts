/** Networks that are often met and cannot be opened by their names: what they are, and what there is instead. */

interface Foreign {
  readonly what: string;
  /** A parameter that only these networks have. */
  readonly sign: RegExp;
  /** What can be opened in its place. */
  readonly instead?: string;
}

const TIMM_CONVNEXT = "Timm's convnext_tiny, convnext_small and convnext_base are the same networks, and open";

const foreigners: readonly Foreign[] = [
  { what: "torchvision's ConvNeXt", sign: /^features\.1\.0\.layer_scale$/, instead: TIMM_CONVNEXT },
  { what: 'a Swin Transformer V2', sign: /\.attn\.(cpb_mlp|logit_scale)/ },
  {
    what: 'a network of Hugging Face Transformers',
    sign: /^(vit|deit|swin|convnext|resnet|regnet|mobilenet_v2)\.(embeddings|embedder|encoder|conv_stem)\./,
    instead: "Timm's weights of the same network open, where it has them",
  },
  { what: "torchvision's MobileNetV3", sign: /^features\.\d+\.block\.\d+\.fc2\.bias$/ },
  { what: 'an object detector or a segmentation network', sign: /^(backbone\.body|rpn|roi_heads|aux_classifier)\./ },
];

/** What a checkpoint with these names is; undefined when that is not known. */
export function foreignNetwork(names: readonly string[]): Foreign | undefined {
  return foreigners.find(({ sign }) => names.some((name) => sign.test(name)));
}
