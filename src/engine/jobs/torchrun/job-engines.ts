/** Handing a job's folder to what runs it, and asking how it goes: torchrun on this machine, SLURM, SkyPilot. */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { closeSync, existsSync, openSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { UserError } from '../../../common/errors.ts';
import { writeFileAtomically } from '../../files/atomic-write.ts';
import { isAlive, parseProcessId, processIdOf } from '../../files/process-id.ts';
import { call, callWell, type JobCommands } from './job-commands.ts';
import type { JobEngine } from './job-options.ts';
import { jobName } from './job-scripts.ts';

/** How a job was handed over: `started.json`, so that whoever opens the folder later finds it again. */
export interface StartedJob {
  readonly version: 1;
  readonly engine: JobEngine;
  /** torchrun: its process; SLURM: the job's number; SkyPilot: the cluster's name. */
  readonly id: string;
  /** ISO 8601. */
  readonly time: string;
}

/** What the engine says of a job: not yet begun, running, or gone, with its own word for it. */
export interface EngineState {
  readonly state: 'waiting' | 'running' | 'ended';
  readonly word: string;
}

export interface JobPlace {
  readonly folder: string;
  readonly commands: JobCommands;
}

interface Engine {
  /** Starts it, or starts it again. Returns what it is known by. */
  start(place: JobPlace, name: string, earlier: StartedJob | undefined): Promise<string>;
  state(place: JobPlace, id: string): Promise<EngineState>;
  /** Ends it; where there is something to save, it is saved first. */
  stop(place: JobPlace, id: string, saves: boolean): Promise<void>;
  /** What it printed last. */
  log(place: JobPlace, id: string): Promise<string>;
  /** Brings its files here, where they lie elsewhere. */
  fetch?(place: JobPlace, id: string, names: readonly string[]): Promise<void>;
}

const LOG = 'job.log';
const STARTED = 'started.json';
const ORDER = 'order.json';
/** A step and a checkpoint should be done by then. */
const STOP_TIMEOUT_MS = 120_000;

const calling = ({ folder: cwd, commands }: JobPlace) => ({ cwd, commands });

async function textOf(file: string): Promise<string> {
  return readFile(file, 'utf8').catch(() => '');
}

const torchrun: Engine = {
  start: async ({ folder, commands }) => {
    const log = openSync(path.join(folder, LOG), 'a');
    const [program, ...words] = commands.sh ?? ['sh'];
    // A group of its own, which outlives this program.
    const child = spawn(program, [...words, 'run.sh'], { cwd: folder, detached: true, stdio: ['ignore', log, log] });
    const begun = new Promise<number>((resolve, reject) => {
      child.once('error', (error) => reject(new UserError(`${program} cannot be run: ${error.message}`)));
      child.once('spawn', () => resolve(child.pid as number));
    });
    const pid = await begun.finally(() => closeSync(log));
    child.unref();
    return processIdOf(pid);
  },
  state: async (_, id) => {
    const owner = parseProcessId(id);
    const alive = owner !== undefined && isAlive(owner);
    return alive ? { state: 'running', word: `process ${owner.pid}` } : { state: 'ended', word: 'ended' };
  },
  stop: async (place, id, saves) => {
    const owner = parseProcessId(id);
    if (!owner || !isAlive(owner)) return;
    const order = { action: 'stop', time: new Date().toISOString() };
    const isHere = owner.host === os.hostname();
    if (!saves && !isHere) throw new UserError(`The job in ${place.folder} runs on ${owner.host}: stop it there.`);
    if (saves) await writeFileAtomically(path.join(place.folder, ORDER), JSON.stringify(order));
    else process.kill(-owner.pid, 'SIGTERM');
    const until = Date.now() + STOP_TIMEOUT_MS;
    while (isHere && isAlive(owner) && Date.now() < until) await sleep(200);
    // A process of another machine's is not seen from here; it reads the order all the same.
    if (!isHere || !isAlive(owner)) return;
    process.kill(-owner.pid, saves ? 'SIGTERM' : 'SIGKILL');
    if (!saves) return;
    throw new UserError(
      `The job in ${place.folder} did not stop within ${STOP_TIMEOUT_MS / 1000} s: it was ended (SIGTERM), and goes on from its last checkpoint when it is started again.`,
    );
  },
  log: ({ folder }) => textOf(path.join(folder, LOG)),
};

/** SLURM's words for a job that is there; whatever else it says, the job has ended. */
const SLURM_STATES: Readonly<Record<string, EngineState['state']>> = {
  PENDING: 'waiting',
  CONFIGURING: 'waiting',
  REQUEUED: 'waiting',
  REQUEUE_HOLD: 'waiting',
  SUSPENDED: 'waiting',
  RUNNING: 'running',
  COMPLETING: 'running',
  STAGE_OUT: 'running',
  SIGNALING: 'running',
};

const slurm: Engine = {
  start: async (place) => {
    const text = await callWell('sbatch', ['--parsable', `--chdir=${place.folder}`, 'job.sbatch'], calling(place));
    // NUMBER, or NUMBER;CLUSTER.
    const id = /^(\d+)(;|$)/m.exec(text.trim())?.[1];
    if (!id) throw new UserError(`sbatch gave no job's number: ${text.trim()}`);
    return id;
  },
  state: async (place, id) => {
    const queued = await call('squeue', ['--noheader', '--format=%T', `--jobs=${id}`], calling(place));
    // squeue forgets a job soon after its end, and then fails.
    const now = queued.code === 0 ? queued.stdout.trim().split('\n')[0] : '';
    const ask = ['--noheader', '--parsable2', '--allocations', '--format=State', `--jobs=${id}`];
    const word = now || (await callWell('sacct', ask, calling(place))).trim().split('\n')[0];
    return { state: SLURM_STATES[word.split(' ')[0]] ?? 'ended', word: word || 'unknown to squeue and sacct' };
  },
  stop: async (place, id) => {
    await callWell('scancel', [id], calling(place));
  },
  log: ({ folder }, id) => textOf(path.join(folder, `slurm-${id}.out`)),
};

/** Exit codes of `sky logs --status`. */
const SKY_STATES: Readonly<Record<number, EngineState>> = {
  0: { state: 'ended', word: 'SUCCEEDED' },
  100: { state: 'ended', word: 'FAILED' },
  101: { state: 'running', word: 'not finished' },
  102: { state: 'ended', word: 'not found' },
  103: { state: 'ended', word: 'CANCELLED' },
};

const skypilot: Engine = {
  start: async (place, name, earlier) => {
    // A cluster of its own: another job of the model would be sent to the same one, over this one's files.
    const cluster = earlier?.engine === 'skypilot' ? earlier.id : `${name}-${randomBytes(3).toString('hex')}`;
    await callWell('sky', ['launch', '--yes', '--detach-run', '--cluster', cluster, 'job.sky.yaml'], calling(place));
    return cluster;
  },
  state: async (place, id) => {
    const { code, stdout, stderr } = await call('sky', ['logs', '--status', id], calling(place));
    const known = SKY_STATES[code];
    if (!known) throw new UserError(`sky logs --status failed with exit code ${code}: ${(stderr || stdout).trim()}`);
    return known;
  },
  stop: async (place, id) => {
    await callWell('sky', ['down', '--yes', id], calling(place));
  },
  log: (place, id) => callWell('sky', ['logs', '--no-follow', id], calling(place)),
  fetch: async (place, id, names) => {
    const from = names.map((name) => `${id}:sky_workdir/${name}`);
    await callWell('rsync', ['-az', '--ignore-missing-args', ...from, `${place.folder}/`], calling(place));
  },
};

const engines: { readonly [E in JobEngine]: Engine } = { torchrun, slurm, skypilot };

export const engineOf = ({ engine }: StartedJob): Engine => engines[engine];

/** How the job in a folder was handed over; undefined where it was not, or not by Espalier. */
export async function readStarted(folder: string): Promise<StartedJob | undefined> {
  const file = path.join(folder, STARTED);
  if (!existsSync(file)) return undefined;
  try {
    const { engine, id, time, version } = JSON.parse(await readFile(file, 'utf8')) as Partial<StartedJob>;
    if (version === 1 && engine && Object.hasOwn(engines, engine) && typeof id === 'string' && !id.startsWith('-'))
      return { version, engine, id, time: String(time) };
  } catch {
    // As damaged as what is none.
  }
  throw new UserError(`${file} is damaged: remove it, and start the job again.`);
}

/**
 * Hands the job over.
 * @throws UserError where it runs already, or the engine does not take it
 */
export async function startJob(place: JobPlace, engine: JobEngine, model: string): Promise<StartedJob> {
  const earlier = await readStarted(place.folder);
  if (earlier && (await engineOf(earlier).state(place, earlier.id)).state !== 'ended')
    throw new UserError(`The job in ${place.folder} runs already (${earlier.engine} ${earlier.id}).`);
  const id = await engines[engine].start(place, jobName(model), earlier);
  const started: StartedJob = { version: 1, engine, id, time: new Date().toISOString() };
  await writeFileAtomically(path.join(place.folder, STARTED), `${JSON.stringify(started, null, 2)}\n`);
  return started;
}
