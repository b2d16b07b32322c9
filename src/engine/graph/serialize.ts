/** A Graph as JSON: kept in the metadata of the files that Espalier writes, so that they open with no other argument. */
import { deflateSync, inflateSync } from 'node:zlib';
import type { Graph } from './graph.ts';
import { checkedGraph } from './graph-schema.ts';

/** 1 had one `output`, the logits. */
const VERSION = 2;
/** A Graph of the largest networks has under 1 MB of constants; this bounds what a hostile file can make us inflate in all. */
const MAX_CONSTANT_BYTES = 32 << 20;

const CODECS = { Float32Array, Int32Array } as const;

function encode(_: string, value: unknown): unknown {
  for (const [name, codec] of Object.entries(CODECS))
    if (value instanceof codec) {
      const bytes = new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
      return { $array: name, deflated: deflateSync(bytes).toString('base64') };
    }
  return value;
}

/** The array that a value stands for, or undefined. Everything inflated from one Graph is counted together. */
function decode(value: unknown, inflated: { bytes: number }): unknown {
  if (!value || typeof value !== 'object') return undefined;
  const { $array, deflated } = value as { readonly $array?: unknown; readonly deflated?: unknown };
  if (typeof $array !== 'string' || !Object.hasOwn(CODECS, $array) || typeof deflated !== 'string') return undefined;
  const left = MAX_CONSTANT_BYTES - inflated.bytes;
  if (left <= 0) throw new Error(`it has more than ${MAX_CONSTANT_BYTES} bytes of constants`);
  const bytes = inflateSync(Buffer.from(deflated, 'base64'), { maxOutputLength: left });
  inflated.bytes += bytes.length;
  return new CODECS[$array as keyof typeof CODECS](Uint8Array.from(bytes).buffer);
}

type Json = Readonly<Record<string, unknown>>;
const isObject = (value: unknown): value is Json => typeof value === 'object' && value !== null;

/** The Graph with the arrays at the two places that have some: a constant's tensor and a gather's indices. */
function withArrays(graph: unknown): unknown {
  if (!isObject(graph) || !Array.isArray(graph['nodes'])) return graph;
  const inflated = { bytes: 0 };
  const nodes = graph['nodes'].map((node: unknown) => {
    if (!isObject(node) || !isObject(node['attributes'])) return node;
    const { tensor, indices } = node['attributes'];
    if (node['kind'] === 'constant' && isObject(tensor))
      return { ...node, attributes: { tensor: { ...tensor, data: decode(tensor['data'], inflated) } } };
    if (node['kind'] === 'gather') return { ...node, attributes: { indices: decode(indices, inflated) } };
    return node;
  });
  return { ...graph, nodes };
}

/** A Graph of version 1 in the form of today. */
const withOutputs = ({ output, ...rest }: Json): Json => ({ ...rest, outputs: [{ name: 'logits', value: output }] });

export function graphToJson(graph: Graph): string {
  return JSON.stringify({ version: VERSION, graph }, encode);
}

/** Parses and checks. Throws an Error that says what is wrong where the text is no Graph of a version this program knows. */
export function graphFromJson(text: string): Graph {
  const file: unknown = JSON.parse(text);
  if (!isObject(file)) throw new Error('it is no Graph');
  const { version, graph } = file;
  if (version !== VERSION && version !== 1)
    throw new Error(`the Graph in it has version ${String(version).slice(0, 20)}; this program reads ${VERSION}`);
  const stored = version === 1 && isObject(graph) ? withOutputs(graph) : graph;
  return checkedGraph(withArrays(stored));
}
