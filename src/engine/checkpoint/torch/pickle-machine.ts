/** What a pickle works on: a stack, a memo, and the bytes that are still to be read. */

import type { Budget } from '../../../common/budget.ts';
import { applyConstructor } from './pickle-constructors.ts';
import {
  PickleDict,
  PickleError,
  PickleFloat,
  PickleGlobal,
  PickleObject,
  PickleSet,
  PickleTuple,
  type PickleValue,
} from './pickle-values.ts';

export interface PickleOptions {
  /** What a persistent id stands for; without it, persistent ids are an error. */
  readonly persistent?: (id: PickleValue) => PickleValue;
  /** Of the file that the pickle lies in. */
  readonly budget?: Budget;
  /** Keep what is needed to write the same pickle again: tuples, floats, and every call as a record. */
  readonly asWritten?: boolean;
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const latin1 = new TextDecoder('latin1');

/** Name of what a call makes, for the person. */
const calledName = (callable: PickleValue): string => {
  if (callable instanceof PickleGlobal) return callable.qualifiedName;
  return `${callable instanceof PickleObject ? callable.className : typeof callable}()`;
};

function recordedCall(
  callable: PickleValue,
  args: readonly PickleValue[],
  keywords: PickleDict | undefined,
  byNew: boolean,
): PickleObject {
  const call = new PickleObject(calledName(callable), args, keywords);
  call.callable = callable;
  call.byNew = byNew;
  return call;
}

/** Stack, memo and read position; the operations are in pickle-operations.ts. */
export class PickleMachine {
  readonly stack: PickleValue[] = [];
  private readonly marks: number[] = [];
  private readonly memo = new Map<number, PickleValue>();
  private readonly view: DataView;
  operationStart = 0;

  constructor(
    private readonly bytes: Uint8Array,
    public position: number,
    private readonly options: PickleOptions,
  ) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  problem(message: string): PickleError {
    return new PickleError(message, this.operationStart);
  }
  fail(message: string): never {
    throw this.problem(message);
  }

  /** Advances over `length` bytes and returns where they start. */
  private take(length: number): number {
    const at = this.position;
    if (length > this.bytes.length - at) throw new PickleError('the pickle is cut off', this.operationStart, true);
    this.position = at + length;
    return at;
  }

  byte(): number {
    return this.bytes[this.take(1)];
  }
  uint16(): number {
    return this.view.getUint16(this.take(2), true);
  }
  int32(): number {
    return this.view.getInt32(this.take(4), true);
  }
  uint32(): number {
    return this.view.getUint32(this.take(4), true);
  }
  uint64(): number {
    const value = Number(this.view.getBigUint64(this.take(8), true));
    return Number.isSafeInteger(value) ? value : this.fail(`a length of ${value} bytes`);
  }
  float64BigEndian(): number {
    return this.view.getFloat64(this.take(8), false);
  }
  data(length: number): Uint8Array {
    const at = this.take(length);
    return this.bytes.subarray(at, at + length);
  }
  text(length: number): string {
    const data = this.data(length);
    try {
      return utf8.decode(data);
    } catch {
      return this.fail('text that is not UTF-8');
    }
  }
  /** Text of a Python 2 string, which may be bytes: UTF-8 if it is, Latin-1 otherwise. */
  bytesAsText(length: number): string {
    const data = this.data(length);
    try {
      return utf8.decode(data);
    } catch {
      return latin1.decode(data);
    }
  }
  /** The rest of the line, without its end. */
  line(): string {
    const length = this.lineLength();
    const text = this.bytesAsText(length);
    this.position++;
    return text;
  }
  latin1Line(): string {
    const text = latin1.decode(this.data(this.lineLength()));
    this.position++;
    return text;
  }
  private lineLength(): number {
    const end = this.bytes.indexOf(0x0a, this.position);
    if (end < 0) throw new PickleError('the pickle is cut off', this.operationStart, true);
    return end - this.position;
  }

