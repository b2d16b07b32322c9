/** A safetensors file whose tensors are read when asked for, at once: memory is that of one tensor. */
import { closeSync, openSync, readSync } from 'node:fs';
import { UserError } from '../../../common/errors.ts';
import { fileError } from '../../files/file-errors.ts';
import type { Tensor } from '../../graph/tensor.ts';
import { viewAs } from '../tensor-bytes.ts';
import { readSafetensorsHeader, type SafetensorsEntry } from './safetensors.ts';

export interface LazySafetensors {
  readonly path: string;
  /** What is in it, by name. */
  readonly tensors: ReadonlyMap<string, SafetensorsEntry>;
  readonly metadata: Readonly<Record<string, string>>;
  /** Undefined for a name that it has not. The file is open only while this reads. Throws UserError where it cannot be read. */
  read(name: string): Tensor | undefined;
}

/** Reads the header only. Throws UserError naming the file and what is wrong in it. */
export async function lazySafetensors(path: string): Promise<LazySafetensors> {
  const { tensors, metadata } = await readSafetensorsHeader(path);
  return {
    path,
    tensors,
    metadata,
    read: (name) => {
      const entry = tensors.get(name);
      if (!entry) return undefined;
      const { dtype, shape, offset, length } = entry;
      return { dtype, shape, data: viewAs(dtype, readNow(path, offset, length)) };
    },
  };
}

function readNow(path: string, offset: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let file: number | undefined;
  try {
    file = openSync(path, 'r');
    for (let done = 0; done < length; ) {
      const read = readSync(file, bytes, done, length - done, offset + done);
      if (read === 0) throw new UserError(`${path} ended at byte ${offset + done} while it was read: was it changed?`);
      done += read;
    }
    return bytes;
  } catch (error) {
    throw fileError('read', path, error);
  } finally {
    if (file !== undefined) closeSync(file);
  }
}
