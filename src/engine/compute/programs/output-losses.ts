/**
 * Losses over a network's raw outputs, whatever they mean: imitating the dense network, and what scores are made of where there are
 * no labels. Every output is standardised channel by channel with the dense network's own statistics (inputs `mean/NAME` and
 * `precision/NAME`), so that boxes in pixels and probabilities weigh the same.
 */
import { type Graph, isClassifier } from '../../graph/graph.ts';
import type { Shape } from '../../graph/operations.ts';
import { sizePerImage } from '../../graph/shapes.ts';
import { emitForward } from './forward.ts';
import type { Ref } from './program.ts';
import type { ProgramBuilder } from './program-builder.ts';

/** What an output is called among a program's outputs: `logits` of a classifier, its own name otherwise. */
export const programOutputName = (graph: Graph, name: string): string => (isClassifier(graph) ? 'logits' : name);

/** Names of a program's inputs for one output. */
export const denseInput = (output: string): string => `dense/${output}`;
export const meanInput = (output: string): string => `mean/${output}`;
export const precisionInput = (output: string): string => `precision/${output}`;

/**
 * The dimension of an output that its channels lie along: C of [N, C, H, W] and of [N, C]; of three dimensions the shorter one, as a
 * detector's [N, 4 + classes, positions] and [N, positions, 5 + classes] have it. Undefined where there is none.
 */
export function channelAxis(shape: Shape): number | undefined {
  if (shape.length < 2) return undefined;
  return shape.length === 3 && shape[2] < shape[1] ? 2 : 1;
}

/** Numbers along the channel axis; 1 without one. */
export function channelCount(shape: Shape): number {
  const axis = channelAxis(shape);
  return axis === undefined ? 1 : shape[axis];
}

interface NetworkOutput {
  readonly name: string;
  readonly value: Ref;
}

/** All outputs that depend on the image; tables that a network gives beside them say nothing of it. */
function emitOutputs(b: ProgramBuilder, graph: Graph, training: boolean): readonly NetworkOutput[] {
  const values = emitForward(
    b,
    graph,
    graph.outputs.map(({ value }) => value),
    { training },
  );
  const all = graph.outputs.map(({ name }, i) => ({ name: programOutputName(graph, name), value: values[i] }));
  return all.filter(({ value }) => b.shape(value)[0] < 0);
}

/** An input of one number a channel, shaped to broadcast over the output. */
function channelInput(b: ProgramBuilder, name: string, output: Ref): Ref {
  const shape = b.shape(output);
  const axis = channelAxis(shape);
  return b.input(
    name,
    shape.map((size, i) => (i === axis ? size : 1)),
  );
}

/** Sum of all that one image has: [N]. */
function perImage(b: ProgramBuilder, x: Ref): Ref {
  return b.add('sum', [b.add('reshape', [x], { shape: [-1, sizePerImage(b.shape(x))] })], {
    axes: [1],
    keepDimensions: false,
  });
}

/** Mean over the outputs of a sum over each one's elements, per element: [N]. */
function meanOverOutputs(
  b: ProgramBuilder,
  outputs: readonly NetworkOutput[],
  term: (output: NetworkOutput) => Ref,
  share: (size: number) => number = (size) => 1 / size,
): Ref {
  const terms = outputs.map((output) =>
    b.add('scale', [perImage(b, term(output))], { by: share(outputs.length * sizePerImage(b.shape(output.value))) }),
  );
  return terms.reduce((a, c) => b.add('add', [a, c], {}));
}

/**
 * Loss of each image, [N]: the squared distance of the outputs from the dense network's (inputs `dense/NAME`) in units of each
 * channel's variance, averaged over all elements of an output, then over the outputs.
 */
export function emitImitation(b: ProgramBuilder, graph: Graph, training: boolean): Ref {
  return meanOverOutputs(b, emitOutputs(b, graph, training), ({ name, value }) => {
    const dense = b.input(denseInput(name), b.shape(value));
    const distance = b.add('square', [b.add('subtract', [value, dense], {})], {});
    return b.add('multiply', [distance, channelInput(b, precisionInput(name), value)], {});
  });
}

/** What scores are made of without labels. */
export interface OutputLossOptions {
  /**
   * At the dense network the imitation loss is 0, and so is its gradient: it cannot rank anything to first order.
   * `energy`: half the squared standardised outputs, whose gradient says how much of what the network says of an image hangs on a
   * weight, as Memory Aware Synapses take it from unlabelled images (Aljundi et al., ECCV 2018, section 4.1). For first-order scores.
   * `probe`: the outputs times random signs over their deviations. The gradient's square, averaged over signs, is the diagonal of the
   * Gauss-Newton matrix, which is the Hessian of the imitation loss at the dense network (Hutchinson's estimator). For second order.
   */
  readonly targets: 'energy' | 'probe';
}

/** Loss of each image, [N]. `probe` takes the input `seed`. */
export function emitOutputLosses(b: ProgramBuilder, graph: Graph, { targets }: OutputLossOptions): Ref {
  const outputs = emitOutputs(b, graph, false);
  if (targets === 'energy') {
    const energy = meanOverOutputs(b, outputs, ({ name, value }) => {
      const centred = b.add('subtract', [value, channelInput(b, meanInput(name), value)], {});
      const square = b.add('square', [centred], {});
      return b.add('multiply', [square, channelInput(b, precisionInput(name), value)], {});
    });
    return b.add('scale', [energy], { by: 0.5 });
  }
  const seed = b.input('seed', [2], 'int32');
  let stream = 0;
  return meanOverOutputs(
    b,
    outputs,
    ({ name, value }) => {
      // 0 or 2, less 1: a random sign.
      const mask = b.add('keepMask', [seed], { shape: b.shape(value), probability: 0.5, stream: stream++ });
      const signs = b.add('subtract', [mask, b.scalar(1)], {});
      const scaled = b.add('multiply', [value, channelInput(b, deviationInput(name), value)], {});
      return b.add('multiply', [scaled, signs], {});
    },
    (size) => 1 / Math.sqrt(size),
  );
}

/** Square root of `precision/NAME`. */
export const deviationInput = (output: string): string => `deviation/${output}`;
