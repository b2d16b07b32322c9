/** Programs as text: what a train step of a small network consists of. */
import { test } from 'node:test';
import { dumpProgram } from '../../../src/engine/compute/programs/program.ts';
import { trainProgram } from '../../../src/engine/compute/programs/programs.ts';
import { GraphBuilder } from '../../../src/engine/graph/builder.ts';
import { assertGolden } from '../../support/golden.ts';

test('the program of a train step', () => {
  const b = new GraphBuilder();
  const unit = [1, 1, 1] as const;
  const input = {
    channels: 3,
    height: 4,
    width: 4,
    mean: unit,
    std: unit,
    resize: 4,
    interpolation: 'bilinear' as const,
  };
  const x = b.activation('', b.conv('conv', b.input(input), { out: 2, kernel: 1 }), 'relu', { suffix: 'relu' });
  const graph = b.finish({ name: 'tiny', family: 'test', input, classes: 2 }, b.mean('', x, [2, 3], false));
  const program = trainProgram(graph, {
    optimizer: { kind: 'sgd', momentum: 0.9 },
    loss: { targets: 'labels' },
    weightDecay: () => 0,
  });
  assertGolden(import.meta.dirname, 'train-step.txt', dumpProgram(program));
});
