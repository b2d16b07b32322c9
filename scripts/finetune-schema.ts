/** The JSON schema of a finetuning run's settings file, from the table of flags: what VS Code completes, explains and underlines. */
import { type FlagTable, flagName } from '../src/common/flags.ts';
import { RECIPES } from '../src/engine/training/recipes.ts';
import { trainingFlags } from '../src/engine/training/training-options.ts';

/** Flags that the editor sets itself: where the run lies, and that it is taken up. */
const OWN: ReadonlySet<keyof typeof trainingFlags> = new Set(['outputDir', 'resume', 'overwrite', 'testOnly']);

const TYPES = { string: 'string', number: 'number', integer: 'integer', boolean: 'boolean', list: 'array' } as const;

function flagSchemas(table: FlagTable): Record<string, object> {
  return Object.fromEntries(
    Object.entries(table)
      .filter(([key]) => !OWN.has(key as keyof typeof trainingFlags))
      .map(([key, { kind, help, initial, choices }]) => [
        flagName(key),
        {
          type: TYPES[kind],
          description: help,
          ...(choices && { enum: choices }),
          ...(initial !== undefined && { default: initial }),
        },
      ]),
  );
}

export const finetuneSchema = (): string =>
  `${JSON.stringify(
    {
      $schema: 'http://json-schema.org/draft-07/schema#',
      title: 'Settings of a finetuning run',
      type: 'object',
      required: ['model', 'dataPath', 'flags'],
      additionalProperties: false,
      properties: {
        model: { type: 'string', description: 'The checkpoint that is finetuned.' },
        recipe: {
          type: 'string',
          enum: ['', ...Object.keys(RECIPES)],
          description: 'The recipe that the flags were taken from; changing it here changes no flag.',
        },
        dataPath: { type: 'string', description: 'Folder with train/ and val/, a folder of images for each class.' },
        flags: {
          type: 'object',
          description: "The flags of the paper's train.py, and Espalier's own.",
          additionalProperties: false,
          properties: flagSchemas(trainingFlags),
        },
      },
    },
    null,
    2,
  )}\n`;
