/** What a whole pickled timm or torchvision module says of its network beside names and shapes. */
import type { AttributeValue, ModuleRecord } from '../../checkpoint/checkpoint.ts';
import { modulesOf, RecordPaths } from '../../checkpoint/modules/record-paths.ts';

export interface RecordHints {
  /** timm's name of the architecture. */
  readonly name?: string;
  /** Heads by the path of the attention module. */
  readonly heads: ReadonlyMap<string, number>;
  /** Stochastic-depth rates by the path of their module. */
  readonly dropPaths: ReadonlyMap<string, number>;
  /** Dropout before the classifier; undefined where no attribute tells. */
  readonly dropout?: number;
}

/** Dropout before the classifier: timm's ViT, timm's ClassifierHead, torchvision's MobileNet and VGG. */
const HEAD_DROPOUT = /^(head_drop|head\.drop|classifier\.[025])$/;

const numberOf = (value: AttributeValue | undefined): number | undefined =>
  typeof value === 'number' && Number.isFinite(value) ? value : undefined;

function architectureOf({ attributes }: ModuleRecord): string | undefined {
  const config = attributes['pretrained_cfg'];
  if (config === null || typeof config !== 'object' || Array.isArray(config)) return undefined;
  const name = (config as Readonly<Record<string, AttributeValue>>)['architecture'];
  return typeof name === 'string' ? name : undefined;
}

const isClass = ({ className }: ModuleRecord, name: string): boolean => className.split('.').at(-1) === name;

/** Reads a record; attributes that are not there, or not what they should be, say nothing. */
export function recordHints(root: ModuleRecord): RecordHints {
  const heads = new Map<string, number>();
  const paths = new RecordPaths(root);
  const dropPaths = new Map<string, number>();
  let dropout = numberOf(root.attributes['drop_rate']);
  for (const module of modulesOf(root)) {
    const { path, attributes } = module;
    const count = numberOf(attributes['num_heads']);
    if (count !== undefined) heads.set(paths.path(module), count);
    if (isClass(module, 'DropPath')) dropPaths.set(path, numberOf(attributes['drop_prob']) ?? 0);
    if (isClass(module, 'Dropout') && HEAD_DROPOUT.test(path)) dropout = numberOf(attributes['p']) ?? dropout;
  }
  const name = architectureOf(root);
  return { heads, dropPaths, ...(name !== undefined && { name }), ...(dropout !== undefined && { dropout }) };
}
