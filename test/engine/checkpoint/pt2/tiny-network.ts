/** The network of the fixture tiny.pt2, which a clone without PyTorch reads: `node --import tsx test/engine/checkpoint/pt2/tiny-network.ts` writes it again. */
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { writePt2 } from '../../../../src/engine/export/pt2.ts';
import { GraphBuilder } from '../../../../src/engine/graph/builder.ts';
import type { Graph } from '../../../../src/engine/graph/graph.ts';
import { fillWeights } from '../../../support/detfill.ts';
import { squareInput } from '../../../support/input-config.ts';

export const tinyFile = path.join(import.meta.dirname, 'tiny.pt2');

const input = squareInput(8);

export function tinyNetwork(): Graph {
  const b = new GraphBuilder();
  const stem = b.activation(
    'act',
    b.batchNorm('bn', b.conv('stem', b.input(input), { out: 8, kernel: 3, padding: 1 })),
    'relu',
  );
  const wide = b.conv('wide', stem, { out: 12, kernel: 1, bias: true });
  const logits = b.linear('head', b.mean('pool', wide, [2, 3], false), 5);
  return b.finish({ name: 'tiny', family: 'test', input, classes: 5 }, logits);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const graph = tinyNetwork();
  await writePt2(tinyFile, graph, fillWeights(graph));
}
