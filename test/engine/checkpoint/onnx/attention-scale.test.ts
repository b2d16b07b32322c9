/** The factor of attention: a number in a file stays that number; one that the network computes of its sizes follows them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { importOnnx } from '../../../../src/engine/checkpoint/onnx/import.ts';
import { parseOnnx } from '../../../../src/engine/checkpoint/onnx/onnx-proto.ts';
import { onnxModel } from '../../../../src/engine/export/onnx.ts';
import type { Graph } from '../../../../src/engine/graph/graph.ts';
import { couple } from '../../../../src/engine/pruning/coupling/couple.ts';
import type { Plan } from '../../../../src/engine/pruning/planning/plan-types.ts';
import { prune } from '../../../../src/engine/pruning/rebuilding/apply-plan.ts';
import { ModelBuilder } from './model-builder.ts';

type Place = 'queries' | 'keys' | 'scores';

/** Attention of two heads of four dimensions. `computed`: its factor is computed of the queries' shape. */
function attention(place: Place, computed: boolean): Uint8Array {
  const b = new ModelBuilder();
  const flat = b.node('Reshape', [
    b.node('Conv', ['input', b.float('conv.weight', [4, 3, 3, 3])]),
    b.integers(0, 4, -1),
  ]);
  const x = b.node('Transpose', [flat], { perm: [0, 2, 1] });
  const part = (name: string): string => {
    const y = b.node('Reshape', [b.node('MatMul', [x, b.float(name, [4, 8])]), b.integers(0, 0, 2, 4)]);
    return b.node('Transpose', [y], { perm: [0, 2, 1, 3] });
  };
  const [q, k, v] = [part('q'), part('k'), part('v')];
  const factor = (): string => {
    if (!computed) return b.number(0.5);
    const width = b.node('Gather', [b.node('Shape', [q]), b.tensorOf(3)]);
    return b.node('Div', [b.number(1), b.node('Sqrt', [b.node('Cast', [width], { to: 1 })])]);
  };
  const times = (value: string, at: Place): string => (at === place ? b.node('Mul', [value, factor()]) : value);
  const keys = times(b.node('Transpose', [k], { perm: [0, 1, 3, 2] }), 'keys');
  const scores = times(b.node('MatMul', [times(q, 'queries'), keys]), 'scores');
  const context = b.node('MatMul', [b.node('Softmax', [scores], { axis: -1 }), v]);
  const merged = b.node('Reshape', [b.node('Transpose', [context], { perm: [0, 2, 1, 3] }), b.integers(0, 0, 8)]);
  const pooled = b.node('ReduceMean', [merged], { axes: [1], keepdims: 0 });
  return b.finish(b.node('Gemm', [pooled, b.float('fc.weight', [3, 8]), b.float('fc.bias', [3])], { transB: 1 }));
}

const factors = ({ nodes }: Graph): unknown[] =>
  nodes.flatMap((node) => (node.kind === 'scale' ? [node.attributes.by] : []));

/** The network without the last of its head dimensions. */
function narrower({ graph, weights }: ReturnType<typeof importOnnx>): { graph: Graph; bytes: Uint8Array } {
  const groups = couple(graph);
  // Of queries and keys: no layer takes them in.
  const group = groups.groups.find(
    ({ heads, members }) => heads !== undefined && members.every((member) => member.side === 'out'),
  );
  const { root, side, width } = group ?? assert.fail('no head dimensions');
  const kept = Array.from({ length: width - 1 }, (_, i) => i);
  const pruned = prune(
    graph,
    weights(),
    { groups: [{ root, side, width, kept }], heads: [] } as unknown as Plan,
    groups,
  );
  return { graph: pruned.graph, bytes: onnxModel(pruned.graph, pruned.weights) };
}

for (const place of ['queries', 'keys', 'scores'] as const)
  for (const computed of [false, true])
    test(`a ${computed ? 'computed' : 'constant'} factor of the ${place}`, () => {
      const expected = computed ? 'rsqrt(last dimension)' : 0.5;
      const imported = importOnnx(parseOnnx(attention(place, computed)), { file: 'attention.onnx' });
      assert.deepEqual(factors(imported.graph), [expected]);
      const pruned = narrower(imported);
      assert.deepEqual(factors(pruned.graph), [expected]);
      // What Espalier writes says so too.
      assert.deepEqual(factors(importOnnx(parseOnnx(pruned.bytes), { file: 'pruned.onnx' }).graph), [expected]);
    });
