/** Writes docs/commands.md from the commands' own flag tables: `node --import tsx scripts/commands-doc.ts`. */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { commandsDocument } from '../src/cli/commands-document.ts';

writeFileSync(path.resolve(import.meta.dirname, '../docs/commands.md'), commandsDocument());
