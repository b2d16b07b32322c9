/** Opening exported programs (`.pt2`) as models. */
import { stat } from 'node:fs/promises';
import path from 'node:path';
import { importPt2 } from '../../checkpoint/pt2/import-pt2.ts';
import { readPt2 } from '../../checkpoint/pt2/pt2-file.ts';
import { RECORD_KEY, recordFromJson } from '../record.ts';
import type { Model, ModelRequest } from './model-types.ts';
import { finiteWeights, refuseRequest } from './written-network.ts';

const ONE_SIZE = [
  ({ inputSize }: ModelRequest) => inputSize !== undefined,
  'it was exported for images of one size: export it again with another',
] as const;

/** The model in a `.pt2`. Its weights are read again when they are asked for. */
export async function openPt2(file: string, request: ModelRequest): Promise<Model> {
  refuseRequest(file, 'an exported program', request, [ONE_SIZE]);
  const source = await readPt2(file, {}, { lazily: true });
  const { graph, notes } = importPt2(source, { file });
  return {
    graph,
    record: recordFromJson(source.metadata[RECORD_KEY], file),
    file: path.resolve(file),
    bytes: (await stat(file)).size,
    notes,
    hasWeights: true,
    weights: async (context) => finiteWeights(file, importPt2(await readPt2(file, context), { file }).weights()),
  };
}
