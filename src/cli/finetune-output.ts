/** What is said of a finetuning run: network, images and teacher before its first step, then its metrics. */

import { formatPercent, formatPreciseCount } from '../common/format.ts';
import type { Graph } from '../engine/graph/graph.ts';
import { graphCost } from '../engine/graph/macs.ts';
import type { Prepared } from '../engine/jobs/finetune.ts';
import type { Model } from '../engine/jobs/opening/model.ts';
import type { MetricsLine } from '../engine/training/run-directory.ts';
import type { TrainingOptions } from '../engine/training/training-options.ts';
import { say } from './terminal.ts';

function describeModel(graph: Graph): string {
  const { macs, params } = graphCost(graph);
  return `${graph.name} (${formatPreciseCount(macs)} MACs, ${formatPreciseCount(params)} parameters)`;
}

/** What is learnt from the teacher, and with which head. */
function describeTeacher({ graph: teacher }: Model, student: Graph, options: TrainingOptions): string {
  if (options.imitate) {
    const outputs = teacher.outputs.map(({ name }) => name).join(', ');
    return `imitates ${describeModel(teacher)}: distance of the outputs (${outputs}) in units of each channel's variance`;
  }
  const { distillation, distillationWeight, distillationTemperature, teacherCache } = options;
  const share = `${Number((100 * distillationWeight).toFixed(1))} % of the loss`;
  const targets =
    distillation === 'hard' ? 'its arg-max' : `its probabilities at temperature ${distillationTemperature}`;
  const head = student.trainingOutputs.length > 1 ? 'the distillation head' : 'the class head, the only one';
  const kept = teacherCache === undefined ? '' : `; its outputs are computed once and kept in ${teacherCache}`;
  return `teacher ${describeModel(teacher)}: ${targets}, ${share}, on ${head}${kept}`;
}

/** Lines for the person, most important first. */
export function describePrepared({ models, teacher, train, validation, options, progress }: Prepared): string[] {
  const { model, training } = models;
  const { bnRecalibrate } = options;
  const classes = options.imitate ? 'without labels' : `${validation.classes.length} classes`;
  return [
    `model ${describeModel(model.graph)}${model.hasWeights ? '' : ', with random weights'}`,
    `images ${train.samples.length} for training, ${validation.samples.length} for validation, ${classes}`,
    ...(teacher ? [describeTeacher(teacher, training, options)] : []),
    ...(bnRecalibrate > 0 && !progress
      ? [`batch norm statistics averaged anew over ${bnRecalibrate} batches of training images first`]
      : []),
    ...(progress ? [`goes on after ${progress.step} steps, in epoch ${progress.epoch + 1} of ${options.epochs}`] : []),
    ...new Set([...model.notes, ...(teacher?.notes ?? []), ...train.notes, ...validation.notes]),
  ];
}

/** A line every `--print-freq` steps and one for every epoch. */
export function metricsPrinter(printFreq: number): (line: MetricsLine) => void {
  const number = (value: MetricsLine[string], digits: number): string => Number(value).toPrecision(digits);
  return (line) => {
    if (line.kind === 'step') {
      if (printFreq < 1 || line.step % printFreq !== 0) return;
      const rates = `lr ${number(line.learningRate, 4)}, ${Number(line.imagesPerSecond).toFixed(0)} images/s`;
      say(`epoch ${line.epoch + 1}, step ${line.step}: loss ${number(line.loss, 5)}, ${rates}`);
      return;
    }
    if (line.distance !== undefined) {
      const figures = `relative error ${formatPercent(Number(line.relativeError))} on ${line.images} images`;
      say(`epoch ${line.epoch + 1}: ${figures}, loss ${number(line.distance, 5)} (training ${number(line.loss, 5)})`);
      return;
    }
    const average = line.averageTop1 === undefined ? '' : `, its average ${formatPercent(Number(line.averageTop1))}`;
    const top1 = `top-1 ${formatPercent(Number(line.top1))}${average} on ${line.images} images`;
    say(`epoch ${line.epoch + 1}: ${top1}, loss ${number(line.validationLoss, 5)} (training ${number(line.loss, 5)})`);
  };
}
