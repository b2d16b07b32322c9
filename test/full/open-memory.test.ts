/** Opening a large `.pt2` or ONNX file, weights and all, takes less than 1.2 times its size in memory. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { findVariant } from '../../src/engine/architectures/registry.ts';
import { onnxModel } from '../../src/engine/export/onnx.ts';
import { writePt2 } from '../../src/engine/export/pt2.ts';
import type { Graph } from '../../src/engine/graph/graph.ts';
import type { Weights } from '../../src/engine/graph/tensor.ts';
import { testFolder } from '../engine/checkpoint/files.ts';
import { fillWeights } from '../support/detfill.ts';

const MOST = 1.2;
const noStatus = !existsSync('/proc/self/status') && 'no /proc here';
const folder = testFolder();
const writers: Readonly<Record<string, (file: string, graph: Graph, weights: Weights) => Promise<void>>> = {
  pt2: writePt2,
  onnx: async (file, graph, weights) => writeFileSync(file, onnxModel(graph, weights, {})),
};

for (const [format, write] of Object.entries(writers))
  test(`convnext_base as .${format}`, { skip: noStatus }, async (t) => {
    const graph = findVariant('convnext_base')?.build() ?? assert.fail();
    const file = path.join(folder.path, `large.${format}`);
    await write(file, graph, fillWeights(graph));
    const script = path.join(import.meta.dirname, 'open-memory.ts');
    const { opened, read, tensors } = JSON.parse(
      execFileSync(process.execPath, ['--import', 'tsx', script, file], { encoding: 'utf8' }),
    );
    const { size } = statSync(file);
    t.diagnostic(
      `${(opened / size).toFixed(2)} times the file's ${size} bytes to open, ${(read / size).toFixed(2)} with weights`,
    );
    assert.ok(read < MOST * size, `${(read / size).toFixed(2)} times the file's size`);
    assert.equal(tensors, graph.parameters.length);
  });
