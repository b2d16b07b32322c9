/** Writes safetensors files (github.com/huggingface/safetensors, "Format"). */

import { UserError } from '../../../common/errors.ts';
import type { RunContext } from '../../../common/progress.ts';
import { type WriteFs, writeAtomically } from '../../files/atomic-write.ts';
import { BYTES_PER_ELEMENT } from '../../graph/tensor.ts';
import { byteLength, bytesToWrite, type WritableWeights } from '../tensor-stream.ts';
import { LENGTH_BYTES, MAX_HEADER_BYTES, safetensorsTypes } from './safetensors-header.ts';

export interface WriteOptions extends RunContext {
  /** For tests: the file system. */
  readonly fs?: WriteFs;
}

/**
 * Writes tensors and text under their names, atomically. The header lists the tensors in the map's order; their data are
 * sorted by element size, largest first, so that every tensor is aligned.
 * @throws UserError if the file cannot be written; an earlier file is then unchanged
 */
export async function writeSafetensors(
  path: string,
  weights: WritableWeights,
  metadata: Readonly<Record<string, string>> = {},
  options: WriteOptions = {},
): Promise<void> {
  if (weights.has('__metadata__')) throw new UserError(`Cannot write ${path}: no tensor may be named '__metadata__'.`);
  const order = [...weights].sort(([, a], [, b]) => BYTES_PER_ELEMENT[b.dtype] - BYTES_PER_ELEMENT[a.dtype]);
  const offsets = new Map<string, number>();
  let total = 0;
  for (const [name, tensor] of order) {
    offsets.set(name, total);
    total += byteLength(tensor);
  }
  const header = headerOf(weights, metadata, offsets);
  if (header.length > MAX_HEADER_BYTES)
    throw new UserError(`Cannot write ${path}: its header would have ${header.length} bytes.`);
  const length = new Uint8Array(LENGTH_BYTES);
  new DataView(length.buffer).setBigUint64(0, BigInt(header.length), true);

  await writeAtomically(
    path,
    async (sink) => {
      await sink.write(length);
      await sink.write(header);
      let done = 0;
      for (const [name, tensor] of order) {
        options.signal?.throwIfAborted();
        const bytes = await bytesToWrite(name, tensor);
        await sink.write(bytes);
        done += bytes.length;
        options.progress?.({ phase: 'write', done, total });
      }
    },
    options.fs,
  );
}

/** The JSON header, padded with spaces such that the data start at a multiple of 8. */
function headerOf(
  weights: WritableWeights,
  metadata: Readonly<Record<string, string>>,
  offsets: ReadonlyMap<string, number>,
): Uint8Array {
  const tensors = [...weights].map(([name, tensor]) => {
    const begin = offsets.get(name)!;
    const data_offsets = [begin, begin + byteLength(tensor)];
    return [name, { dtype: safetensorsTypes[tensor.dtype], shape: tensor.shape, data_offsets }];
  });
  const hasMetadata = Object.keys(metadata).length > 0;
  const json = JSON.stringify(Object.fromEntries([...(hasMetadata ? [['__metadata__', metadata]] : []), ...tensors]));
  const bytes = Buffer.from(json, 'utf8');
  return Buffer.concat([bytes, Buffer.alloc((8 - (bytes.length % 8)) % 8, 0x20)]);
}
