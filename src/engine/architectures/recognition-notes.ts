/** What a person should know of a recognised network: what no tensor shows, and was taken for granted. */
import type { Graph } from '../graph/graph.ts';
import { attentionModules, shapeTable } from '../graph/macs.ts';
import { type CheckpointShapes, denseGraph } from './dense-graph.ts';
import { lookAlikes } from './look-alikes.ts';
import type { Variant } from './variant.ts';

/** Of the network that the person or the file's name says, among costs of fitting. */
export const NAMED_COST = -1;

/** Says that heads were taken by the dense head dimension, where widths are not the network's and nothing gives them. */
export function headNotes(
  variant: Variant,
  file: CheckpointShapes,
  known: (attention: string) => number | undefined,
): string[] {
  const dense = denseGraph(variant, file);
  const table = shapeTable(dense);
  for (const { module, qkv, product } of attentionModules(dense)) {
    const rows = file.get(`${qkv}.weight`)?.[0];
    const usual = table.parameter(`${qkv}.weight`)[0];
    if (rows === undefined || rows === usual || known(module) !== undefined) continue;
    if (file.has(`${module}.relative_position_bias_table`)) continue;
    const headDim = usual / 3 / Math.abs(table.value(product).at(-3) as number);
    return [`its attention is not as wide as ${variant.name}'s: heads of ${headDim} were taken, --heads gives others`];
  }
  return [];
}

/** The operations of a network, without the image that enters it. */
const operationsOf = ({ nodes }: Graph): string =>
  JSON.stringify(nodes.map(({ kind, attributes, inputs }) => (kind === 'input' ? kind : [kind, attributes, inputs])));

/** Other models with the same tensors, which differ in what no tensor shows, and how they differ. */
export function twinNotes(
  list: readonly { variant: Variant; cost: number }[],
  found: { readonly variant: Variant; readonly graph: Graph },
  build: (variant: Variant) => Graph | undefined,
): string[] {
  const { name } = found.variant;
  const cost = list.find(({ variant }) => variant === found.variant)?.cost;
  if (cost === NAMED_COST) return [];
  const same: string[] = [];
  const other: string[] = [];
  for (const twin of list) {
    if (twin.cost !== cost || twin.variant === found.variant) continue;
    const graph = build(twin.variant);
    if (graph) (operationsOf(graph) === operationsOf(found.graph) ? same : other).push(twin.variant.name);
  }
  other.push(...lookAlikes(name));
  const verb = (names: readonly string[], verbs: readonly [string, string]): string => verbs[names.length > 1 ? 1 : 0];
  return [
    ...(same.length
      ? [
          `opened as ${name}; ${same.join(', ')} ${verb(same, ['has', 'have'])} the same tensors, with other image normalisation`,
        ]
      : []),
    ...(other.length
      ? [
          `opened as ${name}; ${other.join(', ')} ${verb(other, ['fits', 'fit'])} these tensors as well and ${verb(other, ['computes', 'compute'])} ` +
            `something else: --model NAME with --ckpt FILE says which it is`,
        ]
      : []),
  ];
}
