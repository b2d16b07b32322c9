/** `espalier runtime status|install`: TensorFlow's library. */

import { UsageError } from '../../common/errors.ts';
import { flag } from '../../common/flags.ts';
import { installRuntime } from '../../engine/compute/runtime/install.ts';
import { runtimeStatus } from '../../engine/compute/runtime/status.ts';
import { command } from '../command.ts';

export const runtime = command({
  summary: "install TensorFlow's library, or say what computes here",
  usage: 'status|install',
  most: 1,
  flags: {
    variant: flag.choice(['cpu', 'gpu'], undefined, 'which TensorFlow (default: gpu where there is an NVIDIA driver)'),
    force: flag.boolean('install again'),
    from: flag.string(undefined, 'a folder that holds the downloaded wheels, for machines without a network'),
  },
  run: async ({ values, positionals }, context) => {
    const [action = 'status'] = positionals;
    if (action === 'install') {
      const { variant, force, from } = values;
      const result = await installRuntime({ ...context, force, from, ...(variant && { variant }) });
      const text = result.alreadyInstalled ? 'is installed already' : 'installed';
      return { json: result, text: `TensorFlow ${result.version} (${result.variant}) ${text}: ${result.path}` };
    }
    if (action !== 'status') throw new UsageError(`runtime ${action}? It is status or install.`);
    const status = await runtimeStatus({ signal: context.signal });
    const text = status.usable
      ? `TensorFlow ${status.version} (${status.variant}) in ${status.path}`
      : `ONNX Runtime: ${status.reason ?? 'TensorFlow is not installed'}`;
    return { json: status, text };
  },
});
