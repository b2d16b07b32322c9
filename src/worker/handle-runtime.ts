/** The TensorFlow runtime: what there is, and its installation. */
import { installRuntime } from '../engine/compute/runtime/install.ts';
import { statusForHost } from './backend.ts';
import type { Handler } from './handler.ts';

export const showRuntime: Handler<'runtime/status'> = (_, { signal }) => statusForHost(signal);

export const runInstall: Handler<'runtime/install'> = async (_, { signal, progress }) => {
  await installRuntime({ signal, progress });
  return statusForHost(signal);
};
