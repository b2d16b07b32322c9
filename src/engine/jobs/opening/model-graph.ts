/** Which network a checkpoint holds: what it records itself, or what its names and shapes fit. */
import path from 'node:path';
import { UserError } from '../../../common/errors.ts';
import { type HeadChoice, headsLike } from '../../architectures/head-choices.ts';
import { type FoundArchitecture, recogniseArchitecture } from '../../architectures/recognise.ts';
import { findVariant } from '../../architectures/registry.ts';
import type { BuildOptions, Variant } from '../../architectures/variant.ts';
import type { ModuleRecord, OpenCheckpoint } from '../../checkpoint/checkpoint.ts';
import { shortClass } from '../../checkpoint/modules/layer-record.ts';
import { recordedLayers } from '../../checkpoint/modules/revisions.ts';
import { detectorGraph, isUltralytics } from '../../checkpoint/ultralytics/detection-model.ts';
import type { Graph, GraphNode } from '../../graph/graph.ts';
import { graphFromJson } from '../../graph/serialize.ts';
import { validateGraph } from '../../graph/validate.ts';
import { GRAPH_KEY } from '../record.ts';
import type { ModelRequest } from './model-types.ts';
import { type RecordHints, recordHints } from './module-record-hints.ts';

/** A bare state dict whose widths fit several numbers of heads: ask, then open again with `heads`. */
export class AmbiguousHeadsError extends UserError {
  readonly candidates: readonly HeadChoice[];
  constructor(message: string, candidates: readonly HeadChoice[]) {
    super(message);
    this.candidates = candidates;
  }
}

/** A file whose tensors are those of no network that is known. */
export class UnknownNetworkError extends UserError {}

/** What a request asks of the network itself. */
export const buildOptions = (request: ModelRequest): BuildOptions => ({
  ...(request.inputSize !== undefined && { inputSize: request.inputSize }),
  ...(request.torchvision && { torchvision: true }),
  ...(request.classes !== undefined && { classes: request.classes }),
  ...(request.dropPath !== undefined && { dropPath: request.dropPath }),
  ...(request.dropout !== undefined && { dropout: request.dropout }),
});

/** Heads of each attention by its path: from the request, else from a pickled module's attributes. */
function headsOf(hints: RecordHints | undefined, { heads: given }: ModelRequest): BuildOptions['heads'] {
  const asked: string[] = [];
  return (attention) => {
    if (!given?.length) return hints?.heads.get(attention);
    if (!asked.includes(attention)) asked.push(attention);
    return given[Math.min(asked.indexOf(attention), given.length - 1)];
  };
}

type DropKind = 'dropout' | 'dropPath';
type DropNode = GraphNode<DropKind>;

const isDrop = (node: GraphNode, kind: DropKind): node is DropNode => node.kind === kind;

/** The largest rate of a network's drops of one kind. */
const largestRate = (graph: Graph, kind: DropKind): number =>
  Math.max(0, ...graph.nodes.flatMap((node) => (isDrop(node, kind) ? [node.attributes.probability] : [])));

/** `graph` with the rates that the nodes of `saved` have. */
function withRatesOf(saved: Graph, graph: Graph, kind: DropKind): Graph {
  const rates = new Map(saved.nodes.flatMap((node) => (isDrop(node, kind) ? [[node.id, node.attributes]] : [])));
  const nodes = graph.nodes.map((node) =>
    isDrop(node, kind) ? { ...node, attributes: rates.get(node.id) ?? node.attributes } : node,
  );
  return { ...graph, nodes };
}

/** `graph` with the stochastic depth of a pickled module, block by block: families spread one rate in ways of their own. */
function withRecordedRates(graph: Graph, { dropPaths }: RecordHints): Graph {
  const nodes = graph.nodes.map((node) =>
    node.kind === 'dropPath'
      ? { ...node, attributes: { probability: dropPaths.get(node.module) ?? node.attributes.probability } }
      : node,
  );
  return { ...graph, nodes };
}

/** A recorded network with another size of image or other drop rates; what is not asked for stays. Undefined if its family cannot. */
function builtAnew(saved: Graph, asked: BuildOptions): Graph | undefined {
  const variant = findVariant(saved.name);
  if (!variant) return undefined;
  const shapes = new Map(saved.parameters.map(({ name, shape }) => [name, shape]));
  let graph = variant.build({
    inputSize: saved.input.height,
    dropPath: largestRate(saved, 'dropPath'),
    dropout: largestRate(saved, 'dropout'),
    ...asked,
    classes: saved.classes,
    shapes: (name) => shapes.get(name),
    heads: headsLike(saved),
  });
  const names = (of: Graph): string => of.parameters.map(({ name }) => name).join();
  if (names(graph) !== names(saved)) return undefined;
  if (asked.dropPath === undefined) graph = withRatesOf(saved, graph, 'dropPath');
  if (asked.dropout === undefined) graph = withRatesOf(saved, graph, 'dropout');
  return asked.inputSize === undefined ? { ...graph, input: saved.input } : graph;
}

