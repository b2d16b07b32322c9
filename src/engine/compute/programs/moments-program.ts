/**
 * Programs of a repair: sums over a layer's inputs in one network and its targets in another, values half way through
 * both, and outputs from half way. Two networks in one Program: the student's states have their own names, the teacher's
 * the prefix `teacher/`.
 */
import { type Graph, type GraphNode, isClassifier, type ValueId } from '../../graph/graph.ts';
import type { Shape } from '../../graph/operations.ts';
import { inferShapes, sizePerImage } from '../../graph/shapes.ts';
import { emitForward } from './forward.ts';
import type { Program, Ref } from './program.ts';
import { ProgramBuilder } from './program-builder.ts';
import { gridStep, onGrid, windowOnGrid } from './row-grid.ts';

export const TEACHER_PREFIX = 'teacher/';
const STUDENT_PREFIX = 'student/';

export interface Networks {
  readonly student: Graph;
  readonly teacher: Graph;
}

/** Values of both networks from which the rest can be computed; empty for the images. */
export interface CutValues {
  readonly student: readonly ValueId[];
  readonly teacher: readonly ValueId[];
}

export const NO_CUT: CutValues = { student: [], teacher: [] };

/** Names of the inputs (and of the outputs, where a program brings them) that hold a cut's values. */
export const cutNames = ({ student, teacher }: CutValues): readonly string[] => [
  ...student.map((id) => STUDENT_PREFIX + id),
  ...teacher.map((id) => TEACHER_PREFIX + id),
];

export interface MomentLayer {
  /** Of the student. */
  readonly node: GraphNode<'conv' | 'linear'>;
  /** The teacher's layer, whose outputs are the targets. */
  readonly teacherNode: ValueId;
  /** Its outputs that the student has. */
  readonly keptOutputs?: Int32Array | undefined;
  readonly sum?: {
    readonly other: ValueId;
    readonly teacherOther: ValueId;
    readonly permutations: readonly (readonly number[])[];
  };
  /** Set where the channels of the teacher's input are fitted from those of the student's; `places` of each in a flattened one. */
  readonly channels?: { readonly places: number };
  /** Set where a ReLU follows: what it takes in both networks. */
  readonly rectified?: { readonly value: ValueId; readonly teacherValue: ValueId };
  /** Set where targets are sums of the teacher's outputs: how many the student has. */
  readonly mapped?: number | undefined;
}

class PairForward {
  constructor(
    readonly b: ProgramBuilder,
    private readonly networks: Networks,
    private readonly cut: CutValues,
  ) {}

  /** The wanted values of one network. */
  emit(which: keyof Networks, wanted: readonly ValueId[]): readonly Ref[] {
    const graph = this.networks[which];
    const prefix = which === 'student' ? STUDENT_PREFIX : TEACHER_PREFIX;
    const shapes = this.cut[which].length ? inferShapes(graph) : new Map<ValueId, Shape>();
    const given = new Map(
      this.cut[which].map((id) => [id, this.b.input(prefix + id, shapes.get(id) as Shape)] as const),
    );
    const statePrefix = which === 'student' ? '' : TEACHER_PREFIX;
    return emitForward(this.b, graph, wanted, { training: false, statePrefix, given });
  }
}

/** Rows of a value with its channels last: [rows, channels]. `channels`: which dimension they are. */
function asRows(b: ProgramBuilder, x: Ref, channels: number): Ref {
  const rank = b.shape(x).length;
  const order = [...Array(rank).keys()].filter((d) => d !== channels);
  const last = channels === rank - 1 ? x : b.add('transpose', [x], { permutation: [...order, channels] });
  const shape = b.shape(last);
  return b.add('reshape', [last], { shape: [-sizePerImage(shape.slice(0, -1)), shape.at(-1) as number] });
}

/** What a layer's weights are multiplied with: [rows, inputs], or [groups, rows, inputs]; taps before channels. `step`: of the grid. */
function inputRows(b: ProgramBuilder, node: GraphNode<'conv' | 'linear'>, x: Ref, step: number): Ref {
  if (node.kind === 'linear') return asRows(b, x, b.shape(x).length - 1);
  const { groups, ...window } = node.attributes;
  const { kernel, stride, padding } = window;
  const isPlain = [...kernel, ...stride].every((n) => n === 1) && Object.values(padding).every((n) => n === 0);
  if (isPlain && groups === 1) return asRows(b, onGrid(b, x, step), 1);
  const patches = b.add('patches', [x], windowOnGrid(window, step));
  const [n, kh, kw, channels, positions] = b.shape(patches);
  const rows = -Math.abs(n * positions);
  const last = b.add('transpose', [patches], { permutation: [0, 4, 1, 2, 3] });
  if (groups === 1) return b.add('reshape', [last], { shape: [rows, kh * kw * channels] });
  const width = channels / groups;
  const split = b.add('reshape', [last], { shape: [rows, kh * kw, groups, width] });
  const grouped = b.add('transpose', [split], { permutation: [2, 0, 1, 3] });
  return b.add('reshape', [grouped], { shape: [groups, rows, kh * kw * width] });
}

