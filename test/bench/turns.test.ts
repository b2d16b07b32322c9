import assert from 'node:assert/strict';
import { test } from 'node:test';
import { busySeconds, foreignShare } from '../../scripts/bench/machine.ts';
import { describeTurns, planTurns, timeTurns } from '../../scripts/bench/turns.ts';

const pace = { rounds: 5, turnSeconds: 2, budgetSeconds: 90 };

test('quick work fills its turns, slow work stays within the budget', () => {
  assert.deepEqual(planTurns([0.1, 0.5], pace), { runs: [20, 4], rounds: 5 });
  // 30 s a run: one turn of one run each.
  assert.deepEqual(planTurns([30, 40], pace), { runs: [1, 1], rounds: 1 });
  // Longer than the budget even so: something must be measured.
  assert.deepEqual(planTurns([300], pace), { runs: [1], rounds: 1 });
  assert.deepEqual(planTurns([10, 10], pace), { runs: [1, 1], rounds: 4 });
});

test('turns of a size that is asked for shrink only where the budget is too small', () => {
  assert.deepEqual(planTurns([1, 2], pace, { least: 10, most: 10 }), { runs: [10, 10], rounds: 3 });
  // 10 runs of each would take 150 s.
  assert.deepEqual(planTurns([5, 10], pace, { least: 10, most: 10 }), { runs: [6, 6], rounds: 1 });
  assert.deepEqual(planTurns([0.01], pace, { least: 16 }), { runs: [200], rounds: 5 });
});

test('lanes take turns after a run or two each, and medians are by run', async () => {
  const calls: string[] = [];
  let slow = 0;
  const lanes = [
    async (runs: number) => {
      calls.push(`a${runs}`);
      return { seconds: runs * 0.5 };
    },
    async (runs: number) => {
      calls.push(`b${runs}`);
      slow += 1;
      return { seconds: slow === 3 ? 100 : runs * 1 };
    },
  ];
  const timing = await timeTurns(lanes, { rounds: 3, turnSeconds: 2, budgetSeconds: 90 });
  assert.deepEqual(calls, ['a1', 'a1', 'b1', 'a4', 'b2', 'a4', 'b2', 'a4', 'b2']);
  assert.deepEqual(timing.seconds, [0.5, 1]);
  assert.equal(describeTurns(timing, 'runs'), '3 turns of 4 and 2 runs');
});

test('work that fills the budget with one run is not run again', async () => {
  let runs = 0;
  const lane = async (count: number) => {
    runs += count;
    return { seconds: 60 * count };
  };
  const timing = await timeTurns([lane, lane], { rounds: 5, turnSeconds: 2, budgetSeconds: 90 });
  assert.equal(runs, 2);
  assert.deepEqual([timing.seconds, timing.rounds], [[60, 60], 1]);
});

test('rounds in which other programs ran are done again and left out', async () => {
  const shares = [0, 0, 0.5, 0.02, 0.4, 0, 0.01];
  let call = 0;
  const lane = async (runs: number) => {
    const foreign = shares[call++];
    return { seconds: foreign > 0.1 ? 100 : 2 * runs, foreign };
  };
  const timing = await timeTurns([lane], { rounds: 3, turnSeconds: 2, budgetSeconds: 90 });
  assert.deepEqual([timing.seconds, timing.rounds, timing.disturbed], [[2], 3, 2]);
  assert.equal(describeTurns(timing, 'runs'), '3 turns of 1 runs, 2 disturbed left out');
});

test('where no round was quiet, the row says so', async () => {
  const lane = async (runs: number) => ({ seconds: runs, foreign: 0.3 });
  const timing = await timeTurns([lane], { rounds: 2, turnSeconds: 1, budgetSeconds: 90 });
  assert.deepEqual([timing.rounds, timing.disturbed], [8, 0]);
  assert.match(describeTurns(timing, 'runs'), /DISTURBED: other programs took up to 30 %/);
});

test('what other programs took is what the processors did less our own', () => {
  const stat = 'cpu  1000 20 300 5000 40 5 6 7 0 0\ncpu0 1 2 3\n';
  assert.equal(busySeconds(stat), 13.38);
  assert.equal(foreignShare(3, 1, 2, 2), 0.5);
  assert.equal(foreignShare(1.9, 2, 2, 2), 0);
});
