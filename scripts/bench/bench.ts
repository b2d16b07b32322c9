/**
 * `npm run bench -- [WORD…]`: Espalier against PyTorch eager on the same cores, work from files against work from memory. What is
 * compared stays loaded and takes turns, so that a machine's drift hits all of it. Prints a markdown table of medians.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { UsageError } from '../../src/common/errors.ts';
import { type FlagValues, flag, formatFlags, parseFlags } from '../../src/common/flags.ts';
import { allContests, type BenchContext } from './contests.ts';
import { tableHead, tableLine } from './table.ts';
import type { Pace } from './turns.ts';

const FLAGS = {
  backend: flag.choice(['both', 'tensorflow', 'embedded'], 'both', 'what computes on our side'),
  embedded: flag.boolean('the same as --backend embedded'),
  quick: flag.boolean('fewer and shorter turns'),
  rounds: flag.integer(undefined, 'turns of each side (default 5, quick 3)'),
  turn: flag.number(undefined, 'seconds of a turn (default 2, quick 0.5)'),
  budget: flag.number(undefined, 'seconds of all turns of a row at most, for slow work (default 90, quick 12)'),
  threads: flag.integer(os.availableParallelism(), 'threads of each side'),
  data: flag.string(undefined, 'folder of JPEG photographs (default: the sample beside the repository, else drawn)'),
  list: flag.boolean('print what there is to measure, and end'),
  help: flag.boolean('print this help'),
} as const;
type Settings = FlagValues<typeof FLAGS>;

const USAGE = `npm run bench -- [WORD…] [options]
Measures what has one of the words in its name; everything without words.
${formatFlags(FLAGS)}`;

const PACES: { readonly [K in 'full' | 'quick']: Pace } = {
  full: { rounds: 5, turnSeconds: 2, budgetSeconds: 90 },
  quick: { rounds: 3, turnSeconds: 0.5, budgetSeconds: 12 },
};

function paceOf({ quick, rounds, turn, budget }: Settings): Pace {
  const usual = PACES[quick ? 'quick' : 'full'];
  return {
    rounds: rounds ?? usual.rounds,
    turnSeconds: turn ?? usual.turnSeconds,
    budgetSeconds: budget ?? usual.budgetSeconds,
  };
}

function contestsOf({ backend, embedded }: Settings, words: readonly string[]) {
  const chosen = embedded ? 'embedded' : backend;
  const contests = allContests(chosen === 'both' ? ['tensorflow', 'embedded'] : [chosen]);
  return words.length === 0 ? contests : contests.filter(({ name }) => words.some((word) => name.includes(word)));
}

async function bench(settings: Settings, words: readonly string[]): Promise<void> {
  const contests = contestsOf(settings, words);
  if (settings.list) {
    for (const { name } of contests) console.log(name);
    return;
  }
  const pace = paceOf(settings);
  const temporary = mkdtempSync(path.join(os.tmpdir(), 'espalier-bench-'));
  const { threads, data } = settings;
  const context: BenchContext = { threads, pace, temporary, ...(data !== undefined && { data }) };
  try {
    console.log(
      `${os.cpus()[0].model}, ${threads} threads, Node ${process.version}; ${pace.rounds} turns of ${pace.turnSeconds} s, at most ${pace.budgetSeconds} s a row.`,
    );
    console.log('Start: library and graph loaded, weights assigned, first run. Peak: memory of the whole process.\n');
    console.log(tableHead);
    for (const contest of contests) {
      const rows = await contest
        .measure(context)
        .catch((error: Error) => [{ work: contest.name, notes: [`failed: ${error.message}`] }]);
      for (const row of rows) console.log(tableLine(row));
    }
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
}

try {
  const { values, positionals } = parseFlags(FLAGS, process.argv.slice(2));
  if (values.help) console.log(USAGE);
  else await bench(values, positionals);
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  console.error(`${error.message}\n\n${USAGE}`);
  process.exitCode = 2;
}
