/** Damaged files: every format that is read, made here, with a few places changed at random. A seed gives the same files anywhere. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { UserError } from '../../../src/common/errors.ts';
import { findVariant } from '../../../src/engine/architectures/registry.ts';
import { Random } from '../../../src/engine/data/random.ts';
import type { Graph } from '../../../src/engine/graph/graph.ts';
import type { Weights } from '../../../src/engine/graph/tensor.ts';
import { toFloat32 } from '../../../src/engine/graph/tensor.ts';
import { exportModel } from '../../../src/engine/jobs/export.ts';
import { openModel, saveModel } from '../../../src/engine/jobs/opening/model.ts';
import { graphInfo } from '../../../src/engine/jobs/opening/model-info.ts';
import { EMPTY_RECORD } from '../../../src/engine/jobs/record.ts';
import { couple } from '../../../src/engine/pruning/coupling/couple.ts';
import { fillWeights } from '../../support/detfill.ts';
import { sharedPath, skipWithoutShared } from '../data/shared.ts';
import { dict, instance, orderedDict, type Writable } from './pickle-writer.ts';
import { floats, tensor, torchLegacy, torchZip } from './torch-files.ts';

interface Sample {
  readonly name: string;
  readonly bytes: Buffer;
}

/** The weights as a PyTorch file has them: one storage a tensor. */
function stateDict(weights: Weights): { root: Writable; storages: ReturnType<typeof floats>[] } {
  const storages = [...weights.values()].map((t, i) => floats(String(i), ...toFloat32(t)));
  const entries = [...weights].map(([name, t], i) => [name, tensor(storages[i], [...t.shape])] as const);
  return { root: orderedDict(Object.fromEntries(entries)), storages };
}

/** A whole pickled module of two layers, with what a training script leaves beside it. */
function wholeModule(): Buffer {
  const weight = floats('0', ...Array.from({ length: 12 }, (_, i) => i / 10));
  const layer = instance('torch.nn.modules.linear', 'Linear', {
    _parameters: dict({ weight: tensor(weight, [3, 4]), bias: null }),
    _buffers: dict({}),
    _modules: dict({}),
    in_features: 4,
    training: false,
  });
  const network = instance('model', 'Network', {
    _parameters: dict({}),
    _buffers: dict({}),
    _modules: dict({ fc: layer, again: layer }),
  });
  return torchZip(dict({ model: network, epoch: 3, args: dict({ lr: 0.1, name: 'x' }) }), [weight]);
}

async function written(folder: string, graph: Graph, weights: Weights): Promise<Sample[]> {
  const read = (name: string): Sample => ({ name, bytes: readFileSync(path.join(folder, name)) });
  const own = path.join(folder, 'own.safetensors');
  await saveModel(own, graph, weights, EMPTY_RECORD);
  await saveModel(path.join(folder, 'own.pth'), graph, weights, EMPTY_RECORD);
  await exportModel(await openModel({ model: own }), 'onnx', path.join(folder, 'model.onnx'));
  return [read('own.safetensors'), read('own.pth'), read('model.onnx')];
}

/** A file of every format, each some ten thousand bytes; with ../shared its hostile and reported files too. */
async function samples(folder: string): Promise<readonly Sample[]> {
  const shapes = (name: string): readonly number[] | undefined => narrow.get(name);
  const dense = findVariant('resnet20')?.build() as Graph;
  const narrow = new Map(dense.parameters.map((p) => [p.name, p.shape.map((d) => (d >= 16 ? d / 16 : d))]));
  const graph = findVariant('resnet20')?.build({ shapes }) as Graph;
  const weights = fillWeights(graph);
  const { root, storages } = stateDict(weights);
  const index = { metadata: {}, weight_map: { a: 'model-00001-of-00001.safetensors' } };
  const shared = skipWithoutShared
    ? []
    : [
        'hostile',
        'reports/masks',
        'reports/prefixes',
        'reports/onnx-attention-batch1',
        'reports/integer-weights',
      ].flatMap((place) => {
        const from = path.join(sharedPath, 'cases', place);
        return readdirSync(from)
          .filter((name) => /\.(pth|th|bin|ckpt|onnx|safetensors)$/.test(name))
          .map((name): Sample => ({ name, bytes: readFileSync(path.join(from, name)) }));
      });
  const own = [
    ...(await written(folder, graph, weights)),
    { name: 'zip.pth', bytes: torchZip(root, storages) },
    { name: 'legacy.th', bytes: torchLegacy(dict({ state_dict: root, epoch: 1 }), storages) },
    { name: 'module.pth', bytes: wholeModule() },
    { name: 'model.safetensors.index.json', bytes: Buffer.from(JSON.stringify(index)) },
  ];
  // Those that are healthy to begin with more often: what is refused anyway tells less.
  return [...own, ...own, ...own, ...own, ...shared];
}

