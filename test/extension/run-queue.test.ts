import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { RunQueue, type RunWork } from '../../src/extension/runs/run-queue.ts';
import {
  asFound,
  canPause,
  canResume,
  isUnattended,
  type RunRecord,
  runId,
} from '../../src/extension/runs/run-record.ts';
import { RunStore } from '../../src/extension/runs/run-store.ts';
import { RequestError } from '../../src/extension/supervision/request-error.ts';

async function store(t: TestContext): Promise<RunStore> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'espalier runs ü-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return new RunStore(folder);
}

const record = (id: string): RunRecord => ({
  id,
  title: id,
  subject: 'resnet20',
  state: 'queued',
  request: { kind: 'install' },
  created: `2026-01-01T00:00:00.${id.length}Z`,
});

/** An executor whose runs end when the test says so. */
function controlled(): { execute: RunWork; started: string[]; end(id: string, error?: unknown): void } {
  const ends = new Map<string, (error?: unknown) => void>();
  const started: string[] = [];
  return {
    started,
    execute: ({ id }, { signal }) =>
      new Promise((resolve, reject) => {
        started.push(id);
        signal.addEventListener('abort', () => reject(new RequestError('cancelled', 'Cancelled.')));
        ends.set(id, (error) =>
          error === undefined ? resolve({ summary: `did ${id}`, output: `/${id}` }) : reject(error),
        );
      }),
    end: (id, error) => ends.get(id)?.(error),
  };
}

function endOf(queue: RunQueue, id: string): Promise<RunRecord> {
  return new Promise((resolve) => {
    const stop = queue.listen({
      ended(ended) {
        if (ended.id !== id) return;
        stop();
        resolve(ended);
      },
    });
  });
}

