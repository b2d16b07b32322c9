/** The supervisor with the real worker, really killed, stopped and broken. */
import assert from 'node:assert/strict';
import test, { before, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { RequestError } from '../../src/extension/supervision/request-error.ts';
import {
  type SupervisorOptions,
  type WorkerState,
  WorkerSupervisor,
} from '../../src/extension/supervision/worker-supervisor.ts';
import { builtProgram } from '../support/built-programs.ts';

let entry = '';
before(async () => {
  entry = await builtProgram('worker');
});

function supervise(t: TestContext, options: Partial<SupervisorOptions> = {}): WorkerSupervisor {
  const supervisor = new WorkerSupervisor({
    command: () => ({ entry }),
    retryDelays: [20, 40, 80],
    killGraceMs: 300,
    ...options,
  });
  t.after(() => supervisor.dispose());
  return supervisor;
}

const rejection = async (promise: Promise<unknown>): Promise<RequestError> => {
  try {
    await promise;
  } catch (error) {
    assert.ok(error instanceof RequestError, String(error));
    return error;
  }
  throw new assert.AssertionError({ message: 'was not rejected' });
};

const until = async (condition: () => boolean, what: string): Promise<void> => {
  const end = Date.now() + 15_000;
  while (!condition()) {
    if (Date.now() > end) throw new Error(`timed out: ${what}`);
    await sleep(10);
  }
};

/** Keeps the worker busy while a test does something to it. */
const pending = (supervisor: WorkerSupervisor): Promise<unknown> => {
  process.kill(supervisor.pid as number, 'SIGSTOP');
  const promise = supervisor.request('models/list', {});
  promise.catch(() => undefined);
  return promise;
};

test('starts with the first request and answers it', async (t) => {
  const supervisor = supervise(t);
  const states: WorkerState[] = [];
  supervisor.onState((state) => states.push(state));
  assert.equal(supervisor.state, 'idle');
  const models = await supervisor.request('models/list', {});
  assert.ok(models.some(({ name }) => name === 'resnet50'));
  assert.deepEqual(states, ['starting', 'running']);
});

test('two requests at once start one worker', async (t) => {
  const supervisor = supervise(t);
  const pids = new Set<number>();
  supervisor.on('worker/ready', ({ pid }) => pids.add(pid));
  await Promise.all([supervisor.request('models/list', {}), supervisor.request('models/list', {})]);
  assert.equal(pids.size, 1);
});

test('an error meant for the person arrives as it is', async (t) => {
  const supervisor = supervise(t);
  const error = await rejection(supervisor.request('model/open', { source: { kind: 'zoo', name: 'resnet51' } }));
  assert.equal(error.kind, 'user');
  assert.match(error.message, /^resnet51 is neither a file nor a known model/);
});

test('killed with SIGKILL: requests in flight are rejected, and the next one is answered by a new worker', async (t) => {
  const supervisor = supervise(t);
  await supervisor.request('models/list', {});
  const first = supervisor.pid as number;
  const flights = [pending(supervisor), pending(supervisor)];
  process.kill(first, 'SIGKILL');
  for (const flight of flights) {
    const error = await rejection(flight);
    assert.equal(error.kind, 'worker');
    assert.match(error.message, /SIGKILL/);
  }
  assert.equal(supervisor.state, 'waiting');
  assert.ok((await supervisor.request('models/list', {})).length > 0);
  assert.notEqual(supervisor.pid, first);
});

test('restarts by itself after the back-off', async (t) => {
  const supervisor = supervise(t);
  await supervisor.request('models/list', {});
  const first = supervisor.pid as number;
  process.kill(first, 'SIGKILL');
  await until(() => supervisor.state === 'running' && supervisor.pid !== first, 'restart');
});

test('a request over its time limit restarts the worker, also one that ignores SIGTERM', async (t) => {
  const supervisor = supervise(t, { limits: { 'models/list': { total: 400 } } });
  await supervisor.request('dataset/validate', { path: import.meta.dirname }).catch(() => undefined);
  const first = supervisor.pid as number;
  const error = await rejection(pending(supervisor)); // a stopped process does not see SIGTERM
  assert.equal(error.kind, 'worker');
  assert.match(error.message, /0\.4 s/);
  await until(() => {
    try {
      process.kill(first, 0);
      return false;
    } catch {
      return true;
    }
  }, 'SIGKILL after SIGTERM');
});

test('cancellation of a worker that does not react: rejected as cancelled, worker replaced', async (t) => {
  const supervisor = supervise(t, { cancelGraceMs: 200 });
  await supervisor.request('models/list', {});
  const first = supervisor.pid;
  process.kill(first as number, 'SIGSTOP');
  const controller = new AbortController();
  const flight = supervisor.request('models/list', {}, { signal: controller.signal });
  flight.catch(() => undefined);
  controller.abort();
  assert.equal((await rejection(flight)).kind, 'cancelled');
  await supervisor.request('models/list', {});
  assert.notEqual(supervisor.pid, first);
});

test('a worker that dies at once is given up after the back-offs, with its last words; a restart by hand tries again', async (t) => {
  let broken = true;
  const supervisor = supervise(t, {
    command: () => ({ entry: broken ? `${entry}.missing.mjs` : entry }),
  });
  const error = await rejection(supervisor.request('models/list', {}));
  assert.equal(error.kind, 'worker');
  assert.match(error.message, /Cannot find module .*missing\.mjs/);
  await until(() => supervisor.state === 'failed', 'giving up');
  assert.match((await rejection(supervisor.request('models/list', {}))).message, /4 times/);
  broken = false;
  await supervisor.restart();
  assert.ok((await supervisor.request('models/list', {})).length > 0);
});

test('dispose ends the process and rejects what was in flight', async (t) => {
  const supervisor = supervise(t);
  await supervisor.request('models/list', {});
  const pid = supervisor.pid as number;
  const flight = pending(supervisor);
  // It is on its way, to a worker that cannot answer.
  await sleep(0);
  const closed = rejection(flight);
  await supervisor.dispose();
  assert.match((await closed).message, /Espalier was closed/);
  assert.throws(() => process.kill(pid, 0));
  assert.equal((await rejection(supervisor.request('models/list', {}))).kind, 'worker');
});

test('the worker ends when its host is gone', async (t) => {
  const supervisor = supervise(t, { retryDelays: [] });
  await supervisor.request('models/list', {});
  const pid = supervisor.pid as number;
  const child = (supervisor as unknown as { current: { child: { disconnect(): void } } }).current.child;
  child.disconnect();
  await until(() => {
    try {
      process.kill(pid, 0);
      return false;
    } catch {
      return true;
    }
  }, 'end of the worker');
});
