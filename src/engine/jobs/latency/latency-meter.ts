/** What takes how long on this machine: segments and whole networks on a backend, with made-up weights and values. */

import { type RunContext, throwIfAborted } from '../../../common/progress.ts';
import type { BackendName, Executor, ProgramInputs, Session } from '../../compute/executor.ts';
import type { Program } from '../../compute/programs/program.ts';
import { predictProgram } from '../../compute/programs/programs.ts';
import { segmentProgram } from '../../compute/programs/segment-program.ts';
import type { Graph, ValueId } from '../../graph/graph.ts';
import { nodeMacs } from '../../graph/macs.ts';
import { inferShapes, sizePerImage } from '../../graph/shapes.ts';
import { elementCount, float32Tensor, type Tensor, type Weights } from '../../graph/tensor.ts';
import type { Segment } from '../../pruning/latency/segments.ts';

/** A segment in a network of given widths. */
export interface SegmentRequest {
  readonly segment: Segment;
  readonly graph: Graph;
}

export interface LatencyMeter {
  /** Milliseconds that each takes inside a network. */
  segments(requests: readonly SegmentRequest[]): Promise<readonly number[]>;
  /** Median milliseconds of a run of each, measured in turns. */
  networks(graphs: readonly Graph[]): Promise<readonly number[]>;
}

export interface MeterOptions {
  /** Images of a run. */
  readonly batch: number;
  /** Milliseconds now. */
  readonly clock?: () => number;
}

/** Copies of a segment in the larger of its two programs: so many that what they add is far above what a run varies by. */
const LEAST_COPIES = 3;
/** TensorFlow prepares every kernel of a program for some milliseconds, ONNX Runtime for a fraction of one. */
const MOST_COPIES: { readonly [B in BackendName]: number } = { tensorflow: 3, embedded: 8 };
/** What the copies compute together at least, if there may be so many: multiply-accumulates and values. */
const COPIES_WORK = 2e7;
/** A value written and read costs about as much as so many multiply-accumulates. */
const VALUE_WORK = 16;
/** Bytes that their weights may take. */
const COPIES_BYTES = 2 ** 28;
/** Programs, and bytes of their weights, that are ready at once: TensorFlow goes through all of them to prepare one. */
const SESSION_PROGRAMS = 6;
const SESSION_BYTES = 2 ** 29;
/** Both programs of a segment take turns of so many runs, until what they say stands still, at most so long. */
const TURN_RUNS = 3;
const LEAST_TURNS = 2;
const SEGMENT_MS = 150;
/** What it may still move by. */
const STILL = 0.03;
/** Of a segment's runs the fast quarter counts: what slows a run down is something else on the machine. */
const SEGMENT_QUANTILE = 0.25;
/** Whole networks take turns too, until no median moves by more than this. */
const NETWORK_STILL = 0.01;
const LEAST_ROUNDS = 3;
const MOST_ROUNDS = 6;
const NETWORK_MS = 150;
const NETWORK_RUNS = 3;
/** Least that a segment can take. */
const LEAST_MS = 1e-4;

const quantile = (times: readonly number[], q: number): number => {
  const sorted = [...times].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))];
};

const isStill = (found: readonly number[], last: readonly number[], share: number): boolean =>
  found.every((time, i) => Math.abs(time - last[i]) <= share * time);

/** Numbers of both signs, none of them tiny: neither zeros nor denormals are measured. */
const ramp = (count: number, from: number, scale: number): Float32Array =>
  Float32Array.from({ length: count }, (_, i) => ((((i + from) * 7) % 509) - 254 || 1) * (scale / 254));

/** Weights of a program whose states are named as the graph's parameters, each behind some prefix and a dot. */
function madeUpWeights(graph: Graph, { states }: Program): Weights {
  const variances = graph.nodes.flatMap(({ parameters }) => parameters.runningVar ?? []);
  return new Map(
    states.map(({ name, shape }, i): [string, Tensor] => {
      const count = elementCount(shape);
      const isVariance = variances.some((variance) => name === variance || name.endsWith(`.${variance}`));
      const scale = 1 / Math.sqrt(Math.max(1, count / (shape[0] ?? 1)));
      return [name, float32Tensor(shape, isVariance ? new Float32Array(count).fill(1) : ramp(count, i, scale))];
    }),
  );
}

const madeUpInputs = ({ inputs }: Program, batch: number): ProgramInputs =>
  Object.fromEntries(inputs.map(({ name, shape }, i) => [name, ramp(sizePerImage(shape) * batch, i, 1)]));

