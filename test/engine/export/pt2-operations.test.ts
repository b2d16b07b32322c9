/** Every operation as the ATen calls that are written for it: PyTorch checks them by their schemas, and gives what the Graph gives. */
import assert from 'node:assert/strict';
import path from 'node:path';
import { after, describe, test } from 'node:test';
import { difference, outputsIn, TorchSide } from '../../../scripts/zoo-sweep/examine.ts';
import { writeSafetensors } from '../../../src/engine/checkpoint/safetensors/safetensors-write.ts';
import { createExecutor } from '../../../src/engine/compute/backends.ts';
import { predictProgram } from '../../../src/engine/compute/programs/programs.ts';
import { writePt2 } from '../../../src/engine/export/pt2.ts';
import { pt2Emitters } from '../../../src/engine/export/pt2-nodes.ts';
import { ACTIVATION_FUNCTIONS } from '../../../src/engine/graph/activations.ts';
import { GraphBuilder } from '../../../src/engine/graph/builder.ts';
import type { Graph, ValueId } from '../../../src/engine/graph/graph.ts';
import type {
  OperationAttributes,
  OperationKind,
  ParameterRole,
  SpatialPadding,
} from '../../../src/engine/graph/operations.ts';
import { float32Tensor } from '../../../src/engine/graph/tensor.ts';
import { fillWeights, uniform } from '../../support/detfill.ts';
import { squareInput } from '../../support/input-config.ts';
import { noPythonWith } from '../../support/python.ts';
import { testFolder } from '../checkpoint/files.ts';

const input = squareInput(8);
const pads = (top: number, left: number, bottom: number, right: number): SpatialPadding => ({
  top,
  left,
  bottom,
  right,
});
const EVEN = pads(1, 1, 1, 1);

const random = (name: string, count: number): Float32Array =>
  Float32Array.from(uniform(name, count, 'pt2'), (u) => 2 * u - 1);

/** Each call of `add` is an output of the network. */
class Outputs {
  readonly builder = new GraphBuilder();
  readonly images: ValueId = this.builder.input(input);
  readonly found: ValueId[] = [];

  add<K extends OperationKind>(
    kind: K,
    inputs: readonly ValueId[],
    attributes: OperationAttributes[K],
    shapes: Partial<Record<ParameterRole, readonly number[]>> = {},
  ): ValueId {
    const path = `m${this.found.length}`;
    const names = Object.entries(shapes).map(([role, shape]) => {
      const isStatistic = role.startsWith('running');
      return [role, this.builder.parameter(`${path}.${role}`, shape, !isStatistic)];
    });
    const id = this.builder.add(kind, path, inputs, attributes, Object.fromEntries(names));
    this.found.push(id);
    return id;
  }
}

function layers(o: Outputs, x: ValueId): void {
  const window = { kernel: [3, 3], stride: [2, 1], dilation: [1, 1] } as const;
  for (const padding of [EVEN, pads(0, 1, 2, 0)]) {
    o.add('conv', [x], { ...window, padding, groups: 1 }, { weight: [6, 3, 3, 3], bias: [6] });
    const up = { ...window, padding, outputPadding: [1, 0], groups: 3 } as const;
    o.add('convTranspose', [x], up, { weight: [3, 2, 3, 3], bias: [6] });
    o.add('maxPool', [x], { ...window, padding });
    o.add('averagePool', [x], { ...window, padding, countPadding: true });
  }
  o.add('averagePool', [x], { ...window, padding: EVEN, countPadding: false });
  o.add('averagePool', [x], { ...window, padding: pads(0, 0, 1, 0), countPadding: false });
  o.add('linear', [x], {}, { weight: [5, 8], bias: [5] });
  const statistics = { runningMean: [3], runningVar: [3] };
  o.add('batchNorm', [x], { eps: 1e-3, momentum: 0.1 }, { weight: [3], bias: [3], ...statistics });
  o.add('layerNorm', [x], { eps: 1e-5, axis: 3 }, { weight: [8], bias: [8] });
  o.add('layerNorm', [x], { eps: 1e-5, axis: 1 }, { weight: [3], bias: [3] });
  o.add('groupNorm', [x], { eps: 1e-5, groups: 3 }, { weight: [3], bias: [3] });
  for (const mode of ['nearest', 'linear', 'cubic'] as const)
    for (const coordinates of ['halfPixel', 'alignCorners', 'asymmetric'] as const)
      o.add('resize', [x], { size: [12, 5], mode, coordinates });
}

