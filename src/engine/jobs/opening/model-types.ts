/** What is asked of a model, and what it opens as. */

import type { RunContext } from '../../../common/progress.ts';
import type { Pixels } from '../../checkpoint/onnx/import.ts';
import type { Graph, WholeImageFit } from '../../graph/graph.ts';
import type { Weights } from '../../graph/tensor.ts';
import type { ModelRecord } from '../record.ts';

export interface ModelRequest {
  /** A zoo name or a checkpoint file. */
  readonly model: string;
  /** Weights of a model given by name. */
  readonly ckpt?: string;
  /** torchvision's network of a name that both libraries have, which is built and counted in another way than timm's. */
  readonly torchvision?: boolean;
  /** For a name without `ckpt`: weights that timm or torchvision keep on this machine, where there are any. */
  readonly pretrained?: 'timm' | 'torchvision';
  readonly useEma?: boolean;
  /** Attention heads where a bare state dict leaves them open: of all layers, or one number a layer. */
  readonly heads?: readonly number[];
  readonly inputSize?: number;
  /** Logits of a network that is given by name and begins with random weights; a file says its own. */
  readonly classes?: number;
  /** Pixels that the network takes, where it is not what the file says or is taken for. */
  readonly pixels?: Pixels;
  /** How an image becomes the network's square, where it is not what the file says. */
  readonly fit?: WholeImageFit | 'crop';
  /** The network takes blue first. */
  readonly bgr?: boolean;
  readonly dropPath?: number;
  readonly dropout?: number;
}

/** What a file or name opens as. */
export interface Model {
  readonly graph: Graph;
  readonly record: ModelRecord;
  /** The file that it was read from; undefined for a zoo model without weights. */
  readonly file?: string;
  /** Bytes of that file; 0 without one. */
  readonly bytes: number;
  /** What the person should know. */
  readonly notes: readonly string[];
  readonly hasWeights: boolean;
  /** The weights that the Graph names, as float32 (counters stay int64). Throws UserError where there are none, and for NaN. */
  weights(context?: RunContext): Promise<Weights>;
}
