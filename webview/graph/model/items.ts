/** What a tree of the model is made of. */

export interface Item {
  readonly kind: 'module' | 'run' | 'node';
  /** Stable across sessions and between the dense and the pruned model. */
  readonly key: string;
  /** What its box says: the last part of its path. */
  readonly name: string;
  /** Module class, or the node's label. */
  readonly type: string;
  readonly parent: number;
  readonly children: readonly number[];
  readonly depth: number;
  /** Node index of a leaf, −1 otherwise. */
  readonly node: number;
  /** Nodes in it, ascending. */
  readonly nodes: readonly number[];
  /** Equal for items of equal structure: same operations, wired alike; widths don't matter. */
  readonly structure: number;
}

/** An item while the tree is built. */
export interface Draft {
  kind: Item['kind'];
  key: string;
  name: string;
  type: string;
  parent: number;
  children: number[];
  node: number;
  nodes: number[];
  structure: number;
}