/** Of what is asked, what the network is not already. */
function changesOf(saved: Graph, { inputSize, dropPath, dropout }: BuildOptions): BuildOptions {
  const { height, width } = saved.input;
  return {
    ...(inputSize !== undefined && !(inputSize === height && inputSize === width) && { inputSize }),
    ...(dropPath !== undefined && dropPath !== largestRate(saved, 'dropPath') && { dropPath }),
    ...(dropout !== undefined && dropout !== largestRate(saved, 'dropout') && { dropout }),
  };
}

/** The network that a file of ours records. */
function recordedGraph(checkpoint: OpenCheckpoint, text: string, request: BuildOptions): Graph {
  let saved: Graph;
  try {
    saved = graphFromJson(text);
  } catch (error) {
    throw new UserError(`${checkpoint.path}: the network recorded in it cannot be used: ${(error as Error).message}`);
  }
  const asked = changesOf(saved, request);
  if (!Object.keys(asked).length) return saved;
  let reason = '';
  try {
    const graph = builtAnew(saved, asked);
    if (graph) return graph;
  } catch (error) {
    reason = `: ${(error as Error).message}`;
  }
  const changes = Object.entries(asked).map(([option, value]) => `${option} ${value}`);
  throw new UserError(`${checkpoint.path}: ${saved.name} cannot be built anew with ${changes.join(', ')}${reason}.`);
}

/** A recognised network with its layers as a pickled module has them. Throws UserError where a layer cannot be taken over. */
function asPickled(
  { path: file }: OpenCheckpoint,
  root: ModuleRecord,
  found: FoundArchitecture,
): Pick<FoundArchitecture, 'graph' | 'notes'> {
  try {
    const { revise, notes } = recordedLayers(found.graph, root);
    const graph = found.build({ revise });
    validateGraph(graph);
    return { graph, notes: [...found.notes, ...notes] };
  } catch (error) {
    throw new UserError(`${file}: taken for ${found.variant.name}, but ${(error as Error).message}`);
  }
}

/** Tensors beside the network's own that a checkpoint may hold: what a run needs to go on. */
export const isRunState = (name: string): boolean => /^(optimizer|ema)\//.test(name);

/** One of Ultralytics' detectors, from its layers' records. */
function detectorOf(
  { path: file, tensors }: OpenCheckpoint,
  module: ModuleRecord,
  { inputSize }: ModelRequest,
): { graph: Graph; notes: readonly string[] } {
  const shapes = new Map([...tensors].map(([name, { shape }]) => [name, shape]));
  try {
    const graph = detectorGraph(module, { file, shapes, ...(inputSize !== undefined && { inputSize }) });
    validateGraph(graph);
    const { height, width } = graph.input;
    const size = inputSize === undefined ? [`images of ${width} × ${height} pixels are meant (--input-size)`] : [];
    return { graph, notes: size };
  } catch (error) {
    if (error instanceof UserError && error.message.startsWith(file)) throw error;
    throw new UserError(`${file}: ${(error as Error).message}`);
  }
}

/** The Graph of a file: its own record, or the architecture that its names and shapes fit. Throws UserError where there is none. */
export function graphOf(
  checkpoint: OpenCheckpoint,
  request: ModelRequest,
  variant?: Variant,
): { graph: Graph; notes: readonly string[] } {
  const saved = checkpoint.metadata[GRAPH_KEY];
  const holdsAnother = (name: string): UserError =>
    new UserError(`${checkpoint.path} does not fit ${variant?.name}: it holds a ${name}.`);
  if (saved) {
    const graph = recordedGraph(checkpoint, saved, buildOptions(request));
    if (variant && graph.name !== variant.name) throw holdsAnother(graph.name);
    return { graph, notes: [] };
  }
  if (checkpoint.module && isUltralytics(checkpoint.module)) {
    if (variant) throw holdsAnother(shortClass(checkpoint.module));
    return detectorOf(checkpoint, checkpoint.module, request);
  }
  const hints = checkpoint.module && recordHints(checkpoint.module);
  const shapes = new Map(
    [...checkpoint.tensors].filter(([name]) => !isRunState(name)).map(([name, { shape }]) => [name, shape]),
  );
  const dropPath = Math.max(0, ...(hints?.dropPaths.values() ?? []));
  const found = recogniseArchitecture(shapes, {
    name: variant?.name ?? hints?.name ?? path.basename(checkpoint.path),
    heads: headsOf(hints, request),
    ...(dropPath > 0 && { dropPath }),
    ...(hints?.dropout !== undefined && { dropout: hints.dropout }),
    ...buildOptions(request),
    ...(checkpoint.module && { moduleType: checkpoint.module.className }),
  });
  if (variant && found.kind !== 'unknown' && found.variant !== variant) throw holdsAnother(found.variant.name);
  if (found.kind === 'found') {
    const { graph, notes } = checkpoint.module ? asPickled(checkpoint, checkpoint.module, found) : found;
    const asRecorded = hints && request.dropPath === undefined;
    return { graph: asRecorded ? withRecordedRates(graph, hints) : graph, notes };
  }
  if (found.kind === 'unknown')
    throw new UnknownNetworkError(
      `${checkpoint.path}${variant ? ` does not fit ${variant.name}` : ''}: ${found.message}`,
    );
  throw new AmbiguousHeadsError(
    `${checkpoint.path}: ${found.message} Give them with --heads: one number, or one a layer.`,
    found.candidates,
  );
}
