/**
 * An exported program as the model that the ONNX importer takes: every ATen operation as ONNX operators that compute the same, so that
 * sizes, constants, layers and names are found by one importer for both.
 */
import { UserError } from '../../../common/errors.ts';
import type { OutputPlace } from '../../graph/output-places.ts';
import type { KeptOperation } from '../onnx/import.ts';
import { MADE_UP } from '../onnx/names.ts';
import type { OnnxModel, OnnxNode } from '../onnx/onnx-proto.ts';
import type { OnnxTensor } from '../onnx/onnx-tensor.ts';
import { AtenCall, type AtenRule, NotTakenOver } from './aten-call.ts';
import { composedRules } from './aten-composed.ts';
import { elementwiseRules } from './aten-elementwise.ts';
import { layerRules } from './aten-layers.ts';
import { poolingRules } from './aten-pooling.ts';
import { repeatRules } from './aten-repeats.ts';
import { shapeRules } from './aten-shapes.ts';
import { windowRules } from './aten-windows.ts';
import { partOfCall, withPart, writeRules } from './aten-writes.ts';
import type { ProgramGraph, ProgramNode } from './exported-program.ts';
import type { Pt2File } from './pt2-file.ts';
import { placesByValue } from './return-value.ts';
import type { TranslationScope } from './translation-scope.ts';
import type { Part } from './windows-of-values.ts';

const rules: Readonly<Record<string, AtenRule>> = {
  ...elementwiseRules,
  ...shapeRules,
  ...repeatRules,
  ...composedRules,
  ...writeRules,
  ...layerRules,
  ...poolingRules,
  ...windowRules,
};

/** Calls that only check something, or say something of sizes: the shapes of values are in the program already. */
const CHECKS = /^torch\.ops\.aten\.(_assert|sym_|_local_scalar|assert)|^_operator\.|^torch\.sym_|^math\./;
/** Graphs inside nodes that run as they are. */
const WRAPPERS = /^torch\.ops\.higher_order\.(wrap|wrap_with_set_grad_enabled|wrap_with_autocast|hints_wrapper)$/;

/** Operations whose result shares its elements with what they are called on. */
const VIEWS = new Set(
  'alias detach view reshape flatten unflatten squeeze unsqueeze permute transpose swapaxes t movedim slice select narrow split split_with_sizes chunk tensor_split unbind expand expand_as view_as reshape_as broadcast_to contiguous to'.split(
    ' ',
  ),
);

export interface TranslatedProgram {
  readonly model: OnnxModel;
  readonly kept: readonly KeptOperation[];
  /** Class of every module that the program names, by its path, the outermost first. */
  readonly modules: ReadonlyMap<string, string>;
  /** Where the module's return value has the values that it gives. */
  readonly places: ReadonlyMap<string, readonly OutputPlace[]>;
}

function parts(target: string): { operation: string; overload: string; inPlace: boolean } | undefined {
  const found = /^torch\.ops\.aten\.(\w+)\.(\w+)$/.exec(target);
  if (!found) return undefined;
  const [, name, overload] = found;
  const inPlace = /[^_]_$/.test(name);
  return { operation: inPlace ? name.slice(0, -1) : name, overload, inPlace };
}

class Translator {
  readonly nodes: OnnxNode[] = [];
  readonly kept: KeptOperation[] = [];
  readonly modules = new Map<string, string>();
  /** Calls by the name of their nodes. */
  readonly #calls = new Map<string, AtenCall>();
  #graphs = 0;

  constructor(
    private readonly file: string,
    private readonly images: string,
    private readonly fixedBatch: number | undefined,
  ) {}