/** Waits until runs were started; what is checked to not happen has had its chance by then. */
async function until(condition: () => boolean): Promise<void> {
  for (const deadline = Date.now() + 20_000; !condition(); ) {
    if (Date.now() > deadline) throw new Error('waited in vain');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

test('runs one after the other and keeps each on disk', async (t) => {
  const runs = await store(t);
  const { execute, started, end } = controlled();
  const queue = new RunQueue(runs, execute);
  await queue.enqueue(record('a'));
  await queue.enqueue(record('bb'));
  await until(() => started.length > 0);
  assert.deepEqual(started, ['a']);
  assert.equal((await runs.read('a'))?.state, 'running');
  assert.equal((await runs.read('bb'))?.state, 'queued');
  const first = endOf(queue, 'a');
  end('a');
  assert.equal((await first).state, 'done');
  await until(() => started.length > 1);
  assert.deepEqual(started, ['a', 'bb']);
  const second = endOf(queue, 'bb');
  end('bb');
  await second;
  const [newest, oldest] = await runs.list();
  assert.deepEqual([newest.id, newest.summary, oldest.output], ['bb', 'did bb', '/a']);
  assert.equal(oldest.owner, undefined);
});

test('stops the run that goes, and takes a waiting one out of the queue', async (t) => {
  const runs = await store(t);
  const { execute, started } = controlled();
  const queue = new RunQueue(runs, execute);
  await queue.enqueue(record('a'));
  await queue.enqueue(record('bb'));
  await until(() => started.length > 0);
  const ends = [endOf(queue, 'a'), endOf(queue, 'bb')];
  queue.stop('bb');
  queue.stop('a');
  assert.deepEqual(
    (await Promise.all(ends)).map(({ state }) => state),
    ['cancelled', 'cancelled'],
  );
  assert.deepEqual(started, ['a']);
});

test('what an executor throws says how the run ended', async (t) => {
  const runs = await store(t);
  for (const [error, state] of [
    [new RequestError('worker', 'The worker was killed (SIGKILL).'), 'interrupted'],
    [new RequestError('user', 'The disk is full.'), 'failed'],
    [new Error('a defect'), 'failed'],
  ] as const) {
    const { execute, end, started } = controlled();
    const queue = new RunQueue(runs, execute);
    await queue.enqueue(record('a'));
    await until(() => started.length > 0);
    const ended = endOf(queue, 'a');
    end('a', error);
    const { state: found, error: message } = await ended;
    assert.equal(found, state);
    assert.equal(message, error.message);
    assert.ok((await queue.logOf('a')).includes(error.message));
  }
});

test('a run that was ended early, in order, can be taken up and has its result', async (t) => {
  const runs = await store(t);
  const queue = new RunQueue(runs, async (_, { onProgress }) => {
    onProgress({ phase: 'finetune', done: 1, total: 2 });
    onProgress({ phase: 'finetune', done: 2, total: 2 });
    onProgress({ phase: 'validate', done: 1, total: 1 });
    // Of a job: in words already.
    onProgress({ phase: 'handing it to SLURM', done: 0, total: 0 });
    return { summary: 'top-1 80 %', output: '/best', stoppedEarly: true };
  });
  const end = endOf(queue, 'a');
  await queue.enqueue(record('a'));
  const ended = await end;
  assert.deepEqual([ended.state, ended.output, canResume(ended)], ['cancelled', '/best', true]);
  assert.deepEqual(await queue.logOf('a'), ['Finetuning', 'Validating', 'handing it to SLURM']);
  // The next window has them too.
  assert.deepEqual(await new RunStore(runs.folder).log('a'), ['Finetuning', 'Validating', 'handing it to SLURM']);
});

test('a run whose owner is gone was interrupted; one that lives elsewhere is believed', () => {
  const running: RunRecord = { ...record('a'), state: 'running' };
  const mine = { host: os.hostname(), pid: process.pid };
  assert.equal(asFound({ ...running, owner: mine }).state, 'running');
  assert.equal(asFound({ ...running, owner: { ...mine, pid: 2 ** 22 + 1 } }).state, 'interrupted');
  assert.equal(asFound({ ...running, owner: { host: 'elsewhere', pid: 1 } }).state, 'running');
  assert.equal(asFound(running).state, 'interrupted');
  assert.equal(asFound({ ...running, state: 'done' }).state, 'done');
});

test('closing the window marks what goes and what waits', async (t) => {
  const runs = await store(t);
  const { execute, started } = controlled();
  const queue = new RunQueue(runs, execute);
  await queue.enqueue(record('a'));
  await queue.enqueue(record('bb'));
  await until(() => started.length > 0);
  await queue.interruptAll();
  assert.deepEqual(
    (await runs.list()).map(({ state }) => state),
    ['interrupted', 'interrupted'],
  );
});

test('a run with a process of its own goes on without its window, and the next window follows it', async (t) => {
  const runs = await store(t);
  const process1 = { host: os.hostname(), pid: process.ppid };
  const first = new RunQueue(runs, async (_, { runsIn }) => {
    await runsIn(process1);
    return new Promise(() => undefined);
  });
  await first.enqueue(record('a'));
  await until(() => first.find('a')?.owner?.pid === process1.pid);
  await first.interruptAll();
  const left = await runs.read('a');
  assert.deepEqual([left?.state, left?.owner], ['running', process1]);
  assert.equal(isUnattended(left as RunRecord), false, 'this window lives');
  const orphan: RunRecord = { ...(left as RunRecord), window: { ...process1, pid: 2 ** 22 + 1 } };
  assert.equal(isUnattended(orphan), true);
  let followed: unknown;
  const second = new RunQueue(runs, async (_, { following }) => {
    followed = following;
    return { summary: 'top-1 80 %' };
  });
  const end = endOf(second, 'a');
  second.adopt(orphan);
  second.adopt(orphan);
  assert.deepEqual([(await end).state, followed], ['done', process1]);
  assert.deepEqual([(await runs.read('a'))?.owner, (await runs.read('a'))?.window], [undefined, undefined]);
});

test('how a run ended while no window was open is found out by the next one', async (t) => {
  const runs = await store(t);
  const gone = { host: os.hostname(), pid: 2 ** 22 + 1 };
  const left: RunRecord = { ...record('a'), state: 'running', owner: gone, window: gone };
  await runs.write(left);
  assert.equal((await runs.read('a'))?.state, 'interrupted');
  const end = { kind: 'failed', error: { kind: 'user', message: 'no images' } };
  await writeFile(path.join(runs.directory('a'), 'end.json'), JSON.stringify(end));
  assert.equal((await runs.read('a'))?.state, 'running');
});

test('folders that are no runs, and broken records, are left out', async (t) => {
  const runs = await store(t);
  await runs.write({ ...record('good'), state: 'done' });
  await mkdir(runs.directory('empty'));
  await mkdir(runs.directory('broken'));
  await writeFile(path.join(runs.directory('broken'), 'job.json'), '{"id": "bro');
  await mkdir(runs.directory('other'));
  await writeFile(path.join(runs.directory('other'), 'job.json'), '{"id": "../good"}');
  assert.deepEqual(
    (await runs.list()).map(({ id }) => id),
    ['good'],
  );
  assert.match(await readFile(path.join(runs.directory('good'), 'job.json'), 'utf8'), /"state": "done"/);
});

test('names of runs sort by time, are legal, and are not used twice', async (t) => {
  const runs = await store(t);
  const id = runId('finetune', 'my model/ü.pth', new Date('2026-11-22T16:47:13Z'));
  assert.equal(id, '2026-11-22T16-47-13-finetune-my_model_');
  await runs.write({ ...record(id), state: 'done' });
  assert.equal(await runs.freeId(id), `${id}-2`);
});

test('a record that came with the repository is checked, and writes nowhere else', async (t) => {
  const folder = path.join((await store(t)).folder, '.espalier', 'runs');
  const runs = new RunStore(folder);
  const put = async (id: string, content: object): Promise<RunRecord | undefined> => {
    await mkdir(path.join(folder, id), { recursive: true });
    await writeFile(path.join(folder, id, 'job.json'), JSON.stringify(content));
    return runs.read(id);
  };
  assert.ok(await put('good', record('good')));
  assert.equal(await put('other', record('good')), undefined);
  assert.equal(await put('kind', { ...record('kind'), request: { kind: 'shell' } }), undefined);
  assert.equal(await put('title', { ...record('title'), title: { toString: 1 } }), undefined);
  assert.equal(await put('nothing', []), undefined);
  const workspace = path.dirname(path.dirname(folder));
  assert.equal(runs.mayWrite('good', path.join(folder, 'good', 'best.safetensors')), 'own');
  assert.equal(runs.mayWrite('good', path.join(workspace, 'models', 'x.onnx')), 'new');
  assert.equal(runs.mayWrite('good', path.join(folder, 'good', '..', 'other', 'x')), 'new');
  for (const place of ['/etc/x', path.join(workspace, '..', 'x'), 'x.onnx'])
    assert.equal(runs.mayWrite('good', place), 'never');
});

test('what another machine computes waits for no other run, and none waits for it', async (t) => {
  const runs = await store(t);
  const { execute, started, end } = controlled();
  const queue = new RunQueue(runs, execute);
  const place = { engine: 'slurm', nodes: 1, processes: 8, dataPath: '/images' } as const;
  const settings = { recipe: 'deit', dataPath: '/here', flags: {}, place };
  const request = { kind: 'finetune', source: { kind: 'file', path: '/model.safetensors' }, settings } as const;
  const job = (id: string): RunRecord => ({ ...record(id), request });
  const scores = { criterion: 'taylor', batches: 50, batchSize: 64, seed: 0, place } as const;
  await queue.enqueue(record('here'));
  await queue.enqueue(job('there'));
  await queue.enqueue({ ...job('there too'), request: { ...request, kind: 'score', settings: scores } });
  await queue.enqueue(record('next'));
  await until(() => started.length === 3);
  assert.deepEqual(started, ['here', 'there', 'there too']);
  assert.ok(!canPause({ ...job('there'), state: 'running' }));
  const ended = endOf(queue, 'there');
  end('there');
  assert.equal((await ended).state, 'done');
  end('here');
  await until(() => started.includes('next'));
  const last = endOf(queue, 'next');
  end('next');
  end('there too');
  await last;
});
