/** MACs and parameters of a network as its groups get narrower, without building it: what a live slider needs. */
import type { ValueId } from '../../graph/graph.ts';
import { type Cost, compileMacs, type ShapeTable, shapeTable } from '../../graph/macs.ts';
import type { Groups, LeafId } from '../coupling/groups.ts';

/** Entries left of every set; by set id. */
export type SetSizes = Int32Array;

export interface CompiledCost {
  /** All sets as they are. */
  readonly full: SetSizes;
  /** Of the network that `sizes` leave. The nodes of `without` are not counted, nor their parameters: removed blocks. */
  evaluate(sizes: SetSizes): Cost;
  /** MACs of every counted node, by the reference's counter. */
  nodes(sizes: SetSizes): ReadonlyMap<ValueId, number>;
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

function memoized<V>(make: (key: string) => V): (key: string) => V {
  const known = new Map<string, V>();
  return (key) => {
    const found = known.get(key) ?? make(key);
    known.set(key, found);
    return found;
  };
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
  // Only shapes that the counter asks for are kept up to date.
  const table: ShapeTable = {
    parameter: memoized((name) => track(own.parameter(name), groups.parameters.get(name))),
    value: memoized((id) => track(own.value(id), groups.values.get(id))),
  };
  const counter = compileMacs(graph, table);
  const counted = Uint8Array.from(counter.nodes, (id) => (removed?.nodes.has(id) ? 0 : 1));
  const trainable = graph.parameters.filter((p) => p.trainable && !removed?.parameters.has(p.name));
  const trainableShapes = trainable.map(({ name }) => table.parameter(name));

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
  const sum = (figures: Float64Array): number => {
    let total = 0;
    for (let i = 0; i < figures.length; i++) if (counted[i]) total += figures[i];
    return total;
  };
  return {
    full,
    nodes: (sizes) => {
      resize(sizes);
      const { macs } = counter.count();
      return new Map(counter.nodes.map((id, i) => [id, macs[i]]));
    },
    evaluate: (sizes) => {
      resize(sizes);
      const { macs, macsTrue } = counter.count();
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
