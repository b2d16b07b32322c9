/** Every command of the command line. */
import type { Command } from './command.ts';
import { demo } from './commands/demo.ts';
import { evaluate } from './commands/evaluate.ts';
import { exportCommand } from './commands/export.ts';
import { finetune } from './commands/finetune.ts';
import { frontier } from './commands/frontier.ts';
import { groups } from './commands/groups.ts';
import { info } from './commands/info.ts';
import { job } from './commands/job.ts';
import { models } from './commands/models.ts';
import { plan } from './commands/plan.ts';
import { prune } from './commands/prune.ts';
import { repair } from './commands/repair.ts';
import { runtime } from './commands/runtime.ts';
import { sample } from './commands/sample.ts';
import { trace } from './commands/trace.ts';

export const commands: Readonly<Record<string, Command>> = {
  models,
  info,
  groups,
  evaluate,
  prune,
  plan,
  repair,
  frontier,
  finetune,
  job,
  export: exportCommand,
  runtime,
  sample,
  trace,
  demo,
};
