/** Networks with several outputs: a detector's heads are outputs like any other. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { predictProgram } from '../../../src/engine/compute/programs/programs.ts';
import { GraphBuilder } from '../../../src/engine/graph/builder.ts';
import { dumpGraph } from '../../../src/engine/graph/dump.ts';
import { type Graph, logitsOf } from '../../../src/engine/graph/graph.ts';
import { graphFromJson, graphToJson } from '../../../src/engine/graph/serialize.ts';
import { validateGraph } from '../../../src/engine/graph/validate.ts';
import { couple } from '../../../src/engine/pruning/coupling/couple.ts';
import { groupOf } from '../../../src/engine/pruning/coupling/groups.ts';
import { squareInput } from '../../support/input-config.ts';
import { assertExact } from '../pruning/masked.ts';

const header = { name: 'detector', family: 'test', input: squareInput(8) };

function detector(): Graph {
  const b = new GraphBuilder();
  const x = b.activation('act', b.conv('stem', b.input(header.input), { out: 8, kernel: 3, padding: 1 }), 'relu');
  const neck = b.conv('neck', x, { out: 12, kernel: 1, bias: true });
  const boxes = b.conv('boxes', neck, { out: 4, kernel: 1, bias: true });
  const scores = b.activation('scores', b.conv('classes', neck, { out: 5, kernel: 1 }), 'sigmoid');
  const outputs = [
    { name: 'boxes', value: boxes },
    { name: 'scores', value: scores },
  ];
  return b.finish({ ...header, classes: 0 }, outputs);
}

test('every output is computed under its name', () => {
  assert.deepEqual(Object.keys(predictProgram(detector()).outputs), ['boxes', 'scores']);
  assert.match(dumpGraph(detector()), /, 2 outputs\n(.*\n)*output boxes = boxes\noutput scores = scores$/);
});

test('all of an output stays, and what feeds it is pruned exactly', async () => {
  const groups = couple(detector());
  assert.equal(groupOf(groups, 'boxes', 'out')?.frozen, 'the output boxes');
  assert.equal(groupOf(groups, 'classes', 'out')?.frozen, 'the output scores');
  const { pruned } = await assertExact(detector(), { ratio: 0.5 });
  const widths = (name: string): readonly number[] | undefined =>
    pruned.graph.parameters.find((parameter) => parameter.name === name)?.shape;
  assert.deepEqual(widths('boxes.weight'), [4, 6, 1, 1]);
  assert.deepEqual(widths('classes.weight'), [5, 6, 1, 1]);
});

test('what asks for logits is refused by name', () => {
  assert.throws(() => logitsOf(detector()), /detector is not a classifier: it gives boxes, scores/);
  assert.throws(() => validateGraph({ ...detector(), classes: 5 }), /not one logit for each of 5 classes/);
  assert.throws(() => validateGraph({ ...detector(), outputs: [] }), /no output/);
});

test('JSON keeps them, and files from before have the logits alone', () => {
  const graph = detector();
  assert.deepEqual(graphFromJson(graphToJson(graph)), graph);
  const b = new GraphBuilder();
  const logits = b.linear('fc', b.mean('', b.input(header.input), [2, 3], false), 3);
  const { outputs, ...rest } = b.finish({ ...header, classes: 3 }, logits);
  const old = JSON.stringify({ version: 1, graph: { ...rest, output: 'fc' } });
  assert.deepEqual(graphFromJson(old).outputs, outputs);
});
