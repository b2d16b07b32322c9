/** Reads an ONNX file, and the files beside it that hold its tensors, where an exporter put them there. */
import { realpath } from 'node:fs/promises';
import path from 'node:path';
import { UserError } from '../../../common/errors.ts';
import type { RunContext } from '../../../common/progress.ts';
import { BYTES_PER_ELEMENT, elementCount } from '../../graph/tensor.ts';
import { ProtobufError } from '../../protobuf/protobuf-reader.ts';
import { refuseStranger } from '../detect.ts';
import { type ByteRange, SourceFile } from '../source-file.ts';
import { bytesInMemory } from '../tensor-bytes.ts';
import { type OnnxModel, parseOnnx } from './onnx-proto.ts';
import { type ExternalData, movedInPlace, type OnnxTensor, withData } from './onnx-tensor.ts';

/** What one protobuf message may have. */
const MAX_BYTES = 2 ** 31 - 1;

/** Fields that may follow the version that a file starts with: producer, domain, model version, notes, graph, operator sets. */
const SECOND_TAGS: ReadonlySet<number> = new Set([0x12, 0x1a, 0x22, 0x28, 0x32, 0x3a, 0x42]);

/**
 * Whether a file is an ONNX model: by its name, else by how it starts.
 * @throws UserError if there is no such file
 */
export async function isOnnx(file: string): Promise<boolean> {
  if (/\.onnx$/i.test(file)) return true;
  const source = await SourceFile.open(file);
  try {
    const [tag, version, next, ...rest] = await source.read(0, Math.min(9, source.size));
    // A safetensors file has a length in these bytes, and then a brace.
    return tag === 8 && version >= 1 && version < 32 && SECOND_TAGS.has(next) && rest[5] !== 0x7b;
  } finally {
    await source.close();
  }
}

/**
 * The model in an ONNX file. Tensors are views on its bytes.
 * @throws UserError if it cannot be read, is larger than 2 GB, damaged, no ONNX model, or its tensors lie where it cannot reach them
 */
export async function readOnnx(file: string, context: RunContext = {}): Promise<OnnxModel> {
  const source = await SourceFile.open(file, context.signal);
  try {
    if (source.size === 0) throw new UserError(`Cannot read ${file}: the file is empty.`);
    if (source.size > MAX_BYTES)
      throw new UserError(
        `Cannot read ${file}: it has ${(source.size / 2 ** 30).toFixed(1)} GB, and no ONNX file can have more than 2 GB. Export it with its weights as external data.`,
      );
    const bytes = await source.read(0, source.size, context.signal);
    refuseStranger(file, Buffer.from(bytes.subarray(0, 512)).toString('latin1'));
    const model = parseOnnx(bytes, source.budget);
    const initialisers = new Map([...model.initialisers].map(([name, tensor]) => [name, movedInPlace(tensor)]));
    return await withExternal(file, { ...model, initialisers }, context);
  } catch (error) {
    if (!(error instanceof ProtobufError)) throw error;
    throw new UserError(`Cannot read ${file}: it is no ONNX model, or is cut off or damaged: ${error.message}.`);
  } finally {
    await source.close();
  }
}

/** An initialiser whose elements lie in another file. */
interface External {
  readonly tensor: OnnxTensor;
  readonly range: ByteRange;
  readonly location: string;
}

async function withExternal(file: string, model: OnnxModel, context: RunContext): Promise<OnnxModel> {
  const externals = [...model.initialisers.values()].flatMap((tensor): External[] =>
    tensor.external ? [{ tensor, ...rangeOf(file, tensor, tensor.external) }] : [],
  );
  if (!externals.length) return model;
  const initialisers = new Map(model.initialisers);
  for (const location of new Set(externals.map((external) => external.location))) {
    const wanted = externals.filter((external) => external.location === location);
    const source = await openBeside(file, location);
    try {
      // Tensors may overlap there: what they take together is bounded by what the file has.
      for (const { tensor } of wanted)
        source.budget.spend('bytes', bytesInMemory(tensor.dtype ?? 'float32', tensor.shape));
      model.budget.include(
        Math.min(
          source.size,
          wanted.reduce((sum, { range }) => sum + range.length, 0),
        ),
      );
      const parts = await source.readRanges(
        wanted.map(({ range }) => range),
        context,
      );
      for (const [i, { tensor }] of wanted.entries()) initialisers.set(tensor.name, withData(tensor, parts[i]));
    } finally {
      await source.close();
    }
  }
  return { ...model, initialisers };
}

function rangeOf(
  file: string,
  { name, dtype, shape }: OnnxTensor,
  { location, offset, length }: ExternalData,
): { location: string; range: ByteRange } {
  if (!dtype) throw new UserError(`Cannot read ${file}: tensor '${name}' has a type that Espalier does not read.`);
  const alignment = BYTES_PER_ELEMENT[dtype];
  const needed = elementCount(shape) * alignment;
  if (length !== undefined && length !== needed)
    throw new UserError(
      `Cannot read ${file}: tensor '${name}' [${shape.join(', ')}] needs ${needed} bytes, and has ${length} in '${location}'.`,
    );
  return { location, range: { offset, length: needed, alignment } };
}

/** Opens a file of tensors; only one in the ONNX file's own folder or below, whatever the ONNX file says. */
async function openBeside(file: string, location: string): Promise<SourceFile> {
  const folder = path.dirname(path.resolve(file));
  const place = path.resolve(folder, location);
  const inside = (base: string, at: string): boolean => at.startsWith(base + path.sep);
  const refuse = (why: string): never => {
    throw new UserError(
      `Cannot read ${file}: its weights are external data in '${location}', ${why}. Put the files side by side, or export the model as one file (torch.onnx.export(…, external_data=False)).`,
    );
  };
  if (!location || path.isAbsolute(location) || !inside(folder, place)) refuse('which is not in its folder');
  const real = await realpath(place).catch(() => undefined);
  if (!real) return refuse('which is missing');
  if (!inside(await realpath(folder), real)) refuse('which leads out of its folder');
  return SourceFile.open(place);
}
