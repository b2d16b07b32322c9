/** What takes how long on this machine: segments and whole networks on a backend, with made-up weights and values. */

import { type RunContext, throwIfAborted } from '../../../common/progress.ts';
import type { Executor, ProgramInputs, Session } from '../../compute/executor.ts';
import type { Program } from '../../compute/programs/program.ts';
import { predictProgram } from '../../compute/programs/programs.ts';
import { segmentProgram } from '../../compute/programs/segment-program.ts';
import type { Graph } from '../../graph/graph.ts';
import { sizePerImage } from '../../graph/shapes.ts';
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

/** Copies of a segment in the larger of its two programs, if their weights stay under `COPIES_BYTES`. */
const COPIES = 5;
const COPIES_BYTES = 2 ** 28;
/** Programs, and bytes of their weights, that are ready at once. */
const SESSION_PROGRAMS = 40;
const SESSION_BYTES = 2 ** 29;
/** A segment's program runs for so long, and at least so often. */
const SEGMENT_MS = 60;
const SEGMENT_RUNS = 5;
/** Of a segment's runs the fast quarter counts: what slows a run down is something else on the machine. */
const SEGMENT_QUANTILE = 0.25;
const NETWORK_ROUNDS = 5;
const NETWORK_MS = 300;
const NETWORK_RUNS = 3;
/** Least that a segment can take. */
const LEAST_MS = 1e-4;

const quantile = (times: readonly number[], q: number): number => {
  const sorted = [...times].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))];
};

/** Numbers of both signs, none of them tiny: neither zeros nor denormals are measured. */
const ramp = (count: number, from: number, scale: number): Float32Array =>
  Float32Array.from({ length: count }, (_, i) => ((((i + from) * 7) % 509) - 254 || 1) * (scale / 254));

/** Weights of a program whose states are named as the graph's parameters, each with some prefix. */
function madeUpWeights(graph: Graph, { states }: Program): Weights {
  const variances = graph.nodes.flatMap(({ parameters }) => parameters.runningVar ?? []);
  return new Map(
    states.map(({ name, shape }, i): [string, Tensor] => {
      const count = elementCount(shape);
      const isVariance = variances.some((variance) => name === variance || name.endsWith(`/${variance}`));
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

/** A segment's two programs: one copy, and several. */
interface SegmentPrograms {
  readonly request: SegmentRequest;
  readonly one: Program;
  readonly many: Program;
  readonly copies: number;
}

function segmentPrograms(request: SegmentRequest, place: number): SegmentPrograms {
  const { segment, graph } = request;
  const one = segmentProgram(graph, segment, 1, `${place}/one/`);
  const copies = Math.max(2, Math.min(COPIES, Math.floor(COPIES_BYTES / Math.max(1, weightBytes(one)))));
  return { request, one, many: segmentProgram(graph, segment, copies, `${place}/many/`), copies };
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

  private async timings({ session, program, inputs }: Timed, milliseconds: number, runs: number): Promise<number[]> {
    await session.run(program, inputs);
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

  private opening(): RunContext {
    const { signal } = this.context;
    return signal ? { signal } : {};
  }

  async segments(requests: readonly SegmentRequest[]): Promise<readonly number[]> {
    const found: number[] = [];
    let portion: SegmentPrograms[] = [];
    let bytes = 0;
    for (const [place, request] of requests.entries()) {
      const programs = segmentPrograms(request, place);
      const more = weightBytes(programs.one) + weightBytes(programs.many);
      if (portion.length && (2 * (portion.length + 1) > SESSION_PROGRAMS || bytes + more > SESSION_BYTES)) {
        found.push(...(await this.portion(portion)));
        portion = [];
        bytes = 0;
      }
      portion.push(programs);
      bytes += more;
    }
    if (portion.length) found.push(...(await this.portion(portion)));
    return found;
  }

  /** One session of several segments. What one copy takes is the difference that the further copies make. */
  private async portion(portion: readonly SegmentPrograms[]): Promise<readonly number[]> {
    const programs = Object.fromEntries(
      portion.flatMap(({ one, many }, i) => [[`one ${i}`, one] as const, [`many ${i}`, many] as const]),
    );
    const session = await this.executor.open(programs, this.opening());
    try {
      const found: number[] = [];
      for (const [i, { request, one, many, copies }] of portion.entries()) {
        await session.assign(madeUpWeights(request.graph, one));
        await session.assign(madeUpWeights(request.graph, many));
        const inputs = madeUpInputs(one, this.options.batch);
        const timed = async (program: string): Promise<number> =>
          quantile(await this.timings({ session, program, inputs }, SEGMENT_MS, SEGMENT_RUNS), SEGMENT_QUANTILE);
        const single = await timed(`one ${i}`);
        const several = await timed(`many ${i}`);
        found.push(Math.max(LEAST_MS, (several - single) / (copies - 1)));
      }
      return found;
    } finally {
      await session.dispose();
    }
  }

  async networks(graphs: readonly Graph[]): Promise<readonly number[]> {
    const open: Timed[] = [];
    try {
      for (const graph of graphs) {
        const program = predictProgram(graph);
        const session = await this.executor.open({ predict: program }, this.opening());
        open.push({ session, program: 'predict', inputs: madeUpInputs(program, this.options.batch) });
        await session.assign(madeUpWeights(graph, program));
      }
      const times: number[][] = graphs.map(() => []);
      for (let round = 0; round < NETWORK_ROUNDS; round++)
        for (const [i, timed] of open.entries())
          times[i].push(...(await this.timings(timed, NETWORK_MS, NETWORK_RUNS)));
      return times.map((each) => quantile(each, 0.5));
    } finally {
      for (const { session } of open) await session.dispose();
    }
  }
}