const weightBytes = ({ states }: Program): number =>
  states.reduce((sum, { shape }) => sum + 4 * elementCount(shape), 0);

interface Timed {
  readonly session: Session;
  readonly program: string;
  readonly inputs: ProgramInputs;
}

/** A segment's programs: several copies, and where what a run takes besides is measured, one copy. */
interface SegmentPrograms {
  readonly request: SegmentRequest;
  readonly many: Program;
  readonly copies: number;
  readonly one: Program | undefined;
}

/** What the runs of a segment's programs took. */
interface SegmentRuns {
  readonly several: number;
  readonly single: number | undefined;
}

/** Multiply-accumulates of a segment at a batch, and what writing its values costs besides. */
function workOf({ segment, graph }: SegmentRequest, batch: number): number {
  const macs = nodeMacs(graph);
  const shapes = inferShapes(graph);
  const work = (id: ValueId): number => (macs.get(id) ?? 0) + VALUE_WORK * sizePerImage(shapes.get(id) ?? []);
  return batch * segment.nodes.reduce((sum, id) => sum + work(id), 0);
}

function segmentPrograms(
  request: SegmentRequest,
  name: string,
  { batch, copies: most }: { readonly batch: number; readonly copies: number },
  hasOne: boolean,
): SegmentPrograms {
  const { segment, graph } = request;
  const one = segmentProgram(graph, segment, 1, `${name}.one.`);
  const wanted = Math.ceil(COPIES_WORK / Math.max(1, workOf(request, batch)));
  const fitting = Math.floor(COPIES_BYTES / Math.max(1, weightBytes(one)));
  const copies = Math.max(2, Math.min(Math.max(LEAST_COPIES, Math.min(most, wanted)), fitting));
  const many = segmentProgram(graph, segment, copies, `${name}.many.`);
  return { request, many, copies, one: hasOne ? one : undefined };
}

const programsOf = ({ one, many }: SegmentPrograms): readonly Program[] => (one ? [many, one] : [many]);

/** Values of the images that a segment is given. */
function givenValues({ segment, graph }: SegmentRequest): number {
  const shapes = inferShapes(graph);
  return segment.given.reduce((sum, id) => sum + sizePerImage(shapes.get(id) ?? []), 0);
}

function grouped<T>(list: readonly T[], keyOf: (item: T) => string): ReadonlyMap<string, readonly T[]> {
  const groups = new Map<string, T[]>();
  for (const item of list) {
    const group = groups.get(keyOf(item));
    if (group) group.push(item);
    else groups.set(keyOf(item), [item]);
  }
  return groups;
}

/** Requests of the same segment whose one copy is measured too: those that are given least and most. */
function withOneCopy(requests: readonly SegmentRequest[]): ReadonlySet<SegmentRequest> {
  const bySignature = grouped(requests, ({ segment }) => segment.signature);
  return new Set(
    [...bySignature.values()].flatMap((same) => {
      const sorted = [...same].sort((a, b) => givenValues(a) - givenValues(b));
      return [sorted[0], sorted[sorted.length - 1]];
    }),
  );
}

/** What a run takes besides its copies, by the values that it is given: along the line through what was measured. */
function besides(measured: readonly (SegmentPrograms & SegmentRuns)[]): (request: SegmentRequest) => number {
  const known = measured
    .flatMap(({ request, single, several, copies }) =>
      single === undefined ? [] : [{ at: givenValues(request), ms: (copies * single - several) / (copies - 1) }],
    )
    .sort((a, b) => a.at - b.at);
  const [first, last] = [known[0], known[known.length - 1]];
  const slope = last.at > first.at ? Math.max(0, (last.ms - first.ms) / (last.at - first.at)) : 0;
  return (request) => Math.max(0, first.ms + slope * (givenValues(request) - first.at));
}

export class ExecutorMeter implements LatencyMeter {
  private readonly clock: () => number;

  constructor(
    private readonly executor: Executor,
    private readonly options: MeterOptions,
    private readonly context: RunContext = {},
  ) {
    this.clock = options.clock ?? (() => performance.now());
  }

  private async timings(timed: Timed, runs: number, milliseconds = 0): Promise<number[]> {
    const { session, program, inputs } = timed;
    const times: number[] = [];
    const end = this.clock() + milliseconds;
    while (times.length < runs || this.clock() < end) {
      throwIfAborted(this.context.signal);
      const start = this.clock();
      await session.run(program, inputs);
      times.push(this.clock() - start);
    }
    return times;
  }

