/** Checkpoints in several files: an index that says which tensor lies where (Hugging Face's form), or the parts by their names. */
import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import * as v from 'valibot';
import { UserError } from '../../common/errors.ts';
import type { RunContext } from '../../common/progress.ts';
import type { Tensor } from '../graph/tensor.ts';
import type { OpenCheckpoint, TensorInfo } from './checkpoint.ts';
import { SourceFile } from './source-file.ts';

const INDEX = /\.index\.json$/i;
const PART = /^(.*)-(\d{5})-of-(\d{5})(\.[A-Za-z]+)$/;
const MAX_PARTS = 1000;

const indexSchema = v.object({ weight_map: v.record(v.string(), v.string()) });

/** Whether a path is that of an index, or of one part of several. */
export const isSharded = (file: string): boolean => INDEX.test(file) || PART.test(path.basename(file));

async function readIndex(file: string): Promise<readonly string[]> {
  const source = await SourceFile.open(file);
  try {
    const bytes = await source.read(0, source.size);
    for (const byte of bytes) if (byte === 0x2c || byte === 0x5b || byte === 0x7b) source.budget.spend('values');
    const { weight_map } = v.parse(indexSchema, JSON.parse(Buffer.from(bytes).toString('utf8')));
    return [...new Set(Object.values(weight_map))].sort();
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new UserError(`Cannot read ${file}: it is no index of a checkpoint in several files.`);
  } finally {
    await source.close();
  }
}

/** The files that a checkpoint consists of. Only files in the index's own folder are opened, whatever it says. */
async function partsOf(file: string): Promise<readonly string[]> {
  const folder = path.dirname(file);
  const name = path.basename(file);
  const match = PART.exec(name);
  let names: readonly string[];
  if (match) {
    const [, stem, , count, suffix] = match;
    if (Number(count) > MAX_PARTS || Number(count) < 1)
      throw new UserError(`${file} is one of ${Number(count)} parts: at most ${MAX_PARTS} are read.`);
    names = Array.from(
      { length: Number(count) },
      (_, i) => `${stem}-${String(i + 1).padStart(5, '0')}-of-${count}${suffix}`,
    );
  } else names = await readIndex(file);
  if (names.length > MAX_PARTS)
    throw new UserError(`${file} names ${names.length} files: at most ${MAX_PARTS} are read.`);
  const foreign = names.find((part) => path.basename(part) !== part || part.includes('\\') || part === '..');
  if (foreign !== undefined)
    throw new UserError(`Cannot read ${file}: it names '${foreign}', which is not in its folder.`);
  const present = new Set(await readdir(folder));
  const missing = names.filter((part) => !present.has(part));
  if (missing.length)
    throw new UserError(
      `${file} is a checkpoint in ${names.length} parts, and ${missing.slice(0, 3).join(', ')}${missing.length > 3 ? ', …' : ''} of them ${missing.length === 1 ? 'is' : 'are'} not beside it: put all parts into one folder.`,
    );
  return names.map((part) => path.join(folder, part));
}

/**
 * Opens all parts as one checkpoint, names as stored; `open` opens one of them.
 * @throws UserError for a part that is missing, and for a tensor that two parts have
 */
export async function openShards(
  file: string,
  open: (part: string) => Promise<OpenCheckpoint>,
): Promise<OpenCheckpoint> {
  const parts: OpenCheckpoint[] = [];
  const close = async (): Promise<void> => {
    for (const part of parts) await part.close();
  };
  try {
    for (const part of await partsOf(file)) parts.push(await open(part));
    const owners = new Map<string, OpenCheckpoint>();
    const tensors = new Map<string, TensorInfo>();
    for (const part of parts)
      for (const [name, info] of part.tensors) {
        if (owners.has(name)) throw new UserError(`${file}: two of its parts have the tensor '${name}'.`);
        owners.set(name, part);
        tensors.set(name, info);
      }
    const readAll = async (names: Iterable<string> = tensors.keys(), context?: RunContext) => {
      const wanted = [...names];
      const read = new Map<string, Tensor>();
      for (const part of parts) {
        const own = wanted.filter((name) => owners.get(name) === part);
        for (const [name, tensor] of await part.readAll(own, context)) read.set(name, tensor);
      }
      return new Map(wanted.map((name) => [name, read.get(name) as Tensor]));
    };
    return {
      path: file,
      format: parts[0].format,
      metadata: parts[0].metadata,
      baggage: {},
      sources: [],
      hasAverage: false,
      notes: [`put together from ${parts.length} files`],
      tensors,
      read: async (name) => (await readAll([name])).get(name) as Tensor,
      readAll,
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** What a folder is that someone gives as a checkpoint: the index in it, or a reason why it cannot be opened. */
export async function checkpointInFolder(folder: string): Promise<string> {
  const names = await readdir(folder);
  const index = names.find((name) => INDEX.test(name));
  if (index) return path.join(folder, index);
  if (names.some((name) => name === '.metadata' || name.endsWith('.distcp')))
    throw new UserError(
      `${folder} is a distributed checkpoint of PyTorch (torch.distributed.checkpoint): put it together first, with \`python -m torch.distributed.checkpoint.format_utils dcp_to_torch ${path.basename(folder)} model.pth\`.`,
    );
  throw new UserError(`Cannot read ${folder}: it is a folder, not a file.`);
}

export const isFolder = async (place: string): Promise<boolean> =>
  (await stat(place).catch(() => undefined))?.isDirectory() ?? false;
