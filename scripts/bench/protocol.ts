/** What the benchmark and its sides say to each other, a line of JSON each; torch_side.py knows the same commands. */
import type { FileTask } from './file-tasks.ts';
import type { Rival } from './table.ts';
import type { ComputeTask } from './tasks.ts';

export type Task = ComputeTask | FileTask;

/** Settings of the whole benchmark. */
export interface Common {
  readonly threads: number;
  /** The exported module, for a Python without timm. */
  readonly python?: string;
  /** Another program in the place of PyTorch's eager mode. */
  readonly engine?: Rival;
  /** The exported ONNX file that it runs. */
  readonly onnx?: string;
}

export type Command =
  | { readonly open: Task & Common }
  /** Does a lane's work so many times. */
  | { readonly run: number; readonly lane: string }
  | { readonly close: true };

export interface Answer {
  /** What runs there, with its version. */
  readonly label?: string;
  /** Seconds from nothing to the end of the first run: library and graph loaded, weights assigned. */
  readonly first?: number;
  readonly seconds?: number;
  /** Processor seconds of the process meanwhile. */
  readonly cpu?: number;
  /** Peak of the process's memory in bytes. */
  readonly peak?: number;
  /** Said of the results once everything is timed. */
  readonly remark?: string;
}

/** What a task becomes once it is open. */
export interface Opened {
  readonly label: string;
  readonly first?: number;
  /** Each does its work so many times; resolves to seconds where they are not all of the time it took. */
  readonly lanes: Readonly<Record<string, (runs: number) => Promise<number | undefined>>>;
  readonly remark?: () => Promise<string | undefined>;
  readonly close?: () => Promise<void>;
}
