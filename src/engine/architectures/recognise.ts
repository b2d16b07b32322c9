/**
 * Which architecture a checkpoint holds, from the names and shapes of its tensors: pruned widths and removed blocks
 * included. The builder of the nearest variant is run with the checkpoint's widths, and must then name every tensor.
 */
import { type Graph, parametersByName } from '../graph/graph.ts';
import { formatShape } from '../graph/shapes.ts';
import { validateGraph } from '../graph/validate.ts';
import { type CheckpointShapes, denseGraph } from './dense-graph.ts';
import { foreignNetwork } from './foreign-names.ts';
import { type HeadChoice, mostHeads, openHeads } from './head-choices.ts';
import { lookAlikeNamedIn } from './look-alikes.ts';
import { headNotes, NAMED_COST, twinNotes } from './recognition-notes.ts';
import { findVariant, variants } from './registry.ts';
import type { BuildOptions, Variant } from './variant.ts';

/** What is known beside names and shapes: build options are passed on. */
interface RecogniseHints extends Omit<BuildOptions, 'shapes' | 'classes'> {
  /** A model name, or a text that may hold one, such as a file name. */
  readonly name?: string;
  /** Class of a whole pickled module, for the message when it is none that is known. */
  readonly moduleType?: string;
}

export interface FoundArchitecture {
  readonly kind: 'found';
  readonly graph: Graph;
  readonly variant: Variant;
  /** What the person should know: another model that fits as well. */
  readonly notes: readonly string[];
  /** The same network built again, with more asked of it. */
  readonly build: (more: BuildOptions) => Graph;
}

/** Known but for the heads of its attention layers: ask, then call again with `heads`. */
interface AmbiguousArchitecture {
  readonly kind: 'ambiguous';
  readonly variant: Variant;
  readonly candidates: readonly HeadChoice[];
  readonly question: string;
  /** The Graph with the suggested heads. */
  readonly graph: Graph;
  /** The question with the suggestion, as an error message. */
  readonly message: string;
}

interface UnknownArchitecture {
  readonly kind: 'unknown';
  /** The known model that shares most tensors, if any shares one. */
  readonly nearest?: string;
  /** What does not fit it, the first few. */
  readonly differences: readonly string[];
  readonly message: string;
}

type Recognition = FoundArchitecture | AmbiguousArchitecture | UnknownArchitecture;

/** Counters that checkpoints may lack, and buffers that are computed, not learned. */
const IGNORED = /(num_batches_tracked|relative_position_index|attn_mask|total_ops|total_params)$/;
/** Parameters with one entry a position: their number is the image's, and loaders resize them. */
const POSITIONS = /(pos_embed|relative_position_bias_table)$/;
const SHOWN = 4;
/** A name that does not fit weighs as much as a tensor that is e⁴ times too narrow. */
const NAME_COST = 4;
const WIDER_COST = 3;
/** Another number of positions: it decides between networks that differ in nothing else. */
const POSITIONS_COST = 0.5;

const namesOf = (file: CheckpointShapes): string[] => [...file.keys()].filter((name) => !IGNORED.test(name));
const wantedOf = (graph: Graph): CheckpointShapes =>
  new Map(graph.parameters.filter((p) => !IGNORED.test(p.name)).map((p) => [p.name, p.shape]));

/** How far a tensor is from its dense shape, by the logarithm of each dimension; wider than dense counts more. */
function shapeCost(found: readonly number[], dense: readonly number[]): number {
  if (found.length !== dense.length) return NAME_COST;
  return found.reduce((sum, size, i) => {
    const narrower = Math.log(dense[i] / size);
    return sum + (narrower >= 0 ? narrower : -WIDER_COST * narrower);
  }, 0);
}

/** How far a checkpoint is from a variant's dense network. */
function variantCost(variant: Variant, file: CheckpointShapes): number {
  const wanted = wantedOf(denseGraph(variant, file));
  let cost = 0;
  for (const [name, shape] of wanted) {
    const found = file.get(name);
    if (!found) cost += NAME_COST;
    else if (!POSITIONS.test(name)) cost += shapeCost(found, shape);
    else if (formatShape(found) !== formatShape(shape)) cost += POSITIONS_COST;
  }
  for (const name of namesOf(file)) if (!wanted.has(name)) cost += NAME_COST;
  return cost;
}

/** Whether a checkpoint has a variant's unpruned widths, whatever its classes are. */
function isDense(variant: Variant, file: CheckpointShapes): boolean {
  const graph = denseGraph(variant, file);
  return [...wantedOf(graph)].every(
    ([name, shape]) =>
      shape[0] === graph.classes || POSITIONS.test(name) || formatShape(file.get(name) ?? []) === formatShape(shape),
  );
}

