/** What runs Programs: the same interface for TensorFlow and for ONNX Runtime. */

import type { RunContext } from '../../common/progress.ts';
import type { Weights } from '../graph/tensor.ts';
import type { Program } from './programs/program.ts';

export type BackendName = 'tensorflow' | 'embedded';

/** Values of a program's inputs: images as [N, H, W, C], scalars as numbers or arrays of one. */
export type ProgramInputs = Readonly<Record<string, Float32Array | Int32Array | number>>;
export type ProgramOutputs = Readonly<Record<string, Float32Array>>;

/** Several programs made ready together: states of the same name are one value, kept on the device. */
export interface Session<Name extends string = string> {
  /**
   * Sets states (weights in PyTorch's layout), and counters; states not named keep their values, names that no program has are ignored.
   *
   * @throws Error naming the state when a shape differs
   */
  assign(values: Weights): Promise<void>;
  /** States and counters, in PyTorch's layout; all by default. */
  read(names?: Iterable<string>): Promise<Weights>;
  /** Puts states whose names begin with `prefix` (`gradient/`, `optimizer/`) back to 0, where that is their initial value; by default all. */
  reset(prefix?: string): Promise<void>;
  /**
   * Runs one program on a batch; values for inputs that the program does not have are ignored.
   *
   * @param batch number of samples, for programs whose inputs do not say it
   * @throws Error naming the input when one is missing or has the wrong size
   */
  run(program: Name, inputs: ProgramInputs, batch?: number): Promise<ProgramOutputs>;
  /** Frees the device's memory. */
  dispose(): Promise<void>;
}

export interface Executor {
  readonly backend: BackendName;
  /** For the person: `TensorFlow 2.21, CPU`. */
  readonly label: string;
  /** Builds and loads; reports progress, as it can take seconds. */
  open<Name extends string>(programs: Readonly<Record<Name, Program>>, context?: RunContext): Promise<Session<Name>>;
}
