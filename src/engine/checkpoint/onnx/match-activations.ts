/**
 * Finds activations that an exporter wrote out as arithmetic: GELU by the error function, SiLU as x · sigmoid(x), …
 *
 * A node that is a function of one other value, element by element, is computed for some numbers and compared with every
 * activation, so that the way in which it was written out does not matter.
 */
import { ACTIVATION_FUNCTIONS, type ActivationFunction, activate } from '../../graph/activations.ts';
import { onNumbers } from '../../graph/elementwise.ts';
import type { Draft, DraftGraph, DraftId } from './draft.ts';

/** Operators in one activation: the longest, GELU by tanh with a cube, has nine. */
const MAX_NODES = 16;

/** From −9 to 9, off the whole numbers where activations have their corners. */
const SAMPLES = Array.from({ length: 61 }, (_, i) => -9 + 0.2987 * i);
const TOLERANCE = 2e-5;

type Arithmetic = (a: number, b: number) => number;
const ARITHMETIC: Readonly<Partial<Record<Draft['kind'], Arithmetic>>> = {
  add: (a, b) => a + b,
  subtract: (a, b) => a - b,
  multiply: (a, b) => a * b,
  divide: (a, b) => a / b,
};

/** One element of a node from one of each input; undefined where it does not work element by element. */
export function eachOf(draft: Draft): ((...inputs: readonly number[]) => number) | undefined {
  if (draft.kind === 'foreign') return draft.attributes.each;
  if (draft.kind === 'activation') {
    const { attributes } = draft;
    return (x) => activate(onNumbers, attributes, x);
  }
  if (draft.kind === 'scale' && typeof draft.attributes.by === 'number') {
    const { by } = draft.attributes;
    return (x) => x * by;
  }
  return ARITHMETIC[draft.kind] as ((...inputs: readonly number[]) => number) | undefined;
}

/** The number that a constant of one element holds. */
export function numberOf(graph: DraftGraph, id: DraftId): number | undefined {
  const constant = graph.as(id, 'constant');
  return constant?.attributes.tensor.data.length === 1 ? constant.attributes.tensor.data[0] : undefined;
}

/** A value as a function of one other, which grows backwards from it. */
class Region {
  /** Nodes inside, the last one first. */
  readonly #inside: DraftId[] = [];
  /** What the nodes inside take from outside, numbers apart. */
  readonly #sources = new Set<DraftId>();

  constructor(
    private readonly graph: DraftGraph,
    readonly root: DraftId,
  ) {
    this.#sources.add(root);
  }

  /** Takes the last of the sources inside; false where that is not possible. */
  grow(place: ReadonlyMap<DraftId, number>): boolean {
    const last = [...this.#sources].reduce((a, b) => ((place.get(a) ?? 0) > (place.get(b) ?? 0) ? a : b));
    if (this.#inside.length >= MAX_NODES || !eachOf(this.graph.get(last))) return false;
    this.#sources.delete(last);
    this.#inside.push(last);
    for (const input of this.graph.inputsOf(last))
      if (numberOf(this.graph, input) === undefined) this.#sources.add(input);
    return this.#sources.size > 0;
  }

  /** The only value that it is a function of. */
  get source(): DraftId | undefined {
    const [source, ...others] = this.#sources;
    return others.length ? undefined : source;
  }

  /** Arithmetic alone is no activation. */
  get isCurved(): boolean {
    return this.#inside.some((id) => ['foreign', 'activation'].includes(this.graph.get(id).kind));
  }

  /** The value where the source is `x`. */
  at(x: number): number {
    const values = new Map<DraftId, number>([[this.source as DraftId, x]]);
    for (const id of this.#inside.toReversed()) {
      const each = eachOf(this.graph.get(id)) as (...inputs: readonly number[]) => number;
      const inputs = this.graph
        .inputsOf(id)
        .map((input) => values.get(input) ?? (numberOf(this.graph, input) as number));
      values.set(id, each(...inputs));
    }
    return values.get(this.root) as number;
  }
}

/**
 * Whether two values at 0 are one by their own size: max(x, 1e-12) and √(x + 1e-6) keep a division from 0, which is lost where they are
 * taken for ReLU and root.
 */
const agreesAtZero = (found: number, wanted: number): boolean =>
  Number.isFinite(wanted) ? Math.abs(found - wanted) <= TOLERANCE * Math.abs(wanted) : Object.is(found, wanted);

function matching(region: Region): ActivationFunction | undefined {
  const found = SAMPLES.map((x) => region.at(x));
  const zero = region.at(0);
  const isAlike = (name: ActivationFunction) => (x: number, i: number) =>
    Math.abs(found[i] - activate(onNumbers, { function: name }, x)) <= TOLERANCE * (1 + Math.abs(x));
  return ACTIVATION_FUNCTIONS.find(
    (name) => SAMPLES.every(isAlike(name)) && agreesAtZero(zero, activate(onNumbers, { function: name }, 0)),
  );
}

/** Puts an activation in the place of each chain of arithmetic that is one. */
export function matchActivations(graph: DraftGraph, outputs: readonly DraftId[]): void {
  const { order } = graph.live(outputs);
  const place = new Map(order.map((id, i) => [id, i]));
  for (const id of order) {
    const draft = graph.get(id);
    if (draft.kind === 'activation' || draft.kind === 'scale' || !eachOf(draft)) continue;
    const region = new Region(graph, id);
    while (region.grow(place)) {
      const { source } = region;
      if (source === undefined || !region.isCurved || String(graph.shape(source)) !== String(graph.shape(id))) continue;
      const name = matching(region);
      if (!name) continue;
      graph.replace(id, {
        kind: 'activation',
        attributes: { function: name },
        inputs: [source],
        stored: {},
        origin: draft.origin,
      });
      break;
    }
  }
}
