/** A Graph as JSON: kept in the metadata of the files that Espalier writes, so that they open with no other argument. */
import { deflateSync, inflateSync } from 'node:zlib';
import type { Graph, ValueId } from './graph.ts';
import { validateGraph } from './validate.ts';

/** 1 had one `output`, the logits. */
const VERSION = 2;
/** A Graph of the largest networks has under 1 MB of constants; this bounds what a hostile file can make us inflate. */
const MAX_CONSTANT_BYTES = 64 << 20;

const CODECS = { Float32Array, Int32Array } as const;

function encode(_: string, value: unknown): unknown {
  for (const [name, codec] of Object.entries(CODECS))
    if (value instanceof codec) {
      const bytes = new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
      return { $array: name, deflated: deflateSync(bytes).toString('base64') };
    }
  return value;
}

function decode(_: string, value: unknown): unknown {
  if (!value || typeof value !== 'object' || !('$array' in value)) return value;
  const { $array, deflated } = value as { $array: keyof typeof CODECS; deflated: string };
  const bytes = inflateSync(Buffer.from(deflated, 'base64'), { maxOutputLength: MAX_CONSTANT_BYTES });
  return new CODECS[$array](Uint8Array.from(bytes).buffer);
}

type Stored = Graph & { readonly output?: ValueId };

export function graphToJson(graph: Graph): string {
  return JSON.stringify({ version: VERSION, graph }, encode);
}

/** Parses and validates. Throws when the text is no Graph of a version this program knows. */
export function graphFromJson(text: string): Graph {
  const { version, graph: stored } = JSON.parse(text, decode) as { version: number; graph: Stored };
  if (version !== VERSION && version !== 1)
    throw new Error(`the Graph in it has version ${version}; this program reads ${VERSION}`);
  const { output, ...rest } = stored;
  const graph = output === undefined ? rest : { ...rest, outputs: [{ name: 'logits', value: output }] };
  validateGraph(graph);
  return graph;
}
