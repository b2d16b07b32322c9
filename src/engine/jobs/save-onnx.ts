/** ONNX files are run before they are saved, whichever command writes them. */

import { existsSync } from 'node:fs';
import { realpath, rm } from 'node:fs/promises';
import path from 'node:path';
import { type RunContext, throwIfAborted } from '../../common/progress.ts';
import { withEnding } from '../export/ending.ts';
import { NEWEST_OPSET, OLDEST_OPSET, onnxParts } from '../export/onnx.ts';
import { writeAtomically, writeFileAtomically } from '../files/atomic-write.ts';
import type { Graph } from '../graph/graph.ts';
import type { Weights } from '../graph/tensor.ts';
import { type ModelRecord, RECORD_KEY } from './record.ts';
import { type Verification, verifyOnnx } from './verify-onnx.ts';

/** A protocol buffer ends at 2 GB; names, nodes and the record take some of it. */
const MOST_IN_ONE_FILE = 2 ** 31 - 2 ** 26;

export interface OnnxOptions {
  /** Run the file and compare its outputs with the network's before it is saved. Default true. */
  readonly verify?: boolean;
  /** Bytes of weights above which they are saved beside the file, as PyTorch's exporter does. Default: what one file can hold. */
  readonly most?: number;
}

export interface SavedOnnx {
  /** The file, and that of its weights where it has one. */
  readonly files: readonly string[];
  /** What came of running it; undefined where that was not wanted. */
  readonly verification?: Verification;
}

/** NAME.onnx.data, or with a number where that is there: an earlier NAME.onnx needs it until it is replaced, and another file may. */
function freeLocation(file: string): string {
  for (let i = 1; ; i++) {
    const location = `${path.basename(file)}${i > 1 ? `.${i}` : ''}.data`;
    if (!existsSync(path.join(path.dirname(file), location))) return location;
  }
}

/** At least that of the file which the model came in. */
function opsetOf(file: string, { onnx }: ModelRecord, { note }: RunContext): number {
  const opset = Math.max(OLDEST_OPSET, onnx?.opset ?? OLDEST_OPSET);
  if (opset > NEWEST_OPSET)
    note?.(`${file} uses operator set ${NEWEST_OPSET}, the newest that can be verified; the model came in ${opset}.`);
  return Math.min(opset, NEWEST_OPSET);
}

/**
 * @returns what was written, and what came of running it
 * @throws UserError where the file does not compute what the network does: nothing is saved then
 */
export async function saveOnnx(
  file: string,
  model: { readonly graph: Graph; readonly weights: Weights; readonly record: ModelRecord },
  { verify = true, most = MOST_IN_ONE_FILE }: OnnxOptions = {},
  context: RunContext = {},
): Promise<SavedOnnx> {
  const { weights, record } = model;
  const graph = withEnding(model.graph);
  // Beside the file itself, where the name is a link's.
  const target = await realpath(file).catch(() => path.resolve(file));
  const [folder, location] = [path.dirname(target), freeLocation(target)];
  const form = { metadata: { [RECORD_KEY]: JSON.stringify(record) }, opset: opsetOf(file, record, context) };
  const parts = onnxParts(graph, weights, form, location, most);
  const beside = parts.data.length ? [path.join(folder, location)] : [];
  let verification: Verification | undefined;
  try {
    for (const place of beside) await writeParts(place, parts.data, context);
    const written = { model: parts.model, ...(beside.length && { folder }) };
    if (verify) verification = await verifyOnnx(written, graph, weights, context);
    await writeFileAtomically(target, parts.model);
  } catch (error) {
    for (const place of beside) await rm(place, { force: true });
    throw error;
  }
  for (const place of beside)
    context.note?.(`${file} would be over 2 GB: its weights are in ${place}, which has to stay beside it.`);
  return { files: [file, ...beside], ...(verification && { verification }) };
}

const writeParts = (file: string, parts: readonly Uint8Array[], { signal }: RunContext): Promise<void> =>
  writeAtomically(file, async (sink) => {
    for (const part of parts) {
      throwIfAborted(signal);
      await sink.write(part);
    }
  });
