/** Both networks of a repair on the device, and the values that are kept of them, batch by batch. */

import { type RunContext, throwIfAborted } from '../../../common/progress.ts';
import type { Executor, ProgramInputs, Session } from '../../compute/executor.ts';
import {
  advanceProgram,
  cutNames,
  momentsProgram,
  type Networks,
  TEACHER_PREFIX,
  tailProgram,
} from '../../compute/programs/moments-program.ts';
import type { Program } from '../../compute/programs/program.ts';
import { rectifiedTargetsProgram } from '../../compute/programs/rectified-targets-program.ts';
import { gridStep, imagesEnough } from '../../compute/programs/row-grid.ts';
import type { ValueId } from '../../graph/graph.ts';
import type { Shape } from '../../graph/operations.ts';
import { inferShapes, sizePerImage } from '../../graph/shapes.ts';
import type { Weights } from '../../graph/tensor.ts';
import type { Cut, Segment } from '../../pruning/repair/cuts.ts';
import { type MomentSizes, MomentSums, type Moments } from '../../pruning/repair/moments.ts';
import type { RepairLayer } from '../../pruning/repair/repair-layers.ts';
import type { OutputValues } from '../../training/divergence.ts';
import type { CalibrationBatch } from './calibration.ts';

/** What a run is given of a batch: `images`, or the values of a cut by their names. */
interface KeptBatch {
  readonly count: number;
  readonly held: boolean;
  values: Readonly<Record<string, Float32Array>>;
}

/** Bytes that the largest value of a program may take in one run. */
const RUN_BYTES = 64 * 2 ** 20;
/** The same of one that sums: a run's sums are float32, and lose less over fewer rows. Half the distance to double precision of 64 MB. */
const SUM_BYTES = 8 * 2 ** 20;
const ADVANCE = 'advance';
const TAIL = 'tail';
const momentsOf = ({ node }: RepairLayer): string => `moments ${node.id}`;
const rectifiedOf = ({ node }: RepairLayer): string => `rectified ${node.id}`;

/** The teacher's weights under the names of its states. */
export const teacherStates = (weights: Weights): Weights =>
  new Map([...weights].map(([name, tensor]) => [TEACHER_PREFIX + name, tensor]));

/** The sums of a layer over the images that are fitted to, and over those held out. */
export interface SplitMoments {
  readonly fitted: Moments;
  readonly held: Moments;
}

/** Bytes an image of the largest value that a program computes. */
const largestValue = ({ nodes }: Program): number =>
  Math.max(
    ...nodes.flatMap(({ shapes }) => shapes.map((shape) => (shape.some((d) => d < 0) ? 4 * sizePerImage(shape) : 0))),
  );

const imagesAtOnce = (program: Program, bytes: number): number =>
  Math.max(1, Math.floor(bytes / largestValue(program)));

/** Part of a batch: [from, to) of its images. */
function part(batch: KeptBatch, from: number, to: number): Record<string, Float32Array> {
  return Object.fromEntries(
    Object.entries(batch.values).map(([name, data]) => {
      const size = data.length / batch.count;
      return [name, data.subarray(from * size, to * size)];
    }),
  );
}

/**
 * Goes through the segments of a repair in order. A segment's programs are opened together; values of its cut are on the
 * host, those of the next one take their place batch by batch.
 */
export class RepairSession {
  private readonly batches: readonly KeptBatch[];
  private readonly shapes: ReadonlyMap<ValueId, Shape>;
  private session: Session | undefined;
  private programs: Readonly<Record<string, Program>> = {};
  private next: Cut | undefined;

  constructor(
    private readonly networks: Networks,
    private readonly executor: Executor,
    batches: readonly CalibrationBatch[],
    private readonly context: RunContext = {},
  ) {
    this.shapes = inferShapes(networks.teacher);
    this.batches = batches.map(({ images, count, held }) => ({ count, held, values: { images } }));
  }

  /** Makes a segment's programs ready. The values of its cut are there by then. */
  async open(segment: Segment, layers: readonly RepairLayer[], next: Cut | undefined, weights: Weights): Promise<void> {
    const { cut } = segment;
    const fitted = layers.slice(segment.from, segment.to);
    const rectified = fitted.filter((layer) => layer.rectified);
    this.programs = {
      ...Object.fromEntries(fitted.map((layer) => [momentsOf(layer), momentsProgram(this.networks, layer, cut)])),
      ...Object.fromEntries(
        rectified.map((layer) => [rectifiedOf(layer), rectifiedTargetsProgram(this.networks, layer, cut)]),
      ),
      [TAIL]: tailProgram(this.networks, cut),
      ...(next && { [ADVANCE]: advanceProgram(this.networks, cut, next) }),
    };
    this.next = next;
    const { signal } = this.context;
    this.session = await this.executor.open(this.programs, signal ? { signal } : {});
    await this.session.assign(weights);
  }

  private opened(): Session {
    if (!this.session) throw new Error('no segment of the repair is open');
    return this.session;
  }

  /** Gives the student new values of some parameters. */
  async assign(weights: Weights): Promise<void> {
    await this.opened().assign(weights);
  }

  /** The sums of one layer of the open segment. `inputs`: what its program takes besides. */
  async moments(layer: RepairLayer, inputs: ProgramInputs): Promise<SplitMoments> {
    return this.summed(layer, momentsOf(layer), inputs);
  }

