/** Writes functions of one or two numbers that turned out to be no part of an activation or a norm as operations of the Graph. */
import type { ActivationFunction } from '../../graph/activations.ts';
import { float32Tensor } from '../../graph/tensor.ts';
import type { Draft, DraftGraph, DraftId, ForeignDraft } from './draft.ts';

/** A bound from which on what is added to it and taken from it again loses more than float32's rounding of what is left. */
const FAR = 16;

/** Adds operations in front of the node that they replace. */
class Writer {
  constructor(
    private readonly graph: DraftGraph,
    private readonly id: DraftId,
    private readonly draft: ForeignDraft,
  ) {}

  private add(draft: Pick<Draft, 'kind' | 'attributes' | 'inputs'>): DraftId {
    return this.graph.addBefore(this.id, { ...draft, stored: {}, origin: this.draft.origin } as Draft);
  }

  number(value: number): DraftId {
    return this.add({
      kind: 'constant',
      attributes: { tensor: float32Tensor([1], Float32Array.of(value)) },
      inputs: [],
    });
  }

  apply(of: ActivationFunction, x: DraftId): DraftId {
    return this.add({ kind: 'activation', attributes: { function: of }, inputs: [x] });
  }

  binary(kind: 'add' | 'subtract' | 'multiply' | 'divide', a: DraftId, b: DraftId): DraftId {
    return this.add({ kind, attributes: {}, inputs: [a, b] });
  }

  plus(x: DraftId, value: number): DraftId {
    return value === 0 ? x : this.binary('add', x, this.number(value));
  }

  softmax(x: DraftId, axis: number): DraftId {
    return this.add({ kind: 'softmax', attributes: { axis }, inputs: [x] });
  }

  /** max(x, low), then min(…, high): low + relu(x − low), or x + relu(low − x) where the bound would swallow digits of x. */
  clip(x: DraftId, low: number, high: number): DraftId {
    const below = (): DraftId =>
      Math.abs(low) < FAR
        ? this.plus(this.apply('relu', this.plus(x, -low)), low)
        : this.binary('add', x, this.apply('relu', this.binary('subtract', this.number(low), x)));
    const above = low > -1e38 ? below() : x;
    if (high > 1e38) return above;
    if (Math.abs(high) >= FAR)
      return this.binary('subtract', above, this.apply('relu', this.binary('subtract', above, this.number(high))));
    const left = this.apply('relu', this.binary('subtract', this.number(high), above));
    return this.binary('subtract', this.number(high), left);
  }

  /** max(a, b) = a + relu(b − a); the least likewise. */
  larger(a: DraftId, b: DraftId): DraftId {
    return this.binary('add', a, this.apply('relu', this.binary('subtract', b, a)));
  }

  smaller(a: DraftId, b: DraftId): DraftId {
    return this.binary('subtract', a, this.apply('relu', this.binary('subtract', a, b)));
  }

  power(x: DraftId, exponent: number): DraftId | undefined {
    const whole = Math.abs(exponent);
    if (Number.isInteger(whole) && whole >= 1 && whole <= 8) {
      let product = x;
      for (let i = 1; i < whole; i++) product = this.binary('multiply', product, x);
      return exponent > 0 ? product : this.apply('reciprocal', product);
    }
    if (whole !== 0.5) return undefined;
    const root = this.apply('sqrt', x);
    return exponent > 0 ? root : this.apply('reciprocal', root);
  }
}

type Written = (writer: Writer, inputs: readonly DraftId[], numbers: readonly number[]) => DraftId | undefined;

/** By ONNX operator. `numbers`: its limits, exponent, or whatever its rule has noted. */
const writings: Readonly<Record<string, Written>> = {
  Clip: (w, [x], [low, high]) => w.clip(x, low, high),
  HardSigmoid: (w, [x], [alpha, beta]) => w.clip(w.plus(w.binary('multiply', x, w.number(alpha)), beta), 0, 1),
  Pow: (w, [x], [exponent]) => w.power(x, exponent),
  Softsign: (w, [x]) => w.binary('divide', x, w.plus(w.apply('abs', x), 1)),
  Max: (w, [a, b]) => w.larger(a, b),
  Min: (w, [a, b]) => w.smaller(a, b),
  LogSoftmax: (w, [x], [axis]) => w.apply('log', w.softmax(x, axis)),
};

export function writeOut(graph: DraftGraph, outputs: readonly DraftId[]): void {
  for (const id of graph.live(outputs).order) {
    const draft = graph.get(id);
    if (draft.kind !== 'foreign') continue;
    const { operator, numbers = [] } = draft.attributes;
    const written = Object.hasOwn(writings, operator) ? writings[operator] : undefined;
    if (written && draft.inputs.length !== (['Max', 'Min'].includes(operator) ? 2 : 1)) continue;
    const result = written?.(new Writer(graph, id, draft), graph.inputsOf(id), numbers);
    if (result === undefined) continue;
    graph.replace(id, graph.get(result));
  }
}
