/** Files that are made to take a machine: each small for what it unfolds to, or long. */
import { closeSync, openSync, writeSync } from 'node:fs';
import { buildModel } from '../../src/engine/architectures/registry.ts';
import { GRAPH_KEY } from '../../src/engine/checkpoint/checkpoint.ts';
import { graphToJson } from '../../src/engine/graph/serialize.ts';
import { bytesField, type Chunk, encode, intField, messageField } from '../../src/engine/protobuf/protobuf-writer.ts';
import { ModelBuilder } from '../engine/checkpoint/onnx/model-builder.ts';
import { orderedDict, pickle } from '../engine/checkpoint/pickle-writer.ts';
import { type TestStorage, tensor, zip } from '../engine/checkpoint/torch-files.ts';

const MEGABYTE = 2 ** 20;

/** An attribute of one byte a number. */
function packedNumbers(count: number): Uint8Array {
  const numbers = new Uint8Array(count).fill(1);
  const attribute = messageField(5, [bytesField(1, 'axes'), bytesField(8, numbers), intField(20, 7)]);
  const node = messageField(1, [bytesField(1, 'input'), bytesField(2, 'y'), bytesField(4, 'Unsqueeze'), attribute]);
  const input = messageField(11, [bytesField(1, 'input'), messageField(2, [messageField(1, [intField(1, 1)])])]);
  const graph: Chunk[] = [node, input, messageField(12, [bytesField(1, 'y')])];
  return encode([intField(1, 8), messageField(7, graph), messageField(8, [bytesField(1, ''), intField(2, 11)])]);
}

/** Tensors that all are the whole of one storage. */
function sharedStorage(tensors: number, elements: number): Uint8Array {
  const storage: TestStorage = { type: 'HalfStorage', key: '0', bytes: new Uint8Array(2 * elements), elements };
  const entries = Array.from({ length: tensors }, (_, i) => [`t${i}.weight`, tensor(storage, [elements])] as const);
  return zip([
    { name: 'archive/data.pkl', data: pickle(orderedDict(Object.fromEntries(entries))) },
    { name: 'archive/data/0', data: storage.bytes },
  ]);
}

/** A safetensors file whose recorded Graph has constants of zeros. */
function deflatedConstants(count: number, bytes: number): Uint8Array {
  const graph = buildModel('resnet20');
  if (!graph) throw new Error('no resnet20');
  const tensor = { dtype: 'float32', shape: [bytes / 4], data: new Float32Array(bytes / 4) } as const;
  const constant = { kind: 'constant', attributes: { tensor }, inputs: [], parameters: {}, module: '', moduleType: '' };
  const one = JSON.parse(
    graphToJson({ ...graph, nodes: [{ ...constant, id: 'c', counted: false }] } as unknown as typeof graph),
  );
  const [node] = one.graph.nodes;
  const nodes = Array.from({ length: count }, (_, i) => ({ ...node, id: `c${i}` }));
  const metadata = { [GRAPH_KEY]: JSON.stringify({ ...one, graph: { ...one.graph, nodes } }) };
  return safetensors({ __metadata__: metadata, w: { dtype: 'F32', shape: [1], data_offsets: [0, 4] } }, 4);
}

function safetensors(header: object, bytes: number): Uint8Array {
  const json = Buffer.from(JSON.stringify(header));
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(json.length));
  return Buffer.concat([size, json, Buffer.alloc(bytes)]);
}

/** Storages that are zeros, each compressed just under what an entry may be. */
function zipBomb(entries: number): Uint8Array {
  const bytes = 16 * MEGABYTE - 4;
  const storages = Array.from(
    { length: entries },
    (_, i): TestStorage => ({ type: 'FloatStorage', key: `${i}`, bytes: new Uint8Array(bytes), elements: bytes / 4 }),
  );
  const tensors = storages.map((storage, i) => [`t${i}.weight`, tensor(storage, [bytes / 4])] as const);
  return zip([
    { name: 'archive/data.pkl', data: pickle(orderedDict(Object.fromEntries(tensors))) },
    ...storages.map(({ key, bytes: data }) => ({ name: `archive/data/${key}`, data, deflate: true })),
  ]);
}

/** Tensors without elements. */
function emptyTensors(count: number): Uint8Array {
  const entry = { dtype: 'F32', shape: [0], data_offsets: [0, 0] };
  return safetensors(Object.fromEntries(Array.from({ length: count }, (_, i) => [`t${i}`, entry])), 0);
}

function chainOfRelus(length: number): Uint8Array {
  const b = new ModelBuilder();
  let x = b.node('Conv', ['input', b.float('conv.weight', [4, 3, 3, 3])]);
  for (let i = 0; i < length; i++) x = b.node('Relu', [x]);
  return b.finish(b.classify(x, 4));
}

/** By file name; what opening one says. */
export const bigFiles: Readonly<Record<string, { make(): Uint8Array; readonly says: RegExp }>> = {
  'packed-numbers.onnx': { make: () => packedNumbers(60_000_000), says: /would unfold to more than/ },
  'shared-storage.pth': { make: () => sharedStorage(700, MEGABYTE), says: /would unfold to more than/ },
  'deflated-constants.safetensors': { make: () => deflatedConstants(40, 64 * MEGABYTE), says: /constants|damaged/ },
  'zip-bomb.pth': { make: () => zipBomb(60), says: /would unfold to more than/ },
  'empty-tensors.safetensors': { make: () => emptyTensors(500_000), says: /fits no architecture|would unfold/ },
  'chain-of-relus.onnx': { make: () => chainOfRelus(40_000), says: /opens with/ },
};

export function writeBigFile(file: string, bytes: Uint8Array): void {
  const handle = openSync(file, 'w');
  try {
    for (let at = 0; at < bytes.length; ) at += writeSync(handle, bytes, at, Math.min(2 ** 26, bytes.length - at));
  } finally {
    closeSync(handle);
  }
}
