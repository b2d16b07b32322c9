/** Losses of a batch: cross-entropy with label smoothing and soft targets, and distillation from a teacher's logits. */

import type { Ref } from './program.ts';
import type { ProgramBuilder } from './program-builder.ts';

export interface CrossEntropyOptions {
  /** `labels`: the input `labels`, int32 [N]. `soft`: the input `targets`, [N, classes], rows adding up to 1 (mixup, cutmix). */
  readonly targets: 'labels' | 'soft';
  /** ε of torch.nn.CrossEntropyLoss: targets become (1 − ε) · target + ε / classes. */
  readonly labelSmoothing?: number;
}

/** What a student learns from the input `teacher`: the teacher's logits [N, classes]. */
export interface DistillationOptions {
  /**
   * `hard`: cross-entropy with the teacher's largest logit (Touvron et al. 2021, section 4), its label smoothed as the others.
   * `soft`: T² · KL(softmax(teacher / T) ‖ softmax(student / T)), mean over the batch (Hinton et al. 2015).
   */
  readonly kind: 'hard' | 'soft';
  /** Share of the distillation in the loss; the cross-entropy has the rest. */
  readonly weight: number;
  /** T of `soft`. */
  readonly temperature?: number;
}

/** 1 − ε + ε / classes at each label, ε / classes elsewhere: [N, classes]. */
function emitOneHot(b: ProgramBuilder, labels: Ref, classes: number, epsilon = 0): Ref {
  return b.add('oneHot', [labels], { classes, on: 1 - epsilon + epsilon / classes, off: epsilon / classes });
}

/** Target distribution [N, classes] that the program's inputs give. */
export function emitTargets(b: ProgramBuilder, classes: number, options: CrossEntropyOptions): Ref {
  const { targets, labelSmoothing: epsilon = 0 } = options;
  if (targets === 'labels') return emitOneHot(b, b.input('labels', [-1], 'int32'), classes, epsilon);
  const soft = b.input('targets', [-1, classes]);
  if (epsilon === 0) return soft;
  return b.add('add', [b.add('scale', [soft], { by: 1 - epsilon }), b.scalar(epsilon / classes)], {});
}

/** Loss of each sample, [N]. */
export function emitCrossEntropy(b: ProgramBuilder, logits: Ref, targets: Ref): Ref {
  return b.add('crossEntropy', [logits, targets], {});
}

/** Mean over the batch of one number a sample. */
export function emitBatchMean(b: ProgramBuilder, perSample: Ref): Ref {
  return b.add('scale', [b.add('sum', [perSample], { axes: [0], keepDimensions: false })], { by: 'inverse batch' });
}

/** Distillation loss of each sample, [N]. */
function emitDistillation(b: ProgramBuilder, student: Ref, options: DistillationOptions, labelSmoothing?: number): Ref {
  const classes = b.shape(student)[1];
  const teacher = b.input('teacher', [-1, classes]);
  if (options.kind === 'hard')
    return emitCrossEntropy(b, student, emitOneHot(b, b.add('argMax', [teacher], {}), classes, labelSmoothing));
  // KL(p ‖ q) = cross-entropy(p, q) − entropy(p), and the entropy is p's cross-entropy with itself.
  const { temperature = 1 } = options;
  const softened = (logits: Ref): Ref => b.add('scale', [logits], { by: 1 / temperature });
  const teacherLogits = softened(teacher);
  const p = b.add('softmax', [teacherLogits], { axis: 1 });
  const cross = emitCrossEntropy(b, softened(student), p);
  const divergence = b.add('subtract', [cross, emitCrossEntropy(b, teacherLogits, p)], {});
  return b.add('scale', [divergence], { by: temperature ** 2 });
}

/**
 * Mean loss of a batch. `heads` are the logits in training: one, or a class head and a distillation head, which then learns from the
 * teacher alone; with one head both terms act on it.
 */
export function emitLoss(
  b: ProgramBuilder,
  heads: readonly Ref[],
  crossEntropy: CrossEntropyOptions,
  distillation?: DistillationOptions,
): Ref {
  const targets = emitTargets(b, b.shape(heads[0])[1], crossEntropy);
  const classLoss = emitCrossEntropy(b, heads[0], targets);
  if (!distillation) return emitBatchMean(b, classLoss);
  const { weight } = distillation;
  const distilled = emitDistillation(b, heads.at(-1) as Ref, distillation, crossEntropy.labelSmoothing);
  const terms = [b.add('scale', [classLoss], { by: 1 - weight }), b.add('scale', [distilled], { by: weight })];
  return emitBatchMean(b, b.add('add', terms, {}));
}
