/** Boxes of detectors: their forms, suppression, and average precision against pycocotools. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { Random } from '../../../src/engine/data/random.ts';
import { AveragePrecisionSum } from '../../../src/engine/training/detection/average-precision.ts';
import { type Detection, intersectionOverUnion, suppress } from '../../../src/engine/training/detection/boxes.ts';
import { decodeBoxes, findForm } from '../../../src/engine/training/detection/decode.ts';
import { noPythonWith, runPython } from '../../support/python.ts';
import { workFolder } from './tiny.ts';

const work = workFolder();

const box = (label: number, score: number, [left, top, right, bottom]: readonly number[]): Detection => ({
  label,
  score,
  left,
  top,
  right,
  bottom,
});

test('boxes of one class give way to a better one that they overlap; others stay', () => {
  const found = [
    box(0, 0.5, [0, 0, 0.5, 0.5]),
    box(0, 0.9, [0.05, 0, 0.5, 0.5]),
    box(1, 0.4, [0, 0, 0.5, 0.5]),
    box(0, 0.3, [0.4, 0.4, 0.9, 0.9]),
  ];
  const kept = suppress(found, { overlap: 0.45, most: 10 });
  assert.deepEqual(
    kept.map(({ score }) => score),
    [0.9, 0.4, 0.3],
  );
  assert.equal(suppress(found, { overlap: 0.45, most: 1 }).length, 1);
  assert.ok(Math.abs(intersectionOverUnion(found[0], found[3]) - 0.01 / 0.49) < 1e-12);
});

const whole = { left: 0, top: 0, width: 64, height: 64 };

test("FastestDet's cells, YOLOv8's and YOLOv5's rows become boxes in shares of the image", () => {
  const classes = 2;
  const shapes = { fast: [-1, 7, 2, 2], v8: [-1, 6, 100], v5: [-1, 100, 7] };
  const form = (name: keyof typeof shapes) => findForm([{ name, shape: shapes[name] }], classes, 'net');
  const fast = new Float32Array(28);
  // Objectness, offsets, sides and classes of the cell in row 1, column 0.
  [0.9, Math.atanh(0.5), Math.atanh(0.25), 0, Math.log(1 / 3), 0.2, 0.8].forEach((value, c) => {
    fast[c * 4 + 2] = value;
  });
  const [one, ...none] = decodeBoxes(form('fast'), fast, 64, whole, 0.01);
  assert.equal(none.length, 0);
  const near = (actual: number, expected: number): void => assert.ok(Math.abs(actual - expected) < 1e-6, `${actual}`);
  const nearAll = (actual: readonly number[], expected: readonly number[]): void => {
    for (const [i, value] of expected.entries()) near(actual[i], value);
  };
  near(one.score, 0.9 ** 0.6 * 0.8 ** 0.4);
  assert.equal(one.label, 1);
  nearAll([one.left, one.right, one.top, one.bottom], [0, 0.5, 0.5, 0.75]);

  const v8 = new Float32Array(600);
  [32, 16, 16, 8, 0.1, 0.7].forEach((value, c) => {
    v8[c * 100 + 5] = value;
  });
  const letterbox = { left: 0, top: 8, width: 64, height: 32 };
  const [best, second] = decodeBoxes(form('v8'), v8, 64, letterbox, 0.05).toSorted((a, b) => b.score - a.score);
  assert.deepEqual([best.label, second.label], [1, 0]);
  nearAll([best.left, best.right, best.top, best.bottom], [0.375, 0.625, 0.125, 0.375]);

  const v5 = new Float32Array(700);
  v5.set([32, 16, 16, 8, 0.5, 0.1, 0.7], 7 * 9);
  const [found] = decodeBoxes(form('v5'), v5, 64, whole, 0.1);
  near(found.score, 0.35);
  near(found.top, 12 / 64);
  assert.throws(
    () => findForm([{ name: 'out', shape: [-1, 9, 4] }], classes, 'net'),
    /net gives out \[N, 9, 4\]: with the 2 classes/,
  );
});

interface Scene {
  readonly objects: readonly (readonly number[])[];
  readonly boxes: readonly (readonly number[])[];
}

/** Objects, boxes near them with every second score a tie, boxes of nothing, and images with more than 100 boxes of a class. */
function scenes(): Scene[] {
  const random = new Random(5);
  const sides = (): number[] => {
    const [left, top] = [0.8 * random.float(), 0.8 * random.float()];
    return [left, top, left + 0.05 + 0.15 * random.float(), top + 0.05 + 0.15 * random.float()];
  };
  return Array.from({ length: 40 }, (_, image) => {
    const objects = Array.from({ length: random.int(8) }, () => [random.int(4), ...sides()]);
    const near = objects.flatMap(([label, ...own]) =>
      Array.from({ length: random.int(4) }, () => [
        random.chance(0.8) ? label : random.int(5),
        Math.round(10 * random.float()) / 10,
        ...own.map((side) => side + 0.02 * (random.float() - 0.5)),
      ]),
    );
    const stray = Array.from({ length: image % 10 ? 6 : 130 }, () => [
      image % 10 ? random.int(5) : 1,
      random.float(),
      ...sides(),
    ]);
    return { objects, boxes: [...near, ...stray] };
  });
}

test('average precision is what pycocotools counts', { skip: noPythonWith('pycocotools') }, () => {
  const images = scenes();
  const file = path.join(work, 'scenes.json');
  writeFileSync(file, JSON.stringify({ images }));
  const expected = runPython<{ map: number; map50: number }>('engine/training/coco_map.py', file);
  const sum = new AveragePrecisionSum();
  for (const { objects, boxes } of images)
    sum.add(
      boxes.map(([label, score, ...sides]) => box(label, score, sides)),
      objects.map(([label, ...sides]) => box(label, 1, sides)),
    );
  const { map, map50 } = sum.result;
  assert.ok(map50 > 0.2 && map < map50, `${map} ${map50}`);
  assert.ok(Math.abs(map50 - expected.map50) < 1e-6, `${map50}, pycocotools ${expected.map50}`);
  assert.ok(Math.abs(map - expected.map) < 1e-6, `${map}, pycocotools ${expected.map}`);
});
