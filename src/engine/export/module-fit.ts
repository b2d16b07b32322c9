/** The records of a whole pickled network, with the tensors and attributes of a Graph in place of its own. */
import { UserError } from '../../common/errors.ts';
import { isLibraryClass } from '../checkpoint/modules/layer-record.ts';
import { recordOf, type UnfoldedTemplate } from '../checkpoint/modules/module-template.ts';
import { modulesOf, RecordPaths } from '../checkpoint/modules/record-paths.ts';
import { reachable, storagesIn, WrittenModule, writtenModules } from '../checkpoint/modules/written-module.ts';
import type { ModuleRecord } from '../checkpoint/torch/module-record.ts';
import { PickleGlobal, PickleObject, type PickleValue } from '../checkpoint/torch/pickle-values.ts';
import { emptyOrderedDict, pickledCall, pickledTensor } from '../checkpoint/torch/pickle-write.ts';
import type { StateEntries } from '../checkpoint/torch/state-entries.ts';
import type { Storages } from '../checkpoint/torch/torch-write.ts';
import type { Graph } from '../graph/graph.ts';
import type { Tensor, Weights } from '../graph/tensor.ts';
import { type FittedModule, GraphWidths } from './graph-widths.ts';
import { setAttributes } from './module-attributes.ts';

export interface FittedNetwork {
  readonly root: PickleObject;
  /** Whether its tensors have the Graph's names. */
  readonly sameNames: boolean;
  /** What the person should know. */
  readonly notes: readonly string[];
}

/** Packages whose functions do something when the file is loaded, and are no part of a network. */
const REFUSED_PACKAGES = new Set(
  (
    'os posix nt subprocess sys shutil runpy importlib pty socket ctypes webbrowser code codeop pdb timeit threading ' +
    'multiprocessing asyncio pickle _pickle marshal types inspect tempfile platform signal bdb cProfile profile trace http urllib ' +
    'requests pip'
  ).split(' '),
);
/** Of Python's own, those that make values. */
const BUILTINS = new Set(
  'set frozenset getattr object complex range slice bytearray bytes dict list tuple int float bool str'.split(' '),
);

function refuseCalls(root: PickleObject): void {
  for (const value of reachable(root)) {
    if (!(value instanceof PickleGlobal)) continue;
    const [top] = value.module.split('.');
    const isBuiltin = /^(builtins|__builtin__)$/.test(top);
    if (value.module === 'types' && value.name === 'SimpleNamespace') continue;
    if (isBuiltin ? BUILTINS.has(value.name) : !REFUSED_PACKAGES.has(top)) continue;
    throw new UserError(
      `the pickled network uses ${value.module}.${value.name} when it is loaded: it is not written again. Export it with --format pytorch.`,
    );
  }
}

/** Removes blocks from their sequence, by their paths in the Graph; the rest take the numbers from the first on. */
function removeBlocks(roots: readonly PickleObject[], removed: readonly string[], where: string): void {
  const { module: record } = recordOf(roots[0], where);
  const paths = new RecordPaths(record);
  const byPath = new Map([...modulesOf(record)].map((module) => [paths.path(module), module]));
  const gone = removed.map((path) => byPath.get(path)?.path);
  const missing = removed[gone.indexOf(undefined)];
  if (missing !== undefined) throw new UserError(`the pickled network has no block ${missing}, which was removed`);
  for (const parent of new Set(gone.map((path = '') => path.slice(0, path.lastIndexOf('.'))))) {
    const names = gone.flatMap((path = '') => (path.startsWith(`${parent}.`) ? [path.slice(parent.length + 1)] : []));
    for (const root of roots) {
      const container = [...writtenModules(new WrittenModule(root))].find(({ path }) => path === parent);
      if (container) renumber(container, new Set(names));
    }
  }
}

