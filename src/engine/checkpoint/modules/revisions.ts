/**
 * A whole pickled network compared with the Graph that its names and shapes lead to: layer by layer, class and attributes.
 * What the Graph can say is taken over; anything else that would change what the network computes is refused.
 */
import type { Revise, Revision } from '../../graph/builder.ts';
import type { Graph, GraphNode, ValueId } from '../../graph/graph.ts';
import type { Shape } from '../../graph/operations.ts';
import type { ModuleRecord } from '../torch/module-record.ts';
import { checkComposite, forwardNodes, recordedScale } from './composite-layers.ts';
import { isLibraryClass, refuseLayer, shortClass } from './layer-record.ts';
import {
  type Category,
  categoryOf,
  categoryOfNode,
  isAttentionSoftmax,
  isBlur,
  isInert,
  plainNode,
} from './plain-layers.ts';
import { modulesOf, RecordPaths } from './record-paths.ts';
import { isWeighted, weightedNode } from './weighted-layers.ts';

interface RecordedLayers {
  /** Builds the network with its layers as they are in the record. */
  readonly revise: Revise;
  /** What the person should know: classes whose forward is not known. */
  readonly notes: readonly string[];
}

type NodeRevision = (node: GraphNode, inputs: readonly Shape[]) => Revision | undefined;

const isWithin = (node: GraphNode, path: string): boolean =>
  path === '' || node.module === path || node.module.startsWith(`${path}.`);
/** A layer that computes one function and has no parameters. */
const isPlain = ({ children, parameters }: ModuleRecord): boolean => !children.size && !parameters.length;
/** Composite modules that stand in for one layer. */
const isNorm = (layer: ModuleRecord): boolean => /BatchNormAct2?d?$/.test(shortClass(layer));

/** Classes that call their children one after another, in the order in which they hold them. */
const SEQUENTIAL =
  /^(Sequential|ConvNormActivation|Conv2dNormActivation|ConvBNReLU|MLP|MLPBlock|SimpleStemIN|BottleneckTransform|AnyStage|_?DenseBlock|_Transition|DenseTransition)$/;
const isSequential = (layer: ModuleRecord): boolean => isLibraryClass(layer) && SEQUENTIAL.test(shortClass(layer));

class Comparison {
  readonly #graph: Graph;
  readonly #paths: RecordPaths;
  readonly #byParameter = new Map<string, GraphNode[]>();
  readonly #revisions = new Map<ValueId, NodeRevision>();
  /** Which node of the Graph, counted from the input, is the first that a layer or something within it stands for. */
  readonly #first = new Map<ModuleRecord, number>();
  readonly #unknown = new Map<string, string[]>();

  constructor(graph: Graph, root: ModuleRecord) {
    this.#graph = graph;
    this.#paths = new RecordPaths(root);
    for (const node of graph.nodes)
      for (const name of Object.values(node.parameters))
        this.#byParameter.set(name, [...(this.#byParameter.get(name) ?? []), node]);
    // Nodes that stand for calls in a module's forward are not there to be found.
    for (const layer of modulesOf(root)) for (const id of forwardNodes(layer)) this.#revisions.set(id, () => undefined);
    this.#compare(root);
    this.#findMissing(root);
  }

