/** The Executor on ONNX Runtime, which comes with Espalier: nothing to install, the same results as TensorFlow. */
import { type RunContext, throwIfAborted } from '../../../common/progress.ts';
import type { Tensor, Weights } from '../../graph/tensor.ts';
import type { Executor, ProgramInputs, ProgramOutputs, Session } from '../executor.ts';
import { Counters } from '../programs/counters.ts';
import type { Program } from '../programs/program.ts';
import { resolveInputs } from '../programs/program-inputs.ts';
import { findChannelBlock } from './blocked-convolution.ts';
import { CompiledProgram, type Device } from './compiled-program.ts';
import { findGpuProvider } from './gpu-provider.ts';
import { loadOnnxRuntime } from './load-onnxruntime.ts';
import { StateBuffers } from './state-buffers.ts';

export interface OnnxRuntimeOptions {
  /** Threads of the arithmetic; all cores by default. */
  readonly threads?: number;
  /** `gpu`: evaluation and scoring on this platform's GPU provider; what it has no kernel for, and training, on the CPU. */
  readonly device?: 'cpu' | 'gpu';
}

const DEVICE = { native: 'CPU', wasm: 'WebAssembly' } as const;

/** @throws UserError when the GPU is asked for and there is none that ONNX Runtime can use */

export async function createOnnxRuntimeExecutor({ threads, device }: OnnxRuntimeOptions = {}): Promise<Executor> {
  const runtime = await loadOnnxRuntime(threads);
  const gpu = device === 'gpu' ? await findGpuProvider(runtime) : undefined;
  const channelBlock = await findChannelBlock(runtime);
  return {
    backend: 'embedded',
    label: `ONNX Runtime ${runtime.version}, ${gpu ? `GPU (${gpu.label})` : DEVICE[runtime.kind]}`,
    async open<Name extends string>(programs: Readonly<Record<Name, Program>>, context: RunContext = {}) {
      throwIfAborted(context.signal);
      const session: Session<Name> = new OnnxRuntimeSession(
        { runtime, gpu, channelBlock, progress: context.progress },
        programs,
      );
      context.progress?.({ phase: 'prepare', done: 1, total: 1 });
      return session;
    },
  };
}

class OnnxRuntimeSession<Name extends string> implements Session<Name> {
  private readonly states: StateBuffers;
  private readonly counters: Counters;
  private readonly programs = new Map<Name, CompiledProgram>();
  /** The end of what was asked for last: requests run one after the other. */
  private last: Promise<unknown> = Promise.resolve();

  constructor(device: Device, programs: Readonly<Record<Name, Program>>) {
    const list = Object.values<Program>(programs);
    this.states = new StateBuffers(list);
    this.counters = new Counters(list);
    for (const [name, program] of Object.entries<Program>(programs))
      this.programs.set(name as Name, new CompiledProgram(device, program, this.states));
  }

  assign(values: Weights): Promise<void> {
    return this.inTurn(() => {
      this.states.assign(values);
      this.counters.assign(values);
    });
  }

  read(names?: Iterable<string>): Promise<Weights> {
    return this.inTurn(() => {
      const wanted = names ?? [...this.states.specs.keys(), ...this.counters.names];
      const values = new Map<string, Tensor>();
      for (const name of wanted)
        values.set(name, this.counters.has(name) ? this.counters.read(name) : this.states.read(name));
      return values;
    });
  }

  reset(prefix = ''): Promise<void> {
    return this.inTurn(() => this.states.reset(prefix));
  }

  run(name: Name, inputs: ProgramInputs, batch?: number): Promise<ProgramOutputs> {
    return this.inTurn(async () => {
      const compiled = this.programs.get(name);
      if (!compiled) throw new Error(`the session has no program ${name}`);
      const outputs = await compiled.run(resolveInputs(compiled.program, inputs, batch));
      this.counters.count(compiled.program);
      return outputs;
    });
  }

  dispose(): Promise<void> {
    return this.inTurn(async () => {
      for (const program of this.programs.values()) await program.dispose();
      this.states.dispose();
    });
  }

  private inTurn<R>(work: () => R | Promise<R>): Promise<R> {
    const result = this.last.then(work);
    this.last = result.catch(() => undefined);
    return result;
  }
}
