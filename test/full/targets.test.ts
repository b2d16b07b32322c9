/** The FLOP target with Taylor scores of deterministic weights and gradients: minutes. */
import { test } from 'node:test';
import { variants } from '../../src/engine/architectures/registry.ts';
import { scoreGroups } from '../../src/engine/pruning/scoring/importance.ts';
import { checkTargets } from '../engine/models/targets.ts';
import { fillWeights, gradient } from '../support/detfill.ts';

for (const variant of variants)
  test(`${variant.name}: 30, 50 and 75 % of its MACs`, () => {
    const graph = variant.build();
    const shapes = new Map(graph.parameters.map(({ name, shape }) => [name, shape]));
    const of = (name: string) => gradient(name, shapes.get(name) ?? []);
    return checkTargets(
      graph,
      (groups) => scoreGroups(groups, fillWeights(graph), { criterion: 'taylor', gradients: { kind: 'combined', of } }),
      [0.3, 0.5, 0.75],
    );
  });
