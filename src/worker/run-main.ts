/**
 * The process of one finetuning run, or of a scoring that is a job: `node run.cjs FOLDER`. It outlives the window that started it, and says by files in its folder
 * (protocol/run-files.ts) how it goes.
 */
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { writeFileAtomically } from '../engine/files/atomic-write.ts';
import { RUN_FILES, type RunEnd, type RunLive, type RunStart } from '../protocol/run-files.ts';
import { parseRunFile } from '../protocol/run-files-schema.ts';
import type { ProgressReport } from '../protocol/values.ts';
import { runFinetune } from './finetune-run.ts';
import { runJob } from './job-run.ts';
import { isJobStart } from './job-start.ts';
import { ProgressMeter } from './progress-meter.ts';
import { RunControls } from './run-controls.ts';
import { errorShape } from './wire-errors.ts';

const LIVE_INTERVAL_MS = 500;
const ORDER_INTERVAL_MS = 250;

const json = (value: unknown): Buffer => Buffer.from(`${JSON.stringify(value)}\n`);

/** Writes how the run goes: at most twice a second, one file after the other. */
class LiveFile {
  private written = Promise.resolve();
  private latest: ProgressReport = { phase: 'start', done: 0, total: 0 };
  private readonly notes: string[] = [];
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly file: string) {
    this.write();
  }

  readonly report = (report: ProgressReport): void => {
    this.latest = report;
    this.timer ??= setTimeout(() => this.write(), LIVE_INTERVAL_MS);
  };

  readonly note = (text: string): void => {
    this.notes.push(text);
    this.timer ??= setTimeout(() => this.write(), LIVE_INTERVAL_MS);
  };

  private write(): void {
    this.timer = undefined;
    const { latest: progress, notes } = this;
    const live: RunLive = { pid: process.pid, host: os.hostname(), progress, ...(notes.length > 0 && { notes }) };
    // A full disk must not end a run that may find room for its checkpoint: who follows sees an older state.
    this.written = this.written.then(() => writeFileAtomically(this.file, json(live)).catch(() => undefined));
  }

  async end(): Promise<void> {
    const waits = this.timer !== undefined;
    clearTimeout(this.timer);
    if (waits) this.write();
    await this.written;
  }
}

/** Carries out what windows order, each order once. Orders from before the start are none. */
function followOrders(file: string, controls: RunControls): () => void {
  let last = '';
  const timer = setInterval(async () => {
    const text = await readFile(file, 'utf8').catch(() => '');
    if (text === '' || text === last) return;
    last = text;
    try {
      controls[parseRunFile('order', text).action]();
    } catch {
      last = ''; // half a file, which is whole the next time, or none of ours
    }
  }, ORDER_INTERVAL_MS);
  return () => clearInterval(timer);
}

function readStart(file: string): RunStart {
  try {
    return parseRunFile('start', readFileSync(file, 'utf8'));
  } catch (error) {
    throw new Error(`${file} does not say how the run is to start: ${(error as Error).message}`);
  }
}

async function main(): Promise<void> {
  const [folder] = process.argv.slice(2);
  if (!folder) throw new Error('The process of a run is started by the extension, with the run’s folder.');
  const start = readStart(path.join(folder, RUN_FILES.start));
  const controller = new AbortController();
  const controls = new RunControls(controller);
  const live = new LiveFile(path.join(folder, RUN_FILES.live));
  const endOrders = followOrders(path.join(folder, RUN_FILES.order), controls);
  process.on('SIGTERM', controls.stop);
  process.on('SIGINT', controls.stop);
  process.on('SIGHUP', () => undefined);
  const { signal } = controller;
  const progress = new ProgressMeter(live.report).report;
  const context = { signal, progress, note: live.note };
  const run = isJobStart(start)
    ? runJob(folder, start, { controls, context, report: live.report })
    : runFinetune(folder, start, controls.gate, context).then((result): RunEnd => ({ kind: 'ended', result }));
  const end = await run.catch((error: unknown): RunEnd => ({ kind: 'failed', error: errorShape(error, signal) }));
  endOrders();
  await live.end();
  if (end.kind === 'failed') console.error(end.error.stack ?? end.error.message);
  await writeFileAtomically(path.join(folder, RUN_FILES.end), json(end));
  process.exit(0);
}

void main();
