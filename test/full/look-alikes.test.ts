/**
 * Every network of timm and torchvision whose state dict is recognised: each opens as what it is, is refused, or is told to be possibly
 * another.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { after, test } from 'node:test';
import { recogniseArchitecture } from '../../src/engine/architectures/recognise.ts';
import { judgeAll, SCRIPT } from '../engine/models/look-alikes.ts';
import { noPythonWith, PYTHON } from '../support/python.ts';

/** A line of the script's list. */
interface Listed {
  readonly name: string;
  readonly shapes?: Readonly<Record<string, readonly number[]>>;
}

/** Networks so large that PyTorch's own run of one takes minutes here; a smaller one of each family is in the list. */
const LARGEST_PARAMETERS = 120e6;

const parameters = (shapes: NonNullable<Listed['shapes']>): number =>
  Object.values(shapes).reduce((sum, shape) => sum + shape.reduce((a, b) => a * b, 1), 0);

/** Names that are recognised by the names and shapes of their tensors alone, rightly or wrongly. */
async function recognisedNames(folder: string): Promise<readonly string[]> {
  const { stdout } = spawn(PYTHON, [SCRIPT, folder, 'names'], { stdio: ['ignore', 'pipe', 'ignore'] });
  const names: string[] = [];
  for await (const line of createInterface(stdout)) {
    const { name, shapes } = JSON.parse(line) as Listed;
    if (!shapes || parameters(shapes) > LARGEST_PARAMETERS) continue;
    const { kind } = recogniseArchitecture(new Map(Object.entries(shapes)));
    if (kind !== 'unknown') names.push(name);
  }
  return names;
}

const folder = mkdtempSync(path.join(os.tmpdir(), 'espalier-look-alikes-'));
after(() => rmSync(folder, { recursive: true, force: true }));

test('no network of timm or torchvision opens as another without a word', {
  skip: noPythonWith('torch', 'timm', 'torchvision'),
}, async (t) => {
  const names = await recognisedNames(folder);
  assert.ok(names.length > 100, `only ${names.length} names are recognised`);
  const verdicts = new Map<string, string[]>();
  for await (const { name, verdict, detail } of judgeAll(folder, names))
    verdicts.set(verdict, [...(verdicts.get(verdict) ?? []), `${name}: ${detail}`]);
  for (const [verdict, details] of verdicts) t.diagnostic(`${details.length} ${verdict}`);
  assert.deepEqual([...(verdicts.get('wrong') ?? []), ...(verdicts.get('not run') ?? [])], []);
});
