/** Gets a wheel: from a folder, through pip, or over HTTPS from the package index. */
import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream, existsSync } from 'node:fs';
import { mkdir, readdir, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ReadableStream as NodeReadableStream } from 'node:stream/web';
import { UserError } from '../../../common/errors.ts';
import { type RunContext, throwIfAborted } from '../../../common/progress.ts';
import { type Host, lastLines } from './install-host.ts';
import { wheelUrl } from './package-index.ts';
import { pipTags, type Wheel } from './wheels.ts';

export interface DownloadOptions extends RunContext {
  readonly host: Host;
  /** A folder that may hold the wheel already: for machines without a network. */
  readonly from?: string;
}

/**
 * Returns the path of the wheel, checked against its SHA-256: the file in `from`, or a new one in `folder`.
 * Throws a UserError that says what each way failed with, or that the file is not the pinned one.
 */
export async function getWheel(wheel: Wheel, folder: string, options: DownloadOptions): Promise<string> {
  const given = options.from && path.join(options.from, wheel.file);
  if (given && existsSync(given)) {
    await checkWheel(given, wheel, options);
    return given;
  }
  if (options.from) throw new UserError(`${wheel.file} is not in ${options.from}.`);
  await mkdir(folder, { recursive: true });
  const file = path.join(folder, wheel.file);
  const failures: string[] = [];
  for (const [way, get] of [
    ['pip', pipDownload],
    ['HTTPS', httpsDownload],
  ] as const) {
    const failure = await get(wheel, file, options);
    throwIfAborted(options.signal);
    if (failure === undefined) {
      await checkWheel(file, wheel, options);
      return file;
    }
    failures.push(`${way}: ${failure}`);
    await rm(file, { force: true });
  }
  throw new UserError(
    `${wheel.file} could not be downloaded.\n${failures.join('\n')}\n` +
      'Check the network, or PIP_INDEX_URL if you use a mirror; without a network, put the file into a folder and name the folder with --from.',
  );
}

/** Throws a UserError unless the file is the pinned one. */
async function checkWheel(file: string, wheel: Wheel, { signal, progress }: RunContext): Promise<void> {
  const hash = createHash('sha256');
  let done = 0;
  for await (const chunk of createReadStream(file, { signal, highWaterMark: 1 << 20 })) {
    hash.update(chunk as Buffer);
    done += (chunk as Buffer).length;
    progress?.({ phase: 'verify', done, total: wheel.bytes, message: wheel.file });
  }
  const digest = hash.digest('hex');
  if (digest === wheel.sha256) return;
  const size = done < wheel.bytes ? `: it is cut off after ${done} of ${wheel.bytes} bytes` : '';
  throw new UserError(
    `${file} is not the expected file${size} (SHA-256 ${digest}, expected ${wheel.sha256}). Nothing was installed; try again, or check the mirror.`,
  );
}

/** A way to get a wheel into `file`; returns why it did not work. */
type Download = (wheel: Wheel, file: string, options: DownloadOptions) => Promise<string | undefined>;

/** Python takes no module from the folder that it is started in, nor from PYTHONPATH. */
const ISOLATED = ['-I'];
const PYTHONS = ['python3', 'python', 'py'];
const PIP_CHECK_TIMEOUT = 30_000;

const pipDownload: Download = async (wheel, file, { host, signal, progress }) => {
  let python: string | undefined;
  for (const candidate of PYTHONS) {
    const check = await host.run(candidate, [...ISOLATED, '-m', 'pip', '--version'], {
      signal,
      timeout: PIP_CHECK_TIMEOUT,
    });
    if (check.code === 0) {
      python = candidate;
      break;
    }
  }
  if (!python) return 'no Python with pip was found';
  const folder = path.resolve(path.dirname(file));
  const { abi, platforms } = pipTags(wheel);
  const args = [
    ...[
      ...ISOLATED,
      '-m',
      'pip',
      'download',
      '--no-deps',
      '--no-cache-dir',
      '--disable-pip-version-check',
      '--no-input',
      '--quiet',
    ],
    ...['--only-binary=:all:', '--python-version', '3.11', '--implementation', 'cp', '--abi', abi],
    ...platforms.flatMap((platform) => ['--platform', platform]),
    ...['--dest', folder, `${wheel.project}==${wheel.version}`],
  ];
  // pip collects the file in its temporary folder: put there, its growth is the progress.
  const temporary = path.join(folder, 'pip');
  await mkdir(temporary, { recursive: true });
  const watch = setInterval(() => {
    void folderBytes(temporary).then((done) => {
      progress?.({ phase: 'download', done: Math.min(done, wheel.bytes), total: wheel.bytes, message: wheel.file });
    });
  }, 500);
  try {
    const env = { ...host.environment.variables, TMPDIR: temporary, TEMP: temporary, TMP: temporary };
    const result = await host.run(python, args, { signal, env });
    if (result.code !== 0) return lastLines(result.stderr || result.stdout) || `pip ended with ${result.code}`;
    return existsSync(file) ? undefined : `pip downloaded another file than ${wheel.file}`;
  } finally {
    clearInterval(watch);
    await rm(temporary, { recursive: true, force: true });
  }
};

const httpsDownload: Download = async (wheel, file, { host, signal, progress }) => {
  try {
    const response = await host.fetch(await wheelUrl(wheel, host, signal), { signal });
    if (!response.ok || !response.body) return `the index answered ${response.status} ${response.statusText}`;
    let done = 0;
    const count = new Transform({
      transform(chunk: Buffer, _encoding, next) {
        done += chunk.length;
        progress?.({ phase: 'download', done, total: wheel.bytes, message: wheel.file });
        next(done > wheel.bytes ? new Error(`the file is longer than ${wheel.bytes} bytes`) : null, chunk);
      },
    });
    await pipeline(Readable.fromWeb(response.body as NodeReadableStream), count, createWriteStream(file), { signal });
    return undefined;
  } catch (error) {
    if (!(error instanceof Error)) return String(error);
    // fetch says "fetch failed"; the cause says why.
    return error.cause instanceof Error ? `${error.message} (${error.cause.message})` : error.message;
  }
};

async function folderBytes(folder: string): Promise<number> {
  try {
    const names = await readdir(folder, { recursive: true });
    const sizes = await Promise.all(names.map((name) => stat(path.join(folder, name)).catch(() => undefined)));
    return sizes.reduce((total, entry) => total + (entry?.isFile() ? entry.size : 0), 0);
  } catch {
    return 0;
  }
}
