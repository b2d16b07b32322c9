/**
 * Puts the native modules beside TensorFlow's library: the prebuilt ones that are shipped with this program, or ones compiled from
 * `@tensorflow/tfjs-node-gpu`'s source. They find the library in their own folder. It is C++ against two C interfaces (N-API 8,
 * TensorFlow's), so a compiler call each does it; node-gyp would only add a Python and a download of Node's headers.
 */
import { existsSync } from 'node:fs';
import { copyFile, mkdir, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { UserError } from '../../../common/errors.ts';
import type { RunContext } from '../../../common/progress.ts';
import { type Host, lastLines, thisHost } from './install-host.ts';
import { platformName, type RuntimeFiles } from './locate.ts';

export interface BindingOptions extends RunContext {
  readonly host?: Host;
  /** The program's own folder, which holds `dist/` and perhaps `node_modules/`. */
  readonly programFolder?: string;
}

/** The folders below the program's own that can hold what the modules are made of: shipped ones first, then a checkout's. */
export const SOURCE_FOLDERS = {
  packed: path.join('dist', 'binding', 'source'),
  packedHeaders: path.join('dist', 'binding', 'include'),
  package: path.join('node_modules', '@tensorflow', 'tfjs-node-gpu', 'binding'),
  own: path.join('src', 'engine', 'compute', 'runtime', 'native'),
  headers: path.join('node_modules', 'node-api-headers', 'include'),
} as const;

/** Where the prebuilt modules of a platform lie: built by `scripts/build-binding.ts`, packed into the extension. */
export function prebuiltFolder(programFolder: string, platform: string): string {
  return path.join(programFolder, 'dist', 'binding', platform);
}

interface NativeModule {
  readonly file: (files: RuntimeFiles) => string;
  readonly sources: readonly string[];
  readonly flags: (files: RuntimeFiles, platform: NodeJS.Platform) => readonly string[];
  /** What it is linked with. */
  readonly libraries: (files: RuntimeFiles) => readonly string[];
}

/** The binding comes last: where it is, the others are. */
const MODULES: readonly NativeModule[] = [
  {
    file: (files) => files.quiet,
    sources: ['quiet.c'],
    flags: (_files, platform) => [
      ...(platform === 'darwin' ? ['-undefined', 'dynamic_lookup'] : STAY_LOADED),
      ...['-x', 'c'],
    ],
    libraries: () => [],
  },
  {
    file: (files) => files.binding,
    sources: ['tfjs_backend.cc', 'tfjs_binding.cc'],
    flags: (files, platform) => [
      '-std=c++17',
      // The binding frees with `delete` what it made with `new[]`; without sizes every allocator takes that.
      '-fno-sized-deallocation',
      ...['-I', files.include],
      ...(platform === 'darwin' ? DARWIN_FLAGS : LINUX_FLAGS),
    ],
    libraries: (files) => files.libraries,
  },
];

const COMMON_FLAGS = ['-O2', '-fPIC', '-shared', '-w', '-DNAPI_VERSION=8', '-DBUILDING_NODE_EXTENSION'];
/** A worker thread that ends unloads its modules, but TensorFlow's threads and its calls of `quiet.c` live on. */
const STAY_LOADED = ['-s', '-Wl,-z,nodelete'];
/** Its own C++ library inside, so that a prebuilt binding runs on older systems; the library's folder is its own. */
const LINUX_FLAGS = [
  ...STAY_LOADED,
  '-static-libstdc++',
  '-static-libgcc',
  '-Wl,--exclude-libs,ALL',
  '-Wl,-rpath,$ORIGIN',
];
/** TensorFlow's macOS libraries are named by @rpath; N-API's functions come from the process. */
const DARWIN_FLAGS = ['-undefined', 'dynamic_lookup', '-Wl,-rpath,@loader_path'];

/** Makes sure that the native modules of `files` exist. Throws a UserError that says what is missing. */
export async function ensureBinding(files: RuntimeFiles, options: BindingOptions = {}): Promise<void> {
  const { host = thisHost(), programFolder = findProgramFolder() } = options;
  const prebuilt = prebuiltFolder(programFolder, platformName(host.environment));
  for (const module of MODULES) {
    const target = module.file(files);
    const ready = path.join(prebuilt, path.basename(target));
    if (existsSync(target)) continue;
    if (existsSync(ready)) await placeWhole(target, (temporary) => copyFile(ready, temporary));
    else await buildModule(module, files, target, options);
  }
}

/** Compiles the native modules against the library and headers of `files` into `folder`. About ten seconds. */
export async function buildBinding(files: RuntimeFiles, folder: string, options: BindingOptions = {}): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const module of MODULES) {
    await buildModule(module, files, path.join(folder, path.basename(module.file(files))), options);
  }
}

