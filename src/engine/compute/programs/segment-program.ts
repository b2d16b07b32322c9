/** Programs that time a part of a network: copies of it side by side, so that what one copy takes is told from what a run takes. */
import { type Graph, nodesById, type ValueId } from '../../graph/graph.ts';
import type { Shape } from '../../graph/operations.ts';
import { inferShapes } from '../../graph/shapes.ts';
import { emitForward } from './forward.ts';
import type { Program, Ref } from './program.ts';
import { ProgramBuilder } from './program-builder.ts';

export interface ProgramSegment {
  /** Values that are fed: inputs of their own names. */
  readonly given: readonly ValueId[];
  readonly wanted: readonly ValueId[];
}

/** Prefix of one copy's states. */
const copyPrefix = (prefix: string, copy: number): string => `${prefix}copy${copy}.`;

/** One element of each image: the whole value has to be there, but little of it leaves. Positions go first: they are most. */
function corner(b: ProgramBuilder, x: Ref): Ref {
  const shape = b.shape(x);
  const batch = shape.findIndex((size) => size < 0);
  const axes = [...shape.keys()].filter((axis) => axis !== batch).reverse();
  const cut = axes.reduce((y, axis) => b.add('slice', [y], { axis, start: 0, end: 1, step: 1 }), x);
  return b.add('reshape', [cut], { shape: [-1, Math.abs(shape[batch])] });
}

/**
 * A segment computed `copies` times from the same values, each copy with weights of its own: a backend that computes
 * equal things once finds none. Output `corners`: an element of every result, so that none is left out.
 */
export function segmentProgram(graph: Graph, segment: ProgramSegment, copies: number, prefix: string): Program {
  const b = new ProgramBuilder();
  const shapes = inferShapes(graph);
  const nodes = nodesById(graph);
  const images = segment.given.filter((id) => nodes.get(id)?.kind === 'input');
  const given = new Map(
    segment.given
      .filter((id) => !images.includes(id))
      .map((id) => [id, b.input(`value/${id}`, shapes.get(id) as Shape)] as const),
  );
  const corners: Ref[] = [];
  for (let copy = 0; copy < copies; copy++) {
    const statePrefix = copyPrefix(prefix, copy);
    const values = emitForward(b, graph, segment.wanted, { training: false, statePrefix, given });
    corners.push(...values.map((value) => corner(b, value)));
  }
  b.output('corners', corners.length === 1 ? corners[0] : b.add('concat', corners, { axis: 1 }));
  return b.finish();
}
