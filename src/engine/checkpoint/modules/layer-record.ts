/** Reading the record of one layer of a pickled network: class, attributes, and the refusal that names them. */
import { UserError } from '../../../common/errors.ts';
import type { Pair } from '../../graph/operations.ts';
import type { AttributeValue } from '../torch/attributes.ts';
import type { ModuleRecord } from '../torch/module-record.ts';

/** A class without its package: `Conv2d`. */
export const shortClass = ({ className }: ModuleRecord): string => className.slice(className.lastIndexOf('.') + 1);

/** Whether a class is PyTorch's, torchvision's or timm's, so that its forward is known by its name. */
export const isLibraryClass = ({ className }: ModuleRecord): boolean => /^(torch|torchvision|timm)\./.test(className);

const layerName = (layer: ModuleRecord): string =>
  `${layer.path || 'the network'} (${isLibraryClass(layer) ? shortClass(layer) : layer.className})`;

const ADVICE = 'Export the network to ONNX, which says what it computes.';

/** @throws UserError always: the layer and what of it cannot be taken over */
export function refuseLayer(layer: ModuleRecord, problem: string): never {
  throw new UserError(`${layerName(layer)} ${problem}. ${ADVICE}`);
}

export const valueText = (value: AttributeValue | undefined): string =>
  value === undefined ? 'not given' : JSON.stringify(value);

/** @throws UserError saying that an attribute has a value that cannot be taken over */
export function refuseAttribute(layer: ModuleRecord, attribute: string): never {
  refuseLayer(layer, `has ${attribute} ${valueText(layer.attributes[attribute])}, which cannot be taken over`);
}

/** A number; `usual` where the layer has no such attribute, as in older releases. */
export function numberAttribute(layer: ModuleRecord, attribute: string, usual: number): number {
  const value = layer.attributes[attribute];
  if (value === undefined) return usual;
  if (typeof value !== 'number' || !Number.isFinite(value)) refuseAttribute(layer, attribute);
  return value;
}

/** A number, or two of them, as rows and columns. */
export function pairAttribute(layer: ModuleRecord, attribute: string, usual: number): Pair {
  const value = layer.attributes[attribute];
  if (value === undefined) return [usual, usual];
  const list: readonly AttributeValue[] = Array.isArray(value) ? value : [value as AttributeValue];
  const isSize = (size: AttributeValue): size is number => typeof size === 'number' && Number.isInteger(size);
  if (!list.every(isSize) || list.length < 1 || list.length > 2) refuseAttribute(layer, attribute);
  return [list[0], list[list.length - 1]];
}

/** @throws UserError unless the attribute is missing or has one of the values */
export function requireAttribute(
  layer: ModuleRecord,
  attribute: string,
  ...values: readonly (string | number | boolean | null)[]
): void {
  const value = layer.attributes[attribute];
  if (value !== undefined && !values.some((known) => known === value)) refuseAttribute(layer, attribute);
}
