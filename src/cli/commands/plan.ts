/** `espalier plan diff`: what two saved plans do differently. */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { UsageError, UserError } from '../../common/errors.ts';
import { flag } from '../../common/flags.ts';
import { diffPlans, formatPlanDiff, markdownPlanDiff } from '../../engine/pruning/planning/plan-diff.ts';
import { readPlanText, type SavedPlan } from '../../engine/pruning/planning/plan-file.ts';
import { command } from '../command.ts';

async function readPlan(file: string): Promise<SavedPlan> {
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new UserError(`${file} cannot be read: ${error.code ?? error.message}.`);
  });
  return readPlanText(text, file);
}

/** What the columns are called: the file names, with their folders where those are the same. */
function namesOf(a: string, b: string): [string, string] {
  const [first, second] = [path.basename(a), path.basename(b)];
  return first === second ? [a, b] : [first, second];
}

export const plan = command({
  summary: 'diff A B: what two plans (prune --save-plan) keep differently',
  readsOnly: true,
  usage: 'diff A.json B.json [--markdown]',
  most: 3,
  flags: {
    markdown: flag.boolean('print the table as Markdown, for a pull request'),
  },
  run: async ({ values, positionals }) => {
    const [what, a, b] = positionals;
    if (what !== 'diff' || a === undefined || b === undefined)
      throw new UsageError('plan takes "diff" and the files of two plans: espalier plan diff A.json B.json');
    const diff = diffPlans(await readPlan(a), await readPlan(b));
    const names = namesOf(a, b);
    return {
      json: diff,
      text: values.markdown ? markdownPlanDiff(diff, names) : formatPlanDiff(diff, names),
    };
  },
});
