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

/** What a lane says of its work. */
export interface Turn {
  readonly seconds: number;
  /** Processor seconds that the work took, in all threads. */
  readonly cpu?: number;
  /** Share of the processors that went to other programs meanwhile, where that is known. */
  readonly foreign?: number;
}

/** One of the things that are compared: does its work so many times. */
export type Lane = (runs: number) => Promise<Turn>;

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
  /** Median processor seconds of a run, for each lane: what other programs hardly change. */
  readonly cpu: readonly number[];
  /** Rounds left out because other programs ran, or none where all were like that. */
  readonly disturbed: number;
  /** Largest share that other programs took in the rounds that count. */
  readonly foreign: number;
}

/** A run's length to plan by. The first run may be slower than the rest, so where runs are short it is done again. */
async function onceWarm(lane: Lane, { turnSeconds }: Pace): Promise<Turn> {
  const first = await lane(1);
  return first.seconds < turnSeconds / 2 ? lane(1) : first;
}

/** A round in which other programs took more than this of the processors is done again. */
const MOST_FOREIGN = 0.08;
/** At most so many times the rounds. */
const MOST_AGAIN = 4;

type Round = readonly Turn[];

const foreignOf = (round: Round): number => Math.max(...round.map(({ foreign = 0 }) => foreign));
const isQuiet = (round: Round): boolean => foreignOf(round) <= MOST_FOREIGN;

/** What the rounds give: the quiet ones where there are any. */
function timingOf(rounds: readonly Round[], plan: TurnPlan): Timing {
  const quiet = rounds.filter(isQuiet);
  const counted = quiet.length > 0 ? quiet : rounds;
  const medians = (of: (turn: Turn) => number): number[] =>
    plan.runs.map((runs, lane) => median(counted.map((round) => of(round[lane]) / runs)));
  return {
    runs: plan.runs,
    rounds: counted.length,
    seconds: medians(({ seconds }) => seconds),
    cpu: medians(({ cpu = Number.NaN }) => cpu),
    disturbed: rounds.length - counted.length,
    foreign: Math.max(...counted.map(foreignOf)),
  };
}

/** Times the lanes in turns, once it is known how long a run takes. */
export async function timeTurns(lanes: readonly Lane[], pace: Pace, limits: TurnLimits = {}): Promise<Timing> {
  const once: Turn[] = [];
  for (const lane of lanes) once.push(await onceWarm(lane, pace));
  const plan = planTurns(
    once.map(({ seconds }) => seconds),
    pace,
    limits,
  );
  // Work so slow that a turn of each would be the same again.
  const isOnce = plan.rounds === 1 && plan.runs.every((runs) => runs === 1);
  const rounds: Round[] = isOnce && isQuiet(once) ? [once] : [];
  const end = performance.now() + pace.budgetSeconds * 1000;
  while (rounds.filter(isQuiet).length < plan.rounds && rounds.length < plan.rounds * MOST_AGAIN) {
    if (rounds.length >= plan.rounds && performance.now() > end) break;
    const round: Turn[] = [];
    for (const [i, lane] of lanes.entries()) round.push(await lane(plan.runs[i]));
    rounds.push(round);
  }
  return timingOf(rounds, plan);
}

/** For the notes of a row: what its medians are of. */
export function describeTurns({ runs, rounds, disturbed, foreign }: Timing, unit: string): string {
  const sizes = [...new Set(runs)].join(' and ');
  const said = `${rounds} ${rounds === 1 ? 'turn' : 'turns'} of ${sizes} ${unit}`;
  if (foreign > MOST_FOREIGN) return `${said}, DISTURBED: other programs took up to ${(100 * foreign).toFixed(0)} %`;
  return disturbed > 0 ? `${said}, ${disturbed} disturbed left out` : said;
}
