/** ONNX files are run before they are saved, whichever command writes them. */
import type { RunContext } from '../../common/progress.ts';
import { withEnding } from '../export/ending.ts';
import { onnxModel } from '../export/onnx.ts';
import { writeFileAtomically } from '../files/atomic-write.ts';
import type { Graph } from '../graph/graph.ts';
import type { Weights } from '../graph/tensor.ts';
import { type ModelRecord, RECORD_KEY } from './record.ts';
import { type Verification, verifyOnnx } from './verify-onnx.ts';

export interface OnnxOptions {
  /** Run the file and compare its outputs with the network's before it is saved. Default true. */
  readonly verify?: boolean;
}

/**
 * @returns what came of running it; undefined where that was not wanted
 * @throws UserError where the file does not compute what the network does: nothing is saved then
 */
export async function saveOnnx(
  file: string,
  model: { readonly graph: Graph; readonly weights: Weights; readonly record: ModelRecord },
  { verify = true }: OnnxOptions = {},
  context: RunContext = {},
): Promise<Verification | undefined> {
  const { weights, record } = model;
  const graph = withEnding(model.graph);
  const bytes = onnxModel(graph, weights, { [RECORD_KEY]: JSON.stringify(record) });
  const verification = verify ? await verifyOnnx(bytes, graph, weights, context) : undefined;
  await writeFileAtomically(file, bytes);
  return verification;
}
