/** What a person calls a scope: by what its channels are to the network, and where they are. */
import type { Graph, GraphNode } from '../engine/graph/graph.ts';
import type { Group, Groups } from '../engine/pruning/coupling/groups.ts';
import type { Scope } from '../engine/pruning/planning/scopes.ts';

/** Nodes that make a group's channels, and those that read them through weights. */
function makersAndReaders(group: Group, nodes: ReadonlyMap<string, readonly number[]>, graph: Graph) {
  const of = (side: 'out' | 'in'): GraphNode[] => {
    const indices = group.members.filter((m) => m.side === side).flatMap(({ axis }) => nodes.get(axis.parameter) ?? []);
    return [...new Set(indices)]
      .map((index) => graph.nodes[index])
      .filter(({ kind }) => kind === 'conv' || kind === 'linear');
  };
  const isDepthwise = (node: GraphNode): boolean => node.kind === 'conv' && node.attributes.groups > 1;
  // A depthwise convolution passes channels on; it makes none.
  return { makers: of('out').filter((node) => !isDepthwise(node)), readers: of('in') };
}

function roleOf(group: Group, nodes: ReadonlyMap<string, readonly number[]>, graph: Graph): string {
  if (group.heads !== undefined) return 'head dims';
  const { makers, readers } = makersAndReaders(group, nodes, graph);
  if (makers.length > 1) return 'residual stream';
  const [maker] = makers;
  // A block is a module with a number in its path: `layer1.0`, `features.2.conv`.
  const isBlock = /(^|[._])\w*\d/.test(commonPath([maker, ...readers].map((node) => node?.module ?? '')));
  if (maker === undefined || readers.length === 0 || !isBlock) return 'layer outputs';
  return maker.kind === 'linear' && readers.every(({ kind }) => kind === 'linear') ? 'MLP hidden' : 'block inside';
}

/** The longest module path that all of these lie in. */
function commonPath(paths: readonly string[]): string {
  const parts = paths.map((path) => path.split('.').slice(0, -1));
  const [first = []] = parts;
  const end = first.findIndex((part, i) => parts.some((other) => other[i] !== part));
  return (end < 0 ? first : first.slice(0, end)).join('.');
}

/** A name for each scope, no two alike: `residual stream`, or with the module where several are called so: `block inside · layer2`. */
export function scopeNames(
  scopes: readonly Scope[],
  groups: Groups,
  nodes: ReadonlyMap<string, readonly number[]>,
): readonly string[] {
  const { graph } = groups;
  const all = scopes.map(({ groups: ids }) => ids.map((id) => groups.groups[id]));
  const roles = all.map(([first]) => roleOf(first, nodes, graph));
  const places = all.map((members) => {
    const makers = members.flatMap((group) => group.members.filter(({ side }) => side === 'out'));
    return commonPath(makers.map(({ axis }) => axis.parameter));
  });
  // Where they have no place of their own, they are told apart by where they begin.
  const origins = all.map(([{ root }]) => commonPath([root]));
  return distinct([roles, places, origins]);
}

/** The first part of each name, and as many of the others as it takes to tell it from the rest; at last a number. */
function distinct([roles, ...places]: readonly (readonly string[])[]): readonly string[] {
  const isShared = (names: readonly string[], i: number): boolean =>
    names.filter((name) => name === names[i]).length > 1;
  let names = roles;
  for (const part of places)
    names = names.map((name, i) => (isShared(names, i) && part[i] ? `${roles[i]} · ${part[i]}` : name));
  const seen = new Map<string, number>();
  return names.map((name, i) => {
    if (!isShared(names, i)) return name;
    seen.set(name, (seen.get(name) ?? 0) + 1);
    return `${name} (${seen.get(name)})`;
  });
}