function renumber(container: WrittenModule, gone: ReadonlySet<string>): void {
  const children = container.dict('_modules');
  const entries = [...children];
  const classOf = (value: PickleValue): string | undefined =>
    value instanceof PickleObject ? value.className : undefined;
  const kinds = new Set(entries.flatMap(([name, value]) => (gone.has(String(name)) ? [classOf(value)] : [])));
  const blocks = entries.filter(([, value]) => kinds.has(classOf(value)));
  const stays = blocks.filter(([name]) => !gone.has(String(name)));
  const renamed = new Map(stays.map(([, value], i) => [value, blocks[i][0]]));
  children.clear();
  for (const [name, value] of entries) {
    if (renamed.has(value)) children.set(renamed.get(value) ?? name, value);
    else if (!gone.has(String(name))) children.set(name, value);
  }
  const depth = container.attribute('depth');
  if (typeof depth === 'number') container.set('depth', stays.length);
}

/** A parameter, or a plain tensor where it is a buffer, in the place of `old`. */
function replacement(old: PickleValue, tensor: PickleObject, isParameter: boolean): PickleObject {
  if (!isParameter) return tensor;
  const isCall = old instanceof PickleObject && /_rebuild_parameter/.test(old.className);
  const trains = isCall && typeof old.args[1] === 'boolean' ? old.args[1] : true;
  return pickledCall('torch._utils', '_rebuild_parameter', [tensor, trains, emptyOrderedDict()]);
}

/** The shape that the class gives a tensor: torchvision's layer scales are [C, 1, 1]. */
function shapeAs(old: readonly number[] | undefined, { shape }: Tensor): readonly number[] {
  const more = (old?.length ?? 0) - shape.length;
  return more > 0 && old?.slice(shape.length).every((size) => size === 1) ? [...shape, ...Array(more).fill(1)] : shape;
}

class Fitting {
  readonly placed = new Set<string>();
  readonly #replaced = new Map<PickleValue, PickleObject>();

  constructor(
    private readonly weights: Weights,
    private readonly entries: StateEntries,
    private readonly storages: Storages,
  ) {}

  /** Puts the Graph's tensors into a module. */
  place({ layer, written, tensors }: FittedModule): void {
    const names = new Map([...layer.parameters, ...layer.buffers].map((name, i) => [name, tensors[i]]));
    for (const { dict, name, value } of written.tensors) {
      const graphName = names.get(name) ?? '';
      const tensor = this.weights.get(graphName);
      if (!tensor) continue;
      const shape = shapeAs(this.entries.get(layer.path ? `${layer.path}.${name}` : name)?.shape, tensor);
      const storageKey = this.storages.add(graphName, tensor);
      const made = pickledTensor({ dtype: tensor.dtype, shape, storageKey });
      const known = this.#replaced.get(value);
      const put = known ?? replacement(value, made, dict === written.dict('_parameters'));
      this.#replaced.set(value, put);
      dict.set(name, put);
      this.placed.add(graphName);
    }
  }
}

/** Attributes of classes whose code is not known that may be widths. */
function unknownWidths({ className, path, attributes }: ModuleRecord): string[] {
  const numbers = Object.entries(attributes).filter(
    ([, value]) => typeof value === 'number' && Number.isInteger(value) && value > 1,
  );
  if (!numbers.length) return [];
  const list = numbers.map(([name, value]) => `${name} ${value}`).join(', ');
  return [`${path || 'the network'} (${className}): its class is not known, its attributes stay as they are: ${list}`];
}

function checkPlaced(graph: Graph, placed: ReadonlySet<string>): void {
  const missing = graph.parameters.filter(({ name, dtype }) => dtype !== 'int64' && !placed.has(name));
  if (missing.length)
    throw new UserError(
      `the classes that ${graph.name} was pickled with have no place for ${missing[0].name}${missing.length > 1 ? ` and ${missing.length - 1} more tensors` : ''}: export it with --format pytorch.`,
    );
}

