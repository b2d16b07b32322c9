import assert from 'node:assert/strict';
import test from 'node:test';
import { convertFloat, findNonFinite, floatsToFloat32 } from '../../../src/engine/checkpoint/convert.ts';
import {
  float32ToBfloat16,
  float32ToHalf,
  halfToNumber,
  type Tensor,
  toFloat32,
} from '../../../src/engine/graph/tensor.ts';

test('every float16 survives float32 and back', () => {
  const all = Uint16Array.from({ length: 0x10000 }, (_, bits) => bits);
  const numbers = toFloat32({ dtype: 'float16', shape: [all.length], data: all });
  const back = float32ToHalf(numbers);
  for (let bits = 0; bits < all.length; bits++) {
    const isNan = (half: number): boolean => (half & 0x7c00) === 0x7c00 && (half & 0x3ff) !== 0;
    assert.equal(Number.isNaN(numbers[bits]), isNan(bits), `${bits}`);
    if (isNan(bits)) assert.ok(isNan(back[bits]), `NaN ${bits}`);
    else assert.equal(back[bits], bits);
  }
});

test('float32 is rounded to the nearest float16, ties to even', () => {
  // Between every two neighbouring positive finite values: the middle goes to the even one, beside it to the nearer.
  const inputs: number[] = [];
  const expected: number[] = [];
  for (let bits = 0; bits < 0x7bff; bits++) {
    const middle = (halfToNumber(bits) + halfToNumber(bits + 1)) / 2;
    const nudge = middle * 2 ** -22;
    inputs.push(middle, middle - nudge, middle + nudge);
    expected.push(bits % 2 === 0 ? bits : bits + 1, bits, bits + 1);
  }
  const numbers = Float32Array.from(inputs);
  assert.deepEqual([...float32ToHalf(numbers)], expected);
  assert.deepEqual(
    [...float32ToHalf(Float32Array.of(65504, 65519.996, 65520, 1e30, -1e30, -0, 2 ** -26, 2 ** -25, 1e-40))],
    [0x7bff, 0x7bff, 0x7c00, 0x7c00, 0xfc00, 0x8000, 0, 0, 0],
  );
});

test('float32 is rounded to the nearest bfloat16, ties to even', () => {
  const numbers = Float32Array.of(
    1,
    1 + 2 ** -8,
    1 + 3 * 2 ** -8,
    1 + 2 ** -8 + 2 ** -20,
    -1.5,
    3.4e38,
    Number.POSITIVE_INFINITY,
    -0,
  );
  assert.deepEqual([...float32ToBfloat16(numbers)], [0x3f80, 0x3f80, 0x3f82, 0x3f81, 0xbfc0, 0x7f80, 0x7f80, 0x8000]);
  const [notANumber] = toFloat32({
    dtype: 'bfloat16',
    shape: [1],
    data: float32ToBfloat16(Float32Array.of(Number.NaN)),
  });
  assert.ok(Number.isNaN(notANumber));
});

test('every type becomes float32', () => {
  const cases: readonly Tensor[] = [
    { dtype: 'float64', shape: [1], data: Float64Array.of(-2) },
    { dtype: 'float16', shape: [1], data: Uint16Array.of(0xc000) },
    { dtype: 'bfloat16', shape: [1], data: Uint16Array.of(0xc000) },
    { dtype: 'int64', shape: [1], data: BigInt64Array.of(-2n) },
    { dtype: 'int32', shape: [1], data: Int32Array.of(-2) },
    { dtype: 'int16', shape: [1], data: Int16Array.of(-2) },
    { dtype: 'int8', shape: [1], data: Int8Array.of(-2) },
  ];
  for (const tensor of cases) assert.deepEqual(toFloat32(tensor), Float32Array.of(-2), tensor.dtype);
  for (const dtype of ['uint8', 'bool'] as const)
    assert.deepEqual(toFloat32({ dtype, shape: [2], data: Uint8Array.of(1, 0) }), Float32Array.of(1, 0), dtype);
  const views = Float32Array.of(0, 1, 2, 3).subarray(1, 3);
  assert.equal(toFloat32({ dtype: 'float32', shape: [2], data: views }), views);
  assert.deepEqual([...float32ToHalf(views)], [0x3c00, 0x4000]);
});

test('only floats are converted, and what is right already is not copied', () => {
  const single: Tensor = { dtype: 'float32', shape: [1], data: Float32Array.of(1) };
  const count: Tensor = { dtype: 'int64', shape: [], data: BigInt64Array.of(1n) };
  const double: Tensor = { dtype: 'float64', shape: [1], data: Float64Array.of(0.1) };
  const converted = floatsToFloat32(
    new Map([
      ['a', single],
      ['b', count],
      ['c', double],
    ]),
  );
  assert.equal(converted.get('a'), single);
  assert.equal(converted.get('b'), count);
  assert.deepEqual(converted.get('c'), { dtype: 'float32', shape: [1], data: Float32Array.of(0.1) });
  assert.deepEqual(convertFloat(double, 'float16').data, Uint16Array.of(0x2e66));
});

test('finds what is not finite, in every floating-point type', () => {
  const weights = new Map<string, Tensor>([
    ['fine', { dtype: 'float32', shape: [3], data: Float32Array.of(0, 3.4e38, -1e-45) }],
    ['float32', { dtype: 'float32', shape: [3], data: Float32Array.of(0, Number.NaN, Number.NEGATIVE_INFINITY) }],
    ['float64', { dtype: 'float64', shape: [1], data: Float64Array.of(Number.POSITIVE_INFINITY) }],
    ['float16', { dtype: 'float16', shape: [2], data: Uint16Array.of(0x7bff, 0x7c01) }],
    ['bfloat16', { dtype: 'bfloat16', shape: [2], data: Uint16Array.of(0xff80, 0x7f7f) }],
    ['int64', { dtype: 'int64', shape: [1], data: BigInt64Array.of(2n ** 62n) }],
  ]);
  assert.deepEqual(findNonFinite(weights), [
    { name: 'float32', count: 2, first: 1 },
    { name: 'float64', count: 1, first: 0 },
    { name: 'float16', count: 1, first: 1 },
    { name: 'bfloat16', count: 1, first: 0 },
  ]);
});
