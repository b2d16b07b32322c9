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

export async function runFlows(flows: readonly Flow[], onFailure: (flow: string) => Promise<void>): Promise<Outcome> {
  let [passed, failed, skipped] = [0, 0, 0];
  for (const flow of flows) {
    if (flow.skip) {
      skipped++;
      console.log(`skip ${flow.name}: ${flow.skip}`);
      continue;
    }
    console.log(`\n${flow.name}`);
    try {
      await flow.run(async (name, work) => {
        const begin = Date.now();
        try {
          await work();
          passed++;
          console.log(`  ok   ${since()} ${name} (${Date.now() - begin} ms)`);
        } catch (error) {
          failed++;
          console.log(`  FAIL ${since()} ${name}\n${error instanceof Error ? error.stack : String(error)}`);
          throw error;
        }
      });
    } catch {
      await onFailure(flow.name).catch(() => undefined);
    }
  }
  return { passed, failed, skipped };
}
