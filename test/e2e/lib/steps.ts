/**
 * Steps of a flow: printed as they go, timed. A flow ends at its first failure, the next one goes on. Whatever a flow does with the
 * error of a step that failed, the step is counted: a flow in which anything failed has failed.
 */
import { AsyncLocalStorage } from 'node:async_hooks';

const started = Date.now();
const since = (): string => `+${((Date.now() - started) / 1000).toFixed(1)}s`;

export interface Flow {
  readonly name: string;
  /** Why it cannot run here; undefined when it can. */
  readonly skip?: string;
  run(step: Step): Promise<void>;
}

export interface Step {
  (name: string, work: () => Promise<void>): Promise<void>;
  /** Counts a step that was not done, and says why. */
  skip(name: string, why: string): void;
}

export interface Outcome {
  passed: number;
  failed: number;
  skipped: number;
}

type Say = (line: string) => void;

const messageOf = (error: unknown): string => (error instanceof Error ? (error.stack ?? error.message) : String(error));

/** Runs one flow and adds its steps to `outcome`, which is its own; false when anything in it failed. */
async function runFlow(flow: Flow, outcome: Outcome, say: Say): Promise<boolean> {
  const step: Step = async (name, work) => {
    const begin = Date.now();
    try {
      await work();
      outcome.passed++;
      say(`  ok   ${since()} ${name} (${Date.now() - begin} ms)`);
    } catch (error) {
      outcome.failed++;
      say(`  FAIL ${since()} ${name}\n${messageOf(error)}`);
      throw error;
    }
  };
  step.skip = (name, why) => {
    outcome.skipped++;
    say(`  skip ${since()} ${name}: ${why}`);
  };
  try {
    await flow.run(step);
    if (outcome.passed === 0 && outcome.failed === 0) throw new Error('it did nothing');
  } catch (error) {
    // What goes wrong outside a step, as while the server starts, is a failure too.
    if (outcome.failed === 0) {
      outcome.failed++;
      say(`  FAIL ${since()} ${flow.name}\n${messageOf(error)}`);
    }
  }
  return outcome.failed === 0;
}

const flowStorage = new AsyncLocalStorage<Map<string, unknown>>();

/** What the flow that runs here keeps for its end; flows at once have one each. Throws outside of a flow. */
export function ofThisFlow(): Map<string, unknown> {
  const kept = flowStorage.getStore();
  if (!kept) throw new Error('no flow runs here');
  return kept;
}

async function runOrSkip(flow: Flow, onFailure: (flow: string) => Promise<void>, say: Say): Promise<Outcome> {
  const outcome: Outcome = { passed: 0, failed: 0, skipped: 0 };
  if (flow.skip) {
    outcome.skipped++;
    say(`skip ${flow.name}: ${flow.skip}`);
  } else if (!(await runFlow(flow, outcome, say)))
    await onFailure(flow.name).catch((error) => say(`  cleaning up failed: ${messageOf(error)}`));
  return outcome;
}

export interface FlowOptions {
  readonly say?: Say;
  /** How many go at once. Their lines mix: each says whose it is. Default 1. */
  readonly atOnce?: number;
}

/** Runs flows in order. `onFailure` photographs and cleans up after one that failed. */
export async function runFlows(
  flows: readonly Flow[],
  onFailure: (flow: string) => Promise<void>,
  { say = console.log, atOnce = 1 }: FlowOptions = {},
): Promise<Outcome> {
  const total: Outcome = { passed: 0, failed: 0, skipped: 0 };
  const left = [...flows];
  const lane = async (): Promise<void> => {
    for (let flow = left.shift(); flow; flow = left.shift()) {
      const { name } = flow;
      say(`\n${name}`);
      const sayOfIt: Say = atOnce > 1 ? (line) => say(`${line} [${name}]`) : say;
      const { passed, failed, skipped } = await flowStorage.run(new Map(), runOrSkip, flow, onFailure, sayOfIt);
      total.passed += passed;
      total.failed += failed;
      total.skipped += skipped;
    }
  };
  await Promise.all(Array.from({ length: atOnce }, lane));
  return total;
}