  push(value: PickleValue): void {
    this.stack.push(value);
  }
  pushTuple(items: PickleValue[]): void {
    this.push(this.options.asWritten ? PickleTuple.from(items) : items);
  }
  pushFloat(value: number): void {
    this.push(this.options.asWritten ? new PickleFloat(value) : value);
  }
  pushFrozenSet(items: PickleValue[]): void {
    if (this.options.asWritten) this.call(new PickleGlobal('builtins', 'frozenset'), [items]);
    else this.push(new PickleSet(items));
  }
  pop(): PickleValue {
    if (this.stack.length <= (this.marks.at(-1) ?? 0)) this.fail('the pickle takes from an empty stack');
    return this.stack.pop() as PickleValue;
  }
  top(): PickleValue {
    if (this.stack.length <= (this.marks.at(-1) ?? 0)) this.fail('the pickle takes from an empty stack');
    return this.stack[this.stack.length - 1];
  }
  mark(): void {
    this.marks.push(this.stack.length);
  }
  /** Everything above the last mark, which is removed. */
  popMark(): PickleValue[] {
    const at = this.marks.pop();
    if (at === undefined) return this.fail('the pickle goes back to a mark that it did not set');
    return this.stack.splice(at);
  }
  /** POP also removes a mark when nothing lies above it. */
  discard(): void {
    if (this.marks.at(-1) === this.stack.length) this.marks.pop();
    else this.pop();
  }

  store(index: number): void {
    this.memo.set(index, this.top());
  }
  storeNext(): void {
    this.store(this.memo.size);
  }
  fetch(index: number): void {
    const value = this.memo.get(index);
    if (value === undefined) this.fail(`the pickle refers to memo ${index}, which it did not set`);
    this.push(value as PickleValue);
  }

  /** Counts values that are made: one an operation, and the items that a constructor copies. */
  spend(items: number): void {
    this.options.budget?.spend('values', items);
  }

  persistent(id: PickleValue): void {
    const { persistent } = this.options;
    if (!persistent) throw this.problem('the pickle refers to data outside of itself');
    try {
      this.push(persistent(id));
    } catch (error) {
      this.fail(error instanceof Error ? error.message : String(error));
    }
  }

  /** A call: known reconstructors are read as data, any other is only recorded. */
  call(callable: PickleValue, args: PickleValue, keywords?: PickleDict, byNew = false): void {
    if (!Array.isArray(args)) throw this.problem('the pickle calls something without a tuple of arguments');
    if (this.options.asWritten) {
      this.push(recordedCall(callable, args, keywords, byNew));
      return;
    }
    if (!(callable instanceof PickleGlobal)) {
      this.push(new PickleObject(calledName(callable), args, keywords));
      return;
    }
    this.push(
      applyConstructor(callable.qualifiedName, args, this) ?? new PickleObject(callable.qualifiedName, args, keywords),
    );
  }

  setState(state: PickleValue): void {
    const target = this.top();
    // A state dict carries `_metadata` as an attribute, a parameter its Python attributes: neither is needed.
    if (target instanceof PickleObject) target.state = state;
  }

  append(target: PickleValue, values: readonly PickleValue[]): void {
    const list = target instanceof PickleObject ? target.items : target;
    if (!Array.isArray(list)) throw this.problem('the pickle appends to something that is not a list');
    for (const value of values) list.push(value);
  }

  setItems(target: PickleValue, pairs: readonly PickleValue[]): void {
    const dict = target instanceof PickleObject ? target.entries : target;
    if (!(dict instanceof PickleDict))
      throw this.problem('the pickle sets items of something that is not a dictionary');
    if (pairs.length % 2) this.fail('the pickle sets a key without a value');
    for (let i = 0; i < pairs.length; i += 2) dict.set(pairs[i], pairs[i + 1]);
  }

  addItems(target: PickleValue, values: readonly PickleValue[]): void {
    if (target instanceof PickleSet) for (const value of values) target.add(value);
    else if (target instanceof PickleObject) this.append(target, values);
    else throw this.problem('the pickle adds to something that is not a set');
  }
}
