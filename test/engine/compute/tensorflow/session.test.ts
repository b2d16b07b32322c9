/** Small graphs, run by TensorFlow; skipped where the runtime is not installed. */
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { before, describe, test } from 'node:test';
import {
  installedRuntime,
  loadTensorFlow,
  type TensorFlowBinding,
} from '../../../../src/engine/compute/runtime/binding.ts';
import {
  GraphDefBuilder,
  type TensorRef,
  type VariableRef,
} from '../../../../src/engine/compute/tensorflow/graph-def.ts';
import { type Feed, TensorFlowError, TensorFlowSession } from '../../../../src/engine/compute/tensorflow/session.ts';

const T = { T: { type: 'float32' } } as const;
const floats = (shape: readonly number[], ...values: number[]): Feed => ({
  dtype: 'float32',
  shape,
  data: Float32Array.from(values),
});

/** Signatures that set and read a variable. */
function stateSignatures(graph: GraphDefBuilder, variable: VariableRef): void {
  const { name, dtype, shape } = variable;
  const value = graph.placeholder(`assign/${name}`, dtype, shape);
  graph.signature('assign', { [name]: value }, { done: graph.after([graph.assign(variable, value)]) });
  graph.signature('read', {}, { [name]: graph.identity(graph.read(variable)) });
}

/** loss = mean((x w)²), d loss / d w = 2/n xᵀ x w; SGD with the rate that is fed. */
function linearModel(): GraphDefBuilder {
  const graph = new GraphDefBuilder();
  const w = graph.variable('w', [2, 1]);
  const x = graph.placeholder('x', 'float32', [-1, 2]);
  const rate = graph.placeholder('rate', 'float32', []);
  const value = graph.read(w);
  const y = graph.op('MatMul', [x, value], T, { dtype: 'float32', shape: [-1, 1] });
  const scalar = { dtype: 'float32', shape: [] } as const;
  const square = graph.op('Square', [y], T, y);
  const loss = graph.op('Mean', [square, graph.ints(0, 1)], { ...T, Tidx: { type: 'int32' } }, scalar);
  const size = graph.op('Size', [y], { ...T, out_type: { type: 'int32' } }, { dtype: 'int32', shape: [] });
  const count = graph.op('Cast', [size], { SrcT: { type: 'int32' }, DstT: { type: 'float32' } }, scalar);
  const upstream = graph.op('Mul', [y, graph.op('RealDiv', [graph.float(2), count], T, scalar)], T, y);
  const gradient = graph.op('MatMul', [x, upstream], { ...T, transpose_a: { bool: true } }, value);
  const update = graph.node('ResourceApplyGradientDescent', [w.handle, rate, gradient], T);
  graph.signature('predict', { x }, { y });
  graph.signature('step', { x, rate }, { loss: graph.identity(loss, { controls: [update] }), gradient });
  stateSignatures(graph, w);
  return graph;
}

const runtime = installedRuntime();