function elements(o: Outputs, x: ValueId): void {
  const positive = o.add('activation', [x], { function: 'exp' });
  for (const name of ACTIVATION_FUNCTIONS) o.add('activation', [positive], { function: name });
  for (const name of ['leakyRelu', 'elu'] as const) o.add('activation', [x], { function: name, slope: 0.3 });
  for (const kind of ['add', 'subtract', 'multiply', 'divide'] as const) o.add(kind, [x, positive], {});
  o.add('scale', [x], { by: 0.7 });
  o.add('scale', [x], { by: 'rsqrt(last dimension)' });
  o.add('softmax', [x], { axis: 1 });
  o.add('dropout', [x], { probability: 0.2 });
  o.add('dropPath', [x], { probability: 0.2 });
  o.add('mean', [x], { axes: [1, 3], keepDimensions: false });
  o.add('mean', [x], { axes: [2], keepDimensions: true });
}

function moves(o: Outputs, x: ValueId): void {
  for (const transposeB of [false, true]) o.add('matmul', [x, x], { transposeB });
  o.add('concat', [x, x], { axis: 1 });
  o.add('slice', [x], { axis: 2, start: 1, end: 8, step: 3 });
  o.add('pad', [x], { axis: 2, before: 1, after: 2 });
  o.add('reshape', [x], { shape: [-8, 24] });
  o.add('transpose', [x], { permutation: [0, 2, 3, 1] });
  o.add('roll', [x], { axes: [2, 3], shifts: [1, -2] });
  const table = o.add('parameter', [], {}, { value: [4, 5] });
  o.add('gather', [table], { indices: Int32Array.of(3, 0, 0, 2) });
  const row = o.add('constant', [], { tensor: float32Tensor([1, 1, 8], random('row', 8)) });
  o.add('expand', [row], { shape: [-1, 2, 8] });
}

function everything(): Graph {
  const o = new Outputs();
  for (const part of [layers, elements, moves]) part(o, o.images);
  const outputs = o.found.map((value, i) => ({ name: `y${i}`, value }));
  return o.builder.finish({ name: 'everything', family: 'test', input, classes: 0 }, outputs);
}

describe('operations written as .pt2', { skip: noPythonWith('torch', 'safetensors', 'numpy') }, () => {
  const folder = testFolder();
  const torch = new TorchSide();
  after(() => torch.end());

  test('each gives in PyTorch what it gives here', async () => {
    const graph = everything();
    const there = new Set(graph.nodes.map(({ kind }) => kind));
    // Operations of which nothing is known are written as they came: pt2-networks.test.ts.
    const missing = Object.keys(pt2Emitters).filter((kind) => !there.has(kind as OperationKind));
    assert.deepEqual(missing, ['opaque']);
    const weights = fillWeights(graph);
    const images = random('images', 2 * 8 * 8 * 3);
    await writePt2(path.join(folder.path, 'all.pt2'), graph, weights);
    await writeSafetensors(
      path.join(folder.path, 'images.safetensors'),
      new Map([['images', float32Tensor([2, 8, 8, 3], images)]]),
      {},
    );
    const answer = await torch.ask({ action: 'returned', folder: folder.path, file: 'all.pt2' });
    assert.deepEqual(answer, { structure: graph.outputs.map(() => 'tensor') });
    const executor = await createExecutor();
    const session = await executor.open({ predict: predictProgram(graph) });
    await session.assign(weights);
    const found = Object.values(await session.run('predict', { images })) as Float32Array[];
    await session.dispose();
    const wanted = await outputsIn(path.join(folder.path, 'returned.safetensors'));
    assert.equal(found.length, wanted.length);
    const wrong = found.flatMap((values, i) => {
      const off = difference([values], [wanted[i]]);
      return off < 1e-5 ? [] : [`${graph.outputs[i].value}: ${off}`];
    });
    assert.deepEqual(wrong, []);
  });
});
