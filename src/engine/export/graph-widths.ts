/** What the attributes of a pickled network's classes are taken from: its modules, and the widths of the pruned Graph. */
import type { WrittenModule } from '../checkpoint/modules/written-module.ts';
import type { ModuleRecord } from '../checkpoint/torch/module-record.ts';
import type { PickleValue } from '../checkpoint/torch/pickle-values.ts';
import { attentionHeads } from '../graph/attention-heads.ts';
import type { Graph, GraphNode } from '../graph/graph.ts';
import type { Shape } from '../graph/operations.ts';
import { inferShapes } from '../graph/shapes.ts';

/** One module of the network and where it stands in the Graph. */
export interface FittedModule {
  readonly layer: ModuleRecord;
  readonly written: WrittenModule;
  /** Its path in the Graph. */
  readonly path: string;
  /** Graph's names of its own tensors. */
  readonly tensors: readonly string[];
}

export type Attributes = Readonly<Record<string, PickleValue | undefined>>;

/** What the attributes are taken from. */
export class GraphWidths {
  readonly shapes: ReadonlyMap<string, Shape>;
  readonly #parameters: ReadonlyMap<string, readonly number[]>;
  readonly #byWeight = new Map<string, GraphNode>();
  readonly #heads: ReadonlyMap<string, number>;
  /** Channels that enter the classifier. */
  readonly features: number | undefined;

  constructor(readonly graph: Graph) {
    this.shapes = inferShapes(graph);
    this.#parameters = new Map(graph.parameters.map(({ name, shape }) => [name, shape]));
    for (const node of graph.nodes) if (node.parameters.weight) this.#byWeight.set(node.parameters.weight, node);
    this.#heads = new Map(attentionHeads(graph).map(({ attention, heads }) => [attention, heads]));
    const classifiers = graph.nodes.flatMap((node) =>
      node.kind === 'linear' && this.weight(node.id)?.[0] === graph.classes ? [this.weight(node.id)?.[1]] : [],
    );
    this.features = classifiers.at(-1);
  }

  /** Shape of a layer's weight. */
  weight = (path: string): readonly number[] | undefined => this.#parameters.get(`${path}.weight`);
  out = (path: string): number | undefined => this.weight(path)?.[0];
  /** The node whose weight has this name. */
  owner(weight: string): GraphNode | undefined {
    return this.#byWeight.get(weight);
  }
  heads(path: string): number | undefined {
    return this.#heads.get(path);
  }
  /** Channels of what a module gives. */
  channels(path: string): number | undefined {
    const inside = this.graph.nodes.filter(({ module }) => module === path || module.startsWith(`${path}.`));
    const shape = this.shapes.get(inside.at(-1)?.id ?? '');
    const isLast = this.graph.family === 'deit' || this.graph.family === 'swin';
    return isLast ? shape?.at(-1) : shape?.[1];
  }
}