/** Variants whose tell-tale names the checkpoint has, the likeliest first; a name given as a hint goes before all. */
function ranked(file: CheckpointShapes, hint: string | undefined): { variant: Variant; cost: number }[] {
  const fits = variants
    .filter((v) => v.signatures.some((names) => names.every((name) => file.has(name))))
    .filter((v) => !v.exact || isDense(v, file));
  const named = hint === undefined ? undefined : (findVariant(hint) ?? variantNamedIn(hint));
  return fits
    .map((variant) => ({ variant, cost: variant === named ? NAMED_COST : variantCost(variant, file) }))
    .sort((a, b) => a.cost - b.cost);
}

/** The variant with the longest name that a text contains. */
function variantNamedIn(text: string): Variant | undefined {
  const found = variants.filter((variant) => text.includes(variant.name));
  return found.sort((a, b) => b.name.length - a.name.length)[0];
}

/** What keeps a checkpoint from being this Graph's. */
function differencesFrom(graph: Graph, file: CheckpointShapes): string[] {
  const wanted = wantedOf(graph);
  const list: string[] = [];
  for (const [name, shape] of wanted) {
    const found = file.get(name);
    if (!found) list.push(`${name} is missing`);
    else if (POSITIONS.test(name) ? found.at(-1) !== shape.at(-1) : formatShape(found) !== formatShape(shape))
      list.push(`${name} is ${formatShape(found)} in the file, ${formatShape(shape)} in the network`);
  }
  for (const name of namesOf(file)) if (!wanted.has(name)) list.push(`${name} is not in the network`);
  return list;
}

/** The Graph of a variant with the checkpoint's widths, and what does not fit. */
function attempt(
  variant: Variant,
  file: CheckpointShapes,
  options: BuildOptions,
): { graph?: Graph; differences: string[] } {
  try {
    const graph = variant.build({ ...options, shapes: (name) => file.get(name) });
    validateGraph(graph);
    return { graph, differences: differencesFrom(graph, file) };
  } catch (error) {
    return { differences: [(error as Error).message] };
  }
}

/** The known model that shares most names with a checkpoint that has no family's names; undefined when none shares a fifth. */
function nearestByName(names: readonly string[]): Variant | undefined {
  let best: { variant?: Variant; shared: number } = { shared: LEAST_SHARED };
  for (const variant of variants) {
    const wanted = parametersByName(denseGraph(variant));
    const common = names.filter((name) => wanted.has(name)).length;
    const shared = common / (names.length + wanted.size - common);
    if (shared > best.shared) best = { variant, shared };
  }
  return best.variant;
}

function unknown(variant: Variant, differences: readonly string[], hints: RecogniseHints): UnknownArchitecture {
  const more = differences.length > SHOWN ? ` (and ${differences.length - SHOWN} more)` : '';
  return {
    kind: 'unknown',
    nearest: variant.name,
    differences: differences.slice(0, SHOWN),
    message:
      `${subject(hints)} fits no architecture that Espalier knows. The nearest is ${variant.name}: ` +
      `${differences.slice(0, SHOWN).join('; ')}${more}. ${ADVICE}`,
  };
}

/** A network that is named, fits another's tensors, and cannot be built. */
const unbuilt = (name: string, of: string): UnknownArchitecture => ({
  kind: 'unknown',
  nearest: of,
  differences: [],
  message: `${name} has the tensors of ${of} and computes something else, which Espalier cannot build. ${ADVICE}`,
});

const ADVICE =
  '`espalier models` lists the networks that can be opened; most other classifiers open once they are exported to ONNX.';
/** A network that shares fewer names is not near. */
const LEAST_SHARED = 0.2;
const buildOptionsOf = ({ name: _, moduleType: __, ...options }: RecogniseHints): BuildOptions => options;
const subject = ({ moduleType }: RecogniseHints): string => (moduleType ? `this ${moduleType}` : 'the checkpoint');

/** The part before a dot with which every name begins; '' when there is none. */
function commonPrefix(names: readonly string[]): string {
  const [first = ''] = names;
  const end = first.indexOf('.') + 1;
  const prefix = first.slice(0, end);
  return names.every((name) => name.startsWith(prefix)) ? prefix : '';
}