/** Storages that are neither weights of the Graph nor kept beside them. */
function checkStorages(root: PickleObject, { tensors: known }: Storages): void {
  const lost = storagesIn(reachable(root)).find(({ key }) => !known.has(key));
  if (!lost) return;
  const holder = [...writtenModules(new WrittenModule(root))].flatMap(({ path, tensors }) =>
    tensors.flatMap(({ name, value }) => (storagesIn(reachable(value)).includes(lost) ? [`${path}.${name}`] : [])),
  );
  throw new UserError(
    `the pickled network has a tensor that ${holder[0] ? `is no part of what was pruned (${holder[0]})` : 'one of its attributes holds'}: it cannot be written as these classes. Export it with --format pytorch.`,
  );
}

const asksFor = ({ attributes }: ModuleRecord): readonly unknown[] | undefined => {
  const size = attributes['img_size'] ?? attributes['image_size'];
  if (typeof size === 'number') return [size, size];
  return Array.isArray(size) && size.length === 2 ? size : undefined;
};

/** Positions, windows and masks are of one size of image. */
function checkImage(graph: Graph, entries: StateEntries, paths: RecordPaths, record: ModuleRecord): void {
  const { height, width } = graph.input;
  const refuse = (what: string): never => {
    throw new UserError(
      `${graph.name} was built anew for images of ${height} × ${width} pixels, where the classes it was pickled with say another size in many places (${what}): export it with --format pytorch, or open it without another --input-size.`,
    );
  };
  for (const layer of modulesOf(record)) {
    const size = asksFor(layer);
    if (size && isLibraryClass(layer) && (size[0] !== height || size[1] !== width))
      refuse(`${layer.path || 'the network'}: ${size.join(' × ')}`);
    for (const [i, name] of [...layer.parameters, ...layer.buffers].entries()) {
      const now = graph.parameters.find((spec) => spec.name === paths.tensors(layer)[i]);
      const old = entries.get(layer.path ? `${layer.path}.${name}` : name);
      if (!now || !/(relative_position_bias_table|pos_embed|pos_embedding)$/.test(name) || !old) continue;
      const at = /table$/.test(name) ? 0 : 1;
      if (now.shape[at] !== old.shape[at]) refuse(now.name);
    }
  }
}

/**
 * @param removals blocks that each pruning took out since the template was read, by their paths in the Graph of that time
 * @throws UserError where the classes cannot say what the Graph computes
 */
export function fitNetwork(
  { written, plain, storages: beside }: UnfoldedTemplate,
  graph: Graph,
  weights: Weights,
  removals: readonly (readonly string[])[],
  storages: Storages,
): FittedNetwork {
  for (const removed of removals) removeBlocks([plain, written], removed, graph.name);
  const { module: record, entries } = recordOf(plain, graph.name);
  const paths = new RecordPaths(record);
  checkImage(graph, entries, paths, record);
  const byPath = new Map([...modulesOf(record)].map((layer) => [layer.path, layer]));
  const widths = new GraphWidths(graph);
  const fitting = new Fitting(weights, entries, storages);
  for (const module of writtenModules(new WrittenModule(written))) {
    const layer = byPath.get(module.path);
    if (!layer) throw new UserError(`the pickled network's module ${module.path} cannot be followed`);
    const fitted = { layer, written: module, path: paths.path(layer), tensors: paths.tensors(layer) };
    setAttributes(fitted, widths);
    fitting.place(fitted);
  }
  checkPlaced(graph, fitting.placed);
  for (const [key, bytes] of beside) storages.keep(key, bytes);
  checkStorages(written, storages);
  refuseCalls(written);
  // Every class of a detector is known, or it would not have opened.
  const isKnown = (layer: ModuleRecord): boolean => graph.family === 'yolo' || isLibraryClass(layer);
  const unknown = [...byPath.values()].filter((layer) => !isKnown(layer)).flatMap(unknownWidths);
  return {
    root: written,
    sameNames: graph.parameters.every(({ name, dtype }) => dtype === 'int64' || entries.has(name)),
    notes: unknown,
  };
}
