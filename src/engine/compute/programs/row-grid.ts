/**
 * Which positions of a convolution a repair sums over, and of how many images: all of a small map, a grid of a large one. Neighbouring
 * positions say nearly the same, and there are thousands for each weight; the sums over them are most of the cost of a repair.
 */
import type { GraphNode } from '../../graph/graph.ts';
import type { Shape } from '../../graph/operations.ts';
import type { Ref } from './program.ts';
import type { ProgramBuilder } from './program-builder.ts';

/** Most rows of an image. */
const MOST_ROWS = 1024;
/** The same of a depthwise layer, where each channel has the few weights of its window. */
const MOST_DEPTHWISE_ROWS = 256;

/**
 * Every so-manieth position along both sides gives a row: a power of two.
 * @param output [N, C, H, W] of the layer, in whichever network
 * @param channels of its own output
 */
export function gridStep(node: GraphNode<'conv' | 'linear'>, output: Shape, channels: number): number {
  if (node.kind === 'linear') return 1;
  const [, , height, width] = output;
  const most = node.attributes.groups === channels ? MOST_DEPTHWISE_ROWS : MOST_ROWS;
  let step = 1;
  while (Math.ceil(height / step) * Math.ceil(width / step) > most) step *= 2;
  return step;
}

/** Images that are always summed over where there are as many: further ones differ more than further positions do. */
const LEAST_IMAGES = 100;
/** Of all channels together; a depthwise layer fits each by itself. */
const LEAST_ROWS = 50_000;
const LEAST_ROWS_PER_INPUT = 500;

/**
 * How many images are enough for a layer that has far more rows than weights to fit: one on a grid, or a depthwise one. All for the others.
 * @param rows of an image
 * @param inputs of a group
 */
export function imagesEnough(isOnGrid: boolean, groups: number, rows: number, inputs: number): number {
  if (!isOnGrid && groups === 1) return Number.POSITIVE_INFINITY;
  const least = Math.max(groups === 1 ? LEAST_ROWS : 0, LEAST_ROWS_PER_INPUT * inputs);
  return Math.max(LEAST_IMAGES, Math.ceil(least / rows));
}

/** A map [N, C, H, W] at the positions of the grid. */
export function onGrid(b: ProgramBuilder, x: Ref, step: number): Ref {
  if (step === 1) return x;
  return [2, 3].reduce((y, axis) => b.add('slice', [y], { axis, start: 0, end: b.shape(y)[axis], step }), x);
}

/** A window whose places are those of the grid. */
export const windowOnGrid = <W extends { readonly stride: readonly [number, number] }>(window: W, step: number): W => ({
  ...window,
  stride: [window.stride[0] * step, window.stride[1] * step],
});
