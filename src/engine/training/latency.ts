/** How long one image takes, and how many go through in batches: measured on this machine, with random pixels. */

import { type RunContext, throwIfAborted } from '../../common/progress.ts';
import type { Session } from '../compute/executor.ts';
import type { Graph } from '../graph/graph.ts';

export interface Latency {
  /** Median over the runs, at batch 1. */
  readonly p50Milliseconds: number;
  readonly p90Milliseconds: number;
  readonly runs: number;
}

export interface Throughput {
  readonly imagesPerSecond: number;
  readonly batchSize: number;
}

const WARMUP_RUNS = 3;
const LEAST_RUNS = 10;
const MOST_RUNS = 200;
/** Measuring stops after this long, once it has its least runs. */
const BUDGET_MS = 2500;

async function timings<Name extends string>(
  session: Session<Name>,
  program: Name,
  images: Float32Array,
  signal: AbortSignal | undefined,
): Promise<number[]> {
  for (let i = 0; i < WARMUP_RUNS; i++) await session.run(program, { images });
  const times: number[] = [];
  const end = performance.now() + BUDGET_MS;
  while (times.length < MOST_RUNS && (times.length < LEAST_RUNS || performance.now() < end)) {
    throwIfAborted(signal);
    const start = performance.now();
    await session.run(program, { images });
    times.push(performance.now() - start);
  }
  return times.sort((a, b) => a - b);
}

const imagesOf = (graph: Graph, count: number): Float32Array => {
  const { channels, height, width } = graph.input;
  // Any pixels will do; a fixed ramp keeps denormals and zeros out of the measurement.
  return Float32Array.from({ length: count * channels * height * width }, (_, i) => ((i % 509) - 254) / 128);
};

/** Median time of one image. */
export async function measureLatency<Name extends string>(
  session: Session<Name>,
  program: Name,
  graph: Graph,
  { signal }: RunContext = {},
): Promise<Latency> {
  const times = await timings(session, program, imagesOf(graph, 1), signal);
  const quantile = (q: number): number => times[Math.min(times.length - 1, Math.floor(q * times.length))];
  return { p50Milliseconds: quantile(0.5), p90Milliseconds: quantile(0.9), runs: times.length };
}

/** Images per second at a batch size, by the median batch. */
export async function measureThroughput<Name extends string>(
  session: Session<Name>,
  program: Name,
  graph: Graph,
  batchSize: number,
  { signal }: RunContext = {},
): Promise<Throughput> {
  const times = await timings(session, program, imagesOf(graph, batchSize), signal);
  return { imagesPerSecond: (1000 * batchSize) / times[Math.floor(times.length / 2)], batchSize };
}
