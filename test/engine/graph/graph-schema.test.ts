import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { UserError } from '../../../src/common/errors.ts';
import { findVariant } from '../../../src/engine/architectures/registry.ts';
import { Random } from '../../../src/engine/data/random.ts';
import { pytorchSource } from '../../../src/engine/export/pytorch.ts';
import type { Graph } from '../../../src/engine/graph/graph.ts';
import { graphFromJson, graphToJson } from '../../../src/engine/graph/serialize.ts';
import { graphInfo } from '../../../src/engine/jobs/opening/model-info.ts';
import { couple } from '../../../src/engine/pruning/coupling/couple.ts';

const build = (name: string, inputSize?: number): Graph =>
  findVariant(name)?.build(inputSize ? { inputSize } : {}) ?? assert.fail(name);

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

const STRANGE: readonly Json[] = [
  null,
  true,
  -1,
  0,
  0.5,
  1e308,
  2 ** 40,
  '',
  '__proto__',
  'relu',
  [],
  {},
  [[]],
  7,
  'x'.repeat(5000),
];

/** Changes one place: another value, none, or one more of it. */
function change(value: Json, random: Random): Json {
  const container = value !== null && typeof value === 'object' && Object.keys(value).length > 0;
  if (!container || random.int(12) === 0) return STRANGE[random.int(STRANGE.length)];
  if (Array.isArray(value)) {
    const at = random.int(value.length);
    const how = random.int(8);
    if (how === 0) return value.filter((_, i) => i !== at);
    if (how === 1) return [...value, value[at]];
    return value.map((item, i) => (i === at ? change(item, random) : item));
  }
  const keys = Object.keys(value);
  const key = keys[random.int(keys.length)];
  if (random.int(10) === 0) return Object.fromEntries(Object.entries(value).filter(([name]) => name !== key));
  return { ...value, [key]: change(value[key], random) };
}

/** Everything that reads a Graph before it runs. */
function use(graph: Graph): void {
  graphInfo(graph);
  couple(graph);
  pytorchSource(graph, 'weights.pth');
}

describe('a Graph from a file', () => {
  const networks = [
    build('resnet20'),
    build('deit_tiny_distilled_patch16_224', 32),
    build('swin_tiny_patch4_window7_224', 32),
    build('densenet121', 32),
  ];

  test('is the one that was written', () => {
    for (const graph of networks) assert.deepEqual(graphFromJson(graphToJson(graph)), graph, graph.name);
  });

  test('is refused with a message or can be used, whatever was changed in it', () => {
    const random = new Random(46);
    const texts = networks.map(
      (graph) => JSON.parse(graphToJson(graph)) as { version: Json; graph: { [key: string]: Json } },
    );
    let refused = 0;
    for (let round = 0; round < 300; round++) {
      const { version, graph } = texts[round % texts.length];
      // Most of a Graph are its nodes and parameters: every key is as likely here.
      const keys = Object.keys(graph);
      const key = keys[random.int(keys.length)];
      const text = JSON.stringify({ version, graph: { ...graph, [key]: change(graph[key], random) } });
      let read: Graph;
      try {
        read = graphFromJson(text);
      } catch (error) {
        refused++;
        assert.ok(
          error instanceof Error && !['TypeError', 'RangeError', 'ReferenceError'].includes(error.name),
          `${key}: ${(error as Error).stack}`,
        );
        continue;
      }
      try {
        use(read);
      } catch (error) {
        assert.ok(error instanceof UserError, `round ${round}, ${key}: ${(error as Error).stack}`);
      }
    }
    assert.ok(refused > 100, `${refused} refused`);
  });

  const broken = (edit: (graph: Graph) => unknown): (() => Graph) => {
    const { version } = JSON.parse(graphToJson(networks[0])) as { version: number };
    return () => graphFromJson(JSON.stringify({ version, graph: edit(networks[0]) }));
  };
  test('says what is wrong', () => {
    assert.throws(
      broken((graph) => ({ ...graph, classes: '10' })),
      /classes: Invalid type: Expected number/,
    );
    assert.throws(
      broken(({ nodes, ...graph }) => ({ ...graph, nodes: [...nodes.slice(0, 1), ...nodes.slice(2)] })),
      /is not computed before it/,
    );
    assert.throws(
      broken((graph) => ({ ...graph, parameters: graph.parameters.slice(1) })),
      /is not among the parameters/,
    );
    assert.throws(() => graphFromJson('null'), /it is no Graph/);
    assert.throws(() => graphFromJson('{"version":"1"}'), /has version 1/);
  });
});
