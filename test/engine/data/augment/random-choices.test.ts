import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type AutomaticAugmentation, augmentAutomatically } from '../../../../src/engine/data/augment/auto-augment.ts';
import { applyColorJitter, colorJitter } from '../../../../src/engine/data/augment/color-jitter.ts';
import { adjustBrightness } from '../../../../src/engine/data/augment/enhance.ts';
import { adjustHue } from '../../../../src/engine/data/augment/hue.ts';
import { invert } from '../../../../src/engine/data/augment/lookup.ts';
import { cutmixBox, mixBatch, mixedTargets, mixingRandom } from '../../../../src/engine/data/augment/mixing.ts';
import { AUTO_AUGMENT_POLICIES } from '../../../../src/engine/data/augment/policies.ts';
import { erasedBox, eraseRandomly } from '../../../../src/engine/data/augment/random-erasing.ts';
import {
  augMixSpace,
  autoAugmentSpace,
  linspace,
  randAugmentSpace,
  trivialAugmentSpace,
} from '../../../../src/engine/data/augment/spaces.ts';
import type { RgbImage } from '../../../../src/engine/data/image.ts';
import { Random } from '../../../../src/engine/data/random.ts';
import { applyTransform, trainTransform } from '../../../../src/engine/data/transforms.ts';
import { pixels } from '../images.ts';

const image: RgbImage = { width: 24, height: 20, data: pixels(24, 20, 4) };
const near = (actual: number, expected: number, tolerance: number) =>
  assert.ok(Math.abs(actual - expected) <= tolerance, `${actual} is not ${expected} ± ${tolerance}`);
const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;

test('magnitudes are torch’s', () => {
  // torch.linspace(0, 0.3, 10), float32
  const expected = [0, 0.03333333507180214, 0.06666667014360428, 0.10000000894069672, 0.13333334028720856];
  assert.deepEqual(linspace(0, 0.3, 10).slice(0, 5), expected);
  const rand = randAugmentSpace({ width: 32, height: 32 }, 31);
  assert.equal(rand.size, 14);
  assert.equal(rand.get('TranslateX')?.magnitudes[9], 4.3504533767700195);
  assert.equal(rand.get('Posterize')?.magnitudes[15], 6);
  assert.equal(rand.get('Solarize')?.magnitudes[9], 178.5);
  assert.equal(trivialAugmentSpace(31).get('Posterize')?.magnitudes[30], 2);
  assert.equal(augMixSpace({ width: 30, height: 60 }).get('TranslateY')?.magnitudes[9], 20);
  assert.equal(augMixSpace({ width: 30, height: 60 }).get('Posterize')?.magnitudes[0], 4);
});

test('every policy names operations of its space, with bins where they have strength', () => {
  const space = autoAugmentSpace({ width: 32, height: 32 });
  for (const policies of Object.values(AUTO_AUGMENT_POLICIES)) {
    assert.equal(policies.length, 25);
    for (const { operation, probability, bin } of policies.flat()) {
      const strength = space.get(operation);
      assert.ok(strength, operation);
      assert.equal(strength.magnitudes.length > 0, bin !== undefined);
      assert.ok(probability >= 0 && probability <= 1 && (bin ?? 0) <= 9);
    }
  }
  const [first, second] = AUTO_AUGMENT_POLICIES.imagenet[0];
  assert.deepEqual([first, second].map(Object.values), [
    ['Posterize', 0.4, 8],
    ['Rotate', 0.6, 9],
  ]);
});

test('automatic augmentations are reproducible, change images and leave the input alone', () => {
  const specs: AutomaticAugmentation[] = [
    { kind: 'policy', policy: 'imagenet' },
    { kind: 'policy', policy: 'cifar10', interpolation: 'bilinear' },
    { kind: 'ra', magnitude: 9, interpolation: 'bicubic' },
    { kind: 'ta_wide' },
    { kind: 'augmix', severity: 10 },
  ];
  for (const spec of specs) {
    const before = image.data.slice();
    const results = Array.from({ length: 200 }, (_, seed) => augmentAutomatically(spec, image, new Random(seed)));
    assert.deepEqual(image.data, before, spec.kind);
    assert.deepEqual(augmentAutomatically(spec, image, new Random(17)), results[17]);
    const distinct = new Set(results.map(({ data }) => Buffer.from(data).toString('latin1')));
    assert.ok(distinct.size > 40, `${spec.kind} ${distinct.size}`);
    for (const { width, height, data } of results) assert.deepEqual([width, height, data.length], [24, 20, 1440]);
  }
});