/** A value's channels as rows: [channels, rows], those that are kept. */
export function channelRows(b: ProgramBuilder, x: Ref, channels: number, kept: Int32Array | undefined): Ref {
  const turned = b.add('transpose', [asRows(b, x, channels)], { permutation: [1, 0] });
  return kept ? b.add('gather', [turned], { indices: kept }) : turned;
}

const inverse = (permutation: readonly number[]): number[] => permutation.map((_, i) => permutation.indexOf(i));

function keptTargets(b: ProgramBuilder, { keptOutputs }: MomentLayer, output: Ref, channels: number): Ref {
  const kept = channelRows(b, output, channels, keptOutputs);
  return b.add('multiply', [kept, b.input('targetScale', [b.shape(kept)[0], 1])], {});
}

function mappedTargets(b: ProgramBuilder, outputs: number, output: Ref, channels: number): Ref {
  const dense = channelRows(b, output, channels, undefined);
  const map = b.input('targetMap', [outputs, b.shape(dense)[0]]);
  return b.add('matmul', [map, dense], { transposeA: false, transposeB: false });
}

/** What a layer is fitted by, and further values of both networks. */
interface LayerRows {
  readonly further: { readonly student: readonly Ref[]; readonly teacher: readonly Ref[] };
  /** Which dimension of the layer's output the channels are. */
  readonly channels: number;
  /** Of the positions that give rows; `further` and `input` have all. */
  readonly step: number;
  readonly input: Ref;
  /** [outputs, rows] */
  readonly targets: Ref;
}

/** @param also values that are wanted besides: what both need is computed once */
export function layerRows(
  b: ProgramBuilder,
  networks: Networks,
  layer: MomentLayer,
  cut: CutValues,
  also: CutValues = NO_CUT,
): LayerRows {
  const pair = new PairForward(b, networks, cut);
  const { node, teacherNode, keptOutputs, sum } = layer;
  const own = [node.inputs[0], ...(sum ? [sum.other] : [])];
  const theirs = [teacherNode, ...(sum ? [sum.teacherOther] : [])];
  const student = pair.emit('student', [...own, ...also.student]);
  const teacher = pair.emit('teacher', [...theirs, ...also.teacher]);
  const [[input, other], [output, teacherOther]] = [student, teacher];
  const further = { student: student.slice(own.length), teacher: teacher.slice(theirs.length) };
  const channels = node.kind === 'conv' ? 1 : b.shape(output).length - 1;
  const step = gridStep(node, b.shape(output), keptOutputs?.length ?? b.shape(output)[channels]);
  const outputs = onGrid(b, output, step);
  const targets =
    layer.mapped === undefined
      ? keptTargets(b, layer, outputs, channels)
      : mappedTargets(b, layer.mapped, outputs, channels);
  if (!sum) return { further, channels, step, input, targets };
  const back = (x: Ref): Ref => {
    const turned = sum.permutations
      .toReversed()
      .reduce((y, p) => b.add('transpose', [y], { permutation: inverse(p) }), x);
    return onGrid(b, turned, step);
  };
  const wanted = channelRows(b, back(teacherOther), channels, keptOutputs);
  const drift = b.add('subtract', [wanted, channelRows(b, back(other), channels, undefined)], {});
  const scaled = b.add('multiply', [drift, b.input('driftScale', [b.shape(targets)[0], 1])], {});
  return { further, channels, step, input, targets: b.add('add', [targets, scaled], {}) };
}

/** X and Y of a layer, its groups apart. */
export function fittedRows(
  b: ProgramBuilder,
  { node }: MomentLayer,
  { step, input, targets }: Pick<LayerRows, 'step' | 'input' | 'targets'>,
): readonly [x: Ref, y: Ref] {
  const groups = node.kind === 'conv' ? node.attributes.groups : 1;
  const [outputs, rows] = b.shape(targets);
  const y = groups > 1 ? b.add('reshape', [targets], { shape: [groups, outputs / groups, rows] }) : targets;
  return [inputRows(b, node, input, step), y];
}

/**
 * Sums over a batch for one layer: outputs `xx`, `yx`, `x`, `y`, `yy` as `Moments` names them, with a convolution's taps
 * before its channels. Inputs: `images` or the cut's values; `targetScale` [outputs, 1], the factor of every target, or
 * `targetMap` [outputs, teacher's outputs]; and
 * where the layer ends in a sum `driftScale` [outputs, 1], the factor of what the student's other branch lacks.
 */
