/** What every flow starts with: a fresh workspace, a server with the packaged extension, a browser page on it. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Browser } from 'playwright-core';
import { installVsix, type Server, type ServerOptions, type Settings, startServer } from './server.ts';
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

export function serverRoot(): string {
  const printed = execFileSync(path.join(import.meta.dirname, '../setup.sh'), {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  return printed.trim().split('\n').at(-1) as string;
}

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
    prepare: (workspace: string) => void,
    options: OpenOptions & { readonly settings?: Settings; readonly name?: string } & Pick<ServerOptions, 'env'> = {},
  ): Promise<Session> {
    // Sockets lie below it, whose paths have 107 characters at most.
    const folder = mkdtempSync(path.join(tmpdir(), 'esp-'));
    const workspace = path.join(folder, options.name ?? 'workspace');
    mkdirSync(workspace);
    prepare(workspace);
    const dataDir = path.join(folder, 'd');
    const said = installVsix({ root: environment.root, dataDir }, environment.vsix);
    if (!/successfully installed/.test(said)) throw new Error(said);
    const server = await startServer({ root: environment.root, dataDir, settings: options.settings, env: options.env });
    const workbench = await Workbench.open(environment.browser, server, { ...options, folder: workspace });
    return new Session(server, workbench, workspace, folder, environment, options);
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

let current: Session | undefined;
/** Keeps the session of the flow that runs, so that a failure can be photographed and cleaned up. */
export function setCurrent(session: Session | undefined): void {
  current = session;
}
export const currentSession = (): Session | undefined => current;
