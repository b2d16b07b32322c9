/** Pickle's operations by their code (Python's `pickletools.py` describes each): all of protocols 0 to 5. */

import type { PickleMachine } from './pickle-machine.ts';
import { parseLong, parseQuotedBytes, parseRawUnicode } from './pickle-text.ts';
import { PickleDict, PickleGlobal, PickleSet, type PickleValue } from './pickle-values.ts';

type Operation = (machine: PickleMachine) => void;

/** Integers longer than this are an attack: converting them takes quadratic time. */
const MAX_INTEGER_BYTES = 1024;

function littleEndianInteger(machine: PickleMachine, length: number): number | bigint {
  if (length > MAX_INTEGER_BYTES) machine.fail(`an integer of ${length} bytes`);
  const data = machine.data(length);
  let value = 0n;
  for (let i = length - 1; i >= 0; i--) value = (value << 8n) | BigInt(data[i]);
  return narrow(BigInt.asIntN(8 * length, value));
}

/** A number where it is exact, else the bigint itself. */
function narrow(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

function decimal(machine: PickleMachine, text: string): number | bigint {
  const value = parseLong(text);
  return value === undefined ? machine.fail(`'${text.slice(0, 40)}' is not an integer`) : narrow(value);
}

function decimalOrBoolean(machine: PickleMachine): number | bigint | boolean {
  const text = machine.line();
  if (text === '00') return false;
  if (text === '01') return true;
  return decimal(machine, text);
}

function float(machine: PickleMachine): number {
  const text = machine.line().trim();
  const value = text === 'inf' ? Infinity : text === '-inf' ? -Infinity : Number(text);
  return Number.isNaN(value) && text !== 'nan' ? machine.fail(`'${text.slice(0, 40)}' is not a number`) : value;
}

function memoIndex(machine: PickleMachine): number {
  const value = decimal(machine, machine.line());
  return typeof value === 'number' ? value : machine.fail('a memo index beyond every bound');
}

function nameOf(machine: PickleMachine, value: PickleValue): string {
  return typeof value === 'string' ? value : machine.fail('a global whose name is not text');
}

/** `count` values from the stack, first pushed first. */
function popTuple(machine: PickleMachine, count: number): PickleValue[] {
  const items = new Array<PickleValue>(count);
  for (let i = count - 1; i >= 0; i--) items[i] = machine.pop();
  return items;
}

function dictOf(machine: PickleMachine, pairs: readonly PickleValue[]): PickleDict {
  const dict = new PickleDict();
  machine.setItems(dict, pairs);
  return dict;
}

/** OBJ: the class lies under its arguments, above the mark. */
function instanceFromStack(machine: PickleMachine): void {
  const [callable, ...args] = machine.popMark();
  if (callable === undefined) throw machine.problem('an instance without a class');
  machine.call(callable, args);
}

const byCharacter: { readonly [code: string]: Operation } = {
  // Stack and memo.
  '(': (m) => m.mark(),
  '0': (m) => m.discard(),
  '1': (m) => void m.popMark(),
  '2': (m) => m.push(m.top()),
  p: (m) => m.store(memoIndex(m)),
  q: (m) => m.store(m.byte()),
  r: (m) => m.store(m.uint32()),
  '\x94': (m) => m.storeNext(),
  g: (m) => m.fetch(memoIndex(m)),
  h: (m) => m.fetch(m.byte()),
  j: (m) => m.fetch(m.uint32()),
  // Protocol and framing: nothing to do.
  '\x80': (m) => {
    const protocol = m.byte();
    if (protocol > 5) m.fail(`pickle protocol ${protocol} (known: 0 to 5)`);
  },
  '\x95': (m) => void m.uint64(),
  // Constants and numbers.
  N: (m) => m.push(null),
  '\x88': (m) => m.push(true),
  '\x89': (m) => m.push(false),
  I: (m) => m.push(decimalOrBoolean(m)),
  L: (m) => m.push(decimal(m, m.line())),
  J: (m) => m.push(m.int32()),
  K: (m) => m.push(m.byte()),
  M: (m) => m.push(m.uint16()),
  '\x8a': (m) => m.push(littleEndianInteger(m, m.byte())),
  '\x8b': (m) => m.push(littleEndianInteger(m, m.uint32())),
  F: (m) => m.pushFloat(float(m)),
  G: (m) => m.pushFloat(m.float64BigEndian()),
  // Text and bytes.
  S: (m) => m.push(parseQuotedBytes(m.latin1Line()) ?? m.fail('a string without quotes')),
  T: (m) => m.push(m.bytesAsText(m.uint32())),
  U: (m) => m.push(m.bytesAsText(m.byte())),
  V: (m) => m.push(parseRawUnicode(m.latin1Line())),
  X: (m) => m.push(m.text(m.uint32())),
  '\x8c': (m) => m.push(m.text(m.byte())),
  '\x8d': (m) => m.push(m.text(m.uint64())),
  B: (m) => m.push(m.data(m.uint32())),
  C: (m) => m.push(m.data(m.byte())),
  '\x8e': (m) => m.push(m.data(m.uint64())),
  '\x96': (m) => m.push(m.data(m.uint64())),
  // Containers.
  ')': (m) => m.pushTuple([]),
  ']': (m) => m.push([]),
  '}': (m) => m.push(new PickleDict()),
  '\x8f': (m) => m.push(new PickleSet()),
  t: (m) => m.pushTuple(m.popMark()),
  l: (m) => m.push(m.popMark()),
  d: (m) => m.push(dictOf(m, m.popMark())),
  '\x91': (m) => m.pushFrozenSet(m.popMark()),
  '\x85': (m) => m.pushTuple(popTuple(m, 1)),
  '\x86': (m) => m.pushTuple(popTuple(m, 2)),
  '\x87': (m) => m.pushTuple(popTuple(m, 3)),
  a: (m) => {
    const value = m.pop();
    m.append(m.top(), [value]);
  },
  e: (m) => {
    const values = m.popMark();
    m.append(m.top(), values);
  },
  s: (m) => {
    const pair = popTuple(m, 2);
    m.setItems(m.top(), pair);
  },
  u: (m) => {
    const pairs = m.popMark();
    m.setItems(m.top(), pairs);
  },
  '\x90': (m) => {
    const values = m.popMark();
    m.addItems(m.top(), values);
  },
  // Classes, calls and instances: recorded, not made.
  c: (m) => {
    const module = m.line();
    m.push(new PickleGlobal(module, m.line()));
  },
  '\x93': (m) => {
    const [module, name] = popTuple(m, 2);
    m.push(new PickleGlobal(nameOf(m, module), nameOf(m, name)));
  },
  i: (m) => {
    const module = m.line();
    const name = m.line();
    m.call(new PickleGlobal(module, name), m.popMark());
  },
  o: instanceFromStack,
  R: (m) => {
    const [callable, args] = popTuple(m, 2);
    m.call(callable, args);
  },
  '\x81': (m) => {
    const [callable, args] = popTuple(m, 2);
    m.call(callable, args, undefined, true);
  },
  '\x92': (m) => {
    const [callable, args, keywords] = popTuple(m, 3);
    m.call(callable, args, keywords instanceof PickleDict ? keywords : undefined, true);
  },
  b: (m) => m.setState(m.pop()),
  // What lies outside of the pickle.
  P: (m) => m.persistent(m.line()),
  Q: (m) => m.persistent(m.pop()),
  '\x82': (m) => m.fail('the pickle uses the extension registry, which no checkpoint does'),
  '\x83': (m) => m.fail('the pickle uses the extension registry, which no checkpoint does'),
  '\x84': (m) => m.fail('the pickle uses the extension registry, which no checkpoint does'),
  '\x97': (m) => m.fail('the pickle uses out-of-band buffers, which a file does not hold'),
  '\x98': (m) => m.fail('the pickle uses out-of-band buffers, which a file does not hold'),
};

/** The operations by byte; undefined where there is none. */
export const operations: readonly (Operation | undefined)[] = Array.from(
  { length: 256 },
  (_, code) => byCharacter[String.fromCharCode(code)],
);
