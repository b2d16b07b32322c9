/**
 * Steps of a flow: printed as they go, timed. A flow ends at its first failure, the next one goes on. Whatever a flow does with the
 * error of a step that failed, the step is counted: a flow in which anything failed has failed.
 */

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

/** Runs one flow and adds its steps to `outcome`; false when anything in it failed. */
async function runFlow(flow: Flow, outcome: Outcome, say: Say): Promise<boolean> {
  const before = { ...outcome };
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
    if (outcome.passed === before.passed && outcome.failed === before.failed) throw new Error('it did nothing');
  } catch (error) {
    // What goes wrong outside a step, as while the server starts, is a failure too.
    if (outcome.failed === before.failed) {
      outcome.failed++;
      say(`  FAIL ${since()} ${flow.name}\n${messageOf(error)}`);
    }
  }
  return outcome.failed === before.failed;
}

/** Runs flows one after the other. `onFailure` photographs and cleans up after one that failed. */
export async function runFlows(
  flows: readonly Flow[],
  onFailure: (flow: string) => Promise<void>,
  say: Say = console.log,
): Promise<Outcome> {
  const outcome: Outcome = { passed: 0, failed: 0, skipped: 0 };
  for (const flow of flows) {
    if (flow.skip) {
      outcome.skipped++;
      say(`skip ${flow.name}: ${flow.skip}`);
      continue;
    }
    say(`\n${flow.name}`);
    if (!(await runFlow(flow, outcome, say)))
      await onFailure(flow.name).catch((error) => say(`  cleaning up failed: ${messageOf(error)}`));
  }
  return outcome;
}
