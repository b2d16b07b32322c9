/** Whole pickled networks whose layers were changed after construction: each computes what PyTorch computes of it, or is refused. */
import assert from 'node:assert/strict';
import { existsSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { UserError } from '../../src/common/errors.ts';
import { createExecutor } from '../../src/engine/compute/backends.ts';
import { evaluateModel } from '../../src/engine/jobs/evaluate.ts';
import { openModel } from '../../src/engine/jobs/opening/model.ts';
import { repositoryRoot, testFolder } from '../engine/checkpoint/files.ts';
import { image } from '../support/detfill.ts';
import { logitsBy, relativeDifference } from '../support/logits.ts';
import { noPythonWith, runPython } from '../support/python.ts';

const TOLERANCE = 1e-4;
const SIDES = [64, 224];
const folder = testFolder();

interface Changed {
  readonly logits?: readonly number[];
  readonly side: number;
  /** PyTorch itself cannot run it. */
  readonly error?: string;
}

test('changed networks are right or refused', { skip: noPythonWith('torch', 'timm') }, async (t) => {
  for (const side of SIDES) writeFileSync(path.join(folder.path, `${side}.input`), image([1, 3, side, side]).data);
  const cases = runPython<Record<string, Changed>>('engine/models/changed_modules.py', folder.path);
  const executor = await createExecutor({ backend: 'embedded' });
  let [right, refused] = [0, 0];
  for (const [name, { logits, side, error }] of Object.entries(cases)) {
    if (!logits) {
      t.diagnostic(`${name}: ${error}`);
      continue;
    }
    await t.test(name, async () => {
      const file = path.join(folder.path, `${name}.pth`);
      try {
        const { graph, weights } = await openModel({ model: file, inputSize: side });
        const found = await logitsBy(executor, graph, await weights());
        const off = relativeDifference(found, logits);
        assert.ok(off < TOLERANCE, `logits ${off.toExponential(1)} off`);
        right++;
      } catch (refusal) {
        if (!(refusal instanceof UserError)) throw refusal;
        assert.doesNotMatch(name, /-plain$/, refusal.message);
        refused++;
        t.diagnostic(`${name}: ${refusal.message}`);
      }
    });
  }
  t.diagnostic(`${right} right, ${refused} refused`);
  assert.ok(right > refused && refused > 0, `${right} right, ${refused} refused`);
});

const report = path.resolve(repositoryRoot, '../shared/cases/reports/module-attributes');
const noReport = !existsSync(report) && 'no ../shared';

/** Cross-entropy on the case's 30 images, from its make.py; test/engine/models/reported-cases.test.ts has those that are kept as files. */
test('reported changes that are not kept as files', {
  skip: noReport || noPythonWith('torch', 'torchvision'),
}, async () => {
  runPython('engine/models/reported_modules.py', path.join(report, 'leaky_relu.pth'), folder.path);
  for (const [name, loss] of [
    ['plain', 2.43208],
    ['no_maxpool', 2.42697],
    ['bn_eps', 2.33682],
  ] as const) {
    const { graph, weights, record } = await openModel({ model: path.join(folder.path, `${name}.pth`) });
    const request = { dataPath: path.join(report, 'data'), interpolation: 'bilinear', valResize: 256 } as const;
    const found = await evaluateModel({ graph, weights: await weights(), record }, { ...request, batchSize: 32 });
    assert.equal(found.images, 30);
    assert.ok(Math.abs(found.loss - loss) < 2e-5, `${name}: loss ${found.loss}`);
  }
});
