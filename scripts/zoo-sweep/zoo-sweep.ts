/**
 * Which networks open, prune and go back, each compared with PyTorch: see examine.ts. Needs Python with torch, and torchvision or timm.
 *
 *   npm run zoo-sweep -- --source torchvision --form pt2 [--side 64] [--results FILE.jsonl] [--output table.md] [--limit 240] [--threads 1] [NAME…]
 *
 * Without names it takes those of networks.json. Networks that the results file has are not examined again, so that a sweep can be cut off
 * and go on; `--again` examines those in which something was in the way.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { appendFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import networks from './networks.json' with { type: 'json' };
import { formatTable, type Row, type SweepRequest, verdict } from './rows.ts';

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    source: { type: 'string', default: 'torchvision' },
    form: { type: 'string', default: 'pt2' },
    side: { type: 'string' },
    opset: { type: 'string' },
    /** Of Espalier's executor; PyTorch takes one. */
    threads: { type: 'string' },
    limit: { type: 'string', default: '240' },
    /** Seconds after which no further network is begun. */
    budget: { type: 'string' },
    again: { type: 'boolean', default: false },
    results: { type: 'string' },
    output: { type: 'string' },
  },
});

/** Networks one after the other in a process, and in a new one where that ends or has to be ended. */
class Examiner {
  #child: ChildProcess | undefined;

  #start(): ChildProcess {
    // A group of its own, so that PyTorch's process ends with it.
    return fork(path.join(import.meta.dirname, 'examine-child.ts'), flags.threads ? [flags.threads] : [], {
      detached: true,
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    });
  }

  end(): void {
    try {
      if (this.#child?.pid) process.kill(-this.#child.pid, 'SIGKILL');
    } catch {
      // It has ended by itself.
    }
    this.#child = undefined;
  }

  examine(request: SweepRequest, seconds: number): Promise<Row> {
    this.#child ??= this.#start();
    const child = this.#child;
    return new Promise((resolve) => {
      const finish = (row: Row, ended: boolean): void => {
        clearTimeout(timer);
        child.removeAllListeners();
        if (ended) this.end();
        resolve(row);
      };
      const timer = setTimeout(
        () => finish({ name: request.name, problem: `took more than ${seconds} s` }, true),
        1000 * seconds,
      );
      child.once('message', (row) => finish(row as Row, false));
      child.once('exit', (code, signal) =>
        finish({ name: request.name, problem: `ended with ${signal ?? code}` }, true),
      );
      child.send(request);
    });
  }
}

async function earlier(file: string | undefined): Promise<Map<string, Row>> {
  const text = file ? await readFile(file, 'utf8').catch(() => '') : '';
  const rows = text.split('\n').flatMap((line) => (line.trim() ? [JSON.parse(line) as Row] : []));
  return new Map(rows.map((row) => [row.name, row]));
}

const rows = await earlier(flags.results);
const names = positionals.length ? positionals : (networks[flags.source as keyof typeof networks] ?? []);
const isDone = (name: string): boolean => {
  const row = rows.get(name);
  return row !== undefined && !(flags.again && verdict(row));
};
const work = await mkdtemp(path.join(os.tmpdir(), 'zoo-sweep-'));
const examiner = new Examiner();
process.on('SIGTERM', () => process.exit(143));
process.on('exit', () => examiner.end());
const start = performance.now();
for (const name of names) {
  if (isDone(name)) continue;
  if (flags.budget && performance.now() - start > 1000 * Number(flags.budget)) break;
  const request: SweepRequest = {
    source: flags.source,
    form: flags.form,
    name,
    folder: path.join(work, name),
    ...(flags.side && { side: Number(flags.side) }),
    ...(flags.opset && { opset: Number(flags.opset) }),
  };
  const row = await examiner.examine(request, Number(flags.limit));
  rows.set(name, row);
  console.error(JSON.stringify(row));
  if (flags.results) await appendFile(flags.results, `${JSON.stringify(row)}\n`);
}
examiner.end();
await rm(work, { recursive: true, force: true });
const found = names.flatMap((name) => rows.get(name) ?? []);
const right = found.filter((row) => !verdict(row)).length;
console.error(`${right} of ${found.length} right, ${names.length - found.length} not examined yet`);
const table = formatTable(found);
if (flags.output) await writeFile(flags.output, table);
console.log(table);
process.exitCode = right === names.length ? 0 : 1;