  /** Programs in turns, until what they take stands still. */
  private async settled(programs: readonly Timed[]): Promise<readonly number[]> {
    for (const timed of programs) await this.timings(timed, 1);
    const times: readonly number[][] = programs.map(() => []);
    const end = this.clock() + SEGMENT_MS;
    let found: readonly number[] = [];
    for (let turn = 1; ; turn++) {
      for (const [i, timed] of programs.entries()) times[i].push(...(await this.timings(timed, TURN_RUNS)));
      const last = found;
      found = times.map((each) => quantile(each, SEGMENT_QUANTILE));
      if (turn < LEAST_TURNS) continue;
      if (isStill(found, last, STILL) || this.clock() >= end) return found;
    }
  }

  private opening(): RunContext {
    const { signal } = this.context;
    return signal ? { signal } : {};
  }

  async segments(requests: readonly SegmentRequest[]): Promise<readonly number[]> {
    const measured: (SegmentPrograms & SegmentRuns)[] = [];
    const once = withOneCopy(requests);
    let portion: SegmentPrograms[] = [];
    const programs = (more: readonly SegmentPrograms[]): readonly Program[] => more.flatMap(programsOf);
    const flush = async (): Promise<void> => {
      const runs = await this.portion(portion);
      measured.push(...portion.map((each, i) => ({ ...each, ...runs[i] })));
      portion = [];
    };
    const sizes = { batch: this.options.batch, copies: MOST_COPIES[this.executor.backend] };
    for (const [place, request] of requests.entries()) {
      const next = segmentPrograms(request, String(place), sizes, once.has(request));
      const all = programs([...portion, next]);
      const bytes = all.reduce((sum, program) => sum + weightBytes(program), 0);
      if (portion.length && (all.length > SESSION_PROGRAMS || bytes > SESSION_BYTES)) await flush();
      portion.push(next);
    }
    if (portion.length) await flush();
    const bySignature = grouped(measured, ({ request }) => request.segment.signature);
    const rest = new Map([...bySignature].map(([signature, same]) => [signature, besides(same)]));
    return measured.map(({ request, several, copies }) => {
      const base = rest.get(request.segment.signature)?.(request) ?? 0;
      return Math.max(LEAST_MS, (several - base) / copies);
    });
  }

  /** One session of several segments. */
  private async portion(portion: readonly SegmentPrograms[]): Promise<readonly SegmentRuns[]> {
    const named = portion.map((each, i) => programsOf(each).map((program, j) => [`${i} ${j}`, program] as const));
    const session = await this.executor.open(Object.fromEntries(named.flat()), this.opening());
    try {
      const weights = portion.flatMap((each) =>
        programsOf(each).flatMap((program) => [...madeUpWeights(each.request.graph, program)]),
      );
      await session.assign(new Map(weights));
      const found: SegmentRuns[] = [];
      for (const [i, { many }] of portion.entries()) {
        const inputs = madeUpInputs(many, this.options.batch);
        const [several, single] = await this.settled(named[i].map(([program]) => ({ session, program, inputs })));
        found.push({ several, single });
      }
      return found;
    } finally {
      await session.dispose();
    }
  }

  async networks(graphs: readonly Graph[]): Promise<readonly number[]> {
    const open: Timed[] = [];
    try {
      const message = `${graphs.length} whole networks`;
      this.context.progress?.({ phase: 'networks', done: 0, total: 0, message });
      for (const graph of graphs) {
        throwIfAborted(this.context.signal);
        const program = predictProgram(graph);
        const session = await this.executor.open({ predict: program }, this.opening());
        open.push({ session, program: 'predict', inputs: madeUpInputs(program, this.options.batch) });
        await session.assign(madeUpWeights(graph, program));
      }
      for (const { session, program, inputs } of open) await session.run(program, inputs);
      const times: number[][] = graphs.map(() => []);
      let medians: number[] = [];
      for (let round = 1; round <= MOST_ROUNDS; round++) {
        for (const [i, timed] of open.entries())
          times[i].push(...(await this.timings(timed, NETWORK_RUNS, NETWORK_MS)));
        const last = medians;
        medians = times.map((each) => quantile(each, 0.5));
        if (round >= LEAST_ROUNDS && isStill(medians, last, NETWORK_STILL)) break;
      }
      return medians;
    } finally {
      for (const { session } of open) await session.dispose();
    }
  }
}
