/** Attributes of Ultralytics' classes that say widths (ultralytics/nn/modules/block.py): what they are in a pruned detector's Graph. */
import { UserError } from '../../common/errors.ts';
import { shortClass } from '../checkpoint/modules/layer-record.ts';
import { PickleFloat } from '../checkpoint/torch/pickle-values.ts';
import type { Attributes, FittedModule, GraphWidths } from './graph-widths.ts';

/** Widths that the class has once, as files have them from before they were pruned together. */
function refuseUnlike({ layer }: FittedModule, first: number, second: number, what: string): void {
  if (first === second) return;
  throw new UserError(
    `${layer.path} (${layer.className}): ${what} have ${first} and ${second} channels, and the class has one width for both. Prune the network from its .pt again, or export it with --format onnx or pytorch.`,
  );
}

/** Channels of each half that the class makes of its first convolution's. */
function halves(module: FittedModule, { shapes }: GraphWidths): Attributes {
  const [first, second] = ['first', 'second'].map((name) => shapes.get(`${module.path}.${name}`)?.[1] ?? 0);
  refuseUnlike(module, first, second, 'its halves');
  return { c: first };
}

function attention(module: FittedModule, { shapes, graph, weight }: GraphWidths): Attributes {
  const { path } = module;
  const [, heads = 0, keys] = shapes.get(`${path}.q`) ?? [];
  const values = shapes.get(`${path}.v`)?.[2] ?? 0;
  refuseUnlike(module, weight(`${path}.qkv.conv`)?.[1] ?? 0, heads * values, 'what enters and the values');
  const scale = graph.nodes.find(({ kind, module }) => kind === 'scale' && module === path);
  const by = scale?.kind === 'scale' ? scale.attributes.by : undefined;
  return {
    num_heads: heads,
    key_dim: keys,
    head_dim: values,
    ...(typeof by === 'number' && { scale: new PickleFloat(by) }),
  };
}

const classes: Readonly<Record<string, (at: FittedModule, widths: GraphWidths) => Attributes>> = {
  C2f: halves,
  C3k2: halves,
  C2PSA: halves,
  Attention: attention,
};

/** Parameters of a layer of the list, which its record counts. */
function counted({ path, written }: FittedModule, { graph }: GraphWidths): Attributes {
  if (typeof written.attribute('np') !== 'number') return {};
  const isBuffer = /\.(running_mean|running_var|num_batches_tracked|anchors|anchor_grid)$/;
  const own = graph.parameters.filter(({ name }) => name.startsWith(`${path}.`) && !isBuffer.test(name));
  return { np: own.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0) };
}

export const detectorAttributes = (module: FittedModule, widths: GraphWidths): Attributes => ({
  ...classes[shortClass(module.layer)]?.(module, widths),
  ...counted(module, widths),
});
