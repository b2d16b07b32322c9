/** Evaluation by outputs: agreement with the dense network, boxes, masks, and what is said where there is nothing to compare. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { before, test } from 'node:test';
import { deflateSync } from 'node:zlib';
import sharp from 'sharp';
import { createExecutor } from '../../../src/engine/compute/backends.ts';
import type { Executor } from '../../../src/engine/compute/executor.ts';
import { readMask } from '../../../src/engine/data/masks.ts';
import { GraphBuilder } from '../../../src/engine/graph/builder.ts';
import type { Graph } from '../../../src/engine/graph/graph.ts';
import { float32Tensor, type Weights } from '../../../src/engine/graph/tensor.ts';
import { evaluateOutputs } from '../../../src/engine/jobs/evaluate-outputs.ts';
import { openModel, saveModel } from '../../../src/engine/jobs/opening/model.ts';
import { pruneModel } from '../../../src/engine/jobs/prune.ts';
import type { Detection } from '../../../src/engine/training/detection/boxes.ts';
import { squareInput } from '../../support/input-config.ts';
import { noPythonWith, runPython } from '../../support/python.ts';
import { sharedPath } from '../data/shared.ts';
import { workFolder } from '../training/tiny.ts';

const work = workFolder();
const place = (...names: string[]): string => path.join(work, ...names);
let executor: Executor;
before(async () => {
  executor = await createExecutor({ backend: 'embedded', threads: 1 });
});

const SIDE = 16;
const input = squareInput(SIDE, { interpolation: 'nearest', fit: 'stretch' });

/** A segmenter of three classes: the brightest of red, green and blue, once it has been through a 1 × 1 convolution. */
function brightest(): { graph: Graph; weights: Weights } {
  const b = new GraphBuilder();
  const map = b.conv('classes', b.input(input), { out: 3, kernel: 1 });
  const graph = b.finish({ name: 'brightest', family: 'test', input, classes: 0 }, [{ name: 'map', value: map }]);
  const weight = float32Tensor([3, 3, 1, 1], Float32Array.of(1, 0, 0, 0, 1, 0, 0, 0, 1));
  return { graph, weights: new Map([['classes.weight', weight]]) };
}

function crc32(bytes: Buffer): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  }
  return (crc ^ 0xffffffff) >>> 0;
}