  /** The sums with what a ReLU passes as targets, of the layer as it is now; those of its inputs are in `known`. */
  async rectifiedMoments(layer: RepairLayer, inputs: ProgramInputs, known: SplitMoments): Promise<SplitMoments> {
    return this.summed(layer, rectifiedOf(layer), inputs, known);
  }

  private async summed(
    layer: RepairLayer,
    name: string,
    inputs: ProgramInputs,
    known?: SplitMoments,
  ): Promise<SplitMoments> {
    const whole = this.programs[momentsOf(layer)];
    const sizes = momentSizes(whole);
    const sums = { fitted: new MomentSums(sizes, known?.fitted), held: new MomentSums(sizes, known?.held) };
    const rows = rowsPerImage(whole);
    const add = (outputs: Readonly<Record<string, Float32Array>>, { held }: KeptBatch, count: number): void =>
      sums[held ? 'held' : 'fitted'].add(outputs, rows * count);
    await this.each(name, inputs, add, {
      most: imagesAtOnce(whole, SUM_BYTES),
      wanted: this.enough(layer, sizes, rows),
    });
    return { fitted: sums.fitted.moments, held: sums.held.moments };
  }

  /** Takes as many batches of either kind as a layer needs: a quarter as many held-out images as others. */
  private enough(
    { node, teacherNode }: RepairLayer,
    { groups, outputs, inputs }: MomentSizes,
    rows: number,
  ): (batch: KeptBatch) => boolean {
    const isOnGrid = gridStep(node, this.shapes.get(teacherNode) as Shape, groups * outputs) > 1;
    const most = imagesEnough(isOnGrid, groups, rows, inputs);
    const left = { fitted: most, held: most / 4 };
    return ({ held, count }) => {
      const kind = held ? 'held' : 'fitted';
      if (left[kind] <= 0) return false;
      left[kind] -= count;
      return true;
    };
  }

  /** Runs a program over all images, as many at a time as its values allow. */
  private async each(
    name: string,
    inputs: ProgramInputs,
    use: (outputs: Readonly<Record<string, Float32Array>>, batch: KeptBatch, count: number) => void,
    {
      most = imagesAtOnce(this.programs[name], RUN_BYTES),
      wanted = () => true,
    }: { readonly most?: number; readonly wanted?: (batch: KeptBatch) => boolean } = {},
  ): Promise<void> {
    for (const batch of this.batches) {
      if (!wanted(batch)) continue;
      for (let from = 0; from < batch.count; from += most) {
        throwIfAborted(this.context.signal);
        const to = Math.min(batch.count, from + most);
        const outputs = await this.opened().run(name, { ...part(batch, from, to), ...inputs });
        use(outputs, batch, to - from);
      }
    }
  }

  /** The student's outputs for the first held-out images, from the open segment's cut: batches in order. */
  async heldOutputs(images: number): Promise<OutputValues> {
    const parts: Readonly<Record<string, Float32Array>>[] = [];
    let seen = 0;
    const wanted = ({ held, count }: KeptBatch): boolean => {
      if (!held || seen >= images) return false;
      seen += count;
      return true;
    };
    await this.each(TAIL, {}, (outputs) => parts.push(outputs), { wanted });
    return joinedOutputs(parts);
  }

  /** Brings the kept values to the next cut, where there is one, and frees the segment's programs. */
  async close(): Promise<void> {
    const { next } = this;
    try {
      if (next) await this.advance(next);
    } finally {
      await this.dispose();
    }
  }

  private async advance(next: Cut): Promise<void> {
    const names = cutNames(next);
    const most = imagesAtOnce(this.programs[ADVANCE], RUN_BYTES);
    for (const batch of this.batches) {
      const parts: Record<string, Float32Array>[] = [];
      for (let from = 0; from < batch.count; from += most) {
        throwIfAborted(this.context.signal);
        const to = Math.min(batch.count, from + most);
        parts.push(await this.opened().run(ADVANCE, part(batch, from, to)));
      }
      batch.values = Object.fromEntries(names.map((name) => [name, joined(parts.map((values) => values[name]))]));
    }
  }

  async dispose(): Promise<void> {
    const { session } = this;
    this.session = undefined;
    await session?.dispose();
  }
}

/** Outputs of several runs, one array an output in the order of their names. */
export const joinedOutputs = (parts: readonly Readonly<Record<string, Float32Array>>[]): OutputValues =>
  Object.keys(parts[0] ?? {})
    .sort()
    .map((name) => joined(parts.map((outputs) => outputs[name])));

function joined(parts: readonly Float32Array[]): Float32Array {
  if (parts.length === 1) return parts[0];
  const all = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const one of parts) {
    all.set(one, at);
    at += one.length;
  }
  return all;
}

function outputShape(program: Program, name: string): readonly number[] {
  const { node, output } = program.outputs[name];
  return program.nodes[node].shapes[output];
}

function momentSizes(program: Program): MomentSizes {
  const yx = outputShape(program, 'yx');
  const [groups, outputs, inputs] = yx.length === 3 ? yx : [1, ...yx];
  return { groups, outputs, inputs };
}

/** Rows that one image gives: of the matrix whose squares `xx` sums. */
function rowsPerImage(program: Program): number {
  const { inputs } = program.nodes[program.outputs['xx'].node];
  const rows = program.nodes[inputs[0].node].shapes[inputs[0].output].at(-2) as number;
  return Math.abs(rows);
}
