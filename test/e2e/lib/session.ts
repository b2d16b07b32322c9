/** What every flow starts with: a fresh workspace, a server with the packaged extension, a browser page on it. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Browser } from 'playwright-core';
import { installVsix, type Server, type ServerOptions, type Settings, startServer } from './server.ts';
import { ofThisFlow } from './steps.ts';
import { type OpenOptions, Workbench } from './workbench.ts';

export const repository = path.resolve(import.meta.dirname, '../../..');
/** Data that is only on some machines, beside the repository. */
export const shared = path.resolve(repository, '../shared');
export const outFolder = process.env['E2E_OUT'] ?? path.join(repository, 'out', 'e2e');

export interface Environment {
  readonly root: string;
  readonly vsix: string;
  readonly browser: Browser;
}

const setup = path.join(import.meta.dirname, '../setup.sh');

export function serverRoot(): string {
  const printed = execFileSync(setup, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
  return printed.trim().split('\n').at(-1) as string;
}

/** Whether setup.sh has put this server into its cache folder before: nothing needs to be downloaded then. */
export const hasServer = (): boolean => spawnSync(setup, ['--cached'], { stdio: 'ignore' }).status === 0;

export class Session {
  private constructor(
    readonly server: Server,
    readonly workbench: Workbench,
    readonly workspace: string,
    private readonly folder: string,
    private readonly environment: Environment,
    private readonly options: OpenOptions,
  ) {}

  /** `prepare` fills the workspace before it is opened. */
  static async start(
    environment: Environment,
    prepare: (workspace: string) => void | Promise<void>,
    options: OpenOptions & { readonly settings?: Settings; readonly name?: string } & Pick<ServerOptions, 'env'> = {},
  ): Promise<Session> {
    // Sockets lie below it, whose paths have 107 characters at most.
    const folder = mkdtempSync(path.join(tmpdir(), 'esp-'));
    const workspace = path.join(folder, options.name ?? 'workspace');
    mkdirSync(workspace);
    await prepare(workspace);
    const dataDir = path.join(folder, 'd');
    const said = installVsix({ root: environment.root, dataDir }, environment.vsix);
    if (!/successfully installed/.test(said)) throw new Error(said);
    const server = await startServer({ root: environment.root, dataDir, settings: options.settings, env: options.env });
    const workbench = await Workbench.open(environment.browser, server, { ...options, folder: workspace });
    return new Session(server, workbench, workspace, folder, environment, options);
  }

  /** Processes of the worker that this session's windows have started. */
  workers(): readonly number[] {
    return this.processes('worker.cjs');
  }

  private processes(program: 'worker.cjs' | 'run.cjs'): readonly number[] {
    return readdirSync('/proc').flatMap((name) => {
      if (!/^\d+$/.test(name)) return [];
      try {
        const line = readFileSync(`/proc/${name}/cmdline`, 'utf8');
        return line.includes(this.folder) && line.includes(program) ? [Number(name)] : [];
      } catch {
        return []; // ended meanwhile
      }
    });
  }

  /** Kills the worker as the kernel would that needs memory. */
  killWorkers(): void {
    this.kill('worker.cjs');
  }

  /** Kills the process of the finetuning run. */
  killRuns(): void {
    this.kill('run.cjs');
  }

  private kill(program: 'worker.cjs' | 'run.cjs'): void {
    const found = this.processes(program);
    if (found.length === 0) throw new Error(`no ${program} runs`);
    for (const pid of found) process.kill(pid, 'SIGKILL');
  }

  /** Another window on the same workspace. */
  window(): Promise<Workbench> {
    return Workbench.open(this.environment.browser, this.server, { ...this.options, folder: this.workspace });
  }

  shot(name: string): Promise<void> {
    mkdirSync(outFolder, { recursive: true });
    return this.workbench.shot(path.join(outFolder, `${name}.png`));
  }

  async stop(keep = false): Promise<void> {
    await this.workbench.close().catch(() => undefined);
    await this.server.stop();
    if (!keep) rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Keeps the session of the flow that runs, so that a failure can be photographed and cleaned up. */
export function setCurrent(session: Session | undefined): void {
  ofThisFlow().set('session', session);
}
export const currentSession = (): Session | undefined => ofThisFlow().get('session') as Session | undefined;