/** A PNG of 8-bit palette indices. */
function palettePng(width: number, height: number, palette: readonly number[][], indices: Uint8Array): Buffer {
  const chunk = (type: string, data: Buffer): Buffer => {
    const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
    const [length, check] = [Buffer.alloc(4), Buffer.alloc(4)];
    length.writeUInt32BE(data.length);
    check.writeUInt32BE(crc32(body));
    return Buffer.concat([length, body, check]);
  };
  const header = Buffer.from([0, 0, 0, width, 0, 0, 0, height, 8, 3, 0, 0, 0]);
  const rows = Array.from({ length: height }, (_, y) => [0, ...indices.subarray(y * width, (y + 1) * width)]).flat();
  return Buffer.concat([
    Buffer.from([0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10]),
    chunk('IHDR', header),
    chunk('PLTE', Buffer.from(palette.flat())),
    chunk('IDAT', deflateSync(Buffer.from(rows))),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

/** Half red, half green, of 32 × 16 pixels; the mask says class 0 of the red half, and of the green one in part class 2 or nothing. */
before(async () => {
  await mkdir(place('segments', 'images', 'val'), { recursive: true });
  await mkdir(place('segments', 'masks', 'val'), { recursive: true });
  const pixels = Buffer.alloc(32 * 16 * 3);
  const labels = new Uint8Array(32 * 16);
  for (let i = 0; i < 32 * 16; i++) {
    const x = i % 32;
    pixels[3 * i + (x < 16 ? 0 : 1)] = 200;
    labels[i] = x < 16 ? 0 : x < 24 ? 1 : x < 28 ? 2 : 255;
  }
  await sharp(pixels, { raw: { width: 32, height: 16, channels: 3 } })
    .png()
    .toFile(place('segments', 'images', 'val', 'a.png'));
  const palette = Array.from({ length: 256 }, (_, i) => [(i * 7) % 256, (i * 13) % 256, i]);
  await writeFile(place('segments', 'masks', 'val', 'a.png'), palettePng(32, 16, palette, labels));
});

test('masks give the palette index, whatever the colours', async () => {
  const { data, width } = await readMask(place('segments', 'masks', 'val', 'a.png'));
  assert.deepEqual([data[0], data[20], data[width - 6], data[width - 1]], [0, 1, 2, 255]);
  await assert.rejects(readMask(place('segments', 'images', 'val', 'a.png')), /a\.png is a colour image/);
});

test('mIoU counts unions over all pixels and leaves out what has no label', async () => {
  const report = await evaluateOutputs(brightest(), { dataPath: place('segments'), workers: 0 }, { executor });
  // Class 0: 8 of 8 columns; class 1: 4 right of 6 that are not ignored; class 2: none of 2.
  assert.ok(report.segmentation);
  assert.ok(Math.abs(report.segmentation.miou - (1 + 4 / 6 + 0) / 3) < 1e-6, JSON.stringify(report.segmentation));
  assert.equal(report.segmentation.pixelAccuracy, 12 / 14);
});

test('a network agrees with itself, and by half with half of itself', async () => {
  const { graph, weights } = brightest();
  const half: Weights = new Map(
    [...weights].map(([name, { shape, data }]) => [
      name,
      float32Tensor(
        shape,
        (data as Float32Array).map((x) => x / 2),
      ),
    ]),
  );
  const dataPath = place('plain');
  await mkdir(dataPath);
  await copyFile(place('segments', 'images', 'val', 'a.png'), path.join(dataPath, 'a.png'));
  const measured = async (other: Weights) =>
    (
      await evaluateOutputs(
        { graph, weights: other },
        { dataPath, workers: 0 },
        { executor, teacher: { graph, weights } },
      )
    ).agreement;
  const itself = await measured(weights);
  assert.deepEqual(itself?.outputs, [{ name: 'map', relativeError: 0, cosine: itself?.outputs[0].cosine }]);
  assert.ok(Math.abs((itself?.outputs[0].cosine ?? 0) - 1) < 1e-9);
  assert.equal(itself?.loss, 0);
  const halved = (await measured(half))?.outputs[0];
  assert.ok(Math.abs((halved?.relativeError ?? 0) - 0.5) < 1e-6 && Math.abs((halved?.cosine ?? 0) - 1) < 1e-6);
  await assert.rejects(
    evaluateOutputs({ graph, weights }, { dataPath, workers: 0 }, { executor }),
    /brightest is not a classifier, .*--teacher DENSE/s,
  );
});

const COCO = path.join(sharedPath, 'data/coco128');
const FASTEST = path.join(sharedPath, 'data/checkpoints/fastestdet.onnx');
const noDetector = !existsSync(FASTEST) && `${FASTEST} is missing`;

/** The label file of an image, read here anew: class and sides. */
function labels(image: string): number[][] {
  const file = image.replace('/images/', '/labels/').replace(/\.jpg$/, '.txt');
  if (!existsSync(file)) return [];
  const rows = readFileSync(file, 'utf8').trim().split('\n').filter(Boolean);
  return rows.map((row) => {
    const [label, x, y, w, h] = row.split(' ').map(Number);
    return [label, x - w / 2, y - h / 2, x + w / 2, y + h / 2];
  });
}

test("FastestDet's average precision on COCO images is what pycocotools counts of its boxes", {
  skip: noDetector || noPythonWith('pycocotools'),
}, async () => {
  const model = await openModel({ model: FASTEST, pixels: '0..1', bgr: true });
  const boxes = new Map<string, readonly Detection[]>();
  const request = {
    dataPath: COCO,
    workers: 0,
    limit: 32,
    batchSize: 16,
    onBoxes: (file: string, found: readonly Detection[]) => void boxes.set(file, found),
  };
  const { detection } = await evaluateOutputs({ graph: model.graph, weights: await model.weights() }, request, {
    executor,
  });
  const images = [...boxes].map(([file, found]) => ({
    objects: labels(file),
    boxes: found.map((b) => [b.label, b.score, b.left, b.top, b.right, b.bottom]),
  }));
  writeFileSync(place('boxes.json'), JSON.stringify({ images }));
  const expected = runPython<{ map: number; map50: number }>('engine/training/coco_map.py', place('boxes.json'));
  assert.ok(detection && detection.map50 > 0.2, JSON.stringify(detection));
  assert.ok(
    Math.abs(detection.map50 - expected.map50) < 1e-3 && Math.abs(detection.map - expected.map) < 1e-3,
    JSON.stringify([detection, expected]),
  );
});

test('FastestDet pruned to 70 % gives what the dense file gives without those channels, by the same names', {
  skip: noDetector || noPythonWith('onnx', 'onnxruntime'),
}, async () => {
  const model = await openModel({ model: FASTEST, pixels: '0..1', bgr: true });
  const options = { ratio: 0.5, global: true, isomorphic: true, roundTo: 1, maxRatio: 0.9 };
  const report = await pruneModel(model, { score: { criterion: 'l1' }, options, target: '70%' }, async () => executor);
  assert.ok(report.graph && report.weights && report.after.macs <= 0.7 * report.before.macs);
  const file = place('fastestdet-70.onnx');
  await saveModel(file, report.graph, report.weights, report.record);
  const script = 'engine/jobs/fastestdet_masked.py';
  const found = runPython<{ difference: number; lost: number; names: string[][] }>(script, FASTEST, file);
  assert.ok(found.lost > 100, `${found.lost} channels`);
  assert.ok(found.difference < 1e-5, `${found.difference}`);
  assert.deepEqual(found.names[1], found.names[0]);
  const { graph } = await openModel({ model: file });
  assert.deepEqual([graph.input.fit, graph.input.order, graph.input.std], ['stretch', 'bgr', [1, 1, 1]]);
});
