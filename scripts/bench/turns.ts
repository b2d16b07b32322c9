/** Interleaved timing: everything that is compared stays loaded and takes turns, so that a machine's drift hits all of it. */
import { median } from './side.ts';

/** How long to measure. */
export interface Pace {
  /** Turns of each lane. */
  readonly rounds: number;
  /** A turn lasts about this long. */
  readonly turnSeconds: number;
  /** All turns of a row together last about this long at most; a turn has one run at least. */
  readonly budgetSeconds: number;
}

/** One of the things that are compared: does its work so many times and says how many seconds that took. */
export type Lane = (runs: number) => Promise<number>;

/** Runs of a turn, whatever the pace says. */
export interface TurnLimits {
  readonly least?: number;
  readonly most?: number;
}

export interface TurnPlan {
  /** Runs in a turn of each lane. */
  readonly runs: readonly number[];
  readonly rounds: number;
}

/** Runs and turns for lanes whose run takes so many seconds. */
export function planTurns(
  seconds: readonly number[],
  { rounds, turnSeconds, budgetSeconds }: Pace,
  { least = 1, most = Number.POSITIVE_INFINITY }: TurnLimits = {},
): TurnPlan {
  const total = (runs: readonly number[]): number => runs.reduce((sum, n, i) => sum + n * seconds[i], 0);
  const wanted = seconds.map((s) => Math.min(most, Math.max(least, Math.round(turnSeconds / s))));
  const share = Math.min(1, budgetSeconds / total(wanted));
  const runs = wanted.map((n) => Math.max(1, Math.floor(n * share)));
  return { runs, rounds: Math.max(1, Math.min(rounds, Math.floor(budgetSeconds / total(runs)))) };
}

export interface Timing extends TurnPlan {
  /** Median seconds of a run, for each lane. */
  readonly seconds: readonly number[];
}

/** A run's length to plan by. The first run may be slower than the rest, so where runs are short it is done again. */
async function onceWarm(lane: Lane, { turnSeconds }: Pace): Promise<number> {
  const first = await lane(1);
  return first < turnSeconds / 2 ? lane(1) : first;
}

/** Times the lanes in turns, once it is known how long a run takes. */
export async function timeTurns(lanes: readonly Lane[], pace: Pace, limits: TurnLimits = {}): Promise<Timing> {
  const once: number[] = [];
  for (const lane of lanes) once.push(await onceWarm(lane, pace));
  const plan = planTurns(once, pace, limits);
  // Work so slow that a turn of each would be the same again.
  if (plan.rounds === 1 && plan.runs.every((runs) => runs === 1)) return { ...plan, seconds: once };
  const times: number[][] = lanes.map(() => []);
  for (let round = 0; round < plan.rounds; round++)
    for (const [i, lane] of lanes.entries()) times[i].push((await lane(plan.runs[i])) / plan.runs[i]);
  return { ...plan, seconds: times.map(median) };
}

/** For the notes of a row: what its medians are of. */
export function describeTurns({ runs, rounds }: TurnPlan, unit: string): string {
  const sizes = [...new Set(runs)].join(' and ');
  return `${rounds} ${rounds === 1 ? 'turn' : 'turns'} of ${sizes} ${unit}`;
}
