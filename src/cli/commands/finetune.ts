/** `espalier finetune`: train a (pruned) model; the flags are those of the paper's train.py. */

import { formatPercent } from '../../common/format.ts';
import type { RunContext } from '../../common/progress.ts';
import type { Executor } from '../../engine/compute/executor.ts';
import { type FinetuneRequest, finetuneModel, type Prepared } from '../../engine/jobs/finetune.ts';
import { testModel } from '../../engine/jobs/finetune-test.ts';
import { backendRemark, recordedBackend, runExecutor } from '../../engine/jobs/run-backend.ts';
import { type CommandResult, command } from '../command.ts';
import { describePrepared, metricsPrinter } from '../finetune-output.ts';
import { describeRequest, finetuneFlags, finetuneRequest, remarks } from '../finetune-settings.ts';
import { say } from '../terminal.ts';

/** Whether `--amp` does anything here. */
const ampRemark = ({ backend, label }: Executor): string =>
  backend === 'tensorflow'
    ? '--amp: training, teacher and validation round the operands of products to bfloat16 (8 bits); weights stay float32'
    : `--amp: not available on ${label}; everything is computed in float32`;

async function testOnly(request: FinetuneRequest, executor: Executor, context: RunContext): Promise<CommandResult> {
  const { top1, top5, loss, images, imagesPerSecond } = await testModel(request, executor, context);
  return {
    json: {
      epochs: 0,
      best_top1: top1,
      last_top1: top1,
      top5,
      loss,
      images,
      images_per_second: imagesPerSecond,
      output_dir: null,
    },
    text: `top-1 ${formatPercent(top1)}, top-5 ${formatPercent(top5)}, loss ${loss.toFixed(5)} on ${images} images`,
  };
}

export const finetune = command({
  summary: 'finetune a model; resumable, with checkpoints and metrics in a folder of the run',
  usage: '--model FILE --data-path DIR --output-dir DIR',
  most: 1,
  flags: finetuneFlags,
  run: async ({ values, given, positionals }, context) => {
    const request = await finetuneRequest(values, given, positionals);
    const { options } = request;
    say(describeRequest(request));
    for (const remark of remarks(values, given, options)) say(remark);
    const recorded =
      options.resume === undefined || options.testOnly ? undefined : await recordedBackend(options.resume);
    const executor = await runExecutor({ ...values, products: options.amp ? 'bfloat16' : 'float32' }, recorded);
    const remark = backendRemark(executor, recorded);
    if (remark) say(remark);
    if (options.amp) say(ampRemark(executor));
    if (options.testOnly) return testOnly(request, executor, context);
    const onPrepared = (prepared: Prepared): void => describePrepared(prepared).forEach(say);
    const onStart = (directory: string): void => say(`run: ${directory} (${executor.label})`);
    const onMetrics = metricsPrinter(options.printFreq);
    const threads = values.threads ?? recorded?.threads;
    const compute = threads === undefined ? {} : { threads };
    const hooks = { executor, compute, onPrepared, onStart, onMetrics };
    const report = await finetuneModel(request, hooks, context);
    for (const [file, reason] of report.skipped) say(`skipped ${file}: ${reason}`);
    const {
      epochs,
      bestTop1 = 0,
      lastTop1 = 0,
      bestDistance,
      lastDistance = 0,
      loss,
      imagesPerSecond,
      outputDirectory,
      best,
      validationImages: images,
    } = report;
    const after = `after ${epochs} epoch${epochs === 1 ? '' : 's'}`;
    if (bestDistance !== undefined)
      return {
        json: {
          epochs,
          best_distance: bestDistance,
          last_distance: lastDistance,
          loss,
          images,
          images_per_second: imagesPerSecond,
          output_dir: outputDirectory,
          best,
        },
        text: `distance from the dense outputs ${lastDistance.toPrecision(4)} ${after}, best ${bestDistance.toPrecision(4)} (of ${images} images): ${best}`,
      };
    return {
      json: {
        epochs,
        best_top1: bestTop1,
        last_top1: lastTop1,
        loss,
        images,
        images_per_second: imagesPerSecond,
        output_dir: outputDirectory,
        best,
      },
      text: `top-1 ${formatPercent(lastTop1)} ${after}, best ${formatPercent(bestTop1)} (of ${images} images): ${best}`,
    };
  },
});
