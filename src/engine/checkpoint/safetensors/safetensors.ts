/** Reads safetensors files (github.com/huggingface/safetensors, "Format"): whole, tensor by tensor, or the header alone. */

import { UserError } from '../../../common/errors.ts';
import type { RunContext } from '../../../common/progress.ts';
import type { Tensor, Weights } from '../../graph/tensor.ts';
import { BYTES_PER_ELEMENT } from '../../graph/tensor.ts';
import { type ByteRange, SourceFile } from '../source-file.ts';
import { viewAs } from '../tensor-bytes.ts';
import {
  headerLength,
  LENGTH_BYTES,
  parseHeader,
  type SafetensorsEntry,
  SafetensorsError,
  type SafetensorsHeader,
} from './safetensors-header.ts';

export type { SafetensorsEntry, SafetensorsHeader } from './safetensors-header.ts';

/** An open safetensors file: the header is read and checked, the tensors are not read yet. */
export class SafetensorsFile {
  private constructor(
    private readonly file: SourceFile,
    readonly header: SafetensorsHeader,
  ) {}

  /** @throws UserError naming the file and what is wrong in it */
  static async from(file: SourceFile): Promise<SafetensorsFile> {
    try {
      const start = await file.read(0, Math.min(LENGTH_BYTES, file.size));
      const bytes = await file.read(LENGTH_BYTES, headerLength(start, file.size));
      return new SafetensorsFile(file, parseHeader(bytes, file.size, file.budget));
    } catch (error) {
      throw error instanceof SafetensorsError ? new UserError(`Cannot read ${file.path}: ${error.message}.`) : error;
    }
  }

  /** The tensors named, all by default, in the header's order. */
  async readAll(
    names: Iterable<string> = this.header.tensors.keys(),
    context?: RunContext,
  ): Promise<Map<string, Tensor>> {
    const entries = [...names].map((name) => [name, this.entry(name)] as const);
    const parts = await this.file.readRanges(
      entries.map(([, entry]) => rangeOf(entry)),
      context,
    );
    return new Map(entries.map(([name, entry], index) => [name, tensorOf(entry, parts[index])]));
  }

  async read(name: string): Promise<Tensor> {
    const entry = this.entry(name);
    return tensorOf(entry, await this.file.read(entry.offset, entry.length));
  }

  private entry(name: string): SafetensorsEntry {
    const entry = this.header.tensors.get(name);
    if (!entry) throw new UserError(`${this.file.path} holds no tensor '${name}'.`);
    return entry;
  }

  async close(): Promise<void> {
    await this.file.close();
  }
}

function rangeOf(entry: SafetensorsEntry): ByteRange {
  return { offset: entry.offset, length: entry.length, alignment: BYTES_PER_ELEMENT[entry.dtype] };
}

function tensorOf({ dtype, shape }: SafetensorsEntry, bytes: Uint8Array): Tensor {
  return { dtype, shape, data: viewAs(dtype, bytes) };
}

/** Opens a safetensors file to read its tensors one by one; the caller closes it. */
export async function openSafetensors(path: string): Promise<SafetensorsFile> {
  const file = await SourceFile.open(path);
  try {
    return await SafetensorsFile.from(file);
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** Names, types, shapes and metadata, without reading any tensor. */
export async function readSafetensorsHeader(path: string): Promise<SafetensorsHeader> {
  const file = await openSafetensors(path);
  await file.close();
  return file.header;
}

/** The whole file: memory is the file's size, no tensor is copied. */
export async function readSafetensors(
  path: string,
  context?: RunContext,
): Promise<{ weights: Weights; metadata: Readonly<Record<string, string>> }> {
  const file = await openSafetensors(path);
  try {
    return { weights: await file.readAll(undefined, context), metadata: file.header.metadata };
  } finally {
    await file.close();
  }
}
