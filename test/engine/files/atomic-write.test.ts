import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import * as fs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test, { afterEach, beforeEach } from 'node:test';
import { UserError } from '../../../src/common/errors.ts';
import { type WriteFs, writeAtomically, writeFileAtomically } from '../../../src/engine/files/atomic-write.ts';
import { ownProcessId } from '../../../src/engine/files/process-id.ts';

let folder = '';
let target = '';
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'espalier-write-'));
  target = path.join(folder, 'model.pth');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** The real file system, on which something fails once `write` is called for the n-th time, or a step is reached. */
function failing(code: string, at: 'write' | 'sync' | 'rename', after = 0): WriteFs {
  const failure = (): never => {
    throw Object.assign(new Error(`${code}: injected`), { code });
  };
  return {
    ...fs,
    rename: at === 'rename' ? async () => failure() : fs.rename,
    open: async (...args) => {
      const handle = await fs.open(...args);
      let writes = 0;
      return new Proxy(handle, {
        get: (inner, name) => {
          if (name === at)
            return async (...rest: Parameters<typeof handle.write>) =>
              writes++ >= after ? failure() : inner.write(...rest);
          const value: unknown = Reflect.get(inner, name);
          return typeof value === 'function' ? value.bind(inner) : value;
        },
      });
    },
  };
}

test('writes pieces of every size, in order', async () => {
  const pieces = [0, 1, 1000, 2 ** 20 - 5, 3, 2 ** 20, 2 ** 21 + 1, 7].map((length, i) => Buffer.alloc(length, i + 1));
  await writeAtomically(target, async (sink) => {
    for (const piece of pieces) {
      const copy = Buffer.from(piece);
      await sink.write(copy);
      copy.fill(0); // The caller may use its buffer again.
    }
    assert.equal(sink.position, Buffer.concat(pieces).length);
  });
  assert.ok(readFileSync(target).equals(Buffer.concat(pieces)));
  assert.deepEqual(readdirSync(folder), ['model.pth']);
});

test('replaces an earlier file, through a link, and keeps its mode', async () => {
  writeFileSync(target, 'old', { mode: 0o640 });
  symlinkSync(target, path.join(folder, 'link'));
  await writeFileAtomically(path.join(folder, 'link'), 'new');
  assert.equal(readFileSync(target, 'utf8'), 'new');
  assert.deepEqual(readdirSync(folder).sort(), ['link', 'model.pth']);
  if (process.platform !== 'win32') assert.equal((await fs.stat(target)).mode & 0o777, 0o640);
});

const failures: readonly (readonly [code: string, at: 'write' | 'sync' | 'rename', message: RegExp])[] = [
  ['ENOSPC', 'write', /Cannot write .*model\.pth: the disk is full: free some space/],
  ['EDQUOT', 'write', /the disk quota is used up/],
  ['EIO', 'sync', /input\/output error/],
  ['EACCES', 'rename', /permission is denied/],
  ['EXOTIC', 'write', /the system reports EXOTIC/],
];
for (const [code, at, message] of failures) {
  test(`${code} during ${at}: says so, keeps the earlier file, leaves nothing behind`, async () => {
    writeFileSync(target, 'old');
    const content = Buffer.alloc(3 << 20);
    const writing = writeAtomically(
      target,
      async (sink) => {
        for (let i = 0; i < 3; i++) await sink.write(content);
      },
      failing(code, at, at === 'write' ? 1 : 0),
    );
    await assert.rejects(writing, (error) => error instanceof UserError && message.test(error.message));
    assert.equal(readFileSync(target, 'utf8'), 'old');
    assert.deepEqual(readdirSync(folder), ['model.pth']);
  });
}

test('an error of the producer is passed on, and nothing is left behind', async () => {
  const stop = new Error('cancelled');
  const writing = writeAtomically(target, async (sink) => {
    await sink.write(Buffer.alloc(10));
    throw stop;
  });
  await assert.rejects(writing, (error) => error === stop);
  assert.deepEqual(readdirSync(folder), []);
});

test('a folder that does not exist, and a target that is one', async () => {
  await assert.rejects(
    writeFileAtomically(path.join(folder, 'missing/model.pth'), 'x'),
    /missing\/model\.pth: there is no such file or folder/,
  );
  await assert.rejects(writeFileAtomically(folder, 'x'), /it is a folder/);
  assert.ok(existsSync(folder));
});

test('a full disk', { skip: !existsSync('/dev/full') && 'no /dev/full' }, async () => {
  // Every write to /dev/full fails as on a full disk: the system's own error, not an injected one.
  const full: WriteFs = {
    ...fs,
    open: (file, flags, mode) => fs.open(flags === 'wx' ? '/dev/full' : file, flags === 'wx' ? 'w' : flags, mode),
  };
  await assert.rejects(writeFileAtomically(target, 'x', full), /the disk is full/);
  assert.deepEqual(readdirSync(folder), []);
});

test('what a killed process has left of the same file is removed, what a living one writes is not', async () => {
  const { pid } = spawnSync(process.execPath, ['-e', '']);
  const temporary = (owner: string): string => `.model.pth.${owner}.0123456789ab.tmp`;
  const dead = temporary(ownProcessId().replace(/^\d+/, String(pid)));
  const [living, other] = [temporary(ownProcessId()), dead.replace('model', 'other')];
  for (const name of [dead, living, other]) writeFileSync(path.join(folder, name), 'half');
  await writeFileAtomically(path.join(folder, 'model.pth'), 'whole');
  assert.deepEqual(readdirSync(folder).sort(), [living, other, 'model.pth'].sort());
});