test('AugMix at severity 1 mixes with weights that add up to one', () => {
  const grey: RgbImage = { width: 8, height: 8, data: new Uint8Array(192).fill(120) };
  // Bin 0 moves and colours nothing; posterize to 4 bits gives 112, solarize at 255 and the histograms leave grey alone.
  const seen = new Set<number>();
  for (let seed = 0; seed < 100; seed++) {
    for (const value of augmentAutomatically({ kind: 'augmix', severity: 1 }, grey, new Random(seed)).data) {
      assert.ok(value >= 111 && value <= 120, `${value}`);
      seen.add(value);
    }
  }
  assert.ok(seen.size >= 6, `shares of the posterized image: ${[...seen]}`);
});

/** Draws the upper end of every range, but orders at random. */
class Extreme extends Random {
  override uniform(_low: number, high: number): number {
    return high;
  }
}

test('colour jitter draws factors around one, and adjusts in every order', () => {
  const grey: RgbImage = { width: 2, height: 2, data: new Uint8Array(12).fill(100) };
  const brightness = Array.from(
    { length: 3000 },
    (_, seed) => applyColorJitter({ brightness: 0.4 }, grey, new Random(seed)).data[0] / 100,
  );
  near(mean(brightness), 1, 0.02);
  near(Math.min(...brightness), 0.6, 0.02);
  near(Math.max(...brightness), 1.4, 0.02);
  assert.equal(applyColorJitter({}, image, new Random(1)), image);
  const results = (random: (seed: number) => Random, count: number): number =>
    new Set(
      Array.from({ length: count }, (_, seed) =>
        Buffer.from(applyColorJitter({ ...colorJitter(0.4), hue: 0.1 }, image, random(seed)).data).toString('latin1'),
      ),
    ).size;
  assert.equal(
    results((seed) => new Random(seed), 50),
    50,
  );
  assert.equal(
    results((seed) => new Extreme(seed), 400),
    24,
  );
});

test('hue, brightness and inversion equal Pillow', () => {
  const one = (r: number, g: number, b: number): RgbImage => ({ width: 1, height: 1, data: Uint8Array.of(r, g, b) });
  // Pillow 13: through HSV, hue moved by int(f · 255) as a byte.
  const cases: [number[], number, number[]][] = [
    [[200, 30, 90], 0.1, [200, 66, 31]],
    [[10, 250, 40], -0.3, [250, 90, 11]],
    [[12, 13, 200], 0.5, [200, 189, 13]],
    [[90, 90, 90], 0.2, [90, 90, 90]],
    [[255, 254, 0], -0.5, [6, 0, 255]],
    [[3, 2, 1], 0.25, [1, 3, 1]],
  ];
  for (const [rgb, factor, expected] of cases) {
    assert.deepEqual([...adjustHue(one(rgb[0], rgb[1], rgb[2]), factor).data], expected, `${rgb} ${factor}`);
  }
  assert.deepEqual([...adjustBrightness(one(10, 100, 200), 1.5).data], [15, 150, 255]);
  assert.deepEqual([...invert(one(10, 100, 200)).data], [245, 155, 55]);
});

test('random erasing: how often, which areas and ratios, and only the box', () => {
  const size = 32;
  const boxes = Array.from({ length: 4000 }, (_, seed) => erasedBox({ probability: 1 }, size, new Random(seed)));
  const areas: number[] = [];
  const centres: [number, number][] = [];
  for (const box of boxes) {
    assert.ok(box && box.left >= 0 && box.top >= 0 && box.left + box.width <= size && box.top + box.height <= size);
    areas.push((box.width * box.height) / (size * size));
    centres.push([box.left + box.width / 2, box.top + box.height / 2]);
    const ratio = box.height / box.width;
    assert.ok(ratio > 0.25 && ratio < 4, `${ratio}`);
  }
  near(Math.min(...areas), 0.02, 0.008);
  near(Math.max(...areas), 0.33, 0.02);
  near(mean(areas), 0.1739, 0.01); // torchvision's procedure, 100,000 draws
  for (const axis of [0, 1]) near(mean(centres.map((centre) => centre[axis])), size / 2, 0.5);
  let erased = 0;
  for (let seed = 0; seed < 2000; seed++) {
    const values = new Float32Array(2 * size * size * 3).fill(1);
    eraseRandomly({ probability: 0.25 }, values, size * size * 3, size, new Random(seed));
    assert.ok(values.subarray(0, size * size * 3).every((v) => v === 1));
    erased += values.includes(0) ? 1 : 0;
  }
  near(erased, 500, 60);
  const noisy = new Float32Array(size * size * 3).fill(9);
  eraseRandomly({ probability: 1, fill: 'noise', scale: [0.3, 0.33] }, noisy, 0, size, new Random(2));
  const noise = [...noisy].filter((v) => v !== 9);
  assert.ok(noise.length > 800);
  near(mean(noise), 0, 0.12);
  near(mean(noise.map((v) => v * v)), 1, 0.15);
});

