import assert from 'node:assert/strict';
import test from 'node:test';
import { distinctTitles } from '../../src/extension/model/distinct-titles.ts';

test('models called the same are told apart by run or folder; others keep their names', () => {
  const titles = distinctTitles([
    { title: 'net, finetuned', file: '/w/.espalier/runs/2026-11-22T16-47-13-finetune-net/best.safetensors' },
    { title: 'net, finetuned', file: '/w/.espalier/runs/2026-11-23T09-01-00-finetune-net/job/best.safetensors' },
    { title: 'best.pth', file: '/w/a/best.pth' },
    { title: 'best.pth', file: '/w/b/best.pth' },
    { title: 'resnet50' },
    { title: 'one.pth', file: '/w/one.pth' },
  ]);
  assert.deepEqual(titles, [
    'net, finetuned (2026-11-22 16:47)',
    'net, finetuned (2026-11-23 09:01)',
    'best.pth (a)',
    'best.pth (b)',
    'resnet50',
    'one.pth',
  ]);
});
