/** MACs and parameters of a network as its groups get narrower, without building it: what a live slider needs. */
import type { ValueId } from '../graph/graph.ts';
import { type Cost, compileMacs, type NodeMacs, type ShapeTable, shapeTable } from '../graph/macs.ts';
import type { Groups, LeafId } from './groups.ts';

/** Entries left of every set; by set id. */
export type SetSizes = Int32Array;

export interface CompiledCost {
  /** All sets as they are. */
  readonly full: SetSizes;
  /** Of the network that `sizes` leave. The nodes of `without` are not counted, nor their parameters: removed blocks. */
  evaluate(sizes: SetSizes): Cost;
  /** MACs of every counted node. */
  nodes(sizes: SetSizes): NodeMacs;
}

/** Which nodes and parameters are not there any more: blocks that are to be removed. */
export interface Removed {
  readonly nodes: ReadonlySet<ValueId>;
  readonly parameters: ReadonlySet<string>;
}

/** A dimension that depends on sets: its size goes where it is read from. */
interface Dynamic {
  readonly into: number[];
  readonly dimension: number;
  readonly leaves: readonly LeafId[];
  readonly sign: number;
}

/** Prepares the counter for a Graph: what `evaluate` then does is one pass over the layers. */
export function compileCost(groups: Groups, removed?: Removed): CompiledCost {
  const { graph, leaves } = groups;
  const full = Int32Array.from(groups.sets, ({ size }) => size);
  const leafSizes = Float64Array.from(leaves, ({ size }) => Math.abs(size));
  const changing = leaves.flatMap((leaf, id) => (leaf.sets.length ? [{ id, sets: leaf.sets }] : []));
  const dynamics: Dynamic[] = [];

  const track = (shape: readonly number[], of: readonly (readonly LeafId[])[] | undefined): number[] => {
    const into = [...shape];
    of?.forEach((list, dimension) => {
      if (list.some((leaf) => leaves[leaf].sets.length))
        dynamics.push({ into, dimension, leaves: list, sign: Math.sign(shape[dimension]) });
    });
    return into;
  };
  const own = shapeTable(graph);
  const values = new Map<ValueId, number[]>();
  const parameters = new Map<string, number[]>();
  for (const { name, shape } of graph.parameters) parameters.set(name, track(shape, groups.parameters.get(name)));
  const table: ShapeTable = {
    parameter: (name) => parameters.get(name) as number[],
    value: (id) => {
      const known = values.get(id);
      if (known) return known;
      const shape = track(own.value(id), groups.values.get(id));
      values.set(id, shape);
      return shape;
    },
  };
  const price = compileMacs(graph);
  price(table); // asks for every shape once, which is what makes them known
  const trainable = graph.parameters.filter((p) => p.trainable && !removed?.parameters.has(p.name));
  const trainableShapes = trainable.map(({ name }) => parameters.get(name) as number[]);

  const resize = (sizes: SetSizes): void => {
    for (const { id, sets } of changing) {
      let size = 0;
      for (const { set, multiplicity } of sets) size += sizes[set] * multiplicity;
      leafSizes[id] = size;
    }
    for (const { into, dimension, leaves: list, sign } of dynamics) {
      let size = sign;
      for (const leaf of list) size *= leafSizes[leaf];
      into[dimension] = size;
    }
  };
  const nodes = (sizes: SetSizes): NodeMacs => {
    resize(sizes);
    return price(table);
  };
  const sum = (byNode: ReadonlyMap<ValueId, number>): number => {
    let total = 0;
    for (const [id, macs] of byNode) if (!removed?.nodes.has(id)) total += macs;
    return total;
  };
  return {
    full,
    nodes,
    evaluate: (sizes) => {
      const { macs, macsTrue } = nodes(sizes);
      let params = 0;
      for (const shape of trainableShapes) {
        let count = 1;
        for (const d of shape) count *= d;
        params += count;
      }
      return { macs: sum(macs), macsTrue: sum(macsTrue), params };
    },
  };
}
