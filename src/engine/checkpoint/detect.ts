/** Which format a file is in, by its content: names and extensions lie. */

import { UserError } from '../../common/errors.ts';
import type { SourceFile } from './source-file.ts';

export type ContentFormat = 'safetensors' | 'zip' | 'pickle';

const HEAD_BYTES = 512;

/** Files that people open by mistake: how they start (bytes as Latin-1), and what to say. */
const strangers: readonly (readonly [isIt: (head: string) => boolean, what: string])[] = [
  [startsWith('version https://git-lfs'), 'a Git LFS pointer: fetch the file itself with `git lfs pull`'],
  [(head) => /^\s*<(!doctype|html|\?xml)/i.test(head), 'a web page: the download asked for a login or failed'],
  [startsWith('\x1f\x8b'), 'compressed with gzip: unpack it first'],
  [startsWith('\x89HDF'), 'an HDF5 file (Keras?): Espalier reads PyTorch and safetensors files'],
  [startsWith('GGUF'), 'a GGUF file: Espalier reads PyTorch and safetensors files'],
  [startsWith('\x93NUMPY'), 'a NumPy array: Espalier reads PyTorch and safetensors files'],
  [(head) => head.startsWith('ustar', 257), 'a tar archive: unpack it first, or save it again with a newer PyTorch'],
];

function startsWith(start: string): (head: string) => boolean {
  return (head) => head.startsWith(start);
}

/**
 * The format of an open file.
 * @throws UserError if it is empty, or nothing that holds weights
 */
export async function detectFormat(file: SourceFile): Promise<ContentFormat> {
  if (file.size === 0) throw new UserError(`Cannot read ${file.path}: the file is empty.`);
  const head = Buffer.from(await file.read(0, Math.min(HEAD_BYTES, file.size)));
  const text = head.toString('latin1');
  // A header's length may begin with the bytes of any other magic number, but nothing else has such a length and then a brace.
  if (isSafetensorsHead(head, file.size)) return 'safetensors';
  if (text.startsWith('PK\x03\x04')) return 'zip';
  refuseStranger(file.path, text);
  // Protocol 2 and later start with their number; earlier ones with an operation: a global, a mark, a number or a string.
  if ((head[0] === 0x80 && head[1] >= 2 && head[1] <= 5) || isTextPickle(text)) return 'pickle';
  // The header's length in 8 bytes, and its opening brace; the name decides what a damaged file's error speaks of.
  if (head[8] === 0x7b || /\.safetensors$/i.test(file.path)) return 'safetensors';
  const looksLikeText = /^[\t\n\r -~]*$/.test(text) ? ' (it looks like text)' : '';
  throw new UserError(`Cannot read ${file.path}: it is neither a safetensors nor a PyTorch file${looksLikeText}.`);
}

/** @throws UserError for what people open by mistake; `head`: the first bytes as Latin-1 */
export function refuseStranger(path: string, head: string): void {
  const stranger = strangers.find(([isIt]) => isIt(head));
  if (stranger) throw new UserError(`Cannot read ${path}: it is ${stranger[1]}.`);
}

/** The header's length in 8 bytes, then its opening brace. */
function isSafetensorsHead(head: Buffer, size: number): boolean {
  return head.length > 8 && head[8] === 0x7b && head.readBigUInt64LE(0) <= BigInt(size);
}

/** Protocols 0 and 1 start with an operation: a global, a mark or a number. */
function isTextPickle(head: string): boolean {
  return /^(c[\w.]+\n\w|\(|L\d+L?\n)/.test(head);
}
