/** Steps of a flow: printed as they go, timed; a flow ends at its first failure, the next one goes on. */

const started = Date.now();
const since = (): string => `+${((Date.now() - started) / 1000).toFixed(1)}s`;

export interface Flow {
  readonly name: string;
  /** Why it cannot run here; undefined when it can. */
  readonly skip?: string;
  run(step: Step): Promise<void>;
}

export type Step = (name: string, work: () => Promise<void>) => Promise<void>;

export interface Outcome {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/** One go at a flow: its steps that passed, and whether all of them did. */
async function runFlow(flow: Flow): Promise<{ readonly steps: number; readonly whole: boolean }> {
  let steps = 0;
  const step: Step = async (name, work) => {
    const begin = Date.now();
    try {
      await work();
      steps++;
      console.log(`  ok   ${since()} ${name} (${Date.now() - begin} ms)`);
    } catch (error) {
      console.log(`  FAIL ${since()} ${name}\n${error instanceof Error ? error.stack : String(error)}`);
      throw error;
    }
  };
  try {
    await flow.run(step);
    return { steps, whole: true };
  } catch {
    return { steps, whole: false };
  }
}

/** Runs flows one after the other. `goes`: how often a flow is run until it passes; `onFailure` cleans up after each go. */
export async function runFlows(
  flows: readonly Flow[],
  goes: number,
  onFailure: (flow: string) => Promise<void>,
): Promise<Outcome> {
  let [passed, failed, skipped] = [0, 0, 0];
  for (const flow of flows) {
    if (flow.skip) {
      skipped++;
      console.log(`skip ${flow.name}: ${flow.skip}`);
      continue;
    }
    for (let go = 1; ; go++) {
      console.log(`\n${flow.name}${go > 1 ? `, go ${go}` : ''}`);
      const { steps, whole } = await runFlow(flow);
      if (!whole) await onFailure(flow.name).catch(() => undefined);
      if (!whole && go < goes) continue;
      passed += steps;
      failed += whole ? 0 : 1;
      break;
    }
  }
  return { passed, failed, skipped };
}
