/** Networks of timm and torchvision whose names and shapes fit others: each opens as what it is, is refused, or is told to be possibly another. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { judgeAll } from '../engine/models/look-alikes.ts';
import { noPythonWith } from '../support/python.ts';

const NAMES = [
  'timm:resnet18',
  'timm:resnetblur18',
  'timm:resnetaa50',
  'timm:tf_efficientnet_b0',
  'timm:flexivit_small',
  'timm:test_convnext',
  'torchvision:efficientnet_b5',
];

const folder = mkdtempSync(path.join(os.tmpdir(), 'espalier-look-alikes-'));
after(() => rmSync(folder, { recursive: true, force: true }));

test('no look-alike opens as another network without a word', {
  skip: noPythonWith('torch', 'timm', 'torchvision'),
}, async () => {
  const wrong: string[] = [];
  let judged = 0;
  for await (const { name, verdict, detail } of judgeAll(folder, NAMES)) {
    if (verdict === 'wrong' || verdict === 'not run') wrong.push(`${name}: ${verdict}, ${detail}`);
    judged++;
  }
  assert.deepEqual(wrong, []);
  assert.equal(judged, NAMES.length);
});
