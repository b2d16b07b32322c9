/** `espalier repair`: a pruned model's weights refitted towards the dense one, without labels or training. */
import { UsageError } from '../../common/errors.ts';
import { flag } from '../../common/flags.ts';
import { createExecutor } from '../../engine/compute/backends.ts';
import { openModel, prepareOutput, saveModel } from '../../engine/jobs/opening/model.ts';
import { repairFolder } from '../../engine/jobs/repair/repair-progress.ts';
import { repairPruned } from '../../engine/jobs/repair/repair-pruned.ts';
import { verificationText } from '../../engine/jobs/verify-onnx.ts';
import { command, computeFlags, dataFlags, modelFlags } from '../command.ts';
import { DEFAULT_REPAIR_IMAGES, repairJson, repairText } from '../repair-output.ts';
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
    noCache: flag.boolean('begin anew where a repair was stopped, and keep nothing of this one'),
    saveAs: flag.string(undefined, 'where the repaired model goes: .safetensors, .pth or .onnx'),
  },
  run: async ({ values, positionals }, context) => {
    if (values.teacher === undefined) throw new UsageError('no dense model: give --teacher NAME|FILE');
    if (values.saveAs) await prepareOutput(values.saveAs);
    const student = await openModel(weightsRequest(values, positionals));
    const { teacher: name, teacherCkpt, ckpt: _, ...shared } = values;
    const ckpt = teacherCkpt !== undefined ? { ckpt: teacherCkpt } : {};
    const teacher = await openModel({ ...weightsRequest({ ...shared, model: name, ckpt: undefined }), ...ckpt });
    for (const note of [...student.notes, ...teacher.notes]) say(note);
    const cache = values.noCache ? {} : { cache: repairFolder(process.cwd()) };
    const request = { ...dataRequest(values), images: values.images, seed: values.seed, ...cache };
    const { report, record } = await repairPruned(student, teacher, request, await createExecutor(values), context);
    if (values.saveAs) {
      const verification = await saveModel(values.saveAs, student.graph, report.weights, record, context);
      if (verification) say(verificationText(verification));
    } else say('nothing saved: give --save-as FILE');
    const saved = values.saveAs ? `\nsaved ${values.saveAs}` : '';
    return { json: { ...repairJson(report), saved: values.saveAs ?? null }, text: repairText(report) + saved };
  },
});
