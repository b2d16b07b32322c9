/** The JSON schema of a finetuning run's settings file, from the table of flags: what VS Code completes, explains and underlines. */
import { type FlagTable, flagName } from '../src/common/flags.ts';
import { jobRunFlags, launchFlags } from '../src/engine/jobs/torchrun/job-options.ts';
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

/** What only a job has. */
const jobSchemas = (): Record<string, object> =>
  Object.fromEntries(
    Object.entries(flagSchemas(jobRunFlags) as Record<string, { description: string }>).map(([name, schema]) => [
      name,
      { ...schema, description: `${schema.description} (of a job: "place")` },
    ]),
  );

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
          properties: { ...flagSchemas(trainingFlags), ...jobSchemas() },
        },
        place: {
          type: 'object',
          description:
            'Where it trains: as a job of PyTorch. Without, on this machine with what computes everything else.',
          required: ['engine', 'nodes', 'processes', 'dataPath'],
          additionalProperties: false,
          properties: {
            engine: { type: 'string', enum: launchFlags.engine.choices, description: 'What starts it.' },
            nodes: { type: 'integer', minimum: 1, description: 'Machines.' },
            processes: {
              type: 'integer',
              minimum: 1,
              description: 'Processes on each machine, one a GPU; "batch-size" is for one of them.',
            },
            dataPath: { type: 'string', description: 'The images, where the job runs.' },
            onlyWrite: { type: 'boolean', description: "Write the job's folder, and start nothing." },
          },
        },
      },
    },
    null,
    2,
  )}\n`;
