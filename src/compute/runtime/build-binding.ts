/**
 * Puts the native binding beside TensorFlow's library: the prebuilt one that is shipped with this program, or one compiled from
 * `@tensorflow/tfjs-node-gpu`'s source. Both find the library in their own folder. It is two C++ files against two C interfaces
 * (N-API 8, TensorFlow's), so one compiler call does it; node-gyp would only add a Python and a download of Node's headers.
 */
import { existsSync } from 'node:fs';
import { copyFile, mkdir, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { UserError } from '../../support/errors.ts';
import type { RunContext } from '../../support/progress.ts';
import { type Host, lastLines, thisHost } from './host.ts';
import { platformName, type RuntimeFiles } from './locate.ts';

export interface BindingOptions extends RunContext {
  readonly host?: Host;
  /** The program's own folder, which holds `dist/` and perhaps `node_modules/`. */
  readonly programFolder?: string;
}

const BINDING_FILE = 'tfjs_binding.node';
const SOURCES = ['tfjs_backend.cc', 'tfjs_binding.cc'];

/** Where the prebuilt binding of a platform lies: built by `scripts/build-binding.ts`, packed into the extension. */
export function prebuiltBinding(programFolder: string, platform: string): string {
  return path.join(programFolder, 'dist', 'binding', platform, BINDING_FILE);
}

/** Makes sure that `files.binding` exists. Throws a UserError that says what is missing. */
export async function ensureBinding(files: RuntimeFiles, options: BindingOptions = {}): Promise<void> {
  if (existsSync(files.binding)) return;
  const { host = thisHost(), programFolder = findProgramFolder() } = options;
  const prebuilt = prebuiltBinding(programFolder, platformName(host.environment));
  if (existsSync(prebuilt)) {
    const temporary = `${files.binding}.${process.pid}`;
    await copyFile(prebuilt, temporary);
    await rename(temporary, files.binding);
    return;
  }
  await buildBinding(files, files.binding, options);
}

/** Compiles the binding against the library and headers of `files` into `output`. About ten seconds. */
export async function buildBinding(files: RuntimeFiles, output: string, options: BindingOptions = {}): Promise<void> {
  const { host = thisHost(), programFolder = findProgramFolder(), signal, progress } = options;
  const source = firstWith(SOURCES[0], [
    path.join(programFolder, 'dist', 'binding', 'source'),
    path.join(programFolder, 'node_modules', '@tensorflow', 'tfjs-node-gpu', 'binding'),
  ]);
  const nodeHeaders = firstWith('node_api.h', [
    path.join(programFolder, 'dist', 'binding', 'include'),
    path.join(programFolder, 'node_modules', 'node-api-headers', 'include'),
    path.join(path.dirname(path.dirname(process.execPath)), 'include', 'node'),
  ]);
  if (!source || !nodeHeaders) {
    throw new UserError(
      `This program has no TensorFlow binding for ${platformName(host.environment)}, nor its source. The built-in kernels are used instead.`,
    );
  }
  progress?.({ phase: 'binding', done: 0, total: 0, message: 'compiling' });
  await mkdir(path.dirname(output), { recursive: true });
  const temporary = `${output}.${process.pid}`;
  const args = compilerArguments(host.environment.platform, { source, nodeHeaders, files, output: temporary });
  try {
    await compile(host, args, signal);
    await rename(temporary, output);
  } finally {
    await rm(temporary, { force: true });
  }
}

async function compile(host: Host, args: readonly string[], signal: AbortSignal | undefined): Promise<void> {
  const own = host.environment.variables['CXX'];
  const compilers = own ? [own] : ['c++', 'g++', 'clang++'];
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

interface CompilerInputs {
  readonly source: string;
  readonly nodeHeaders: string;
  readonly files: RuntimeFiles;
  readonly output: string;
}

function compilerArguments(platform: NodeJS.Platform, inputs: CompilerInputs): string[] {
  const { source, nodeHeaders, files, output } = inputs;
  return [
    ...['-O2', '-std=c++17', '-fPIC', '-shared', '-w', '-DNAPI_VERSION=8', '-DBUILDING_NODE_EXTENSION'],
    // The binding frees with `delete` what it made with `new[]`; without sizes every allocator takes that.
    '-fno-sized-deallocation',
    ...['-I', nodeHeaders, '-I', files.include],
    ...SOURCES.map((name) => path.join(source, name)),
    ...files.libraries,
    ...(platform === 'darwin' ? DARWIN_FLAGS : LINUX_FLAGS),
    ...['-o', output],
  ];
}

/** Its own C++ library inside, so that a prebuilt binding runs on older systems; the library's folder is its own. */
const LINUX_FLAGS = ['-s', '-static-libstdc++', '-static-libgcc', '-Wl,--exclude-libs,ALL', '-Wl,-rpath,$ORIGIN'];
/** TensorFlow's macOS libraries are named by @rpath; N-API's functions come from the process. */
const DARWIN_FLAGS = ['-undefined', 'dynamic_lookup', '-Wl,-rpath,@loader_path'];

const firstWith = (file: string, folders: readonly string[]): string | undefined =>
  folders.find((folder) => existsSync(path.join(folder, file)));

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
