import assert from 'node:assert/strict';
import { test } from 'node:test';
import { macsOfText, meantShare } from '../../src/common/flop-target.ts';
import { formatCount } from '../../src/common/format.ts';
import { PlanRequests } from '../../webview/graph/model/plan-requests.ts';

function recorder() {
  const sent: [number, number][] = [];
  let now = 0;
  const requests = new PlanRequests<number>(
    (seq, macs) => sent.push([seq, macs]),
    () => now,
  );
  return { sent, requests, later: (milliseconds: number) => (now += milliseconds) };
}

test('one request is under way; of the wishes that come meanwhile the newest follows', () => {
  const { sent, requests } = recorder();
  for (const macs of [10, 20, 30, 40]) requests.want(macs);
  assert.deepEqual(sent, [[1, 10]]);
  assert.equal(requests.pending, true);
  assert.equal(requests.answered(1), true);
  assert.deepEqual(sent, [
    [1, 10],
    [2, 40],
  ]);
  assert.equal(requests.answered(2), true);
  assert.equal(requests.pending, false);
});

test('answers to what was not asked, or twice, are no news', () => {
  const { requests } = recorder();
  requests.want(1);
  assert.equal(requests.answered(7), false);
  assert.equal(requests.answered(1), true);
  assert.equal(requests.answered(1), false);
});

test('a lost answer does not stop the slider', () => {
  const { sent, requests, later } = recorder();
  requests.want(1);
  later(2000);
  requests.want(2);
  assert.deepEqual(sent, [
    [1, 1],
    [2, 2],
  ]);
  assert.equal(requests.answered(1), true, 'late, but newer than what is shown');
});

test('targets as people write them', () => {
  const dense = 4e9;
  const cases: readonly (readonly [string, number | undefined])[] = [
    ['4.2G', 4.2e9],
    ['4200M', 4.2e9],
    [' 2,05 g ', 2.05e9],
    ['1.2 GMACs', 1.2e9],
    ['50%', 2e9],
    ['-30%', 2.8e9],
    ['−30 %', 2.8e9],
    ['-1G', 3e9],
    ['123456', 123456],
    ['2e7', 2e7],
    ['2.5e+8 MACs', 2.5e8],
    ['2e', undefined],
    ['', undefined],
    ['half', undefined],
    ['-200%', undefined],
    ['1..2G', undefined],
  ];
  for (const [text, macs] of cases) assert.equal(macsOfText(text, dense), macs, text);
});

test('a bare number up to 100 is probably a share', () => {
  assert.equal(meantShare('50'), '50%');
  assert.equal(meantShare(' -30 '), '-30%');
  assert.equal(meantShare('12,5'), '12,5%');
  for (const text of ['50%', '2e7', '50M', '123456', '101', '', 'half'])
    assert.equal(meantShare(text), undefined, text);
});

test('counts as people read them', () => {
  assert.deepEqual(
    [4121925096, 231211008, 25557032, 4096, 999, 0].map((count) => formatCount(count)),
    ['4.12 G', '231.2 M', '25.6 M', '4.10 k', '999', '0'],
  );
});