  run(graph: ProgramGraph, current: Map<string, string>, prefix: string): void {
    const scope: TranslationScope = {
      graph,
      images: this.images,
      fixedBatch: this.fixedBatch,
      nodes: this.nodes,
      current,
      prefix,
    };
    const aliases = new Aliases(graph.nodes);
    graph.nodes.forEach((node, i) => {
      for (const { path, type } of node.modules) if (!this.modules.has(path)) this.modules.set(path, type);
      if (CHECKS.test(node.target)) return;
      if (WRAPPERS.test(node.target)) {
        this.#inline(node, scope);
        return;
      }
      const named = parts(node.target);
      const call = new AtenCall(scope, node, named?.operation ?? node.target, named?.overload ?? '');
      if (named && this.#fills(call, named, aliases, i)) return;
      this.#translate(call, named?.operation ?? '');
      if (!named) return;
      const [self] = node.inputs;
      if (self?.argument.kind !== 'tensor') return;
      if (VIEWS.has(named.operation)) for (const output of node.outputs) aliases.add(output, self.argument.name, call);
      if (!named.inPlace || this.#writesPart(call, aliases, i)) return;
      if (aliases.isSeen(self.argument.name, i))
        throw new UserError(
          `${this.file}: ${node.target} in ${call.path || 'the network itself'} changes a value in place that is used by another name afterwards, which Espalier cannot follow.`,
        );
      current.set(self.argument.name, call.named(node.outputs[0]));
      // The result is the value itself under another name.
      aliases.add(node.outputs[0], self.argument.name, call);
    });
  }

  /**
   * `x[2:4, 1:].fill_(v)`, as masks of windows are made: the value that the part belongs to, with the number in its place.
   * Says whether the call was that.
   */
  #fills(
    call: AtenCall,
    { operation, inPlace }: NonNullable<ReturnType<typeof parts>>,
    aliases: Aliases,
    at: number,
  ): boolean {
    if (!inPlace || (operation !== 'fill' && operation !== 'zero')) return false;
    const [self] = call.node.inputs;
    if (self?.argument.kind !== 'tensor') return false;
    const part = aliases.partOf(self.argument.name);
    if (!part || aliases.isSeen(self.argument.name, at, part.root)) return false;
    const sizes = call.meta(part.root).sizes;
    if (sizes.some((size) => size === undefined || size < 0)) return false;
    const value = operation === 'zero' ? call.constant(0) : call.operand('value', 'self');
    const mask = call.mask(sizes as readonly number[], part.windows);
    call.setValue(part.root, call.emit('Where', [mask, value, call.named(part.root)]));
    return true;
  }

  /** `x[:, 1:] += y` and `x[:, 1:] = y`: the value that the part belongs to, with the result in its place. Says whether the call was that. */
  #writesPart(call: AtenCall, aliases: Aliases, at: number): boolean {
    const [self] = call.node.inputs;
    if (self?.argument.kind !== 'tensor') return false;
    const part = aliases.partOf(self.argument.name);
    if (!part?.windows.length || aliases.isSeen(self.argument.name, at, part.root)) return false;
    const result = call.named(call.node.outputs[0]);
    const before = this.nodes.length;
    try {
      call.setValue(part.root, withPart(call, part, result));
    } catch (error) {
      if (!(error instanceof NotTakenOver)) throw error;
      this.nodes.length = before;
      return false;
    }
    call.setValue(self.argument.name, result);
    aliases.add(call.node.outputs[0], self.argument.name, call);
    return true;
  }

  #translate(call: AtenCall, operation: string): void {
    const before = this.nodes.length;
    this.#calls.set(call.node.name, call);
    try {
      const rule = Object.hasOwn(rules, operation) ? rules[operation] : undefined;
      if (!rule) call.refuse('Espalier has no operation for it');
      rule(call);
    } catch (error) {
      if (!(error instanceof NotTakenOver)) throw error;
      this.nodes.length = before;
      this.#keep(call, error.message);
    }
  }

  #keep(call: AtenCall, reason: string): void {
    this.kept.push({ operation: call.node.target.replace('torch.ops.', ''), module: call.path, reason });
    call.keep(reason);
  }

  /** The node that stands for the whole call, where the importer cannot take over what it was translated to. */
  instead(name: string, reason: string): readonly OnnxNode[] | undefined {
    const call = this.#calls.get(name);
    const before = this.nodes.length;
    if (!call) return undefined;
    this.#keep(call, reason);
    return this.nodes.splice(before);
  }

  /** The nodes of a graph inside a node, in its place. */
  #inline(node: ProgramNode, scope: TranslationScope): void {
    const body = node.inputs.flatMap(({ argument }) => (argument.kind === 'graph' ? [argument.graph] : []))[0];
    if (!body) throw new UserError(`${this.file}: ${node.target} has no graph: the file is damaged.`);
    const outer = (name: string): string => scope.current.get(name) ?? `${scope.prefix}${name}`;
    // Sizes are among its inputs too, in the same places; what comes before the graph are settings.
    const operands = node.inputs.slice(node.inputs.findIndex(({ argument }) => argument.kind === 'graph') + 1);
    const inner = new Map(
      body.inputs.flatMap((name, i): [string, string][] => {
        const argument = operands[i]?.argument;
        return argument?.kind === 'tensor' ? [[name, outer(argument.name)]] : [];
      }),
    );
    const prefix = `${scope.prefix}${this.#graphs++}/`;
    this.run(body, inner, prefix);
    node.outputs.forEach((name, i) => {
      const given = body.outputs[i];
      scope.current.set(name, inner.get(given) ?? `${prefix}${given}`);
    });
  }
}

