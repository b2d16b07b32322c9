/** The tensors of a PyTorch file: windows on storages, read when they are wanted. */

import { UserError } from '../../../common/errors.ts';
import type { RunContext } from '../../../common/progress.ts';
import type { DType, Tensor } from '../../graph/tensor.ts';
import { BYTES_PER_ELEMENT, elementCount } from '../../graph/tensor.ts';
import type { SourceFile } from '../source-file.ts';
import { bytesInMemory, gatherStrided, isContiguous, spanOf, swapBytes, viewAs } from '../tensor-bytes.ts';
import type { StorageRef, TensorRef } from './pickle-values.ts';
import type { StoragePlace, TorchFile } from './torch-file.ts';
import { namedDType, storageDType, storageElementSize } from './torch-types.ts';

/** A tensor's window in bytes, checked against itself but not yet against the file. */
interface Window {
  readonly dtype: DType;
  readonly ref: TensorRef;
  /** First byte and number of bytes in the storage. */
  readonly start: number;
  readonly length: number;
}

/** Bytes of one storage that some tensors are windows on. */
interface Part {
  readonly storage: StorageRef;
  start: number;
  end: number;
  alignment: number;
  readonly members: [name: string, window: Window][];
}

export class TorchTensors {
  private readonly windows = new Map<string, Window>();

  /** @throws UserError if a tensor's type is not read, or its sizes and strides are impossible */
  constructor(
    private readonly source: SourceFile,
    private readonly torch: TorchFile,
    refs: ReadonlyMap<string, TensorRef>,
  ) {
    for (const [name, ref] of refs) {
      const window = this.windowOf(name, ref);
      this.windows.set(name, window);
      source.budget.spend('bytes', bytesInMemory(window.dtype, ref.shape));
    }
  }

  /** Whether the file has the bytes of every tensor. Throws UserError naming the first one that is cut off. */
  async checkPlaces(): Promise<void> {
    for (const part of this.partsOf(this.windows.keys())) await this.placeOf(part);
  }

  /** Element type of a tensor. */
  dtype(name: string): DType {
    return this.windowNamed(name).dtype;
  }

  async read(name: string): Promise<Tensor> {
    return (await this.readAll([name])).get(name)!;
  }

  /** The tensors named. Those that share a storage are views of one buffer; nothing else is copied unless it is strided. */
  async readAll(names: Iterable<string>, context?: RunContext): Promise<Map<string, Tensor>> {
    const order = [...names];
    const parts = this.partsOf(order);
    const bytes = await this.readParts(parts, context);
    const tensors = new Map<string, Tensor>();
    parts.forEach((part, index) => {
      if (this.torch.bigEndian) swapBytes(bytes[index], storageElementSize(part.storage.type) ?? 1);
      for (const [name, window] of part.members) tensors.set(name, tensorOf(window, bytes[index], part.start));
    });
    return new Map(order.map((name) => [name, tensors.get(name)!]));
  }

  private windowNamed(name: string): Window {
    const window = this.windows.get(name);
    if (!window) throw new UserError(`${this.source.path} holds no tensor '${name}'.`);
    return window;
  }

  private fail(name: string, message: string): never {
    throw new UserError(`Cannot read ${this.source.path}: tensor '${name}' ${message}.`);
  }

  private windowOf(name: string, ref: TensorRef): Window {
    const { storage, shape, stride } = ref;
    const dtype = ref.dtypeName === undefined ? storageDType(storage.type) : namedDType(ref.dtypeName);
    const storageSize = storageElementSize(storage.type);
    if (!dtype || !storageSize) {
      return this.fail(name, `has the element type ${ref.dtypeName ?? storage.type}, which Espalier does not read`);
    }
    const size = BYTES_PER_ELEMENT[dtype];
    const span = spanOf(shape, stride);
    const inside = (ref.offset + span) * size <= storage.elements * storageSize;
    if (!Number.isSafeInteger(span) || !Number.isSafeInteger(elementCount(shape)) || (span > 0 && !inside)) {
      const strides = stride.join(', ');
      this.fail(name, `[${shape.join(', ')}] with strides [${strides}] does not fit into its storage '${storage.key}'`);
    }
    const start = span > 0 ? storage.offset * storageSize + ref.offset * size : 0;
    return { dtype, ref, start, length: span * size };
  }

  /** What must be read of each storage. */
  private partsOf(names: Iterable<string>): Part[] {
    const parts = new Map<string, Part>();
    for (const name of names) {
      const window = this.windowNamed(name);
      const alignment = BYTES_PER_ELEMENT[window.dtype];
      const start = Math.floor(window.start / 8) * 8;
      const end = window.start + window.length;
      const part = parts.get(window.ref.storage.key);
      if (part) {
        part.start = Math.min(part.start, start);
        part.end = Math.max(part.end, end);
        part.alignment = Math.max(part.alignment, alignment);
        part.members.push([name, window]);
      } else {
        parts.set(window.ref.storage.key, {
          storage: window.ref.storage,
          start,
          end,
          alignment,
          members: [[name, window]],
        });
      }
    }
    return [...parts.values()];
  }

  private async readParts(parts: readonly Part[], context?: RunContext): Promise<Uint8Array[]> {
    const places = await Promise.all(parts.map((part) => this.placeOf(part)));
    const inFile = places.flatMap((place, index) => (place.kind === 'file' ? [{ place, index }] : []));
    const ranges = inFile.map(({ place, index }) => {
      const { start, end, alignment } = parts[index];
      return { offset: place.offset + start, length: end - start, alignment };
    });
    const results = new Array<Uint8Array>(parts.length);
    (await this.source.readRanges(ranges, context)).forEach((bytes, i) => {
      results[inFile[i].index] = bytes;
    });
    for (const [index, place] of places.entries()) {
      if (place.kind === 'packed')
        results[index] = (await place.unpack()).subarray(parts[index].start, parts[index].end);
    }
    return results;
  }

  private async placeOf(part: Part): Promise<StoragePlace> {
    const place = await this.torch.locate(part.storage);
    if (part.end > place.length) {
      this.fail(
        part.members[0][0],
        `needs ${part.end} bytes of storage '${part.storage.key}', which has ${place.length}`,
      );
    }
    return place;
  }
}

function tensorOf({ dtype, ref, start, length }: Window, bytes: Uint8Array, bytesStart: number): Tensor {
  const { shape, stride } = ref;
  const data = viewAs(dtype, bytes.subarray(start - bytesStart, start - bytesStart + length));
  if (length === 0 || isContiguous(shape, stride)) return { dtype, shape, data };
  return { dtype, shape, data: gatherStrided(dtype, data, shape, stride) };
}