test('mixup weights every image with the one before it', () => {
  const make = () => ({
    images: Float32Array.from({ length: 3 * 12 }, (_, i) => Math.floor(i / 12) * 10),
    labels: Int32Array.of(2, 0, 0),
    count: 3,
    size: 2,
  });
  const weights: number[] = [];
  for (let seed = 0; seed < 3000; seed++) {
    const batch = make();
    const { kind, weight, targets } = mixBatch({ mixupAlpha: 0.2 }, batch, 4, new Random(seed));
    assert.equal(kind, 'mixup');
    weights.push(weight);
    if (seed > 20) continue;
    near(batch.images[0], (1 - weight) * 20, 1e-5);
    near(batch.images[12], weight * 10, 1e-5);
    near(batch.images[35], weight * 20 + (1 - weight) * 10, 1e-5);
    const w = Math.fround(weight);
    const rest = Math.fround(1 - weight);
    assert.deepEqual([...targets.subarray(0, 8)], [rest, 0, w, 0, w, 0, rest, 0]);
    near(targets[8], 1, 1e-6);
  }
  near(mean(weights), 0.5, 0.02);
  // Beta(0.2, 0.2) has variance 1 / (4 (2·0.2 + 1)) and two thirds of it near the ends.
  near(mean(weights.map((w) => (w - 0.5) ** 2)), 1 / 5.6, 0.01);
});

test('CutMix pastes the box, and the weight is what is left of the image', () => {
  const size = 16;
  const weights: number[] = [];
  for (let seed = 0; seed < 3000; seed++) {
    const images = Float32Array.from({ length: 2 * size * size * 3 }, (_, i) => (i < size * size * 3 ? 1 : 2));
    const batch = { images, labels: Int32Array.of(0, 1), count: 2, size };
    const { kind, weight } = mixBatch({ cutmixAlpha: 1 }, batch, 2, new Random(seed));
    assert.equal(kind, 'cutmix');
    weights.push(weight);
    const pasted = images.subarray(0, size * size * 3).filter((v) => v === 2).length / (size * size * 3);
    near(pasted, 1 - weight, 1e-6);
    assert.equal(images.subarray(size * size * 3).filter((v) => v === 1).length / (size * size * 3), pasted);
  }
  near(mean(weights), 0.7236, 0.015); // torchvision's procedure
  const box = cutmixBox(0.75, 100, new Random(1));
  assert.ok(box.width <= 50 && box.height <= 50);
});

test('where both are asked for, each has half of the batches; a step always mixes the same way', () => {
  const kinds = { none: 0, mixup: 0, cutmix: 0 };
  for (let step = 0; step < 2000; step++) {
    const batch = { images: new Float32Array(24), labels: Int32Array.of(0, 1), count: 2, size: 2 };
    kinds[mixBatch({ mixupAlpha: 0.8, cutmixAlpha: 1 }, batch, 2, mixingRandom(1, 0, step)).kind] += 1;
  }
  near(kinds.mixup, 1000, 100);
  assert.equal(kinds.none, 0);
  assert.deepEqual(mixingRandom(1, 2, 3).state, mixingRandom(1, 2, 3).state);
  assert.notDeepEqual(mixingRandom(1, 2, 3).state, mixingRandom(1, 2, 4).state);
  const plain = { images: new Float32Array(24).fill(3), labels: Int32Array.of(1, 0), count: 2, size: 2 };
  assert.deepEqual(mixBatch({}, plain, 2, new Random(1)).targets, mixedTargets(plain.labels, 2, 1));
  assert.ok(plain.images.every((v) => v === 3));
});

test('a transform applies what it is told, in order', () => {
  const run = (options: Parameters<typeof trainTransform>[1], seed = 3) => {
    const transform = trainTransform(16, { flip: 0, ...options });
    const out = new Float32Array(16 * 16 * 3);
    applyTransform(transform, { width: 16, height: 16, data: pixels(16, 16, 2) }, new Random(seed), out, 0);
    return out;
  };
  const plain = run({});
  assert.notDeepEqual(run({ automatic: { kind: 'ra', magnitude: 20 } }, 5), run({}, 5));
  assert.notDeepEqual(run({ colorJitter: colorJitter(0.4) }), plain);
  const erased = run({ erase: { probability: 1 } });
  assert.ok([...erased].every((v, i) => v === 0 || v === plain[i]));
  assert.ok(erased.filter((v) => v === 0).length >= 15);
});
