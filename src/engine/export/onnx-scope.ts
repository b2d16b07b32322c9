/** What an operation is given to write itself as ONNX. */
import type { ParameterRole, Shape } from '../graph/operations.ts';
import type { OnnxWriter } from '../onnx-format/onnx-writer.ts';

export interface OnnxScope {
  readonly writer: OnnxWriter;
  /** ONNX name of the input. */
  readonly images: string;
  /** ONNX name of the node's i-th input. */
  input(i: number): string;
  inputShape(i: number): Shape;
  /** ONNX name of a parameter: its state-dict name. */
  parameter(role: ParameterRole): string;
  /** Adds an intermediate node. */
  op(type: string, inputs: readonly string[], attributes?: Parameters<OnnxWriter['node']>[2]): string;
  /** Adds the node that gives the operation's result. */
  result(type: string, inputs: readonly string[], attributes?: Parameters<OnnxWriter['node']>[2]): void;
}
