/** The files by which a run and windows talk: what is written is read, anything else is refused with the place. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parsePlanSettings } from '../../src/extension/model/plan-settings-schema.ts';
import { parseRunFile } from '../../src/protocol/run-files-schema.ts';
import { DEFAULT_PLAN } from '../../src/protocol/values.ts';

const settings = { recipe: 'cifar', dataPath: '/data', flags: { epochs: 2, opt: 'sgd', 'no-augment': true } };
const start = { source: { kind: 'file', path: '/m.pth', useEma: true }, settings, resume: false };
const live = { pid: 12, host: 'a', progress: { phase: 'epoch 1', done: 3, total: 0, rate: 1.5, eta: null } };
const end = {
  kind: 'ended',
  result: {
    epochs: 2,
    bestTop1: 0.5,
    lastTop1: 0.5,
    loss: 1,
    imagesPerSecond: 9,
    outputDirectory: '/r',
    best: '/r/best.safetensors',
    stopped: 'finished',
  },
};

test('what a run and its windows write is read', () => {
  assert.deepEqual(parseRunFile('start', JSON.stringify(start)), start);
  assert.deepEqual(parseRunFile('live', JSON.stringify(live)), live);
  assert.deepEqual(parseRunFile('end', JSON.stringify(end)), end);
  const failed = { kind: 'failed', error: { kind: 'user', message: 'no images' } };
  assert.deepEqual(parseRunFile('end', JSON.stringify(failed)), failed);
  const order = { action: 'pause', time: '2026-01-01T00:00:00Z' };
  assert.deepEqual(parseRunFile('order', JSON.stringify(order)), order);
});

const place = { engine: 'slurm', nodes: 1, processes: 8, dataPath: '/there' };
const scores = { criterion: 'taylor', batches: 50, batchSize: 64, seed: 0, place };
const job = { python: 'python3', slurm: [], skypilot: [], commands: [] };
const scoring = { source: start.source, scores, resume: false, job };

test('so is what a scoring job and its windows write', () => {
  assert.deepEqual(parseRunFile('start', JSON.stringify(scoring)), scoring);
  for (const scored of [{ kind: 'scored', gradients: '/r/job/gradients.safetensors' }, { kind: 'scored' }])
    assert.deepEqual(parseRunFile('end', JSON.stringify(scored)), scored);
  for (const [value, message] of [
    [{ ...scoring, scores: { ...scores, criterion: 'l9' } }, /^scores\.criterion: /],
    [{ ...scoring, scores: { ...scores, place: undefined } }, /^scores\.place: /],
    [{ ...scoring, scores: { ...scores, batches: 0 } }, /^scores\.batches: /],
    [{ ...scoring, job: undefined }, /^job: /],
  ] as const)
    assert.throws(() => parseRunFile('start', JSON.stringify(value)), { message }, JSON.stringify(value));
});

test('anything else is refused with the place', () => {
  for (const [kind, value, message] of [
    ['start', { ...start, resume: 1 }, /^resume: /],
    ['start', { ...start, source: { kind: 'web', path: 'x' } }, /^source\.kind: /],
    ['start', { ...start, source: { kind: 'file', path: 3 } }, /^source\.path: /],
    ['start', { ...start, settings: { ...settings, flags: { epochs: [1] } } }, /^settings\.flags\.epochs: /],
    ['start', { ...start, outputDir: '/' }, /^outputDir: /],
    ['live', { ...live, pid: -1 }, /^pid: /],
    ['live', { ...live, progress: { ...live.progress, done: 'all' } }, /^progress\.done: /],
    ['order', { action: '__proto__', time: '' }, /^action: /],
    ['order', { action: 'toString', time: '' }, /^action: /],
    ['end', { ...end, result: { ...end.result, best: null } }, /^result\.best: /],
    ['end', 'done', /^it: /],
  ] as const)
    assert.throws(() => parseRunFile(kind, JSON.stringify(value)), { message }, JSON.stringify(value));
  assert.throws(() => parseRunFile('end', '{"kind":"en'), SyntaxError);
});

test('settings in a saved plan', () => {
  const saved = (settingsOf: unknown): string => JSON.stringify({ version: 1, settings: settingsOf, groups: [] });
  const chosen = { ...DEFAULT_PLAN, headRatio: 0.25, pins: [{ layer: 'a', side: 'both' }] };
  assert.deepEqual(parsePlanSettings(saved(chosen)), { settings: chosen, macs: undefined });
  assert.deepEqual(parsePlanSettings(saved({ target: { kind: 'ratio', ratio: 0.5 } })).settings?.target, {
    kind: 'ratio',
    ratio: 0.5,
  });
  const forTime = {
    settings: { ...chosen, target: { kind: 'ms', text: '12ms' } },
    after: { macs: 7, params: 1 },
    groups: [],
  };
  assert.deepEqual(parsePlanSettings(JSON.stringify(forTime)), { settings: forTime.settings, macs: 7 });
  const widths = { groups: [{ root: 'conv1' }], after: { macs: 5, params: 1 } };
  assert.deepEqual(
    parsePlanSettings(JSON.stringify(widths)),
    { settings: undefined, macs: 5 },
    'a plan without settings',
  );
  assert.throws(() => parsePlanSettings('{}'), { message: /^groups: / });
  for (const [value, message] of [
    [null, /^settings: /],
    [{}, /^settings\.target: /],
    [{ ...chosen, target: { kind: 'macs', text: 5 } }, /^settings\.target\.text: /],
    [{ ...chosen, roundTo: 0 }, /^settings\.roundTo: /],
    [{ ...chosen, roundTo: '2' }, /^settings\.roundTo: /],
    [{ ...chosen, maxRatio: 7 }, /^settings\.maxRatio: /],
    [{ ...chosen, pins: [{ layer: 'a', side: 'up' }] }, /^settings\.pins\.0\.side: /],
    [{ ...chosen, ignores: [] }, /^settings\.ignores: /],
  ] as const)
    assert.throws(() => parsePlanSettings(saved(value)), { message }, JSON.stringify(value));
});
