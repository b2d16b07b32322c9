/** Where the TensorFlow runtime lives, and what belongs to it. */
import { existsSync, readFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';

/** The version that wheels, headers and checksums are pinned to. */
export const TENSORFLOW_VERSION = '2.21.0';

/** `gpu` is TensorFlow built with CUDA. */
export type RuntimeVariant = 'cpu' | 'gpu';

/** Names a folder with an installed runtime, and is used instead of the per-user cache. */
export const RUNTIME_VARIABLE = 'ESPALIER_RUNTIME';

/** `runtime.json`: written last, so that a folder that has it is complete. */
export interface RuntimeManifest {
  readonly version: string;
  readonly variant: RuntimeVariant;
  /** `linux-x64`, `linux-arm64`, `darwin-arm64`. */
  readonly platform: string;
  /** The wheels it came out of, by file name, with their SHA-256. */
  readonly wheels: Readonly<Record<string, string>>;
}

/** The files of a runtime folder. It keeps a site-packages layout, since TensorFlow finds CUDA's libraries at `../nvidia/NAME/lib`. */
export interface RuntimeFiles {
  readonly folder: string;
  readonly manifest: string;
  /** TensorFlow's libraries, in the order in which they depend on each other. */
  readonly libraries: readonly string[];
  readonly include: string;
  /** Beside the libraries: it looks for them in its own folder. */
  readonly binding: string;
  /** Loaded before the binding; keeps TensorFlow's log level. */
  readonly quiet: string;
}

export interface Environment {
  readonly platform: NodeJS.Platform;
  readonly arch: string;
  readonly variables: NodeJS.ProcessEnv;
  readonly home: string;
}

export const hostEnvironment = (): Environment => ({
  platform: process.platform,
  arch: process.arch,
  variables: process.env,
  home: os.homedir(),
});

/** `linux-x64` and the like: Node's names. */
export const platformName = (environment: Environment = hostEnvironment()): string =>
  `${environment.platform}-${environment.arch}`;

/** The per-user cache folder of this application. */
function cacheFolder({ platform, variables, home }: Environment = hostEnvironment()): string {
  if (platform === 'win32')
    return path.join(variables['LOCALAPPDATA'] || path.join(home, 'AppData', 'Local'), 'espalier');
  if (platform === 'darwin') return path.join(home, 'Library', 'Caches', 'espalier');
  const xdg = variables['XDG_CACHE_HOME'];
  return path.join(xdg && path.isAbsolute(xdg) ? xdg : path.join(home, '.cache'), 'espalier');
}

/** Where a variant is, or would be, installed: `ESPALIER_RUNTIME` when set, else `tensorflow-<version>-<variant>` in the cache folder. */
export function runtimeFolder(variant: RuntimeVariant, environment: Environment = hostEnvironment()): string {
  const own = environment.variables[RUNTIME_VARIABLE];
  return own ? path.resolve(own) : path.join(cacheFolder(environment), `tensorflow-${TENSORFLOW_VERSION}-${variant}`);
}

const LIBRARY_NAMES: Readonly<Partial<Record<NodeJS.Platform, readonly string[]>>> = {
  linux: ['libtensorflow_framework.so.2', 'libtensorflow_cc.so.2'],
  darwin: ['libtensorflow_framework.2.dylib', 'libtensorflow_cc.2.dylib'],
};

export function runtimeFiles(folder: string, platform: NodeJS.Platform = process.platform): RuntimeFiles {
  const tensorflow = path.join(folder, 'tensorflow');
  return {
    folder,
    manifest: path.join(folder, 'runtime.json'),
    libraries: (LIBRARY_NAMES[platform] ?? []).map((name) => path.join(tensorflow, name)),
    include: path.join(tensorflow, 'include'),
    binding: path.join(tensorflow, 'tfjs_binding.node'),
    quiet: path.join(tensorflow, 'quiet.node'),
  };
}

/** The manifest of a complete runtime, or undefined: nothing there, half installed, or not a runtime. */
export function readManifest(folder: string): RuntimeManifest | undefined {
  const files = runtimeFiles(folder);
  if (!existsSync(files.manifest) || !files.libraries.every((library) => existsSync(library))) return undefined;
  try {
    const manifest: unknown = JSON.parse(readFileSync(files.manifest, 'utf8'));
    return isManifest(manifest) ? manifest : undefined;
  } catch {
    return undefined;
  }
}

function isManifest(value: unknown): value is RuntimeManifest {
  if (typeof value !== 'object' || value === null) return false;
  const { version, variant, platform } = value as Partial<RuntimeManifest>;
  return typeof version === 'string' && (variant === 'cpu' || variant === 'gpu') && typeof platform === 'string';
}

export interface FoundRuntime {
  readonly folder: string;
  readonly manifest: RuntimeManifest;
}

/** The installed runtime to use: the GPU variant where it is installed and there is a driver for it, else the CPU one. */
export function findRuntime(
  hasGpuDriver: boolean,
  environment: Environment = hostEnvironment(),
): FoundRuntime | undefined {
  const preference: readonly RuntimeVariant[] = hasGpuDriver ? ['gpu', 'cpu'] : ['cpu', 'gpu'];
  for (const variant of preference) {
    const folder = runtimeFolder(variant, environment);
    const manifest = readManifest(folder);
    if (manifest) return { folder, manifest };
  }
  return undefined;
}