  result(): RecordedLayers {
    const revise: Revise = (node, inputs) => this.#revisions.get(node.id)?.(node, inputs);
    const notes = [...this.#unknown].map(([name, places]) => {
      const shown = places.slice(0, 2).map((place) => place || 'the network');
      const more = places.length > shown.length ? ', …' : '';
      return `${name} (${shown.join(', ')}${more}) is no class of PyTorch, torchvision or timm: what its forward does was taken from ${this.#graph.name}`;
    });
    return { revise, notes };
  }

  /** Innermost first, so that a plain layer stands for what no module within its own has claimed. */
  #compare(layer: ModuleRecord): void {
    this.#compareParts(layer);
    const parts = [...layer.children.values()].flatMap((child) => this.#first.get(child) ?? []);
    if (isSequential(layer) && parts.some((first, i) => i > 0 && first < parts[i - 1]))
      refuseLayer(layer, `calls its layers in another order than ${this.#graph.name} does`);
    this.#standsFor(layer, parts);
  }

  #standsFor(layer: ModuleRecord, places: readonly number[]): void {
    const first = Math.min(this.#first.get(layer) ?? Number.POSITIVE_INFINITY, ...places);
    if (Number.isFinite(first)) this.#first.set(layer, first);
  }

  #compareParts(layer: ModuleRecord): void {
    if (layer.attributes['forward'] !== undefined) refuseLayer(layer, 'has a forward of its own');
    const hook = layer.hooks.find((name) => !name.startsWith('torch.nn.utils.'));
    if (hook !== undefined) refuseLayer(layer, `has a hook on its forward (${hook})`);
    const plain = [...layer.children.values()].filter(isPlain);
    const open = plain.filter((child) => !this.#claimAt(child, layer));
    for (const child of layer.children.values()) if (!isPlain(child)) this.#compare(child);
    this.#claimWithin(layer, open);
    const weighted = this.#weightedNodes(layer);
    for (const node of weighted) this.#revisions.set(node.id, this.#weighted(layer));
    this.#standsFor(
      layer,
      weighted.map((node) => this.#graph.nodes.indexOf(node)),
    );
    if (!weighted.length || (layer.children.size > 0 && !isNorm(layer))) this.#composite(layer);
  }

  #weightedNodes(layer: ModuleRecord): readonly GraphNode[] {
    const nodes = this.#paths.tensors(layer).flatMap((name) => this.#byParameter.get(name) ?? []);
    return [...new Set(nodes)].filter(isWeighted);
  }

  #weighted(layer: ModuleRecord): NodeRevision {
    return (node, [input]) => (isWeighted(node) ? weightedNode(layer, node, input) : undefined);
  }

  #composite(layer: ModuleRecord): void {
    const path = this.#paths.path(layer);
    if (!checkComposite(layer, { graph: this.#graph, path })) {
      this.#unknown.set(layer.className, [...(this.#unknown.get(layer.className) ?? []), layer.path]);
      return;
    }
    const by = recordedScale(layer);
    if (by === undefined) return;
    this.#revisions.set(`${path}.scale`, (node, [input]) => {
      const usual = (input.at(-1) as number) ** -0.5;
      // Equal to rounding: it then follows the head dimension, as timm's own code lets it.
      return node.kind === 'scale' && Math.abs(by / usual - 1) > 1e-9 ? { ...node, attributes: { by } } : undefined;
    });
  }

  /** A plain layer at the very place of a node. */
  #claimAt(layer: ModuleRecord, parent: ModuleRecord): boolean {
    const path = this.#paths.path(parent);
    const name = layer.path.slice(layer.path.lastIndexOf('.') + 1);
    const places = [layer.path, path ? `${path}.${name}` : name];
    const here = this.#graph.nodes.filter(({ module }) => places.includes(module));
    const nodes = here.filter((node) => node.id === node.module && this.#isOpen(node));
    for (const node of nodes) this.#claim(layer, node);
    // VGG's pooling to 7 × 7 is several nodes where the image's size does not divide.
    return nodes.length > 0 || (here.length > 0 && (categoryOf(layer) === 'pool' || isBlur(layer)));
  }

  #claim(layer: ModuleRecord, node: GraphNode): void {
    this.#standsFor(layer, [this.#graph.nodes.indexOf(node)]);
    this.#revisions.set(node.id, (now, [input]) => plainNode(layer, now, input));
  }

  #isOpen(node: GraphNode, category?: Category): boolean {
    const found = categoryOfNode(node);
    return found !== undefined && (category ?? found) === found && !this.#revisions.has(node.id);
  }

  /** Plain layers that have no place of their own in the Graph: one `relu` that a block calls three times. */
  #claimWithin(parent: ModuleRecord, layers: readonly ModuleRecord[]): void {
    const path = this.#paths.path(parent);
    for (const category of ['activation', 'pool'] as const) {
      const own = layers.filter((layer) => categoryOf(layer) === category);
      if (!own.length) continue;
      const nodes = this.#graph.nodes.filter((node) => isWithin(node, path) && this.#isOpen(node, category));
      const one = own.length === 1;
      if (!nodes.length || (!one && own.length !== nodes.length)) this.#superfluous(own, parent);
      else for (const [i, node] of nodes.entries()) this.#claim(own[one ? 0 : i], node);
    }
    for (const layer of layers)
      if (categoryOf(layer) === undefined && !isInert(layer)) this.#superfluous([layer], parent);
  }

  /** Layers that the architecture has not: refused, but for those in classes that are not known, which may not call them. */
  #superfluous([layer]: readonly ModuleRecord[], parent: ModuleRecord): void {
    if (isInert(layer) || isAttentionSoftmax(layer, parent)) return;
    if (isLibraryClass(parent)) refuseLayer(layer, `is a layer that ${this.#graph.name} has not`);
  }

  /** Layers that the architecture has and the record has not. */
  #findMissing(root: ModuleRecord): void {
    const modules = [...modulesOf(root)].map((layer) => ({ layer, path: this.#paths.path(layer) }));
    for (const node of this.#graph.nodes) {
      if (!categoryOfNode(node) || !node.moduleType || this.#revisions.has(node.id)) continue;
      const owners = modules.filter(({ layer, path }) => !isPlain(layer) && isWithin(node, path));
      const owner = owners.reduce((best, next) => (next.path.length >= best.path.length ? next : best), owners[0]);
      if (isLibraryClass(owner.layer))
        refuseLayer(owner.layer, `lacks what ${node.id} is in ${this.#graph.name}, a ${node.moduleType}`);
    }
  }
}

/**
 * What a pickled network says of its layers, against the Graph built from its names and shapes.
 *
 * @throws UserError naming the layer, and its class or attribute, where it computes something that the Graph cannot say.
 *   Attributes are read when the Graph is built anew with `revise`, which throws the same
 */
export function recordedLayers(graph: Graph, root: ModuleRecord): RecordedLayers {
  return new Comparison(graph, root).result();
}
