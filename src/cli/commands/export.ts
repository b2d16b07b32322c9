/** `espalier export`: a model in another format. */

import { UsageError } from '../../common/errors.ts';
import { flag } from '../../common/flags.ts';
import { EXPORT_FORMATS, exportModel } from '../../engine/jobs/export.ts';
import { openModel } from '../../engine/jobs/opening/model.ts';
import { verificationText } from '../../engine/jobs/verify-onnx.ts';
import { command, modelFlags } from '../command.ts';
import { weightsRequest } from '../requests.ts';
import { say } from '../terminal.ts';

export const exportCommand = command({
  summary: 'write a model as safetensors, pth, a whole pickled module, pt2, onnx or a PyTorch module in Python',
  usage: '--model FILE --format FORMAT --output PATH',
  most: 1,
  supervised: true,
  flags: {
    ...modelFlags,
    format: flag.choice(EXPORT_FORMATS, undefined, 'format'),
    output: flag.string(undefined, 'file to write'),
    noVerify: flag.boolean('save ONNX without running it first and comparing its outputs'),
  },
  run: async ({ values, positionals }, context) => {
    const { format, output } = values;
    if (!format || !output) throw new UsageError('export needs --format and --output');
    const model = await openModel(weightsRequest(values, positionals));
    for (const note of model.notes) say(note);
    const {
      files,
      verification,
      notes = [],
    } = await exportModel(model, format, output, context, { verify: !values.noVerify });
    for (const note of notes) say(note);
    const proof = verification && verificationText(verification);
    return {
      json: {
        saved: files,
        ...(verification && {
          verified: { largest_difference: verification.difference, largest_output: verification.largest },
        }),
      },
      text: [...(proof ? [proof] : []), ...files.map((file) => `saved ${file}`)].join('\n'),
    };
  },
});