type Mutation = (bytes: Buffer, random: Random) => Buffer;

const INTERESTING = [0, 1, 0x7f, 0x80, 0xff, 0x2e, 0x28, 0x5d, 0x7d, 0x7b];

const mutations: readonly Mutation[] = [
  // One to eight bytes.
  (bytes, random) => {
    const changed = Buffer.from(bytes);
    for (let n = 1 + random.int(8); n > 0; n--) changed[random.int(changed.length)] = random.int(256);
    return changed;
  },
  (bytes, random) => {
    const changed = Buffer.from(bytes);
    for (let n = 1 + random.int(3); n > 0; n--) changed[random.int(changed.length)] ^= 1 << random.int(8);
    return changed;
  },
  (bytes, random) => {
    const changed = Buffer.from(bytes);
    for (let n = 1 + random.int(4); n > 0; n--)
      changed[random.int(changed.length)] = INTERESTING[random.int(INTERESTING.length)];
    return changed;
  },
  // Numbers of 4 and 8 bytes: sizes, offsets, counts.
  (bytes, random) => {
    const changed = Buffer.from(bytes);
    const at = random.int(Math.max(1, changed.length - 8));
    if (at + 8 <= changed.length)
      changed.writeBigUInt64LE([0n, 1n, 2n ** 31n, 2n ** 32n - 1n, 2n ** 53n, 2n ** 64n - 1n][random.int(6)], at);
    return changed;
  },
  // Cut, without a part, with a part twice.
  (bytes, random) => bytes.subarray(0, random.int(bytes.length)),
  (bytes, random) => {
    const [at, length] = [random.int(bytes.length), 1 + random.int(64)];
    return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + length)]);
  },
  (bytes, random) => {
    const [at, length] = [random.int(bytes.length), 1 + random.int(256)];
    return Buffer.concat([bytes.subarray(0, at + length), bytes.subarray(at)]);
  },
  // A text that says other numbers and names, of the same length: headers in JSON, names in pickles.
  (bytes, random) => {
    const changed = Buffer.from(bytes);
    const from = random.int(Math.min(changed.length, 20_000));
    for (let i = from; i < Math.min(changed.length, from + 4000); i++)
      if (changed[i] >= 0x30 && changed[i] <= 0x39 && random.int(12) === 0) changed[i] = 0x30 + random.int(10);
    return changed;
  },
];

/** The bytes changed in one or two ways. */
export function damage(bytes: Buffer, seed: number): Buffer {
  const random = new Random(seed);
  let changed = bytes;
  for (let n = 1 + random.int(2); n > 0; n--)
    changed = mutations[random.int(mutations.length)](changed.length ? changed : bytes, random);
  return changed;
}

/** Everything that is done with a model before it runs. */
export async function use(file: string): Promise<'opened' | 'refused'> {
  try {
    const model = await openModel({ model: file });
    graphInfo(model.graph);
    couple(model.graph);
    await model.weights();
    return 'opened';
  } catch (error) {
    if (error instanceof UserError && !/takes longer to read/.test(error.message)) return 'refused';
    throw error;
  }
}

export interface Campaign {
  readonly opened: number;
  readonly refused: number;
  /** What ended in anything but a message, with the seed that makes the file again. */
  readonly failures: readonly string[];
}

/** Opens `count` damaged files, the `first`-th on. */
export async function campaign(first: number, count: number): Promise<Campaign> {
  const folder = mkdtempSync(path.join(tmpdir(), 'espalier-mutations-'));
  const failures: string[] = [];
  let [opened, refused] = [0, 0];
  try {
    const all = await samples(folder);
    for (let seed = first; seed < first + count; seed++) {
      const { name, bytes } = all[seed % all.length];
      const changed = damage(bytes, seed);
      const file = path.join(folder, `damaged-${name}`);
      writeFileSync(file, changed);
      try {
        if ((await use(file)) === 'opened') opened++;
        else refused++;
      } catch (error) {
        failures.push(`seed ${seed}, ${name}: ${(error as Error).stack?.slice(0, 600) ?? error}`);
      }
    }
    return { opened, refused, failures };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
