/** Writes `.pth` files, the zip form of PyTorch 1.6 and later: state dicts that `torch.load(weights_only=True)` opens, and any other pickle. */

import { writeAtomically } from '../../files/atomic-write.ts';
import type { WriteOptions } from '../safetensors/safetensors-write.ts';
import { byteLength, bytesToWrite, type WritableTensor, type WritableWeights } from '../tensor-stream.ts';
import { ALIGNMENT, ZipWriter } from '../zip-write.ts';
import { type PickledTensor, pickleStateDict } from './pickle-write.ts';
import { METADATA_RECORD } from './torch-zip.ts';

/** The archive's one folder; PyTorch takes any name. */
const FOLDER = 'archive';
/** The version of the format that PyTorch has written since 1.6. */
const FORMAT_VERSION = '3\n';

/** Storages of a file: tensors that are one array in memory share one, as tied weights do in PyTorch. */
export class Storages {
  readonly #keys = new Map<unknown, string>();
  /** `prefix`: of the keys, where others are kept beside them. */
  constructor(private readonly prefix = '') {}

  /** By key, in order. */
  readonly tensors = new Map<string, { readonly name: string; readonly tensor: WritableTensor }>();

  /** Key of a tensor's storage. `name` is for messages. */
  add(name: string, tensor: WritableTensor): string {
    const identity = 'load' in tensor ? tensor : tensor.data;
    const known = this.#keys.get(identity);
    if (known !== undefined) return known;
    const key = `${this.prefix}${this.#keys.size}`;
    this.#keys.set(identity, key);
    this.tensors.set(key, { name, tensor });
    return key;
  }

  /** A storage as it is. */
  keep(key: string, bytes: Uint8Array): void {
    this.tensors.set(key, {
      name: key,
      tensor: { dtype: 'uint8', shape: [bytes.length], data: Uint8Array.from(bytes) },
    });
  }
}

/**
 * Writes a pickle and the storages that it refers to, atomically.
 * @param metadata text that readCheckpoint gives back, in a record that PyTorch ignores
 * @throws UserError if the file cannot be written; an earlier file is then unchanged
 */
export async function writeTorchFile(
  path: string,
  pickle: Uint8Array,
  storages: Storages,
  metadata: Readonly<Record<string, string>> = {},
  options: WriteOptions = {},
): Promise<void> {
  const total = [...storages.tensors.values()].reduce((sum, { tensor }) => sum + byteLength(tensor), 0);
  await writeAtomically(
    path,
    async (sink) => {
      const zip = new ZipWriter(sink);
      const addText = (name: string, value: string): Promise<void> =>
        zip.add(`${FOLDER}/${name}`, Buffer.from(value, 'utf8'));
      await zip.add(`${FOLDER}/data.pkl`, pickle);
      await addText('.storage_alignment', String(ALIGNMENT));
      await addText('byteorder', 'little');
      if (Object.keys(metadata).length) await addText(METADATA_RECORD, JSON.stringify(metadata));
      let done = 0;
      for (const [key, { name, tensor }] of storages.tensors) {
        options.signal?.throwIfAborted();
        const bytes = await bytesToWrite(name, tensor);
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

/** Writes a state dict, as `writeTorchFile` does. */
export async function writePth(
  path: string,
  weights: WritableWeights,
  metadata: Readonly<Record<string, string>> = {},
  options: WriteOptions = {},
): Promise<void> {
  const storages = new Storages();
  const tensors = new Map<string, PickledTensor>();
  for (const [name, tensor] of weights) {
    const { dtype, shape } = tensor;
    tensors.set(name, { dtype, shape, storageKey: storages.add(name, tensor) });
  }
  await writeTorchFile(path, pickleStateDict(tensors), storages, metadata, options);
}
