import assert from 'node:assert/strict';
import test from 'node:test';
import { UserError } from '../../../src/common/errors.ts';
import { readPickle } from '../../../src/engine/checkpoint/torch/pickle.ts';
import {
  PickleDict,
  PickleError,
  type PickleGlobal,
  PickleObject,
  PickleSet,
  type PickleValue,
} from '../../../src/engine/checkpoint/torch/pickle-values.ts';
import { call, dict, global, instance, list, pickle } from './pickle-writer.ts';

const read = (bytes: Uint8Array): PickleValue => readPickle(bytes).value;
const latin1 = (text: string): Buffer => Buffer.from(text, 'latin1');

/**
 * One value as Python's `pickle.dumps(value, protocol)` writes it in protocols 0 to 5:
 * {'a': [1, -2, 300, 70000, -70000, 2**40, -2**70, True, False, None], 'f': [1.5, -0.0, inf], 's': 'hé世😀 "q" \n\\',
 *  'b': b'\x00\xff\n', 't': ((), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)), 'set': {7}, 'od': OrderedDict(x=1, y=2),
 *  'shared': [x, x] with x = [1], 'cyc': a list that contains itself}
 */
const byPython = [
  'KGRwMApWYQpwMQoobHAyCkkxCmFJLTIKYUkzMDAKYUk3MDAwMAphSS03MDAwMAphTDEwOTk1MTE2Mjc3NzZMCmFMLTExODA1OTE2MjA3MTc0MTEzMDM0MjRMCmFJMDEKYUkwMAphTmFzVmYKcDMKKGxwNApGMS41CmFGLTAuMAphRmluZgphc1ZzCnA1ClZo6Vx1NGUxNlxVMDAwMWY2MDAgInEiIFx1MDAwYVx1MDA1YwpwNgpzVmIKcDcKY19jb2RlY3MKZW5jb2RlCnA4CihWXHUwMDAw/1x1MDAwYQpwOQpWbGF0aW4xCnAxMAp0cDExClJwMTIKc1Z0CnAxMwooKHQoSTEKdHAxNAooSTEKSTIKdHAxNQooSTEKSTIKSTMKdHAxNgooSTEKSTIKSTMKSTQKdHAxNwp0cDE4CnNWc2V0CnAxOQpjX19idWlsdGluX18Kc2V0CnAyMAooKGxwMjEKSTcKYXRwMjIKUnAyMwpzVm9kCnAyNApjY29sbGVjdGlvbnMKT3JkZXJlZERpY3QKcDI1Cih0UnAyNgpWeApwMjcKSTEKc1Z5CnAyOApJMgpzc1ZzaGFyZWQKcDI5CihscDMwCihscDMxCkkxCmFhZzMxCmFzVmN5YwpwMzIKKGxwMzMKZzMzCmFzLg==',
  'fXEAKFgBAAAAYXEBXXECKEsBSv7///9NLAFKcBEBAEqQ7v7/TDEwOTk1MTE2Mjc3NzZMCkwtMTE4MDU5MTYyMDcxNzQxMTMwMzQyNEwKSTAxCkkwMApOZVgBAAAAZnEDXXEEKEc/+AAAAAAAAEeAAAAAAAAAAEd/8AAAAAAAAGVYAQAAAHNxBVgRAAAAaMOp5LiW8J+YgCAicSIgClxxBlgBAAAAYnEHY19jb2RlY3MKZW5jb2RlCnEIKFgEAAAAAMO/CnEJWAYAAABsYXRpbjFxCnRxC1JxDFgBAAAAdHENKCkoSwF0cQ4oSwFLAnRxDyhLAUsCSwN0cRAoSwFLAksDSwR0cRF0cRJYAwAAAHNldHETY19fYnVpbHRpbl9fCnNldApxFChdcRVLB2F0cRZScRdYAgAAAG9kcRhjY29sbGVjdGlvbnMKT3JkZXJlZERpY3QKcRkpUnEaKFgBAAAAeHEbSwFYAQAAAHlxHEsCdVgGAAAAc2hhcmVkcR1dcR4oXXEfSwFhaB9lWAMAAABjeWNxIF1xIWghYXUu',
  'gAJ9cQAoWAEAAABhcQFdcQIoSwFK/v///00sAUpwEQEASpDu/v+KBgAAAAAAAYoJAAAAAAAAAADAiIlOZVgBAAAAZnEDXXEEKEc/+AAAAAAAAEeAAAAAAAAAAEd/8AAAAAAAAGVYAQAAAHNxBVgRAAAAaMOp5LiW8J+YgCAicSIgClxxBlgBAAAAYnEHY19jb2RlY3MKZW5jb2RlCnEIWAQAAAAAw78KcQlYBgAAAGxhdGluMXEKhnELUnEMWAEAAAB0cQ0oKUsBhXEOSwFLAoZxD0sBSwJLA4dxEChLAUsCSwNLBHRxEXRxElgDAAAAc2V0cRNjX19idWlsdGluX18Kc2V0CnEUXXEVSwdhhXEWUnEXWAIAAABvZHEYY2NvbGxlY3Rpb25zCk9yZGVyZWREaWN0CnEZKVJxGihYAQAAAHhxG0sBWAEAAAB5cRxLAnVYBgAAAHNoYXJlZHEdXXEeKF1xH0sBYWgfZVgDAAAAY3ljcSBdcSFoIWF1Lg==',
  'gAN9cQAoWAEAAABhcQFdcQIoSwFK/v///00sAUpwEQEASpDu/v+KBgAAAAAAAYoJAAAAAAAAAADAiIlOZVgBAAAAZnEDXXEEKEc/+AAAAAAAAEeAAAAAAAAAAEd/8AAAAAAAAGVYAQAAAHNxBVgRAAAAaMOp5LiW8J+YgCAicSIgClxxBlgBAAAAYnEHQwMA/wpxCFgBAAAAdHEJKClLAYVxCksBSwKGcQtLAUsCSwOHcQwoSwFLAksDSwR0cQ10cQ5YAwAAAHNldHEPY2J1aWx0aW5zCnNldApxEF1xEUsHYYVxElJxE1gCAAAAb2RxFGNjb2xsZWN0aW9ucwpPcmRlcmVkRGljdApxFSlScRYoWAEAAAB4cRdLAVgBAAAAeXEYSwJ1WAYAAABzaGFyZWRxGV1xGihdcRtLAWFoG2VYAwAAAGN5Y3EcXXEdaB1hdS4=',
  'gASVAAEAAAAAAAB9lCiMAWGUXZQoSwFK/v///00sAUpwEQEASpDu/v+KBgAAAAAAAYoJAAAAAAAAAADAiIlOZYwBZpRdlChHP/gAAAAAAABHgAAAAAAAAABHf/AAAAAAAABljAFzlIwRaMOp5LiW8J+YgCAicSIgClyUjAFilEMDAP8KlIwBdJQoKUsBhZRLAUsChpRLAUsCSwOHlChLAUsCSwNLBHSUdJSMA3NldJSPlChLB5CMAm9klIwLY29sbGVjdGlvbnOUjAtPcmRlcmVkRGljdJSTlClSlCiMAXiUSwGMAXmUSwJ1jAZzaGFyZWSUXZQoXZRLAWFoGmWMA2N5Y5RdlGgcYXUu',
  'gAWVAAEAAAAAAAB9lCiMAWGUXZQoSwFK/v///00sAUpwEQEASpDu/v+KBgAAAAAAAYoJAAAAAAAAAADAiIlOZYwBZpRdlChHP/gAAAAAAABHgAAAAAAAAABHf/AAAAAAAABljAFzlIwRaMOp5LiW8J+YgCAicSIgClyUjAFilEMDAP8KlIwBdJQoKUsBhZRLAUsChpRLAUsCSwOHlChLAUsCSwNLBHSUdJSMA3NldJSPlChLB5CMAm9klIwLY29sbGVjdGlvbnOUjAtPcmRlcmVkRGljdJSTlClSlCiMAXiUSwGMAXmUSwJ1jAZzaGFyZWSUXZQoXZRLAWFoGmWMA2N5Y5RdlGgcYXUu',
];