/** A checkpoint none of whose families' names fit. */
function stranger(file: CheckpointShapes, hints: RecogniseHints): UnknownArchitecture {
  const names = namesOf(file);
  const prefix = commonPrefix(names);
  if (prefix) {
    const inner = recogniseArchitecture(
      new Map([...file].map(([name, shape]) => [name.slice(prefix.length), shape])),
      hints,
    );
    if (inner.kind === 'unknown') {
      if (inner.nearest) return inner;
    } else {
      const difference = `every name begins with ${prefix}`;
      const advice = `Save it without ${prefix} and it opens as ${inner.variant.name}.`;
      const message = `${subject(hints)} has names that ${inner.variant.name} has not: ${difference}. ${advice}`;
      return { kind: 'unknown', nearest: inner.variant.name, differences: [difference], message };
    }
  }
  const foreign = foreignNetwork(names);
  if (foreign) {
    const { what, instead } = foreign;
    const message = `${subject(hints)} holds ${what}, which cannot be opened. ${instead ? `${instead}. ` : ''}${ADVICE}`;
    return { kind: 'unknown', differences: [], message };
  }
  const nearest = nearestByName(names);
  // Compared with the network of the file's own widths, not with the dense one.
  if (nearest) return unknown(nearest, attempt(nearest, file, buildOptionsOf(hints)).differences, hints);
  const shown = [...file].slice(0, SHOWN).map(([name, shape]) => `${name} ${formatShape(shape)}`);
  const message = `${subject(hints)} fits no architecture that Espalier knows: it has ${file.size} tensors (${shown.join(', ')}${file.size > SHOWN ? ', …' : ''}). ${ADVICE}`;
  return { kind: 'unknown', differences: shown, message };
}

/** Heads of the family's largest network. */
const familyHeads = (family: string): number =>
  Math.max(...variants.filter((v) => v.family === family).map((v) => mostHeads(denseGraph(v))));

const formatChoice = ({ attention, width, options, suggested }: HeadChoice): string =>
  `${attention} ${width} = ${options
    .map(({ heads, headDim }) => `${heads} × ${headDim}${heads === suggested ? ' (likely)' : ''}`)
    .join(' or ')}`;

function ambiguous(variant: Variant, graph: Graph, candidates: readonly HeadChoice[]): AmbiguousArchitecture {
  const question = `How many attention heads has each layer of this pruned ${variant.name}? Its tensors give heads × head dimension only.`;
  const open = candidates.filter(({ options }) => options.length > 1);
  const shown = open.slice(0, SHOWN).map(formatChoice).join('; ');
  const likely = candidates.map(({ suggested }) => suggested).join(',');
  return {
    kind: 'ambiguous',
    variant,
    candidates,
    question,
    graph,
    message: `${question} ${shown}${open.length > SHOWN ? '; …' : ''}. Likely heads, layer by layer: ${likely}.`,
  };
}

/**
 * Recognises the architecture of a checkpoint, in milliseconds.
 *
 * @param file shapes of the tensors by state-dict name, without wrappers' prefixes
 */
export function recogniseArchitecture(file: CheckpointShapes, hints: RecogniseHints = {}): Recognition {
  const { name, moduleType: _, ...options } = hints;
  const list = ranked(file, name);
  const alike = name === undefined ? undefined : lookAlikeNamedIn(name);
  if (alike && list.some(({ variant }) => variant.name === alike.of)) return unbuilt(alike.name, alike.of);
  let best: { variant: Variant; differences: string[] } | undefined;
  for (const { variant } of list) {
    const known = (attention: string): number | undefined => options.heads?.(attention);
    const candidates = openHeads(denseGraph(variant, file), file, () => familyHeads(variant.family), known);
    const suggested = new Map(candidates.map((c) => [c.attention, c.suggested]));
    const heads = (attention: string): number | undefined => known(attention) ?? suggested.get(attention);
    const { graph, differences } = attempt(variant, file, { ...options, heads });
    if (graph && !differences.length) {
      if (candidates.length) return ambiguous(variant, graph, candidates);
      const fits = (twin: Variant): Graph | undefined => {
        const other = attempt(twin, file, { ...options, heads });
        return other.differences.length ? undefined : other.graph;
      };
      const build = (more: BuildOptions): Graph =>
        variant.build({ ...options, heads, shapes: (tensor) => file.get(tensor), ...more });
      const notes = [...twinNotes(list, { variant, graph }, fits), ...headNotes(variant, file, known)];
      return { kind: 'found', graph, variant, notes, build };
    }
    best ??= { variant, differences };
  }
  return best ? unknown(best.variant, best.differences, hints) : stranger(file, hints);
}
