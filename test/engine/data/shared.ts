/** The reference data beside the repository, where it exists. */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const repository = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../..');
export const sharedPath = path.resolve(repository, '../shared');
export const skipWithoutShared = !existsSync(sharedPath) && 'no ../shared';
