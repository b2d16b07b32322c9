/** Programs as text: what a train step of a small network consists of. */
import { test } from 'node:test';
import { dumpProgram } from '../../../src/engine/compute/programs/program.ts';
import { trainProgram } from '../../../src/engine/compute/programs/programs.ts';
import { GraphBuilder } from '../../../src/engine/graph/builder.ts';
import { assertGolden } from '../../support/golden.ts';
import { squareInput } from '../../support/input-config.ts';

test('the program of a train step', () => {
  const b = new GraphBuilder();
  const input = squareInput(4);
  const x = b.activation('', b.conv('conv', b.input(input), { out: 2, kernel: 1 }), 'relu', { suffix: 'relu' });
  const graph = b.finish({ name: 'tiny', family: 'test', input, classes: 2 }, b.mean('', x, [2, 3], false));
  const program = trainProgram(graph, {
    optimizer: { kind: 'sgd', momentum: 0.9 },
    loss: { targets: 'labels' },
    weightDecay: () => 0,
  });
  assertGolden(import.meta.dirname, 'train-step.txt', dumpProgram(program));
});
