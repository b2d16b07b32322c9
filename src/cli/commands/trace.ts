/** `espalier trace`: a model from Python code as an exported program. */
import { UsageError } from '../../common/errors.ts';
import { flag } from '../../common/flags.ts';
import { traceModule } from '../../engine/jobs/trace.ts';
import { command } from '../command.ts';
import { say } from '../terminal.ts';

export const trace = command({
  summary: "export a model of your own code as .pt2, by the PyTorch of a Python of yours (the module's code is run)",
  usage: '--module pkg.mod:factory --input 1x3x224x224 --output FILE.pt2',
  flags: {
    module: flag.string(undefined, 'package.module:callable that gives the model'),
    input: flag.string(undefined, 'sizes of a batch of images: 1x3x224x224'),
    output: flag.string(undefined, 'file to write'),
    path: flag.list('folders that the module lies in, beside installed packages'),
    python: flag.string('python3', 'Python that has PyTorch'),
  },
  run: async ({ values }, context) => {
    const { module, input, output, path, python } = values;
    if (!module || !input || !output) throw new UsageError('trace needs --module, --input and --output');
    const notes = await traceModule({ module, input, output, paths: path, python }, context);
    for (const note of notes) say(note);
    return { json: { saved: output, notes }, text: `saved ${output}` };
  },
});
