/** `espalier repair`: a pruned model's weights refitted towards the dense one, without labels or training. */
import { UsageError } from '../../common/errors.ts';
import { flag } from '../../common/flags.ts';
import { createExecutor } from '../../engine/compute/backends.ts';
import { openModel, prepareOutput, saveModel } from '../../engine/jobs/opening/model.ts';
import { repairFolder } from '../../engine/jobs/repair/repair-progress.ts';
import { repairPruned } from '../../engine/jobs/repair/repair-pruned.ts';
import { verificationText } from '../../engine/jobs/verify-onnx.ts';
import { command, computeFlags, dataFlags, modelFlags } from '../command.ts';
import {
  checkRecalibrated,
  checkRecalibrationFlags,
  recalibrated,
  recalibrationFlags,
  recalibrationLines,
} from '../recalibration.ts';
import { attentionRepairFlags, DEFAULT_REPAIR_IMAGES, repairJson, repairText } from '../repair-output.ts';
import { dataRequest, weightsRequest } from '../requests.ts';
import { say } from '../terminal.ts';

export const repair = command({
  summary: 'refit a pruned model towards the dense one, on images without labels',
  usage: '--model PRUNED --teacher DENSE [--teacher-ckpt FILE] --data-path DIR --save-as OUT',
  flags: {
    ...modelFlags,
    teacher: flag.string(undefined, 'the dense model it was pruned from: a file, or a name'),
    teacherCkpt: flag.string(undefined, 'checkpoint with the weights of a teacher given by name'),
    ...dataFlags,
    ...computeFlags,
    images: flag.integer(DEFAULT_REPAIR_IMAGES, 'training images to fit to; a quarter as many are held out besides'),
    seed: flag.integer(0, 'which images'),
    ...attentionRepairFlags,
    ...recalibrationFlags,
    noCache: flag.boolean('begin anew where a repair was stopped, and keep nothing of this one'),
    saveAs: flag.string(undefined, 'where the repaired model goes: .safetensors, .pth, .pt2 or .onnx'),
  },
  run: async ({ values, positionals }, context) => {
    if (values.teacher === undefined) throw new UsageError('no dense model: give --teacher NAME|FILE');
    checkRecalibrationFlags(values);
    if (values.saveAs) await prepareOutput(values.saveAs);
    const student = await openModel(weightsRequest(values, positionals));
    const { teacher: name, teacherCkpt, ckpt: _, ...shared } = values;
    const ckpt = teacherCkpt !== undefined ? { ckpt: teacherCkpt } : {};
    const teacher = await openModel({ ...weightsRequest({ ...shared, model: name, ckpt: undefined }), ...ckpt });
    for (const note of [...student.notes, ...teacher.notes]) say(note);
    checkRecalibrated(values, student.graph);
    const cache = values.noCache ? {} : { cache: repairFolder(process.cwd()) };
    const { images, seed, repairAttention: attention } = values;
    const request = { ...dataRequest(values), images, seed, attention, ...cache };
    const executor = await createExecutor(values);
    const { report, record: repaired } = await repairPruned(student, teacher, request, executor, context);
    const { weights, record, recalibration } = await recalibrated(
      { graph: student.graph, weights: report.weights, record: repaired },
      dataRequest(values),
      values,
      async () => executor,
      context,
      // Read once more, and only where something is compared with them again.
      values.bnRecalibrate
        ? { report, request, teacher: teacher.graph, teacherWeights: await teacher.weights(context) }
        : undefined,
    );
    if (values.saveAs) {
      const verification = await saveModel(values.saveAs, student.graph, weights, record, context);
      if (verification) say(verificationText(verification));
    } else say('nothing saved: give --save-as FILE');
    const text = [
      repairText(report),
      ...recalibrationLines(values, recalibration),
      ...(values.saveAs ? [`saved ${values.saveAs}`] : []),
    ].join('\n');
    return {
      json: { ...repairJson(report), ...(recalibration && { recalibration }), saved: values.saveAs ?? null },
      text,
    };
  },
});
