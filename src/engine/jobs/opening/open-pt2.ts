/** Opening exported programs (`.pt2`) as models. */
import { stat } from 'node:fs/promises';
import path from 'node:path';
import { UserError } from '../../../common/errors.ts';
import { findNonFinite } from '../../checkpoint/convert.ts';
import { importPt2 } from '../../checkpoint/pt2/import-pt2.ts';
import { readPt2 } from '../../checkpoint/pt2/pt2-file.ts';
import { RECORD_KEY, recordFromJson } from '../record.ts';
import type { Model, ModelRequest } from './model-types.ts';

/** What can be asked of a checkpoint, and has no meaning for a network that is written down operation by operation. */
const refusals: readonly (readonly [(request: ModelRequest) => boolean, string])[] = [
  [({ useEma }) => Boolean(useEma), 'it holds no EMA weights'],
  [({ dropPath }) => Boolean(dropPath), 'it was exported without stochastic depth, which cannot be put back'],
  [({ dropout }) => Boolean(dropout), 'its rate of dropout cannot be changed'],
  [({ inputSize }) => inputSize !== undefined, 'it was exported for images of one size: export it again with another'],
];

/** The model in a `.pt2`. Its weights are read again when they are asked for. */
export async function openPt2(file: string, request: ModelRequest): Promise<Model> {
  for (const [isAsked, why] of refusals)
    if (isAsked(request)) throw new UserError(`${file} is an exported program: ${why}.`);
  const source = await readPt2(file, {}, { lazily: true });
  const { graph, notes } = importPt2(source, { file });
  return {
    graph,
    record: recordFromJson(source.metadata[RECORD_KEY], file),
    file: path.resolve(file),
    bytes: (await stat(file)).size,
    notes,
    hasWeights: true,
    weights: async (context) => {
      const weights = importPt2(await readPt2(file, context), { file }).weights();
      const [wrong] = findNonFinite(weights);
      if (!wrong) return weights;
      throw new UserError(
        `${file}: ${wrong.count} values of tensor ${wrong.name} are no numbers: the file is damaged, or its training diverged.`,
      );
    },
  };
}
