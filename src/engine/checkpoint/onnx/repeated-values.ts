/**
 * Values that do not depend on the images and have an entry for each of them: a mask of ones in the images' shape, position codes made of it,
 * the numbers of the images. Such a value is kept as one image's: where the value has k times the batch, that has k entries.
 */
import type { Shape } from '../../graph/operations.ts';
import { isFixed } from './constants.ts';
import type { DraftGraph, DraftId, Origin } from './draft.ts';
import type { RepeatedValue, Value } from './onnx-values.ts';

/** Shape of a repeated value, the batch open. */
export const shapeOfRepeated = ({ constant, axis }: RepeatedValue): Shape =>
  constant.each[0].shape.map((size, i) => (i === axis ? -size : size));

/** Whether all images have the same entries. */
export const isUniform = ({ constant }: RepeatedValue): boolean => isFixed(constant);

/** The one number that all entries of a value are; undefined where they differ. */
export function onlyNumber(value: Value): number | undefined {
  if ((value.kind !== 'repeated' && value.kind !== 'known') || !isFixed(value.constant)) return undefined;
  const { data } = value.constant.each[0];
  return data.every((v) => v === data[0]) ? data[0] : undefined;
}

/** One image's part of a value, drafted for every image. */
export function forEveryImage(graph: DraftGraph, value: RepeatedValue, one: DraftId, origin: Origin): DraftId {
  const { axis, constant } = value;
  const own = constant.each[0].shape;
  const reshaped = (x: DraftId, shape: Shape): DraftId =>
    String(graph.shape(x)) === String(shape)
      ? x
      : graph.add({ kind: 'reshape', attributes: { shape }, inputs: [x], stored: {}, origin });
  // Several entries of an image get a dimension of their own.
  const rest = own[axis] === 1 ? own.slice(axis + 1) : own.slice(axis);
  const apart = reshaped(one, [...own.slice(0, axis), 1, ...rest]);
  const attributes = { shape: [...own.slice(0, axis), -1, ...rest] };
  const all = graph.add({ kind: 'expand', attributes, inputs: [apart], stored: {}, origin });
  return reshaped(all, shapeOfRepeated(value));
}
