/** `espalier evaluate`: accuracy of a model on images. */

import { accuracyMargin, formatAccuracy, formatAmong } from '../../common/confidence.ts';
import { flag } from '../../common/flags.ts';
import { formatPreciseCount } from '../../common/format.ts';
import { createExecutor } from '../../engine/compute/backends.ts';
import { isClassifier } from '../../engine/graph/graph.ts';
import { evaluateModel } from '../../engine/jobs/evaluate.ts';
import { evaluateOutputs } from '../../engine/jobs/evaluate-outputs.ts';
import { openModel } from '../../engine/jobs/opening/model.ts';
import { command, computeFlags, dataFlags, modelFlags } from '../command.ts';
import { outputsResult } from '../outputs-result.ts';
import { dataRequest, weightsRequest } from '../requests.ts';
import { say } from '../terminal.ts';

export const evaluate = command({
  summary: 'top-1, top-5 and loss, average precision, overlap of masks, or agreement with the dense model, on images',
  usage: '--model NAME|FILE [--ckpt FILE] --data-path DIR [--teacher DENSE]',
  most: 1,
  flags: {
    ...modelFlags,
    ...dataFlags,
    ...computeFlags,
    teacher: flag.string(undefined, 'the dense model: the outputs are compared with its own, on images without labels'),
    teacherCkpt: flag.string(undefined, 'weights of a teacher given by name'),
    batchSize: flag.integer(64, 'images a batch', { aliases: ['val-batch-size'] }),
    trainBatchSize: flag.integer(undefined, "accepted: the paper's script has it"),
    split: flag.choice(['val', 'test', 'train'], 'val', 'which images'),
    benchmark: flag.boolean('also measure latency at batch 1 and throughput'),
  },
  run: async ({ values, positionals }, context) => {
    const request = dataRequest(values);
    const model = await openModel(weightsRequest(values, positionals));
    for (const note of model.notes) say(note);
    const weights = await model.weights(context);
    const executor = await createExecutor(values);
    if (values.teacher !== undefined || !isClassifier(model.graph)) {
      const { teacher: named, teacherCkpt, ...own } = values;
      const ckpt = teacherCkpt === undefined ? {} : { ckpt: teacherCkpt };
      const teacher =
        named === undefined
          ? undefined
          : await openModel({ ...weightsRequest({ ...own, model: named, ckpt: undefined }), ...ckpt });
      const dense = teacher && { graph: teacher.graph, weights: await teacher.weights(context) };
      const data = { ...request, split: values.split };
      const options = { executor, ...(dense && { teacher: dense }) };
      return outputsResult(model.graph.name, await evaluateOutputs({ ...model, weights }, data, options, context));
    }
    const report = await evaluateModel(
      { ...model, weights },
      { ...request, split: values.split },
      { executor, benchmark: values.benchmark },
      context,
    );
    for (const note of report.notes) say(note);
    for (const [file, reason] of report.skipped) say(`skipped ${file}: ${reason}`);
    const { top1, top5, loss, images, correct, macs, macsTrue, params, imagesPerSecond, latency, throughput } = report;
    const lines = [
      `${model.graph.name}: MACs ${formatPreciseCount(macs)}, params ${formatPreciseCount(params)}`,
      `top-1 ${formatAccuracy(top1, images, 2)}${formatAmong(report.among, images, 2)}, top-5 ${formatAccuracy(top5, images, 2)}, loss ${loss.toFixed(5)} on ${images} images`,
      `${imagesPerSecond.toFixed(1)} images/s (${report.backend}, batch ${values.batchSize})`,
      ...(latency
        ? [
            `latency ${latency.p50Milliseconds.toFixed(2)} ms (median of ${latency.runs}, nine of ten within ${latency.p90Milliseconds.toFixed(2)} ms, batch 1)`,
          ]
        : []),
      ...(throughput ? [`throughput ${throughput.imagesPerSecond.toFixed(1)} images/s without loading`] : []),
    ];
    return {
      json: {
        top1,
        top5,
        top1_margin: accuracyMargin(top1, images),
        top5_margin: accuracyMargin(top5, images),
        ...(report.among && { top1_among: report.among }),
        loss,
        images,
        correct,
        skipped: report.skipped.size,
        macs,
        macs_true: macsTrue,
        params,
        images_per_second: imagesPerSecond,
        backend: report.backend,
        ...(latency && { latency }),
        ...(throughput && { throughput }),
      },
      text: lines.join('\n'),
    };
  },
});
