/** Models from code: what is run, and what is said where it fails. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { openModel } from '../../../src/engine/jobs/opening/model.ts';
import { traceModule } from '../../../src/engine/jobs/trace.ts';
import { noPythonWith, PYTHON } from '../../support/python.ts';
import { testFolder } from '../checkpoint/files.ts';

const folder = testFolder();
const output = path.join(folder.path, 'traced', 'model.pt2');
const request = { module: 'mine:make', input: '1x3x16x16', output, paths: [folder.path], python: PYTHON };

test('names, sizes and a Python that are none are refused before anything runs', async () => {
  await assert.rejects(
    traceModule({ ...request, module: 'mine.make' }),
    /--module mine\.make cannot be read: give package/,
  );
  await assert.rejects(traceModule({ ...request, module: 'mine:make; import os' }), /cannot be read/);
  await assert.rejects(traceModule({ ...request, input: '3x16x16' }), /--input 3x16x16 cannot be read/);
  await assert.rejects(traceModule({ ...request, output: 'model.onnx' }), /is called something\.pt2/);
  await assert.rejects(traceModule({ ...request, python: 'no-such-python' }), /no-such-python cannot be run.*--python/);
});

describe('torch.export of a module in a folder', { skip: noPythonWith('torch') }, () => {
  folder.file(
    'mine.py',
    `import torch
from torch import nn

class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.head = nn.Linear(8, 4)

    def forward(self, x):
        return self.head(torch.relu(self.conv(x)).mean((2, 3)))

def make():
    return Small()

class Deciding(Small):
    def forward(self, x):
        return super().forward(x if x.sum() > 0 else -x)

`,
  );

  test('gives a file that opens for any number of images', async () => {
    const notes = await traceModule(request);
    assert.deepEqual(notes, []);
    const { graph } = await openModel({ model: output });
    assert.deepEqual(graph.nodes[0].kind === 'input' && graph.nodes[0].attributes.shape, [-1, 3, 16, 16]);
    assert.deepEqual(readdirSync(path.dirname(output)), ['model.pt2']);
  });

  test('says which decision the code takes by its values, and leaves nothing behind', async () => {
    const file = path.join(folder.path, 'deciding.pt2');
    await assert.rejects(
      traceModule({ ...request, module: 'mine:Deciding', output: file }),
      /mine:Deciding cannot be exported: .*\. Its code decides by the values of what it computes/,
    );
    assert.ok(!existsSync(file));
  });
});

describe('code that gives no network', { skip: noPythonWith('json') }, () => {
  // In the place of PyTorch: none of them comes as far as to need it.
  const stub = testFolder();
  stub.file('torch.py', 'class nn:\n    class Module:\n        pass\n');
  stub.file('plain.py', 'def nothing():\n    return 3\n\n\ndef needy(width):\n    return width\n');

  const failing: Readonly<Record<string, RegExp>> = {
    'plain:nothing': /plain:nothing gives a int, no torch\.nn\.Module/,
    'plain:missing': /has no attribute 'missing'\. The name after the colon is not in that module/,
    'elsewhere:make': /No module named 'elsewhere'\. Python does not find that module: say where it lies with --path/,
    'plain:needy': /missing 1 required positional argument.*The callable needs arguments/,
  };
  for (const [module, message] of Object.entries(failing))
    test(module, async () => {
      const file = path.join(stub.path, 'failed.pt2');
      await assert.rejects(traceModule({ ...request, module, output: file, paths: [stub.path] }), message);
      assert.deepEqual(
        readdirSync(stub.path).filter((name) => name.endsWith('.pt2')),
        [],
      );
    });
});
