/**
 * What a Swin Transformer computes of its windows when it is built, and a file may hold beside its weights: the pairs of positions that
 * share a bias, and the mask of shifted windows. A network that was given others computes something else.
 */
import { UserError } from '../../../common/errors.ts';
import type { Graph, GraphNode } from '../../graph/graph.ts';
import type { Tensor, Weights } from '../../graph/tensor.ts';

const INDEX = '.relative_position_index';
const MASK = '.attn_mask';

export const isWindowTable = (name: string): boolean => name.endsWith(INDEX) || name.endsWith(MASK);

type Same = (i: number) => boolean;

function sameIndex({ data }: Tensor, row: GraphNode | undefined): Same | undefined {
  if (row?.kind !== 'gather' || row.attributes.indices.length !== data.length) return undefined;
  const { indices } = row.attributes;
  return (i) => Number(data[i]) === indices[i];
}

/** What is masked at all is masked the more: no softmax lets either through. */
function sameMask({ data }: Tensor, mask: GraphNode | undefined): Same | undefined {
  if (mask?.kind !== 'constant' || mask.attributes.tensor.data.length !== data.length) return undefined;
  const wanted = mask.attributes.tensor.data;
  return (i) => Number(data[i]) === Number(wanted[i]) || (wanted[i] < 0 && data[i] <= wanted[i]);
}

/**
 * Compares the tables that a file holds with those of the network that was built. One of another length belongs to another size of
 * images, for which PyTorch's own loaders compute it anew.
 * @throws UserError naming the tensor that holds something else
 */
export function checkWindowTables(file: string, graph: Graph, tables: Weights): void {
  if (!tables.size) return;
  const nodes = new Map(graph.nodes.map((node) => [node.id, node]));
  for (const [name, tensor] of tables) {
    const isIndex = name.endsWith(INDEX);
    const path = name.slice(0, -(isIndex ? INDEX : MASK).length);
    const masks = nodes.get(`${path}.attn.add_mask`)?.inputs.map((id) => nodes.get(id)) ?? [];
    const same = isIndex
      ? sameIndex(tensor, nodes.get(`${path}.position_bias_rows`))
      : sameMask(
          tensor,
          masks.find((node) => node?.kind === 'constant'),
        );
    if (!same) continue;
    for (let i = 0; i < tensor.data.length; i++)
      if (!same(i))
        throw new UserError(
          `${file}: tensor ${name} is not what ${graph.name} computes for its windows (entry ${i} is ${tensor.data[i]}): the network was changed, and would give other results here. Export it with torch.export.save and open the .pt2.`,
        );
  }
}