for (const [protocol, base64] of byPython.entries()) {
  test(`reads what Python writes in protocol ${protocol}`, () => {
    const bytes = Buffer.from(base64, 'base64');
    const { value, end } = readPickle(bytes);
    assert.equal(end, bytes.length);
    assert.ok(value instanceof PickleDict);
    assert.deepEqual(value.get('a'), [1, -2, 300, 70000, -70000, 2 ** 40, -(2n ** 70n), true, false, null]);
    assert.deepEqual(value.get('f'), [1.5, -0, Number.POSITIVE_INFINITY]);
    assert.equal(value.get('s'), 'hé世😀 "q" \n\\');
    assert.deepEqual([...(value.get('b') as Uint8Array)], [0, 255, 10]);
    assert.deepEqual(value.get('t'), [[], [1], [1, 2], [1, 2, 3], [1, 2, 3, 4]]);
    assert.deepEqual(value.get('set'), new PickleSet([7]));
    assert.deepEqual(
      [...(value.get('od') as PickleDict)],
      [
        ['x', 1],
        ['y', 2],
      ],
    );
    const [first, second] = value.get('shared') as PickleValue[];
    assert.equal(first, second);
    const cycle = value.get('cyc') as PickleValue[];
    assert.equal(cycle[0], cycle);
  });
}