describe('TensorFlow session', { skip: !runtime && 'the TensorFlow runtime is not installed' }, () => {
  let binding: TensorFlowBinding;
  before(() => {
    binding = loadTensorFlow({ intraOpThreads: 2 });
  });

  const withSession = (graph: GraphDefBuilder, use: (session: TensorFlowSession) => void): void => {
    const session = new TensorFlowSession(binding, graph.toModel());
    try {
      use(session);
    } finally {
      session.dispose();
    }
    assert.equal(binding.getNumOfTensors(), 0);
    assert.equal(binding.getNumOfSavedModels(), 0);
  };

  test('assigns, predicts, trains and reads back', () => {
    withSession(linearModel(), (session) => {
      session.run('assign', { w: floats([2, 1], 1, -2) });
      const x = floats([2, 2], 1, 2, 3, 4);
      assert.deepEqual([...session.run('predict', { x }).y.data], [-3, -5]);
      const { loss, gradient } = session.run('step', { x, rate: floats([], 0.125) });
      assert.deepEqual(loss.shape, []);
      assert.equal(loss.data[0], 17);
      // xᵀ (2/2 y) with y = [-3, -5]
      assert.deepEqual([...gradient.data], [-18, -26]);
      const { w } = session.run('read');
      assert.deepEqual(w.shape, [2, 1]);
      assert.deepEqual([...w.data], [1 + 18 / 8, -2 + 26 / 8]);
      assert.deepEqual(session.run('predict', { x: floats([1, 2], 0, 0) }).y.shape, [1, 1]);
    });
  });

  test('a convolution with explicit padding and its gradient', () => {
    const graph = new GraphDefBuilder();
    const x = graph.placeholder('x', 'float32', [-1, 3, 3, 1]);
    const w = graph.variable('w', [3, 3, 1, 1]);
    const attrs = {
      ...T,
      strides: { ints: [1, 2, 2, 1] },
      padding: { str: 'EXPLICIT' },
      explicit_paddings: { ints: [0, 0, 1, 1, 1, 1, 0, 0] },
    } as const;
    const y = graph.op('Conv2D', [x, graph.read(w)], attrs, { dtype: 'float32', shape: [-1, 2, 2, 1] });
    const ones = graph.op('OnesLike', [y], T, y);
    const shape = graph.ints(3, 3, 1, 1);
    const gradient = graph.op('Conv2DBackpropFilter', [x, shape, ones], attrs, { dtype: 'float32', shape: w.shape });
    graph.signature('run', { x }, { y, gradient });
    stateSignatures(graph, w);
    withSession(graph, (session) => {
      session.run('assign', { w: floats([3, 3, 1, 1], 1, 1, 1, 1, 1, 1, 1, 1, 1) });
      const { y, gradient } = session.run('run', { x: floats([1, 3, 3, 1], 1, 2, 3, 4, 5, 6, 7, 8, 9) });
      assert.deepEqual([...y.data], [12, 16, 24, 28]);
      // Entry (i, j): the sum of what that tap saw in the four windows.
      assert.deepEqual([...gradient.data], [5, 10, 5, 10, 20, 10, 5, 10, 5]);
    });
  });

  test('all element types go in and out', () => {
    const graph = new GraphDefBuilder();
    const inputs: Record<string, TensorRef> = {};
    const outputs: Record<string, TensorRef> = {};
    for (const dtype of ['float32', 'int32', 'int64', 'bool'] as const) {
      inputs[dtype] = graph.placeholder(dtype, dtype, [-1]);
      outputs[dtype] = graph.identity(inputs[dtype]);
    }
    const bytes = graph.placeholder('bytes', 'uint8', [-1]);
    const cast = { SrcT: { type: 'uint8' }, DstT: { type: 'int32' } } as const;
    outputs['bytes'] = graph.op('Cast', [bytes], cast, { dtype: 'int32', shape: [-1] });
    graph.signature('echo', { ...inputs, bytes }, outputs);
    withSession(graph, (session) => {
      const result = session.run('echo', {
        float32: floats([2], 1.5, Number.NEGATIVE_INFINITY),
        int32: { dtype: 'int32', shape: [1], data: Int32Array.of(-7) },
        int64: { dtype: 'int64', shape: [2], data: BigInt64Array.of(2n ** 40n, -1n) },
        bool: { dtype: 'bool', shape: [2], data: Uint8Array.of(1, 0) },
        bytes: { dtype: 'uint8', shape: [2], data: Uint8Array.of(255, 3) },
      });
      assert.deepEqual([...result.float32.data], [1.5, Number.NEGATIVE_INFINITY]);
      assert.deepEqual([...result.int32.data], [-7]);
      assert.deepEqual([...result.int64.data], [2n ** 40n, -1n]);
      assert.deepEqual(result.bool, { dtype: 'bool', shape: [2], data: Uint8Array.of(1, 0) });
      assert.deepEqual([...result.bytes.data], [255, 3]);
    });
  });

  test('wrong inputs are refused before TensorFlow sees them', () => {
    withSession(linearModel(), (session) => {
      const rate = floats([], 1);
      const refused = (inputs: Record<string, Feed>, message: RegExp) =>
        assert.throws(
          () => session.run('step', inputs),
          (error: Error) => !(error instanceof TensorFlowError) && message.test(error.message),
        );
      refused({ x: floats([1, 2], 1, 2) }, /input rate: is missing/);
      refused({ x: floats([1, 3], 1, 2, 3), rate }, /input x: has shape \[1,3\], must be \[-1,2\]/);
      refused({ x: floats([2], 1, 2), rate }, /input x: has shape \[2\]/);
      refused({ x: floats([2, 2], 1, 2), rate }, /has 2 values, but its shape is \[2,2\]/);
      refused({ x: { dtype: 'int32', shape: [1, 2], data: Int32Array.of(1, 2) }, rate }, /is int32, must be float32/);
      refused({ x: floats([1, 2], 1, 2), rate, more: rate }, /input more: is not one of its inputs/);
      assert.throws(() => session.run('nothing'), /no signature nothing, only predict, step, assign, read/);
    });
  });

  test('what TensorFlow refuses is an error, and the session goes on', () => {
    withSession(linearModel(), (session) => {
      assert.throws(() => session.run('read'), TensorFlowError);
      session.run('assign', { w: floats([2, 1], 0, 0) });
      assert.deepEqual([...session.run('read').w.data], [0, 0]);
    });
    const broken = new GraphDefBuilder();
    const x = broken.placeholder('x', 'float32', [1]);
    broken.signature('f', { x }, { y: broken.op('NoSuchOp', [x], {}, x) });
    assert.throws(() => new TensorFlowSession(binding, broken.toModel()), /could not be loaded.*NoSuchOp/s);
  });

  test('an assigned variable does not follow the caller’s array, however it is aligned', () => {
    const graph = new GraphDefBuilder();
    const w = graph.variable('w', [64]);
    stateSignatures(graph, w);
    withSession(graph, (session) => {
      const memory = new Float32Array(256);
      for (let offset = 0; offset < 16; offset++) {
        const data = memory.subarray(offset, offset + 64).fill(1);
        session.run('assign', { w: { dtype: 'float32', shape: [64], data } });
        data.fill(2);
        assert.equal(session.run('read').w.data[0], 1, `at element ${offset}`);
      }
    });
  });

  test('two sessions of one graph have variables of their own, and no file stays behind', (t) => {
    // A folder of this test's own: other processes open sessions in the system's meanwhile.
    const own = mkdtempSync(path.join(os.tmpdir(), 'sessions-'));
    const outer = process.env.TMPDIR;
    process.env.TMPDIR = own;
    t.after(() => {
      if (outer === undefined) delete process.env.TMPDIR;
      else process.env.TMPDIR = outer;
      rmSync(own, { recursive: true });
    });
    const model = linearModel().toModel();
    const [a, b] = [new TensorFlowSession(binding, model), new TensorFlowSession(binding, model)];
    assert.deepEqual(readdirSync(own), []);
    a.run('assign', { w: floats([2, 1], 1, 2) });
    b.run('assign', { w: floats([2, 1], 3, 4) });
    assert.deepEqual([...a.run('read').w.data], [1, 2]);
    a.dispose();
    a.dispose();
    assert.throws(() => a.run('read'), /after the session was disposed/);
    assert.deepEqual([...b.run('read').w.data], [3, 4]);
    b.dispose();
  });
});