async function buildModule(
  module: NativeModule,
  files: RuntimeFiles,
  target: string,
  options: BindingOptions,
): Promise<void> {
  const { host = thisHost(), programFolder = findProgramFolder(), signal, progress } = options;
  const { packed, packedHeaders, package: tfjs, own, headers } = SOURCE_FOLDERS;
  const sources = module.sources.map((name) => firstExisting(programFolder, [packed, tfjs, own], name));
  const nodeHeaders =
    firstExisting(programFolder, [packedHeaders, headers], 'node_api.h') ??
    firstExisting(path.dirname(path.dirname(process.execPath)), [path.join('include', 'node')], 'node_api.h');
  if (!isComplete(sources) || !nodeHeaders) {
    throw new UserError(
      `This program has no TensorFlow binding for ${platformName(host.environment)}, nor its source. The built-in kernels are used instead.`,
    );
  }
  progress?.({ phase: 'binding', done: 0, total: 0, message: `compiling ${path.basename(target)}` });
  // Flags before sources, since `-x c` counts for what follows; libraries after the sources that need them.
  const flags = [...COMMON_FLAGS, '-I', path.dirname(nodeHeaders), ...module.flags(files, host.environment.platform)];
  await placeWhole(target, (temporary) =>
    compile(host, [...flags, ...sources, ...module.libraries(files), '-o', temporary], signal),
  );
}

/** Lets `make` write a temporary file beside `target` and renames it. */
async function placeWhole(target: string, make: (temporary: string) => Promise<void>): Promise<void> {
  const temporary = `${target}.${process.pid}`;
  try {
    await make(temporary);
    await rename(temporary, target);
  } finally {
    await rm(temporary, { force: true });
  }
}

/** C++ compilers to try, the person's own alone where `CXX` names one. */
const compilersOf = ({ environment }: Host): readonly string[] =>
  environment.variables['CXX'] ? [environment.variables['CXX']] : ['c++', 'g++', 'clang++'];

/** Whether a C++ compiler can be started here. */
export async function hasCompiler(host: Host = thisHost()): Promise<boolean> {
  for (const compiler of compilersOf(host))
    if ((await host.run(compiler, ['--version'], {})).code !== undefined) return true;
  return false;
}

async function compile(host: Host, args: readonly string[], signal: AbortSignal | undefined): Promise<void> {
  const compilers = compilersOf(host);
  for (const compiler of compilers) {
    const { code, stderr } = await host.run(compiler, args, { signal });
    if (code === 0) return;
    if (code !== undefined) {
      throw new UserError(`TensorFlow's binding could not be compiled with ${compiler}:\n${lastLines(stderr, 10)}`);
    }
  }
  throw new UserError(
    `TensorFlow's binding has to be compiled on ${platformName(host.environment)}, and there is no C++ compiler ` +
      `(${compilers.join(', ')}). Install one (Debian, Ubuntu: apt install g++; macOS: xcode-select --install) and install the runtime again. ` +
      'Until then the built-in kernels are used.',
  );
}

function firstExisting(root: string, folders: readonly string[], file: string): string | undefined {
  return folders.map((folder) => path.join(root, folder, file)).find((candidate) => existsSync(candidate));
}

function isComplete(files: readonly (string | undefined)[]): files is readonly string[] {
  return files.every((file) => file !== undefined);
}

/** The nearest folder above this file (bundled: above `dist/`) with a package.json. */
export function findProgramFolder(): string {
  let folder = path.dirname(fileURLToPath(import.meta.url));
  while (!existsSync(path.join(folder, 'package.json'))) {
    const parent = path.dirname(folder);
    if (parent === folder) return process.cwd();
    folder = parent;
  }
  return folder;
}