test('a call that is not known is only recorded', () => {
  const value = read(pickle(call(global('os', 'system'), 'touch /tmp/espalier-was-here')));
  assert.ok(value instanceof PickleObject);
  assert.equal(value.className, 'os.system');
  assert.deepEqual(value.args, ['touch /tmp/espalier-was-here']);
});

test('protocol 0 and instance operations are records too', () => {
  const cases = ["cos\nsystem\n(S'ls'\ntR.", "(S'ls'\nios\nsystem\n.", "(cos\nsystem\nS'ls'\no."];
  for (const text of cases) {
    const value = read(latin1(text));
    assert.ok(value instanceof PickleObject, text);
    assert.equal(value.className, 'os.system');
    assert.deepEqual(value.args, ['ls']);
  }
});

test('a call of what a call returned is a record of its own', () => {
  const value = read(pickle(call(call(global('builtins', 'getattr'), global('os', 'x'), 'system'), 'ls')));
  assert.ok(value instanceof PickleObject);
  assert.equal(value.className, 'builtins.getattr()');
});

test('names that JavaScript objects have by nature are ordinary names here', () => {
  const value = read(
    pickle(
      list(
        call(global('constructor', 'constructor')),
        new Map([
          ['__proto__', 1],
          ['constructor', 2],
        ]),
        global('__proto__', 'toString'),
      ),
    ),
  );
  const [made, entries, name] = value as [PickleObject, PickleDict, PickleGlobal];
  assert.equal(made.className, 'constructor.constructor');
  assert.deepEqual([entries.get('__proto__'), entries.get('constructor')], [1, 2]);
  assert.equal(entries.get('toString'), undefined);
  assert.equal(name.qualifiedName, '__proto__.toString');
});

test('state, items and entries of instances are kept', () => {
  const namespace = read(pickle(instance('argparse', 'Namespace', { lr: 0.5, model: 'x' }))) as PickleObject;
  assert.equal(namespace.className, 'argparse.Namespace');
  assert.equal(namespace.attribute('lr'), 0.5);
  assert.equal(namespace.attribute('missing'), undefined);
  const listLike = read(latin1('\x80\x02cm\nL\n)\x81(K\x01K\x02e.')) as PickleObject;
  assert.deepEqual(listLike.items, [1, 2]);
  const dictLike = read(latin1('\x80\x02cm\nD\n)\x81(K\x01K\x02u.')) as PickleObject;
  assert.deepEqual([...dictLike.entries], [[1, 2]]);
});

test('Python and NumPy reconstructors give their values', () => {
  const dtype = (code: string, order: string) =>
    Buffer.concat([
      call(global('numpy', 'dtype'), code, false, true).bytes,
      latin1(`(K\x03U\x01${order}NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb`),
    ]);
  const scalar = (code: string, order: string, data: string) =>
    read(
      Buffer.concat([
        latin1('\x80\x02cnumpy.core.multiarray\nscalar\n('),
        dtype(code, order),
        latin1(`C${String.fromCharCode(data.length)}${data}tR.`),
      ]),
    );
  assert.equal(scalar('f8', '<', '\0\0\0\0\0\0\xf8\x3f'), 1.5);
  assert.equal(scalar('f4', '>', '\x3f\xc0\0\0'), 1.5);
  assert.equal(scalar('i8', '<', '\x07\0\0\0\0\0\0\0'), 7);
  assert.equal(scalar('b1', '|', '\x01'), true);
  assert.ok(scalar('V9', '|', 'x') instanceof PickleObject);
  assert.deepEqual(read(pickle(call(global('torch', 'Size'), list(1, 2)))), [1, 2]);
  assert.deepEqual(read(pickle(call(global('__builtin__', 'frozenset'), list(1, 2)))), new PickleSet([1, 2]));
  assert.deepEqual(
    [...(read(pickle(call(global('collections', 'Counter'), dict({ a: 3 })))) as PickleDict)],
    [['a', 3]],
  );
});

