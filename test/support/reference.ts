/** The reference's figures: test/reference, whose README says how each file was made. */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

const folder = path.resolve(import.meta.dirname, '../reference');

/** Parses a file of test/reference, as `cases/deit_0.6G.json`. */
export const readReference = <T>(file: string): T => JSON.parse(readFileSync(path.join(folder, file), 'utf8')) as T;

/** Names of the JSON files in one of its folders, without their ending. Throws where there are not `count` of them. */
export function referenceNames(place: 'cases' | 'shapes', count: number): string[] {
  const names = readdirSync(path.join(folder, place)).map((file) => path.basename(file, '.json'));
  if (names.length !== count) throw new Error(`test/reference/${place} has ${names.length} files, not ${count}`);
  return names.sort();
}

export const caseNames = referenceNames('cases', 14);
