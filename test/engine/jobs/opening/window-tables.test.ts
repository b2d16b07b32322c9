/** Index and mask of Swin's windows in a file, against timm's own way of making them (index by coordinates, mask by regions). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buildModel } from '../../../../src/engine/architectures/registry.ts';
import type { Tensor } from '../../../../src/engine/graph/tensor.ts';
import { checkWindowTables } from '../../../../src/engine/jobs/opening/window-tables.ts';

const graph = buildModel('swin_tiny_patch4_window7_224') ?? assert.fail('no Swin');
const INDEX = 'layers.1.blocks.0.attn.relative_position_index';
/** Not the block that the mask is made for first. Its stage has 14 × 14 places: 2 × 2 windows, shifted by 3. */
const MASK = 'layers.2.blocks.3.attn_mask';
const [SIDE, SHIFT, IMAGE] = [7, 3, 14];
const places = Array.from({ length: SIDE * SIDE }, (_, i) => [Math.floor(i / SIDE), i % SIDE] as const);

function index(): Tensor<'int64'> {
  const rows = places.flatMap(([ay, ax]) =>
    places.map(([cy, cx]) => BigInt((ay - cy + SIDE - 1) * (2 * SIDE - 1) + ax - cx + SIDE - 1)),
  );
  return { dtype: 'int64', shape: [places.length, places.length], data: BigInt64Array.from(rows) };
}

function mask(masked = -100): Tensor<'float32'> {
  const band = (at: number): number => Number(at >= IMAGE - SIDE) + Number(at >= IMAGE - SHIFT);
  const windows = [0, 1].flatMap((row) => [0, 1].map((column) => [SIDE * row, SIDE * column] as const));
  const values = windows.flatMap(([top, left]) => {
    const regions = places.map(([y, x]) => 3 * band(top + y) + band(left + x));
    return regions.flatMap((a) => regions.map((c) => (a === c ? 0 : masked)));
  });
  return { dtype: 'float32', shape: [windows.length, places.length, places.length], data: Float32Array.from(values) };
}

const check = (name: string, tensor: Tensor): void => checkWindowTables('swin.pth', graph, new Map([[name, tensor]]));

test('the tables that timm makes are the network’s; what is masked may be masked wholly', () => {
  check(INDEX, index());
  check(MASK, mask());
  check(MASK, mask(-Infinity));
});

test('other contents are refused by tensor: the network was changed', () => {
  const pairs = index();
  [pairs.data[0], pairs.data[1]] = [pairs.data[1], pairs.data[0]];
  assert.throws(
    () => check(INDEX, pairs),
    /swin\.pth: tensor layers\.1\.blocks\.0\.attn\.relative_position_index is not/,
  );
  const open = mask();
  open.data[open.data.indexOf(-100)] = 0;
  assert.throws(() => check(MASK, open), /tensor layers\.2\.blocks\.3\.attn_mask is not/);
  const closed = mask();
  closed.data[0] = -100;
  assert.throws(() => check(MASK, closed), /entry 0 is -100/);
});

test('tables of another size of images are made anew, as PyTorch’s loaders do', () => {
  const { dtype, data } = mask();
  check(MASK, { dtype, shape: [1, 49, 49], data: data.slice(0, 49 * 49).fill(-1) });
});
