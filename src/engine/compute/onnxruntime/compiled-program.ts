/** A Program as an ONNX Runtime session, made when it first runs, and made again when weights change that it holds as its own. */
import type { Tensor as OrtTensor } from 'onnxruntime-common';
import type { Progress } from '../../../common/progress.ts';
import { withBatch } from '../../graph/shapes.ts';
import type { ProgramOutputs } from '../executor.ts';
import type { KernelKind } from '../programs/kernels.ts';
import type { Program } from '../programs/program.ts';
import type { ResolvedInputs } from '../programs/program-inputs.ts';
import { type GpuProvider, ProviderProfile } from './gpu-provider.ts';
import type { OnnxRuntime, OrtSession } from './load-onnxruntime.ts';
import { feedNames, type LoweredProgram, lowerProgram, maskValues } from './lower-program.ts';
import type { StateBuffers } from './state-buffers.ts';

/** A protocol buffer ends at 2 GB: larger weights are fed. */
const LARGEST_MODEL = 1.5e9;

interface Compiled {
  readonly session: OrtSession;
  readonly lowered: LoweredProgram;
  /** When the weights that it holds were taken. */
  readonly taken: number;
}

/** What a session computes on. */
export interface Device {
  readonly runtime: OnnxRuntime;
  /** Where evaluation and scoring run, if not on the CPU. */
  readonly gpu: GpuProvider | undefined;
  /** Channels that the CPU's blocked convolutions take at once, where there are such. */
  readonly channelBlock: number | undefined;
  readonly progress: Progress | undefined;
}

/** Kernels that only train steps and moving averages have: those stay on the CPU, where their states are. */
const TRAINING: ReadonlySet<KernelKind> = new Set(['sgdStep', 'adamWStep', 'rmsPropStep', 'lerp']);

export class CompiledProgram {
  private compiled?: Compiled;
  /** The recording of a first run that is still to come. */
  private profile?: ProviderProfile;
  private readonly gpu?: GpuProvider;
  /** States that the model holds: all of a program that changes none, so that ONNX Runtime can fold and pack them. */
  private readonly held: readonly string[];

  constructor(
    private readonly device: Device,
    readonly program: Program,
    private readonly states: StateBuffers,
  ) {
    if (!program.nodes.some(({ kind }) => TRAINING.has(kind))) this.gpu = device.gpu;
    const bytes = program.states.reduce((sum, { shape }) => sum + 4 * shape.reduce((a, b) => a * b, 1), 0);
    const constant = program.updates.length === 0 && bytes < LARGEST_MODEL;
    this.held = constant ? program.states.map(({ name }) => name) : [];
  }

  /** Runs on the inputs and the states, and gives the states that the program updates their new values. */
  async run(inputs: ResolvedInputs): Promise<ProgramOutputs> {
    const { session, lowered } = await this.ready();
    const results = await session.run(this.feeds(lowered, inputs), this.fetches());
    this.reportShare(session);
    for (const { state } of this.program.updates)
      this.states.advance(state, results[feedNames.update(state)].data as Float32Array);
    return Object.fromEntries(
      Object.keys(this.program.outputs).map((name) => [name, results[feedNames.output(name)].data as Float32Array]),
    );
  }

  async dispose(): Promise<void> {
    const { compiled } = this;
    this.compiled = undefined;
    await compiled?.session.release();
  }

  private async ready(): Promise<Compiled> {
    const changed = this.states.lastChange(this.held);
    if (this.compiled && this.compiled.taken >= changed) return this.compiled;
    await this.dispose();
    const held = new Set(this.held);
    const { runtime, channelBlock } = this.device;
    const fused = this.held.length === 0 && !this.gpu && runtime.kind === 'native';
    const lowered = lowerProgram(this.program, {
      held: (state) => (held.has(state) ? this.states.current(state) : undefined),
      fused,
      ...(fused && channelBlock !== undefined && { channelBlock }),
    });
    // What fusion finds in a train step are products with a transpose, which are written as such; looking for more takes seconds.
    const graphOptimizationLevel = fused ? 'disabled' : 'all';
    if (this.gpu) this.profile = new ProviderProfile();
    const session = await runtime.ort.InferenceSession.create(lowered.model, {
      executionProviders: [runtime.kind === 'native' ? 'cpu' : 'wasm'],
      intraOpNumThreads: runtime.threads,
      logSeverityLevel: 3,
      graphOptimizationLevel,
      // A pattern of the first run's memory is laid out beside what that run took: half as much again at the peak, and no time saved.
      enableMemPattern: false,
      ...this.gpu?.options,
      ...this.profile?.options,
    });
    // Its bytes are ONNX Runtime's now.
    this.compiled = { session, lowered: { ...lowered, model: new Uint8Array() }, taken: changed };
    return this.compiled;
  }

  /** Says once how much of the graph the GPU's provider runs. */
  private reportShare(session: OrtSession): void {
    const { profile, gpu } = this;
    if (!profile || !gpu) return;
    this.profile = undefined;
    const percent = Math.round(100 * profile.end(session));
    const rest = percent === 100 ? '' : ', the CPU the rest';
    this.device.progress?.({
      phase: 'prepare',
      done: 1,
      total: 1,
      message: `${gpu.label} runs ${percent} % of the operations${rest}`,
    });
  }

  private tensor(data: Float32Array | Int32Array, shape: readonly number[]): OrtTensor {
    const { Tensor } = this.device.runtime.ort;
    return data instanceof Float32Array ? new Tensor('float32', data, shape) : new Tensor('int32', data, shape);
  }

  private feeds({ fed, masks }: LoweredProgram, { tensors, batch }: ResolvedInputs): Record<string, OrtTensor> {
    const feeds: Record<string, OrtTensor> = {};
    for (const [name, { data, shape }] of Object.entries(tensors)) {
      const key = feedNames.input(name);
      if (fed.has(key)) feeds[key] = this.tensor(data, shape);
    }
    for (const { name, shape } of this.program.states) {
      const key = feedNames.state(name);
      if (fed.has(key)) feeds[key] = this.tensor(this.states.current(name), shape);
    }
    for (const mask of masks) {
      const { data, shape } = maskValues(mask, tensors['seed'].data, batch);
      feeds[mask.name] = this.tensor(data, withBatch(shape, batch));
    }
    return feeds;
  }

  /** The native library writes new values of states where they belong; the WebAssembly build makes arrays of its own. */
  private fetches(): Record<string, OrtTensor | null> {
    const inPlace = this.device.runtime.kind === 'native';
    const target = (name: string): OrtTensor => this.tensor(this.states.spare(name), this.states.spec(name).shape);
    return Object.fromEntries([
      ...Object.keys(this.program.outputs).map((name) => [feedNames.output(name), null] as const),
      ...this.program.updates.map(({ state }) => [feedNames.update(state), inPlace ? target(state) : null] as const),
    ]);
  }
}