export function momentsProgram(networks: Networks, layer: MomentLayer, cut: CutValues = NO_CUT): Program {
  if (layer.channels) return channelMomentsProgram(networks, layer, layer.channels.places, cut);
  const b = new ProgramBuilder();
  const [x, y] = fittedRows(b, layer, layerRows(b, networks, layer, cut));
  inputSums(b, x);
  targetSums(b, x, y);
  return b.finish();
}

const NONE_KEPT = { keepDimensions: false };

/** What `Moments` has of X [(groups,) rows, inputs]. */
function inputSums(b: ProgramBuilder, x: Ref): void {
  b.output('xx', b.add('matmul', [x, x], { transposeA: true, transposeB: false }));
  b.output('x', b.add('sum', [x], { axes: [b.shape(x).length - 2], ...NONE_KEPT }));
}

/** What `Moments` has of X and Y [(groups,) outputs, rows]. */
export function targetSums(b: ProgramBuilder, x: Ref, y: Ref): void {
  b.output('yx', b.add('matmul', [y, x], { transposeA: false, transposeB: false }));
  ownSums(b, y);
}

/** What it has of Y alone. */
export function ownSums(b: ProgramBuilder, y: Ref): void {
  const axes = [b.shape(y).length - 1];
  b.output('y', b.add('sum', [y], { axes, ...NONE_KEPT }));
  b.output('yy', b.add('sum', [b.add('square', [y], {})], { axes, ...NONE_KEPT }));
}

/** The same with the channels of the teacher's input as targets, one row for every position. */
function channelMomentsProgram(networks: Networks, layer: MomentLayer, places: number, cut: CutValues): Program {
  const b = new ProgramBuilder();
  const pair = new PairForward(b, networks, cut);
  const { node, teacherNode } = layer;
  const teacherInput = networks.teacher.nodes.find(({ id }) => id === teacherNode)?.inputs[0];
  if (teacherInput === undefined) throw new Error(`the teacher has no ${teacherNode}`);
  const byChannel = (x: Ref): Ref => {
    if (node.kind === 'conv') return x;
    const [n, features] = b.shape(x);
    return b.add('reshape', [x], { shape: [n, features / places, places] });
  };
  const [input] = pair.emit('student', [node.inputs[0]]);
  const [target] = pair.emit('teacher', [teacherInput]);
  const x = asRows(b, byChannel(input), 1);
  inputSums(b, x);
  targetSums(b, x, channelRows(b, byChannel(target), 1, undefined));
  return b.finish();
}

/**
 * Sums over a batch of what several layers of one network receive: outputs `xx NODE` and `x NODE`, a convolution's taps
 * before its channels. Input: `images`.
 */
export function inputMomentsProgram(graph: Graph, layers: readonly GraphNode<'conv' | 'linear'>[]): Program {
  const b = new ProgramBuilder();
  const values = emitForward(
    b,
    graph,
    layers.map(({ inputs }) => inputs[0]),
    { training: false },
  );
  const shapes = inferShapes(graph);
  layers.forEach((node, i) => {
    const output = shapes.get(node.id) as Shape;
    const x = inputRows(b, node, values[i], gridStep(node, output, output[1]));
    b.output(`xx ${node.id}`, b.add('matmul', [x, x], { transposeA: true, transposeB: false }));
    b.output(`x ${node.id}`, b.add('sum', [x], { axes: [0], keepDimensions: false }));
  });
  return b.finish();
}

/** Sums over a batch of the products of linear layers' outputs with each other: `NODE` [outputs, outputs]. Input: `images`. */
export function outputMomentsProgram(graph: Graph, layers: readonly GraphNode<'linear'>[]): Program {
  const b = new ProgramBuilder();
  const values = emitForward(
    b,
    graph,
    layers.map(({ id }) => id),
    { training: false },
  );
  layers.forEach(({ id }, i) => {
    const y = asRows(b, values[i], b.shape(values[i]).length - 1);
    b.output(id, b.add('matmul', [y, y], { transposeA: true, transposeB: false }));
  });
  return b.finish();
}

/** Values at one cut to values at a later one: outputs named as `cutNames` has them. */
export function advanceProgram(networks: Networks, from: CutValues, to: CutValues): Program {
  const b = new ProgramBuilder();
  const pair = new PairForward(b, networks, from);
  for (const [which, prefix] of [['student', STUDENT_PREFIX] as const, ['teacher', TEACHER_PREFIX] as const])
    pair.emit(which, to[which]).forEach((ref, i) => {
      b.output(prefix + to[which][i], ref);
    });
  return b.finish();
}

/** The student's outputs from a cut, named as `predictProgram` names them. */
export function tailProgram(networks: Networks, cut: CutValues): Program {
  const b = new ProgramBuilder();
  const { outputs } = networks.student;
  const wanted = outputs.map(({ value }) => value);
  new PairForward(b, networks, cut).emit('student', wanted).forEach((ref, i) => {
    b.output(isClassifier(networks.student) ? 'logits' : outputs[i].name, ref);
  });
  return b.finish();
}
