/** The programs that Espalier runs on a Graph: logits, gradients, train step, moving average. */
import { type Graph, isClassifier, logitsOf, type ParameterSpec } from '../../graph/graph.ts';
import { emitForward } from './forward.ts';
import { emitGradients } from './gradients.ts';
import {
  type CrossEntropyOptions,
  type DistillationOptions,
  emitBatchMean,
  emitCrossEntropy,
  emitLoss,
  emitTargets,
} from './losses.ts';
import { emitOptimizerStep, type OptimizerOptions } from './optimizers.ts';
import type { Program, Ref } from './program.ts';
import { ProgramBuilder } from './program-builder.ts';

export const trainableParameters = (graph: Graph): readonly ParameterSpec[] =>
  graph.parameters.filter((p) => p.trainable);

/** Prefix of the states that hold the moving average of weights and buffers. */
export const AVERAGE_PREFIX = 'ema/';

/**
 * `images` [N, H, W, C] → `logits` [N, classes] of a classifier, every output by its name of any other network; in evaluation.
 * `statePrefix` (`AVERAGE_PREFIX`) runs another set of weights.
 */
export function predictProgram(graph: Graph, options: { readonly statePrefix?: string } = {}): Program {
  const b = new ProgramBuilder();
  const wanted = graph.outputs.map(({ value }) => value);
  const values = emitForward(b, graph, wanted, { training: false, ...options });
  graph.outputs.forEach(({ name }, i) => {
    b.output(isClassifier(graph) ? 'logits' : name, values[i]);
  });
  return b.finish();
}

/** Name of the output (or, accumulated, the state) that has a parameter's gradient. */
export const gradientName = (parameter: string): string => `gradient/${parameter}`;

export interface GradientOptions extends CrossEntropyOptions {
  /** Adds each batch's gradients (`squares`: their squares) to states named by `gradientName` in place of returning them. */
  readonly accumulate?: 'sum' | 'squares';
  /** State-dict names of the parameters; all trainable ones by default. */
  readonly parameters?: readonly string[];
}

/**
 * `images`, `labels` (or `targets`) → `loss`, the mean cross-entropy of the batch, `losses` [N], `logits`, and the loss's gradient by every
 * parameter, with the network in evaluation (frozen norm statistics, nothing dropped): what Taylor scores are made of.
 */
export function gradientProgram(graph: Graph, options: GradientOptions): Program {
  const b = new ProgramBuilder();
  const [logits] = emitForward(b, graph, [logitsOf(graph)], { training: false });
  const losses = emitCrossEntropy(b, logits, emitTargets(b, graph.classes, options));
  const loss = emitBatchMean(b, losses);
  const chosen = options.parameters && new Set(options.parameters);
  const parameters = trainableParameters(graph).filter((p) => !chosen || chosen.has(p.name));
  const gradients = emitGradients(
    b,
    loss,
    parameters.map((p) => b.state(p.name, p.shape)),
  );
  parameters.forEach(({ name, shape }, i) => {
    const target = gradientName(name);
    if (!options.accumulate) {
      b.output(target, gradients[i]);
      return;
    }
    const term = options.accumulate === 'squares' ? b.add('square', [gradients[i]], {}) : gradients[i];
    b.update(target, b.add('add', [b.state(target, shape, { initial: 0, like: name }), term], {}));
  });
  b.output('loss', loss);
  b.output('losses', losses);
  b.output('logits', logits);
  return b.finish();
}

export interface TrainOptions {
  readonly optimizer: OptimizerOptions;
  readonly loss: CrossEntropyOptions;
  readonly distillation?: DistillationOptions;
  /** Weight decay of each parameter by state-dict name; 0 where the function says so. */
  readonly weightDecay: (parameter: ParameterSpec) => number;
  /** Limit of the norm of all gradients together (torch.nn.utils.clip_grad_norm_). */
  readonly clipNorm?: number;
  /** False keeps norm statistics frozen and drops nothing. Default true. */
  readonly training?: boolean;
  /** Parameters to train; all trainable ones by default. */
  readonly parameters?: readonly string[];
}

/**
 * One step of training. Inputs: `images` [N, H, W, C], `labels` or `targets`, the scalars of `optimizerInputs`, `teacher` with
 * distillation, `seed` (int32 [2]) where the network drops anything. Outputs: `loss`, `logits` and, with clipping, `gradientNorm`.
 * Updates parameters, optimiser slots (`slotNames`) and running statistics.
 */
export function trainProgram(graph: Graph, options: TrainOptions): Program {
  const b = new ProgramBuilder();
  // Both heads are trained only where there is a teacher for the second.
  const wanted = options.distillation ? graph.trainingOutputs : [logitsOf(graph)];
  const heads = emitForward(b, graph, wanted, { training: options.training ?? true });
  const loss = emitLoss(b, heads, options.loss, options.distillation);
  const chosen = options.parameters && new Set(options.parameters);
  const parameters = trainableParameters(graph).filter((p) => !chosen || chosen.has(p.name));
  const values = parameters.map((p) => b.state(p.name, p.shape));
  let gradients = emitGradients(b, loss, values);
  if (options.clipNorm !== undefined) gradients = emitClipping(b, gradients, options.clipNorm);
  parameters.forEach((parameter, i) => {
    emitOptimizerStep(b, options.optimizer, parameter.name, gradients[i], options.weightDecay(parameter));
  });
  b.output('loss', loss);
  b.output('logits', heads[0]);
  return b.finish();
}

function emitClipping(b: ProgramBuilder, gradients: readonly Ref[], limit: number): readonly Ref[] {
  const norm = b.add('globalNorm', gradients, {});
  b.output('gradientNorm', norm);
  const factor = b.add('clipFactor', [norm], { limit });
  return gradients.map((gradient) => b.add('multiply', [gradient, factor], {}));
}

/**
 * Moves the average of weights and float buffers (states `ema/…`) towards the current ones: a ← decay · a + (1 − decay) · w.
 * Input `decay` (0 copies), output `decay`.
 */
export function averageProgram(graph: Graph): Program {
  const b = new ProgramBuilder();
  const decay = b.input('decay', []);
  const share = b.add('subtract', [b.scalar(1), decay], {});
  for (const { name, shape, dtype } of graph.parameters) {
    if (dtype === 'int64') continue;
    const average = `${AVERAGE_PREFIX}${name}`;
    b.update(
      average,
      b.add('lerp', [b.state(average, shape, { initial: 0, like: name }), b.state(name, shape), share], {}),
    );
  }
  b.output('decay', decay);
  return b.finish();
}
