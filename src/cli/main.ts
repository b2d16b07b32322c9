/** Entry of the command line: `espalier COMMAND …`. Exit code 0, 1 (failed, reason on stderr) or 2 (bad usage). */
import { UsageError, UserError } from '../common/errors.ts';
import { flag, formatFlags, parseFlags } from '../common/flags.ts';
import { visible, visibleJson } from '../common/visible.ts';
import type { Command } from './command.ts';
import { commands } from './command-table.ts';
import { abortOnInterrupt, isSupervised, supervise } from './supervise.ts';
import { ProgressBar, say } from './terminal.ts';

const commonFlags = {
  json: flag.boolean('print one JSON object as the last line of stdout'),
  help: flag.boolean('print this', { aliases: ['h'] }),
};

function helpText(name?: string): string {
  if (!name) {
    const rows = Object.entries(commands).map(([n, c]) => `  ${n.padEnd(10)} ${c.summary}`);
    return ['usage: espalier COMMAND …', '', ...rows, '', 'espalier COMMAND --help prints the options of one.'].join(
      '\n',
    );
  }
  const { summary, usage, flags } = commands[name];
  return [`usage: espalier ${name} ${usage}`, summary, '', formatFlags({ ...flags, ...commonFlags })].join('\n');
}

/** Commands that choose a backend are the ones that compute. */
const needsWatching = ({ flags, supervised }: Command): boolean => supervised ?? 'backend' in flags;

/** Resolves with the exit code of a command that went well. */
async function main(args: readonly string[]): Promise<number> {
  const [name, ...rest] = args;
  if (!name || name === '--help' || name === '-h') {
    process.stdout.write(`${helpText()}\n`);
    if (!name) throw new UsageError('no command');
    return 0;
  }
  if (!Object.hasOwn(commands, name))
    throw new UsageError(`unknown command "${name}": one of ${Object.keys(commands).join(', ')}`);
  const command = commands[name];
  const { values, given, positionals } = parseFlags({ ...command.flags, ...commonFlags }, rest);
  if (values.help) {
    process.stdout.write(`${helpText(name)}\n`);
    return 0;
  }
  const stray = positionals.at(command.most ?? 0);
  if (stray !== undefined) throw new UsageError(`unexpected argument "${stray}": espalier ${name} ${command.usage}`);
  if (needsWatching(command) && !isSupervised()) return supervise(args);
  const bar = new ProgressBar();
  // What only reads has nothing to tidy up: Ctrl-C ends it at once, whatever it is in the middle of.
  const signal = command.readsOnly ? new AbortController().signal : abortOnInterrupt();
  const context = { signal, progress: bar.report, note: say };
  try {
    const result = await command.run({ values, given, positionals }, context);
    bar.finish();
    if (values.json) process.stdout.write(`${visibleJson(JSON.stringify(result.json))}\n`);
    else process.stdout.write(`${visible(result.text)}\n`);
    return 0;
  } finally {
    bar.finish();
  }
}

function exitCodeOf(error: unknown): number {
  if (error instanceof UsageError) {
    say(`espalier: ${error.message}`);
    return 2;
  }
  if (error instanceof UserError) say(`espalier: ${error.message}`);
  else say(`espalier: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
  return 1;
}

main(process.argv.slice(2)).then(
  (code) => process.exit(code),
  (error: unknown) => process.exit(exitCodeOf(error)),
);
