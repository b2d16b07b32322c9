/** What all calls of one graph share while it is translated. */
import type { OnnxNode } from '../onnx/onnx-proto.ts';
import type { ProgramGraph } from './exported-program.ts';

export interface TranslationScope {
  readonly graph: ProgramGraph;
  /** Value of the images: its first size is the batch. */
  readonly images: string;
  /** The number of images, where it is not open. */
  readonly fixedBatch: number | undefined;
  readonly nodes: OnnxNode[];
  /** What values of the program are called in the model where not by their own name: tensors of the file, and values changed in place. */
  readonly current: Map<string, string>;
  /** Before the names of values: graphs inside nodes have names of their own, and no state dict has such names. */
  readonly prefix: string;
}