/** Which values share their elements, and how long each is used. */
class Aliases {
  /** Parts cut out of a value by slices and single entries alone. */
  readonly #parts = new Map<string, Part>();
  readonly #root = new Map<string, string>();
  readonly #members = new Map<string, string[]>();
  readonly #lastUse = new Map<string, number>();

  constructor(nodes: readonly ProgramNode[]) {
    nodes.forEach(({ inputs, target }, i) => {
      if (CHECKS.test(target)) return;
      for (const { argument } of inputs) {
        if (argument.kind === 'tensor') this.#lastUse.set(argument.name, i);
        if (argument.kind === 'tensors') for (const name of argument.names) if (name) this.#lastUse.set(name, i);
      }
    });
  }

  add(view: string, of: string, call: AtenCall): void {
    const before = this.partOf(of);
    const part = before && partOfCall(call, before);
    if (part) this.#parts.set(view, part);
    const root = this.#root.get(of) ?? of;
    this.#root.set(view, root);
    this.#members.set(root, [...(this.#members.get(root) ?? [root]), view]);
  }

  /** Where the value lies in what it was cut out of; all of it where it was cut out of nothing. */
  partOf(value: string): Part | undefined {
    return this.#parts.get(value) ?? (this.#root.has(value) ? undefined : { root: value, windows: [], dropped: [] });
  }

  /** Whether another name of the value's elements is used after node i; `apart` from one that is kept up to date. */
  isSeen(value: string, i: number, apart?: string): boolean {
    const members = this.#members.get(this.#root.get(value) ?? value) ?? [];
    return members.some((name) => name !== value && name !== apart && (this.#lastUse.get(name) ?? -1) > i);
  }
}

/**
 * @throws UserError where the program does not take one batch of images, or changes values in a way that cannot be followed
 */
export function translateProgram(file: string, { program, tensors, budget }: Pt2File): TranslatedProgram {
  const { graph, stored, userInputs } = program;
  const [images, ...others] = userInputs;
  const sizes = images === undefined || images === '' ? undefined : graph.tensors.get(images)?.sizes;
  if (!sizes || others.length)
    throw new UserError(
      `${file} takes ${userInputs.length || 'no'} inputs: Espalier needs one of images [N, C, H, W].`,
    );
  const prefix = MADE_UP;
  const current = new Map<string, string>();
  const initialisers = new Map<string, OnnxTensor>();
  for (const { value, name, kind } of stored) {
    const tensor = tensors.get(name);
    current.set(value, name);
    if (!tensor) throw new UserError(`${file} is damaged: it holds no tensor '${name}'.`);
    initialisers.set(name, { ...tensor, name, role: kind === 'parameter' ? 'parameter' : 'constant' });
  }
  const translator = new Translator(
    file,
    `${prefix}${images}`,
    sizes[0] !== undefined && sizes[0] >= 0 ? sizes[0] : undefined,
  );
  translator.run(graph, current, prefix);
  const userOutputs = program.userOutputs.filter(Boolean);
  const outputs = [...new Set(userOutputs.length ? userOutputs : graph.outputs)];
  const named = (name: string): string => current.get(name) ?? `${prefix}${name}`;
  const open = sizes.map((size, i) => (size !== undefined && size < 0 ? (i === 0 ? 'batch' : '') : (size ?? '')));
  return {
    kept: translator.kept,
    modules: translator.modules,
    model: {
      producer: 'pytorch',
      budget,
      opsets: new Map([['', 18]]),
      metadata: new Map(),
      graphName: '',
      nodes: translator.nodes,
      keep: (node, reason) => translator.instead(node.name, reason),
      initialisers,
      inputs: [{ name: `${prefix}${images}`, shape: open }],
      outputs: outputs.map((name) => ({ name: named(name) })),
    },
    places: placesByValue(program, named),
  };
}
