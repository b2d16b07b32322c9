/** The wire encoder against bytes from the encoding guide (protobuf.dev/programming-guides/encoding). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  bytesField,
  encode,
  floatField,
  intField,
  mapField,
  messageField,
  varint,
} from '../../../src/engine/protobuf/protobuf-writer.ts';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

test('integers are varints; negative ones take ten bytes', () => {
  assert.equal(hex(encode([intField(1, 150)])), '089601');
  assert.equal(hex(varint(0)), '00');
  assert.equal(hex(varint(2 ** 31)), '8080808008');
  assert.equal(hex(varint(-2)), 'feffffffffffffffff01');
  assert.equal(hex(varint(1n << 62n)), '808080808080808040');
  assert.equal(hex(encode([intField(16, true)])), '800101');
});

test('strings, floats and nested messages', () => {
  assert.equal(hex(encode([bytesField(2, 'testing')])), '120774657374696e67');
  assert.equal(hex(encode([messageField(3, [intField(1, 150)])])), '1a03089601');
  assert.equal(hex(encode([floatField(4, 1)])), '250000803f');
  assert.equal(hex(encode([bytesField(1, 'é')])), '0a02c3a9');
});

test('a map is a list of entries with key 1 and value 2', () => {
  assert.equal(
    hex(encode(mapField(5, { b: 1, a: 300 }, intField))),
    '2a05' + '0a0162' + '1001' + '2a06' + '0a0161' + '10ac02',
  );
});

test('bytes are not copied before the message is encoded, and views keep their offsets', () => {
  const large = new Uint8Array(16).fill(1);
  const field = messageField(1, [bytesField(1, large.subarray(4, 8))]);
  large[4] = 9;
  assert.equal(hex(encode([field])), '0a06' + '0a0409010101');
});

test('deep nesting costs one copy of every byte', (t) => {
  let chunk = bytesField(1, new Uint8Array(1 << 16));
  for (let depth = 0; depth < 200; depth++) chunk = messageField(1, [chunk]);
  const copy = t.mock.method(Uint8Array.prototype, 'set');
  const bytes = encode([chunk]);
  const copied = copy.mock.calls.reduce((total, call) => total + call.arguments[0].length, 0);
  assert.equal(bytes.length, chunk.length);
  assert.equal(copied, bytes.length);
});
