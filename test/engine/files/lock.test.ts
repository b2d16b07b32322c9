/** Locks between processes: never held twice, not kept by the dead. */
import assert from 'node:assert/strict';
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { UserError } from '../../../src/common/errors.ts';
import { acquireLock, type Holder, lockAdvice, withLock } from '../../../src/engine/files/lock.ts';
import { describeProcess, ownProcessId, parseProcessId } from '../../../src/engine/files/process-id.ts';
import type { Outcome } from './lock-contender.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'espalier-lock-'));
after(() => rmSync(folder, { recursive: true, force: true }));

let number = 0;
const lockFile = (): string => path.join(folder, `place${number++}`, 'thing.lock');
const claims = (file: string): string[] => readdirSync(path.dirname(file));
const busy = (holder: Holder): Error => new UserError(`held by ${describeProcess(holder)}.${lockAdvice(holder)}`);

const contender = async (): Promise<ChildProcess> => {
  const child = fork(path.join(import.meta.dirname, 'lock-contender.ts'), { execArgv: ['--import', 'tsx'] });
  await once(child, 'message');
  return child;
};

async function attemptOf(child: ChildProcess, file: string): Promise<Outcome> {
  child.send(file);
  return ((await once(child, 'message')) as [Outcome])[0];
}

/** The end of the name of a claim whose process was killed. */
async function deadClaim(): Promise<string> {
  const file = `${lockFile()}.kill`;
  const child = await contender();
  child.send(file);
  await once(child, 'exit');
  const [claim] = claims(file);
  return claim.slice(path.basename(file).length);
}

test('held during the work and gone afterwards, also when the work fails', async () => {
  const file = lockFile();
  assert.equal(await withLock(file, busy, async () => claims(file).length), 1);
  assert.deepEqual(claims(file), []);
  await assert.rejects(
    withLock(file, busy, () => Promise.reject(new Error('it broke'))),
    /it broke/,
  );
  assert.deepEqual(claims(file), []);
});

test('a living process keeps its lock, and is named; a claim that is withdrawn leaves nothing', async () => {
  const file = lockFile();
  await withLock(file, busy, async () => {
    await assert.rejects(acquireLock(file, busy), new RegExp(`held by process ${process.pid} on .+\\.$`));
    assert.equal(claims(file).length, 1);
  });
});

test('who waits gets the lock of a holder that ends', async () => {
  const file = lockFile();
  const first = await acquireLock(file, busy);
  let waits = true;
  const second = acquireLock(file, busy, 60_000).finally(() => {
    waits = false;
  });
  await new Promise((resolve) => setTimeout(resolve, 300));
  assert.ok(waits, 'while the first holds it');
  await first.release();
  await (await second).release();
  assert.deepEqual(claims(file), []);
});

test('another machine’s claim counts, and the message says what to delete', async () => {
  const file = lockFile();
  await withLock(file, busy, async () => undefined);
  const claim = `${file}.12-34-${Buffer.from('another-machine').toString('base64url')}.abc`;
  writeFileSync(claim, '');
  await assert.rejects(acquireLock(file, busy), {
    message: `held by process 12 on another-machine. If that process is gone, delete ${claim}.`,
  });
});

test('a process number that is used again is not taken for the process that had it', {
  skip: process.platform !== 'linux' && 'needs /proc',
}, async () => {
  const file = lockFile();
  await withLock(file, busy, async () => undefined);
  const own = parseProcessId(ownProcessId()) ?? assert.fail();
  writeFileSync(`${file}.${ownProcessId().replace(`-${own.started}-`, '-1-')}.abc`, '');
  await withLock(file, busy, async () => assert.equal(claims(file).length, 1));
});

const PROCESSES = 6;
const ROUNDS = 150;

test('six processes after one lock, with a dead one’s claim on it: never two, and nothing left', async () => {
  const dead = await deadClaim();
  const children = await Promise.all(Array.from({ length: PROCESSES }, contender));
  const counts: Record<Outcome, number> = { held: 0, busy: 0, 'not alone': 0 };
  try {
    for (let round = 0; round < ROUNDS; round++) {
      const file = path.join(folder, `round${round}.lock`);
      writeFileSync(file + dead, '');
      const outcomes = await Promise.all(children.map((child) => attemptOf(child, file)));
      for (const outcome of outcomes) counts[outcome]++;
    }
  } finally {
    for (const child of children) child.disconnect();
  }
  assert.equal(counts['not alone'], 0, JSON.stringify(counts));
  assert.ok(counts.held >= ROUNDS * 0.9, JSON.stringify(counts));
  assert.deepEqual(
    readdirSync(folder).filter((name) => name.startsWith('round')),
    [],
  );
});
