import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { UserError } from '../../../src/common/errors.ts';
import { findVariant } from '../../../src/engine/architectures/registry.ts';
import { Random } from '../../../src/engine/data/random.ts';
import {
  attributePath,
  dictionary,
  isIdentifier,
  PythonCode,
  PythonVariables,
  py,
} from '../../../src/engine/export/python-writer.ts';
import { pytorchSource } from '../../../src/engine/export/pytorch.ts';
import type { Graph } from '../../../src/engine/graph/graph.ts';
import { exportModel } from '../../../src/engine/jobs/export.ts';
import { openModel } from '../../../src/engine/jobs/opening/model.ts';
import { noPythonWith, runPython } from '../../support/python.ts';
import { testFolder } from '../checkpoint/files.ts';
import { sharedPath, skipWithoutShared } from '../data/shared.ts';

describe('Python is written by the type of what is put in', () => {
  test('values', () => {
    const value = [1, -0, 1e-7, Number.POSITIVE_INFINITY, Number.NaN, true, null, [2], [], py`x`] as const;
    assert.equal(String(py`f(${value})`), 'f((1, -0.0, 1e-7, float("inf"), float("nan"), True, None, (2,), (), x))');
    assert.equal(String(dictionary({ 'a"b': [1, 2] })), '{"a\\"b": (1, 2)}');
  });
  test('strings stay strings', () => {
    assert.equal(String(py`${'a"b\\c\nd\u2028é😀\u0000'}`), '"a\\"b\\\\c\\nd\\u2028\\xe9\\U0001f600\\x00"');
    assert.equal(String(PythonCode.docstring('a"""\nb\\')), '"""a\\"\\"\\"\nb\\\\"""');
  });
  test('a value of no type that Python has is refused', () => {
    assert.throws(() => py`${{ toString: () => 'os.system()' } as never}`, TypeError);
    assert.throws(() => py`${undefined as never}`, TypeError);
  });
  test('names', () => {
    assert.ok(['a', '_a1', 'conv2d'].every(isIdentifier));
    assert.ok(['', '1a', 'a.b', 'a b', 'lambda', '__class__', '__a', 'é', 'a\n'].every((name) => !isIdentifier(name)));
    assert.equal(String(attributePath(py`self`, 'layer1.0.conv1')), 'self.layer1[0].conv1');
    for (const name of ['', 'a..b', 'a.__class__', 'a.01', 'a(b)', 'if.weight'])
      assert.throws(() => attributePath(py`self`, name), UserError, name);
  });
  test('every value has a variable of its own', () => {
    const variables = new PythonVariables(['torch', 'self']);
    const names = ['a.b', 'a_b', 'torch', 'if', '0', 'a.b'].map((name) => String(variables.of(name)));
    assert.deepEqual(names, ['a_b', 'x_a_b', 'x_torch', 'x_if', 'x_0', 'a_b']);
  });
});

const HOSTILE = [
  '"""\nopen("x", "w")\n"""',
  '"); open("x", "w"); ("',
  "'+open('x','w')+'",
  'a\n        import os',
  'os.system("x")',
  '\\',
  'a\\"',
  '__class__.__init__',
  'x\u2028y',
  'x\ry',
  '0 if open("x","w") else 0',
  'torch',
  '{0}',
];

/** A copy of the value in which one in `rate` leaves is a text that wants to be program. */
function mutated(value: unknown, random: () => number, rate: number): unknown {
  if (ArrayBuffer.isView(value)) return value;
  if (Array.isArray(value)) return value.map((item) => mutated(item, random, rate));
  if (value !== null && typeof value === 'object')
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, mutated(item, random, rate)]));
  if (random() * rate >= 1) return value;
  const text = HOSTILE[Math.floor(random() * HOSTILE.length)];
  return typeof value === 'string' && random() < 0.5 ? `${value}${text}` : text;
}

const noPython = noPythonWith('ast');

describe('text from a file never becomes Python', { skip: noPython }, () => {
  const folder = testFolder();
  const check = (): Record<string, readonly string[]> => runPython('engine/export/check_python.py', folder.path);

  test('Graphs whose names, numbers and attributes are program text', () => {
    const generator = new Random(13);
    const random = (): number => generator.uint32() / 2 ** 32;
    const networks = [
      findVariant('resnet20')?.build(),
      findVariant('deit_tiny_distilled_patch16_224')?.build({ inputSize: 32 }),
      findVariant('swin_tiny_patch4_window7_224')?.build({ inputSize: 32 }),
    ];
    let written = 0;
    for (let round = 0; round < 150; round++) {
      const graph = networks[round % networks.length] as Graph;
      try {
        // Whole, or in one of the parts that nothing checks before it is written.
        const changed = mutated(
          round % 2 ? { name: graph.name, input: graph.input, classes: graph.classes } : graph,
          random,
          round % 2 ? 2 : 400,
        );
        const source = pytorchSource({ ...graph, ...(changed as object) }, `w${HOSTILE[round % HOSTILE.length]}.pth`);
        writeFileSync(path.join(folder.path, `${round}.py`), source);
        written++;
      } catch {
        // Graphs that nothing has checked are refused with whatever comes; what is written is what counts.
      }
    }
    assert.ok(written > 80, `only ${written} could be written`);
    const found = Object.entries(check());
    assert.equal(found.length, written);
    assert.deepEqual(Object.fromEntries(found.filter(([, problems]) => problems.length)), {});
  });

  const hostile = path.join(sharedPath, 'cases', 'hostile');
  test('files that carry program text', { skip: skipWithoutShared }, async () => {
    const model = await openModel({ model: path.join(hostile, 'python_injection.safetensors') });
    const output = path.join(folder.path, 'injection.py');
    await exportModel(model, 'pytorch', output);
    assert.match(readFileSync(output, 'utf8'), /PYEXEC/);
    assert.deepEqual(check()['injection.py'], []);
  });
});
