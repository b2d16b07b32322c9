/** Writes `.pth` files that `torch.load(weights_only=True)` opens: the zip form of PyTorch 1.6 and later. */

import { writeAtomically } from '../../files/atomic-write.ts';
import type { WriteOptions } from '../safetensors/safetensors-write.ts';
import { byteLength, bytesToWrite, type WritableWeights } from '../tensor-stream.ts';
import { ALIGNMENT, ZipWriter } from '../zip-write.ts';
import { type PickledTensor, pickleStateDict } from './pickle-write.ts';
import { METADATA_RECORD } from './torch-zip.ts';

/** The archive's one folder; PyTorch takes any name. */
const FOLDER = 'archive';
/** The version of the format that PyTorch has written since 1.6. */
const FORMAT_VERSION = '3\n';

/**
 * Writes a state dict, atomically. Tensors that are one array in memory share one storage, as tied weights do in PyTorch.
 * @param metadata text that readCheckpoint gives back, in a record that PyTorch ignores
 * @throws UserError if the file cannot be written; an earlier file is then unchanged
 */
export async function writePth(
  path: string,
  weights: WritableWeights,
  metadata: Readonly<Record<string, string>> = {},
  options: WriteOptions = {},
): Promise<void> {
  const keys = new Map<unknown, string>();
  const tensors: PickledTensor[] = [];
  const storages: string[] = [];
  for (const [name, tensor] of weights) {
    const identity = 'load' in tensor ? tensor : tensor.data;
    const known = keys.get(identity);
    const storageKey = known ?? String(keys.size);
    if (known === undefined) {
      keys.set(identity, storageKey);
      storages.push(name);
    }
    tensors.push({ name, dtype: tensor.dtype, shape: tensor.shape, storageKey });
  }
  const total = storages.reduce((sum, name) => sum + byteLength(weights.get(name)!), 0);

  await writeAtomically(
    path,
    async (sink) => {
      const zip = new ZipWriter(sink);
      const addText = (name: string, value: string): Promise<void> =>
        zip.add(`${FOLDER}/${name}`, Buffer.from(value, 'utf8'));
      await zip.add(`${FOLDER}/data.pkl`, pickleStateDict(tensors));
      await addText('.storage_alignment', String(ALIGNMENT));
      await addText('byteorder', 'little');
      if (Object.keys(metadata).length) await addText(METADATA_RECORD, JSON.stringify(metadata));
      let done = 0;
      for (const [key, name] of storages.entries()) {
        options.signal?.throwIfAborted();
        const bytes = await bytesToWrite(name, weights.get(name)!);
        await zip.add(`${FOLDER}/data/${key}`, bytes);
        done += bytes.length;
        options.progress?.({ phase: 'write', done, total });
      }
      await addText('version', FORMAT_VERSION);
      await zip.finish();
    },
    options.fs,
  );
}
