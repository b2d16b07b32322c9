/** The reference's files, where the checkout has them beside it. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

const folder = path.resolve(import.meta.dirname, '../../../../shared/reference');

/** Pass to `test` as its `skip`. */
export const noReference = !existsSync(folder) && 'no ../shared/reference';

const parse = <T>(file: string): T => JSON.parse(readFileSync(path.join(folder, file), 'utf8')) as T;
const names = (place: string): string[] =>
  noReference ? [] : readdirSync(path.join(folder, place)).map((file) => path.basename(file, '.json'));

/** Name, shape, and whether it is a parameter: the state dict without counters. */
export type StateEntry = readonly [name: string, shape: readonly number[], isParameter: boolean];

export const shapeFiles = names('shapes');
export const readShapes = (name: string): StateEntry[] => parse(`shapes/${name}.json`);

export interface ReferenceCase {
  readonly model: string;
  readonly base: { readonly macs: number; readonly params: number };
  readonly pruned: { readonly macs: number; readonly params: number };
  /** Heads of each pruned layer, by the path of its qkv. */
  readonly num_heads?: Readonly<Record<string, number>>;
  readonly tensors: Readonly<Record<string, { readonly shape: readonly number[] }>>;
}

export const caseFiles = names('cases');
export const readCase = (name: string): ReferenceCase => parse(`cases/${name}.json`);
