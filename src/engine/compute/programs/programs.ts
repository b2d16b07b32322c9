/** The programs that Espalier runs on a Graph: logits, gradients, train step, moving average. */
import { type Graph, logitsOf, type ParameterSpec } from '../../graph/graph.ts';
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
import { emitImitation, emitOutputLosses, type OutputLossOptions, programOutputName } from './output-losses.ts';
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
    b.output(programOutputName(graph, name), values[i]);
  });
  return b.finish();
}

/** Name of the output (or, accumulated, the state) that has a parameter's gradient. */
export const gradientName = (parameter: string): string => `gradient/${parameter}`;

/** What scores are made of: cross-entropy with labels, or the raw outputs without. */
export type ScoringLoss = CrossEntropyOptions | OutputLossOptions;

/** Loss of each image, [N], with the network in evaluation; and the logits that it is of. */
export function emitScoringLosses(b: ProgramBuilder, graph: Graph, loss: ScoringLoss): { losses: Ref; logits?: Ref } {
  if (loss.targets === 'energy' || loss.targets === 'probe')
    return { losses: emitOutputLosses(b, graph, { targets: loss.targets }) };
  const options: CrossEntropyOptions = { ...loss, targets: loss.targets };
  const [logits] = emitForward(b, graph, [logitsOf(graph)], { training: false });
  return { losses: emitCrossEntropy(b, logits, emitTargets(b, graph.classes, options)), logits };
}

export type GradientOptions = ScoringLoss & {
  /** Adds each batch's gradients (`squares`: their squares) to states named by `gradientName` in place of returning them. */
  readonly accumulate?: 'sum' | 'squares';
  /** State-dict names of the parameters; all trainable ones by default. */
  readonly parameters?: readonly string[];
};

/**
 * `images`, `labels` (or `targets`) → `loss`, the mean cross-entropy of the batch, `losses` [N], `logits`, and the loss's gradient by every
 * parameter, with the network in evaluation (frozen norm statistics, nothing dropped): what Taylor scores are made of. Without labels
 * (`OutputLossOptions`) the loss is of the raw outputs, and there are no `logits`.
 */
export function gradientProgram(graph: Graph, options: GradientOptions): Program {
  const b = new ProgramBuilder();
  const { losses, logits } = emitScoringLosses(b, graph, options);
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
  if (logits) b.output('logits', logits);
  return b.finish();
}

export interface TrainOptions {
  readonly optimizer: OptimizerOptions;
  /** `imitation`: of the dense network's outputs, in place of labels. */
  readonly loss: CrossEntropyOptions | { readonly targets: 'imitation' };
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
 * distillation, `dense/NAME` and `precision/NAME` of every output with imitation, `seed` (int32 [2]) where the network drops anything.
 * Outputs: `loss`, `logits` (not with imitation) and, with clipping, `gradientNorm`.
 * Updates parameters, optimiser slots (`slotNames`) and running statistics.
 */
export function trainProgram(graph: Graph, options: TrainOptions): Program {
  const b = new ProgramBuilder();
  const { loss, logits } = emitTrainingLoss(b, graph, options);
  const chosen = options.parameters && new Set(options.parameters);
  const parameters = trainableParameters(graph).filter((p) => !chosen || chosen.has(p.name));
  const values = parameters.map((p) => b.state(p.name, p.shape));
  let gradients = emitGradients(b, loss, values);
  if (options.clipNorm !== undefined) gradients = emitClipping(b, gradients, options.clipNorm);
  parameters.forEach((parameter, i) => {
    emitOptimizerStep(b, options.optimizer, parameter.name, gradients[i], options.weightDecay(parameter));
  });
  b.output('loss', loss);
  if (logits) b.output('logits', logits);
  return b.finish();
}

function emitTrainingLoss(b: ProgramBuilder, graph: Graph, options: TrainOptions): { loss: Ref; logits?: Ref } {
  const { loss, distillation, training = true } = options;
  if (loss.targets === 'imitation') return { loss: emitBatchMean(b, emitImitation(b, graph, training)) };
  // Both heads are trained only where there is a teacher for the second.
  const wanted = distillation ? graph.trainingOutputs : [logitsOf(graph)];
  const heads = emitForward(b, graph, wanted, { training });
  return { loss: emitLoss(b, heads, { ...loss, targets: loss.targets }, distillation), logits: heads[0] };
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