const broken: readonly (readonly [what: string, bytes: Buffer, message: RegExp])[] = [
  ['nothing', latin1(''), /cut off/],
  ['no STOP', latin1('\x80\x02K\x01'), /cut off/],
  ['half a number', latin1('\x80\x02J\x01'), /cut off/],
  ['a string longer than the file', latin1('\x80\x02X\xff\xff\xff\xffabc.'), /cut off/],
  ['a 64-bit length', latin1('\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\xff.'), /length/],
  ['a line without an end', latin1('cos'), /cut off/],
  ['an unknown operation', latin1('\x80\x02\xff.'), /unknown pickle operation 0xff/],
  ['a future protocol', latin1('\x80\x09.'), /protocol 9/],
  ['an empty stack', latin1('\x80\x02.'), /empty stack/],
  ['a tuple below a mark', latin1('\x80\x02K\x01(\x85.'), /empty stack/],
  ['a mark that is not set', latin1('\x80\x02t.'), /mark/],
  ['a memo that is not set', latin1('\x80\x02h\x05.'), /memo 5/],
  ['a call without a tuple', latin1('\x80\x02cos\nsystem\nK\x01R.'), /tuple/],
  ['a key without a value', latin1('\x80\x02}(K\x01u.'), /key without a value/],
  ['items of a number', latin1('\x80\x02K\x01K\x02K\x03s.'), /not a dictionary/],
  ['an append to a number', latin1('\x80\x02K\x01K\x02a.'), /not a list/],
  ['an add to a list', latin1('\x80\x04](K\x02\x90.'), /not a set/],
  ['a persistent id', latin1('\x80\x02K\x01Q.'), /outside of itself/],
  ['the extension registry', latin1('\x80\x02\x82\x01.'), /extension registry/],
  ['text that is not UTF-8', latin1('\x80\x02X\x01\0\0\0\xff.'), /UTF-8/],
  [
    'a huge integer',
    Buffer.concat([latin1('\x80\x02\x8b\0\0\0\x01'), Buffer.alloc(1 << 24), latin1('.')]),
    /an integer of/,
  ],
  ['a huge decimal integer', latin1(`I${'9'.repeat(100_000)}\n.`), /not an integer/],
  [
    'more operations than any checkpoint',
    Buffer.concat([latin1('\x80\x02'), Buffer.alloc(9_000_000, 'N0'), latin1('.')]),
    /more than [\d,]+ (operations|values)/,
  ],
];

test('refuses copies of copies', () => {
  // A list of 1,000 in the memo, made into a set again and again.
  const bytes = Buffer.concat([
    latin1(`\x80\x02](${'N'.repeat(1000)}eq\x00`),
    ...Array.from({ length: 2000 }, () => latin1('c__builtin__\nset\nh\x00\x85R0')),
    latin1('.'),
  ]);
  assert.throws(() => read(bytes), /would unfold to more than/);
});

for (const [what, bytes, message] of broken) {
  test(`refuses ${what}`, () => {
    assert.throws(
      () => read(bytes),
      // The file's budget may be spent before the pickle's own limits are reached.
      (error) => (error instanceof PickleError || error instanceof UserError) && message.test(error.message),
    );
  });
}

test('nesting does not use the machine stack', () => {
  const depth = 100_000;
  const value = read(Buffer.concat([Buffer.alloc(depth, ']'), Buffer.alloc(depth - 1, 'a'), latin1('.')]));
  let lists = 0;
  for (let inner = value; Array.isArray(inner); inner = inner[0]) lists++;
  assert.equal(lists, depth);
});
