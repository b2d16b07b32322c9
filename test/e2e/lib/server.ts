/** A real VS Code server on a random loopback port, with everything of its own in one throw-away folder. */
import { execFileSync, spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { settings as contributed } from '../../../src/extension/contributions/contributed-settings.ts';

export type Settings = Readonly<Record<string, unknown>>;

export const SETTINGS: Settings = {
  'security.workspace.trust.enabled': false,
  'workbench.startupEditor': 'none',
  'workbench.colorTheme': 'Default Dark Modern', // without it the browser's prefers-color-scheme decides
  'window.autoDetectColorScheme': false,
  'workbench.tips.enabled': false,
  'workbench.enableExperiments': false,
  'telemetry.telemetryLevel': 'off',
  'extensions.autoCheckUpdates': false,
  'extensions.autoUpdate': false,
  'extensions.ignoreRecommendations': true,
  'update.mode': 'none',
  'files.autoSave': 'off', // the browser's default is afterDelay, the desktop's is off
  'files.hotExit': 'off',
  'git.enabled': false,
  'npm.autoDetect': 'off',
  'workbench.reduceMotion': 'on',
  'chat.disableAIFeatures': true,
  'workbench.secondarySideBar.defaultVisibility': 'hidden',
};

const ofMachine: ReadonlySet<string> = new Set(
  Object.entries(contributed).flatMap(([name, { scope }]) => (scope === 'machine' ? [name] : [])),
);

interface Folders {
  readonly user: string;
  readonly extensions: string;
  readonly server: string;
}

function layOut(dataDir: string, settings: Settings): Folders {
  const folders = {
    user: path.join(dataDir, 'user'),
    extensions: path.join(dataDir, 'extensions'),
    server: path.join(dataDir, 'server'),
  };
  for (const folder of Object.values(folders)) mkdirSync(folder, { recursive: true });
  mkdirSync(path.join(folders.user, 'User'), { recursive: true });
  // This server's web client keeps the user's settings on the server, here:
  writeFileSync(path.join(folders.user, 'User', 'settings.json'), JSON.stringify(settings, null, 1));
  // Of a machine's settings, which a window that is connected to a server ignores there, the server's own hold.
  const machine = Object.entries(settings).filter(([name]) => ofMachine.has(name));
  mkdirSync(path.join(folders.user, 'Machine'), { recursive: true });
  writeFileSync(
    path.join(folders.user, 'Machine', 'settings.json'),
    JSON.stringify(Object.fromEntries(machine), null, 1),
  );
  return folders;
}

const commonArguments = (root: string, folders: Folders): string[] => [
  path.join(root, 'out', 'server-main.js'),
  '--accept-server-license-terms',
  '--user-data-dir',
  folders.user,
  '--extensions-dir',
  folders.extensions,
  '--server-data-dir',
  folders.server,
  '--telemetry-level',
  'off',
];

/** No gallery, and none of the variables that would make it think it runs inside another VS Code. Its sockets go below dataDir: keep that short. */
function cleanEnvironment(dataDir: string, more: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
  const temporary = path.join(dataDir, 't');
  mkdirSync(temporary, { recursive: true });
  const foreign = /^(VSCODE_|CODE_SERVER_|ELECTRON_RUN_AS_NODE)/;
  const own = Object.entries(process.env).filter(([name]) => !foreign.test(name));
  return {
    ...Object.fromEntries(own),
    EXTENSIONS_GALLERY: '{}',
    TMPDIR: temporary,
    XDG_RUNTIME_DIR: temporary,
    ...more,
  };
}

export interface ServerOptions {
  /** Folder that setup.sh has printed. */
  readonly root: string;
  readonly dataDir: string;
  readonly settings?: Settings;
  readonly env?: NodeJS.ProcessEnv;
  /** For a suite inside the extension host: newer versions take it only with this; it hides toasts and answers dialogs. */
  readonly suite?: boolean;
}

export function installVsix({ root, dataDir }: Pick<ServerOptions, 'root' | 'dataDir'>, vsix: string): string {
  const folders = layOut(dataDir, SETTINGS);
  return execFileSync(
    path.join(root, 'node'),
    [...commonArguments(root, folders), '--install-extension', vsix, '--force'],
    { env: cleanEnvironment(dataDir), encoding: 'utf8' },
  );
}

export interface Server {
  readonly url: string;
  /** Host and port, as vscode-remote URIs have it. */
  readonly authority: string;
  readonly extensions: string;
  readonly log: string;
  stop(): Promise<void>;
}

const START_LIMIT_MS = 30_000;

export async function startServer({ root, dataDir, settings, env, suite }: ServerOptions): Promise<Server> {
  const folders = layOut(dataDir, { ...SETTINGS, ...settings });
  const log = path.join(dataDir, 'server.log');
  const out = openSync(log, 'w');
  const child = spawn(
    path.join(root, 'node'),
    [
      ...commonArguments(root, folders),
      ...['--host', '127.0.0.1', '--port', '0', '--without-connection-token', '--force-disable-user-env'],
      ...['--log', 'info'],
      ...(suite ? ['--enable-smoke-test-driver'] : []),
    ],
    // A process group of its own, so that the extension host and the watcher can be ended with it.
    { env: cleanEnvironment(dataDir, env), stdio: ['ignore', out, out], detached: true },
  );
  closeSync(out);
  const group = (signal: NodeJS.Signals | 0): boolean => {
    try {
      return process.kill(-(child.pid as number), signal);
    } catch {
      return false;
    }
  };
  const last = (): void => void group('SIGKILL');
  process.once('exit', last);
  const deadline = Date.now() + START_LIMIT_MS;
  let port: string | undefined;
  while (!port) {
    port = /Server bound to 127\.0\.0\.1:(\d+)/.exec(readFileSync(log, 'utf8'))?.[1];
    if (child.exitCode !== null || Date.now() > deadline) {
      group('SIGKILL');
      throw new Error(`the server did not start:\n${readFileSync(log, 'utf8')}`);
    }
    if (!port) await sleep(50);
  }
  return {
    url: `http://127.0.0.1:${port}`,
    authority: `127.0.0.1:${port}`,
    extensions: folders.extensions,
    log,
    // The extension host and the watcher outlive the server by a second or two, and write into dataDir.
    async stop() {
      group('SIGTERM');
      for (let i = 0; i < 100 && group(0); i++) await sleep(50);
      group('SIGKILL');
      process.off('exit', last);
    },
  };
}
