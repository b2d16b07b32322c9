import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buildModel } from '../../../src/engine/architectures/registry.ts';
import { graphCost } from '../../../src/engine/graph/macs.ts';
import { validateGraph } from '../../../src/engine/graph/validate.ts';
import { caseNames } from '../../support/reference.ts';
import { readCase, readShapes, shapeFiles } from './reference.ts';

for (const name of shapeFiles)
  test(`${name}: names, shapes, order and kind of the state dict`, () => {
    const graph = buildModel(name);
    assert.ok(graph);
    const state = graph.parameters
      .filter((p) => !p.name.endsWith('num_batches_tracked'))
      .map((p) => [p.name, p.shape, p.trainable]);
    assert.deepEqual(state, readShapes(name));
  });

for (const name of caseNames) {
  const { model, base, pruned, tensors, num_heads: headCounts = {} } = readCase(name);
  test(`${name}: MACs and parameters of ${model}`, () => {
    const { macs, params } = graphCost(buildModel(model) ?? assert.fail());
    assert.deepEqual({ macs, params }, base);
  });
  test(`${name}: the pruned network is rebuilt from its shapes`, () => {
    const graph = buildModel(model, {
      shapes: (tensor) => tensors[tensor]?.shape,
      heads: (attention) => headCounts[`${attention}.qkv`],
    });
    assert.ok(graph);
    validateGraph(graph);
    const { macs, params } = graphCost(graph);
    assert.deepEqual({ macs, params }, pruned);
    for (const parameter of graph.parameters)
      if (tensors[parameter.name]) assert.deepEqual(parameter.shape, tensors[parameter.name].shape, parameter.name);
    const built = new Set(graph.parameters.map((p) => p.name));
    assert.deepEqual(
      Object.keys(tensors).filter((tensor) => !built.has(tensor)),
      [],
    );
  });
}
