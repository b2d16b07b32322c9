/** A machine that is not there: small wheels, commands and an index that answer as a test wants. */
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { crc32, deflateRawSync } from 'node:zlib';
import type { CommandOptions, CommandResult, Host } from '../../../../src/engine/compute/runtime/install-host.ts';
import type { Wheel } from '../../../../src/engine/compute/runtime/wheels.ts';

const temporaryFolders: string[] = [];
process.on('exit', () => {
  for (const folder of temporaryFolders) rmSync(folder, { recursive: true, force: true });
});

/** A new folder that goes when the process ends. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'espalier-runtime-test-'));
  temporaryFolders.push(folder);
  return folder;
}

/** A zip file with deflated entries. */
export function zip(entries: Readonly<Record<string, string>>): Buffer {
  const locals: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const [name, text] of Object.entries(entries)) {
    const content = Buffer.from(text);
    const packed = deflateRawSync(content);
    const common = Buffer.alloc(26);
    common.writeUInt16LE(20, 0);
    common.writeUInt16LE(8, 4);
    common.writeUInt32LE(crc32(content), 10);
    common.writeUInt32LE(packed.length, 14);
    common.writeUInt32LE(content.length, 18);
    common.writeUInt16LE(name.length, 22);
    const local = Buffer.concat([Buffer.from('PK\x03\x04', 'latin1'), common, Buffer.from(name), packed]);
    const rest = Buffer.alloc(14);
    rest.writeUInt32LE(offset, 10);
    const madeBy = Buffer.from([20, 3]);
    directory.push(Buffer.concat([Buffer.from('PK\x01\x02', 'latin1'), madeBy, common, rest, Buffer.from(name)]));
    locals.push(local);
    offset += local.length;
  }
  const entriesBytes = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06', 0, 'latin1');
  end.writeUInt16LE(directory.length, 8);
  end.writeUInt16LE(directory.length, 10);
  end.writeUInt32LE(entriesBytes.length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...locals, entriesBytes, end]);
}

export const wheelBytes = zip({
  'tensorflow/libtensorflow_cc.so.2': 'cc'.repeat(5000),
  'tensorflow/libtensorflow_framework.so.2': 'framework',
  'tensorflow/include/tensorflow/c/c_api.h': '// header',
  'tensorflow/python/large.py': 'not needed',
});

export const wheel: Wheel = {
  project: 'tensorflow-cpu',
  version: '2.21.0',
  file: 'tensorflow_cpu-2.21.0-cp311-cp311-manylinux_2_27_x86_64.whl',
  bytes: wheelBytes.length,
  sha256: createHash('sha256').update(wheelBytes).digest('hex'),
  keep: /^tensorflow\/(lib|include\/)/,
  unpackedBytes: 10_030,
};

const ok = (stdout = ''): CommandResult => ({ code: 0, stdout, stderr: '' });
const notFound: CommandResult = { code: undefined, stdout: '', stderr: 'spawn ENOENT' };

export interface FakeMachine {
  /** What pip writes for the wheel, or how it fails; absent: no Python. */
  readonly pip?: Buffer | CommandResult;
  /** What the index serves; absent: no network. */
  readonly index?: Buffer;
  readonly indexFormat?: 'json' | 'html';
  readonly compiler?: boolean;
  /** How the library starts. */
  readonly probe?: CommandResult;
  readonly free?: number;
  readonly variables?: NodeJS.ProcessEnv;
}

export interface FakeHost extends Host {
  /** The commands that were run, and the addresses that were asked for. */
  readonly log: string[];
}

/** A Linux machine whose cache is in `cache`. */
export function fakeHost(cache: string, machine: FakeMachine): FakeHost {
  const log: string[] = [];
  const argument = (args: readonly string[], name: string): string => args[args.indexOf(name) + 1];
  const pip = (args: readonly string[]): CommandResult => {
    if (!machine.pip) return notFound;
    if (args.includes('--version')) return ok('pip 23');
    if (!Buffer.isBuffer(machine.pip)) return machine.pip;
    writeFileSync(path.join(argument(args, '--dest'), wheel.file), machine.pip);
    return ok();
  };
  const compile = (args: readonly string[]): CommandResult => {
    if (machine.compiler === false) return notFound;
    writeFileSync(argument(args, '-o'), 'binding');
    return ok();
  };
  return {
    log,
    environment: {
      platform: 'linux',
      arch: 'x64',
      home: '/nowhere',
      variables: { XDG_CACHE_HOME: cache, ...machine.variables },
    },
    run: async (command: string, args: readonly string[], { signal }: CommandOptions = {}) => {
      signal?.throwIfAborted();
      log.push([path.basename(command), ...args].join(' '));
      if (args.includes('pip')) return command === 'python3' ? pip(args) : notFound;
      if (command === process.execPath) return machine.probe ?? ok('{"version":"2.21.0","gpu":false}\n');
      return compile(args);
    },
    fetch: async (url, { signal }) => {
      signal?.throwIfAborted();
      log.push(url);
      if (!machine.index) throw new TypeError('fetch failed', { cause: new Error('getaddrinfo ENOTFOUND pypi.org') });
      if (url.endsWith('.whl')) return new Response(new Uint8Array(machine.index));
      const link = `https://files.example/${wheel.file}`;
      return machine.indexFormat === 'html'
        ? new Response(`<a href="${link}#sha256=0">${wheel.file}</a>`, { headers: { 'content-type': 'text/html' } })
        : Response.json({ files: [{ filename: wheel.file, url: link }] });
    },
    freeBytes: async () => machine.free ?? 1e12,
  };
}
