import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RgbImage } from '../../../src/engine/data/image.ts';
import { Random } from '../../../src/engine/data/random.ts';
import { type ResizeRequest, resizeImage } from '../../../src/engine/data/resize.ts';
import type { FilterName } from '../../../src/engine/data/resize-filters.ts';
import { assembleModule, FunctionBuilder, i32, v128 } from '../../../src/engine/data/wasm/assembler.ts';
import { resizeKernels } from '../../../src/engine/data/wasm/resize-kernels.ts';

const FILTERS: readonly FilterName[] = ['box', 'bilinear', 'hamming', 'bicubic', 'lanczos'];

test('this machine runs the kernels', () => assert.ok(resizeKernels()));

test('the assembler’s numbers and loops are read as they were meant', () => {
  // fill(at, end): writes the numbers below, one after the other, until `end`.
  for (const value of [0, 1, -1, 63, 64, -64, -65, 127, 128, 8191, -8192, 2 ** 31 - 1, -(2 ** 31)]) {
    const f = new FunctionBuilder('fill', 2);
    const [at, end] = [f.parameter(0), f.parameter(1)];
    const word = v128.const(Array.from({ length: 16 }, (_, i) => (i < 4 ? (value >>> (8 * i)) & 255 : 0)));
    f.body = f.repeatWhile(i32.lessThan(at.get, end.get), [
      v128.storeLow32(at.get, word),
      at.set(i32.add(at.get, i32.add(i32.const(value), i32.sub(i32.const(4), i32.const(value))))),
    ]);
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(assembleModule([f])));
    const memory = new Int32Array((exports['memory'] as WebAssembly.Memory).buffer);
    (exports['fill'] as (at: number, end: number) => void)(400, 412);
    assert.deepEqual([...memory.subarray(99, 104)], [0, value, value, value, 0], `${value}`);
  }
});

test('the kernels give what the plain code gives, for any sizes, parts and windows', () => {
  const random = new Random(11);
  const upTo = (n: number) => 1 + random.int(n);
  for (let i = 0; i < 400; i++) {
    const image: RgbImage = { width: upTo(120), height: upTo(120), data: new Uint8Array(0) };
    // Extremes are frequent: clipping matters.
    const data = Uint8Array.from({ length: image.width * image.height * 3 }, () =>
      random.chance(0.4) ? 255 * random.int(2) : random.int(256),
    );
    const left = random.int(image.width);
    const top = random.int(image.height);
    const source = { left, top, width: upTo(image.width - left), height: upTo(image.height - top) };
    const [width, height] = [i % 7 === 0 ? source.width : upTo(150), upTo(150)];
    const [x, y] = [random.int(width), random.int(height)];
    const window = { left: x, top: y, width: upTo(width - x), height: upTo(height - y) };
    const request: ResizeRequest = { width, height, interpolation: FILTERS[i % 5], source, window };
    const fast = resizeImage({ ...image, data }, request);
    assert.deepEqual(fast, resizeImage({ ...image, data }, { ...request, plain: true }), JSON.stringify(request));
  }
});
