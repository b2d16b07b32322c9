/** The `espalier` task type. */
import { TASK_TYPE } from './identifiers.ts';

/** Commands of the command line that a task can run. */
export const TASK_COMMANDS = [
  'info',
  'groups',
  'prune',
  'finetune',
  'evaluate',
  'export',
  'models',
  'runtime',
] as const;

export const taskDefinition = {
  type: TASK_TYPE,
  required: ['command'],
  properties: {
    command: { type: 'string', enum: TASK_COMMANDS, description: 'Command of the command line.' },
    arguments: {
      type: 'array',
      items: { type: 'string' },
      description: 'Arguments without a flag: a model name or file, `install`.',
    },
    flags: {
      type: 'object',
      description: 'Flags of the command by name, without the dashes: `{"data-path": "data", "target-macs": "50%"}`.',
      additionalProperties: { type: ['string', 'number', 'boolean', 'array'] },
    },
  },
} as const;
