/** The Graph as the webview draws it: the module tree made whole, figures per node, no weights. */
import type { Graph, GraphNode } from '../engine/graph/graph.ts';
import { parametersByName } from '../engine/graph/graph.ts';
import { graphCost, nodeMacs } from '../engine/graph/macs.ts';
import { inferShapes } from '../engine/graph/shapes.ts';
import { elementCount } from '../engine/graph/tensor.ts';
import type { GraphView, GraphViewModule, GraphViewNode, ParameterView } from '../protocol/graph-view.ts';
import { channelAxes, channelCount } from './channel-axes.ts';
import { nodeLabel } from './node-labels.ts';

const parentPath = (path: string): string => (path.includes('.') ? path.slice(0, path.lastIndexOf('.')) : '');

/** Path of the module in which each node is drawn: a layer lies in the module around it, a call in its own. */
function drawingModules(graph: Graph): readonly string[] {
  const composite = new Set(['', ...graph.modules.map((module) => module.path)]);
  const layers = new Set(graph.nodes.flatMap((n) => (n.moduleType && !composite.has(n.module) ? [n.module] : [])));
  return graph.nodes.map(({ module }) => (layers.has(module) ? parentPath(module) : module));
}

/** The module tree with every path that something lies in, parents first. */
function moduleTree(graph: Graph, used: readonly string[]): { modules: GraphViewModule[]; index: Map<string, number> } {
  const types = new Map(graph.modules.map((module) => [module.path, module.type]));
  const modules: GraphViewModule[] = [];
  const index = new Map<string, number>();
  const add = (path: string): number => {
    const known = index.get(path);
    if (known !== undefined) return known;
    const parent = path === '' ? -1 : add(parentPath(path));
    modules.push({ path, type: types.get(path) ?? '', parent });
    index.set(path, modules.length - 1);
    return modules.length - 1;
  };
  add('');
  for (const path of used) add(path);
  return { modules, index };
}

function attributeText(value: unknown): string {
  if (ArrayBuffer.isView(value)) return `${(value as Int32Array).length} entries`;
  if (Array.isArray(value)) return value.map(attributeText).join(', ');
  if (value && typeof value === 'object') {
    if ('dtype' in value && 'shape' in value) return `${value.dtype} ${(value.shape as number[]).join('×')}`;
    const parts = Object.values(value);
    return parts.every((part) => part === parts[0]) ? String(parts[0]) : parts.join(', ');
  }
  return String(value);
}

function parameterViews(node: GraphNode, specs: ReturnType<typeof parametersByName>): ParameterView[] {
  return Object.entries(node.parameters).flatMap(([role, name]) => {
    const spec = specs.get(name);
    return spec ? [{ role, name, shape: spec.shape, dtype: spec.dtype, trainable: spec.trainable }] : [];
  });
}

/** Channels that the weight reads: all groups of a convolution together. */
function inputWidth(node: GraphNode, weight: readonly number[] | undefined): number {
  if (!weight) return 0;
  if (node.kind === 'conv') return weight[1] * node.attributes.groups;
  return node.kind === 'linear' ? weight[1] : 0;
}

/** Everything that drawing a Graph needs, as plain JSON. A pure function. */
export function graphViewOf(graph: Graph): GraphView {
  const shapes = inferShapes(graph);
  const axes = channelAxes(graph, shapes);
  const macs = nodeMacs(graph);
  const specs = parametersByName(graph);
  const paths = drawingModules(graph);
  const { modules, index } = moduleTree(graph, paths);
  const position = new Map(graph.nodes.map((node, i) => [node.id, i]));
  const nodes = graph.nodes.map((node, i): GraphViewNode => {
    const shape = shapes.get(node.id) ?? [];
    const weight = node.parameters.weight ? specs.get(node.parameters.weight)?.shape : undefined;
    const parameters = parameterViews(node, specs);
    const trainable = parameters.filter((parameter) => parameter.trainable);
    return {
      id: node.id,
      kind: node.kind,
      label: nodeLabel(node, weight),
      module: index.get(paths[i]) as number,
      inputs: node.inputs.map((id) => position.get(id) as number),
      attributes: Object.entries(node.attributes).map(([name, value]) => [name, attributeText(value)]),
      shape,
      width: channelCount(shape, axes.get(node.id) ?? []),
      inWidth: inputWidth(node, weight),
      parameters,
      macs: macs.get(node.id) ?? 0,
      params: trainable.reduce((sum, parameter) => sum + elementCount(parameter.shape), 0),
    };
  });
  const { channels, height, width } = graph.input;
  return {
    name: graph.name,
    family: graph.family,
    classes: graph.classes,
    input: [channels, height, width],
    nodes,
    modules,
    outputs: graph.outputs.map(({ value }) => position.get(value) as number),
    cost: graphCost(graph),
  };
}
