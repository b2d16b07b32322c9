/**
 * Threads that run kernels on the shared memory. Calls are written down in lanes; every thread, this one too, takes lanes until none is
 * left. A lane's calls run one after the other, lanes in any order.
 */
import { Worker } from 'node:worker_threads';

/** Cells of the control block. */
const CELL = {
  /** Grows by one when there is work: what idle threads wait for. */
  generation: 0,
  /** Lanes that no thread has taken. */
  open: 1,
  /** Lanes that are done. */
  done: 2,
  failed: 3,
} as const;
const CONTROL_CELLS = 8;

/** Numbers in the list of calls: kernel, number of parameters, parameters. */
const CALL_CELLS = 2 ** 18;
/** Where each lane begins and ends in it. */
const MOST_LANES = 256;
/** Longest call: kernel, count, parameters. */
const LONGEST_CALL = 32;

/** Looks at the generation before a thread sleeps: waking it takes longer than many kernels. */
const SPINS = 2000;

/** What a thread does; the same as `takeLanes` below. */
const THREAD = `
const { workerData } = require('node:worker_threads');
const { module, memory, names, control, lanes, calls } = workerData;
const { exports } = new WebAssembly.Instance(module, { env: { memory } });
const kernels = names.map((name) => exports[name]);
function run(lane) {
  for (let at = lanes[2 * lane]; at < lanes[2 * lane + 1]; ) {
    const end = at + 2 + calls[at + 1];
    kernels[calls[at]](...calls.subarray(at + 2, end));
    at = end;
  }
}
let seen = 0;
for (;;) {
  for (let i = 0; i < ${SPINS} && Atomics.load(control, ${CELL.generation}) === seen; i++);
  Atomics.wait(control, ${CELL.generation}, seen);
  seen = Atomics.load(control, ${CELL.generation});
  for (let open = Atomics.load(control, ${CELL.open}); open > 0; open = Atomics.load(control, ${CELL.open})) {
    if (Atomics.compareExchange(control, ${CELL.open}, open, open - 1) !== open) continue;
    try { run(open - 1); } catch { Atomics.store(control, ${CELL.failed}, 1); }
    Atomics.add(control, ${CELL.done}, 1);
    Atomics.notify(control, ${CELL.done});
  }
}`;

const sharedInts = (count: number): Int32Array<SharedArrayBuffer> => new Int32Array(new SharedArrayBuffer(4 * count));

type Kernel = (...parameters: number[]) => void;

export interface PoolOptions {
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  /** Kernels by number. */
  readonly names: readonly string[];
  readonly kernels: readonly Kernel[];
  /** Threads in all, this one included. */
  readonly threads: number;
}

export class KernelPool {
  private readonly control = sharedInts(CONTROL_CELLS);
  private readonly lanes = sharedInts(2 * MOST_LANES);
  private readonly calls = sharedInts(CALL_CELLS);
  private readonly kernels: readonly Kernel[];
  private lane = 0;
  private end = 0;

  /** Threads start in the background; until they are there, this one does everything. */
  constructor({ module, memory, names, kernels, threads }: PoolOptions) {
    this.kernels = kernels;
    const { control, lanes, calls } = this;
    const workerData = { module, memory, names, control, lanes, calls };
    for (let i = 1; i < threads; i++) {
      const worker = new Worker(THREAD, { eval: true, execArgv: [], workerData });
      // A thread that does not start is not missed.
      worker.on('error', () => undefined);
      worker.unref();
    }
  }

  /** Writes a call down, at the end of the lane that is being made. */
  record(kernel: number, parameters: readonly number[]): void {
    if (this.end + LONGEST_CALL > CALL_CELLS) {
      this.closeLane();
      this.run();
    }
    this.calls[this.end] = kernel;
    this.calls[this.end + 1] = parameters.length;
    this.calls.set(parameters, this.end + 2);
    this.end += 2 + parameters.length;
  }

  /** What is recorded from here on may run before what was recorded until now. */
  closeLane(): void {
    const start = this.lane === 0 ? 0 : this.lanes[2 * this.lane - 1];
    if (start === this.end) return;
    this.lanes[2 * this.lane] = start;
    this.lanes[2 * this.lane + 1] = this.end;
    this.lane++;
    if (this.lane === MOST_LANES) this.run();
  }

  /** Runs all closed lanes; returns when they are done. */
  run(): void {
    const { control, lane: count } = this;
    if (count === 0) return;
    this.lane = 0;
    this.end = 0;
    Atomics.store(control, CELL.done, 0);
    // From here on threads may take lanes: everything is written down.
    Atomics.store(control, CELL.open, count);
    Atomics.add(control, CELL.generation, 1);
    Atomics.notify(control, CELL.generation);
    this.takeLanes();
    for (let done = Atomics.load(control, CELL.done); done < count; done = Atomics.load(control, CELL.done))
      Atomics.wait(control, CELL.done, done);
    if (Atomics.exchange(control, CELL.failed, 0)) throw new Error('a kernel failed in a thread');
  }

  private takeLanes(): void {
    const { control } = this;
    for (let open = Atomics.load(control, CELL.open); open > 0; open = Atomics.load(control, CELL.open)) {
      if (Atomics.compareExchange(control, CELL.open, open, open - 1) !== open) continue;
      try {
        this.runLane(open - 1);
      } finally {
        Atomics.add(control, CELL.done, 1);
      }
    }
  }

  private runLane(lane: number): void {
    const { calls, lanes } = this;
    for (let at = lanes[2 * lane]; at < lanes[2 * lane + 1]; ) {
      const end = at + 2 + calls[at + 1];
      this.kernels[calls[at]](...calls.subarray(at + 2, end));
      at = end;
    }
  }
}
