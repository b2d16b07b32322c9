/** The model as a tree of items: modules, runs of equal blocks, and nodes as leaves. Indices into one array. */
import type { GraphView } from '../../../src/protocol/graph-view.ts';
import type { Draft, Item } from './items.ts';
import { foldRuns, SHORTEST_RUN } from './repeated-blocks.ts';
import { structureOf } from './structure.ts';

export interface Tree {
  readonly view: GraphView;
  /** items[0] is the root. */
  readonly items: readonly Item[];
  /** Item of each node. */
  readonly itemOfNode: readonly number[];
  readonly byKey: ReadonlyMap<string, number>;
}

/** Path of an item for a person: module path, node id. */
export const ROOT = 0;

export function nodeKey(id: string): string {
  return `#${id}`;
}

const lastPart = (path: string): string => path.slice(path.lastIndexOf('.') + 1);

/** Name of a node inside its module: `conv1` of `layer1.0.conv1`. */
function nodeName(id: string, modulePath: string): string {
  return modulePath && id.startsWith(`${modulePath}.`) ? id.slice(modulePath.length + 1) : id;
}

function draftItems(view: GraphView): { drafts: Draft[]; itemOfNode: number[] } {
  const drafts: Draft[] = view.modules.map((module) => ({
    kind: 'module',
    key: module.path,
    name: module.path ? lastPart(module.path) : view.name,
    type: module.type,
    parent: module.parent,
    children: [],
    node: -1,
    nodes: [],
    structure: 0,
  }));
  const itemOfNode = view.nodes.map((node, index) => {
    const item = drafts.length;
    drafts.push({
      kind: 'node',
      key: nodeKey(node.id),
      name: nodeName(node.id, view.modules[node.module].path),
      type: node.label,
      parent: node.module,
      children: [],
      node: index,
      nodes: [index],
      structure: 0,
    });
    for (let m = node.module; m >= 0; m = view.modules[m].parent) drafts[m].nodes.push(index);
    return item;
  });
  return { drafts, itemOfNode };
}

/** Children in the order in which data reaches them. */
function linkChildren(drafts: Draft[]): void {
  for (const [index, draft] of drafts.entries())
    if (draft.parent >= 0 && draft.nodes.length) drafts[draft.parent].children.push(index);
  for (const draft of drafts) draft.children.sort((a, b) => drafts[a].nodes[0] - drafts[b].nodes[0] || a - b);
}

/** A module that holds one node and nothing else is that node, under the module's name. Returns them by the module's path. */
function mergeLoneNodes(drafts: Draft[]): Map<string, number> {
  const merged = new Map<string, number>();
  for (const [index, draft] of [...drafts.entries()].reverse()) {
    const [only] = draft.children;
    if (index === ROOT || draft.children.length !== 1 || drafts[only].kind !== 'node') continue;
    const parent = drafts[draft.parent];
    parent.children[parent.children.indexOf(index)] = only;
    drafts[only].parent = draft.parent;
    drafts[only].name = draft.name;
    draft.children = [];
    draft.nodes = [];
    merged.set(draft.key, only);
  }
  return merged;
}

/** Depths from the parents, which runs have moved. */
function withDepths(drafts: readonly Draft[]): Item[] {
  const depths = new Map<number, number>();
  const depth = (index: number): number => {
    if (index === ROOT) return 0;
    const known = depths.get(index);
    if (known !== undefined) return known;
    const value = depth(drafts[index].parent) + 1;
    depths.set(index, value);
    return value;
  };
  return drafts.map((draft, index) => ({ ...draft, depth: depth(index) }));
}

/** Builds the tree of a view. A pure function; the layout worker builds the same one. */
export function buildTree(view: GraphView): Tree {
  const { drafts, itemOfNode } = draftItems(view);
  linkChildren(drafts);
  const merged = mergeLoneNodes(drafts);
  structureOf(view, drafts, itemOfNode);
  foldRuns(drafts);
  const items = withDepths(drafts);
  const byKey = new Map([...items.map((item, index) => [item.key, index] as const), ...merged]);
  return { view, items, itemOfNode, byKey };
}

/** How many equal blocks in a row an item is: a run, or a module that holds nothing else. 0 for any other. */
export function stacked(tree: Tree, index: number): number {
  const { kind, children } = tree.items[index];
  if (kind === 'run') return children.length;
  if (kind !== 'module' || children.length < SHORTEST_RUN) return 0;
  const [first] = children;
  const isAlike = (child: number): boolean =>
    tree.items[child].kind === 'module' && tree.items[child].structure === tree.items[first].structure;
  return children.every(isAlike) ? children.length : 0;
}

/** The item and those around it, innermost first, without the root. */
export function ancestors(tree: Tree, index: number): number[] {
  const found: number[] = [];
  for (let i = tree.items[index].parent; i > ROOT; i = tree.items[i].parent) found.push(i);
  return found;
}

/** `3 × Bottleneck` where all children are alike, `4 blocks` where most are modules, `12 layers` otherwise. */
export function contents(tree: Tree, index: number): string {
  const item = tree.items[index];
  if (item.kind === 'node') return '';
  const parts = item.children.flatMap((child) =>
    tree.items[child].kind === 'run' ? tree.items[child].children : [child],
  );
  const modules = parts.filter((child) => tree.items[child].kind === 'module');
  if (modules.length < 2) return item.nodes.length === 1 ? '1 layer' : `${item.nodes.length} layers`;
  const types = new Set(modules.map((child) => tree.items[child].type));
  const [type] = types;
  return types.size === 1 && type ? `${modules.length} × ${type}` : `${modules.length} blocks`;
}
