/** The compressed data of a baseline JPEG scan, a row of coded units at a time. */
import { BLOCK, STATE } from './entropy-kernel.ts';
import { type JpegHeader, ZIGZAG } from './header.ts';
import { lookupTable, TABLE_BYTES } from './huffman.ts';
import type { JpegKernels } from './kernels.ts';

/** The scan without stuffed bytes and markers. */
interface ScanData {
  readonly bytes: Uint8Array;
  /** Where each stretch between restart markers ends. */
  readonly ends: readonly number[];
}

/** @returns undefined where the data do not end as they must, or other markers are among them */
function cleanScan(bytes: Uint8Array, from: number): ScanData | undefined {
  const data = new Uint8Array(bytes.length - from);
  const ends: number[] = [];
  let size = 0;
  for (let at = from; ; ) {
    const found = bytes.indexOf(0xff, at);
    if (found < 0) return undefined;
    const next = bytes[found + 1];
    const kept = next === 0 ? found + 1 : found;
    data.set(bytes.subarray(at, kept), size);
    size += kept - at;
    at = found + 2;
    if (next === 0) continue;
    const isRestart = next === 0xd0 + (ends.length % 8);
    if (!isRestart && next !== 0xd9) return undefined;
    ends.push(size);
    if (!isRestart) return { bytes: data.subarray(0, size), ends };
  }
}

/** Where a component's coefficients go. */
export interface ScanPlace {
  /** Address of the first. */
  readonly at: number;
  /** Blocks of a row of coded units. */
  readonly blocksAcross: number;
}

/** Coded units of a scan. */
export interface ScanUnits {
  readonly across: number;
  readonly down: number;
}

const COEFFICIENT_BYTES = 128;
/** Offsets of the coefficients of a block, in the order of the file. Damaged data run over the end of a block into the last ones. */
const PLACES = Uint8Array.from({ length: 64 + 16 }, (_, i) => 2 * (i < 64 ? ZIGZAG[i] : 63));
/** Bytes that damaged data can be read beyond their end: a unit of six blocks of 64 coefficients of 31 bits, and a load. */
const BEYOND = 2048;
const MOST_BLOCKS = 6;

/** Bytes of the kernels' memory that a scan of so many compressed bytes takes. */
export const scanBytes = (components: number, compressed: number): number =>
  STATE.bytes + MOST_BLOCKS * BLOCK.bytes + PLACES.length + 2 * components * TABLE_BYTES + BEYOND + compressed + 64;

/** A block of every unit, as the kernel takes it. */
interface UnitBlock {
  /** Of the first unit of a row. */
  readonly at: number;
  readonly step: number;
  readonly dc: number;
  readonly ac: number;
  /** Which component's first coefficients it goes on from. */
  readonly component: number;
}

/** Decodes a scan. Its part of the kernels' memory must stay as it is meanwhile. */
export class ScanDecoder {
  private readonly kernels: JpegKernels;
  private readonly blocks: readonly UnitBlock[];
  private readonly ends: readonly number[];
  private readonly unitsAcross: number;
  private readonly restartInterval: number;
  private readonly stateAt: number;
  private readonly blocksAt: number;
  private readonly placesAt: number;
  private readonly top: number;
  private readonly memory: Int32Array;
  private stretch = 0;
  /** Units of the stretch that are done. */
  private units = 0;
  private position = 0;
  private readonly previous: number[];

  private constructor(
    kernels: JpegKernels,
    header: JpegHeader,
    { bytes, ends }: ScanData,
    unitsAcross: number,
    blocks: readonly UnitBlock[],
    free: number,
  ) {
    this.kernels = kernels;
    this.memory = new Int32Array(kernels.memory.buffer);
    this.blocks = blocks;
    this.ends = ends;
    this.unitsAcross = unitsAcross;
    this.restartInterval = header.restartInterval;
    this.previous = header.components.map(() => 0);
    this.stateAt = free;
    this.blocksAt = this.stateAt + STATE.bytes;
    this.placesAt = this.blocksAt + MOST_BLOCKS * BLOCK.bytes;
    const dataAt = this.placesAt + PLACES.length + BEYOND;
    this.top = dataAt + bytes.length;
    const all = new Uint8Array(kernels.memory.buffer);
    all.set(PLACES, this.placesAt);
    all.fill(0, dataAt - BEYOND, dataAt);
    all.set(bytes, dataAt);
    // Backwards: a load has the byte that comes first uppermost.
    all.subarray(dataAt, this.top).reverse();
  }

  /**
   * @param at where the kernels' memory is free for `scanBytes`
   * @returns undefined where tables or data are damaged
   */
  static open(
    kernels: JpegKernels,
    bytes: Uint8Array,
    header: JpegHeader,
    places: readonly ScanPlace[],
    units: ScanUnits,
    at: number,
  ): ScanDecoder | undefined {
    const data = cleanScan(bytes, header.dataAt);
    const count = units.across * units.down;
    const stretches = header.restartInterval > 0 ? Math.ceil(count / header.restartInterval) : 1;
    if (data?.ends.length !== stretches) return undefined;
    const memory = new Int32Array(kernels.memory.buffer);
    const blocks: UnitBlock[] = [];
    let free = at;
    for (const [i, { across, down, ...codes }] of header.components.entries()) {
      const tables = [codes.dcTable, codes.acTable].map(lookupTable);
      const [dc, ac] = [free, free + TABLE_BYTES];
      for (const table of tables) {
        if (!table) return undefined;
        memory.set(table, free / 4);
        free += TABLE_BYTES;
      }
      const { at: first, blocksAcross } = places[i];
      const step = across * COEFFICIENT_BYTES;
      for (let v = 0; v < down; v++)
        for (let h = 0; h < across; h++)
          blocks.push({ at: first + (v * blocksAcross + h) * COEFFICIENT_BYTES, step, dc, ac, component: i });
    }
    return new ScanDecoder(kernels, header, data, units.across, blocks, free);
  }

  /** Decodes the next row of units; its coefficients must be zeros. False where the data are damaged. */
  row(): boolean {
    for (let x = 0; x < this.unitsAcross; ) {
      if (this.restartInterval > 0 && this.units === this.restartInterval && !this.restart()) return false;
      const rest = this.restartInterval > 0 ? this.restartInterval - this.units : Number.POSITIVE_INFINITY;
      const count = Math.min(this.unitsAcross - x, rest);
      if (!this.decode(x, count)) return false;
      x += count;
      this.units += count;
    }
    return true;
  }

  /** After the last row: nothing may be left but the bits that fill a byte. */
  get isComplete(): boolean {
    return this.stretch === this.ends.length - 1 && this.isStretchDone;
  }

  private get isStretchDone(): boolean {
    return this.ends[this.stretch] * 8 - this.position < 8;
  }

  private restart(): boolean {
    if (!this.isStretchDone) return false;
    this.position = this.ends[this.stretch] * 8;
    this.stretch += 1;
    this.units = 0;
    this.previous.fill(0);
    return this.stretch < this.ends.length;
  }

  private decode(x: number, count: number): boolean {
    const { memory, stateAt, blocksAt, placesAt, top, kernels, blocks } = this;
    memory[(stateAt + STATE.position) / 4] = this.position;
    memory[(stateAt + STATE.limit) / 4] = this.ends[this.stretch] * 8;
    for (const [i, previous] of this.previous.entries()) memory[previousAt(stateAt, i) / 4] = previous;
    for (const [i, { at, step, dc, ac, component }] of blocks.entries()) {
      const block = [at + x * step, step, dc, ac, previousAt(stateAt, component)];
      memory.set(block, (blocksAt + i * BLOCK.bytes) / 4);
    }
    kernels.decodeUnits(stateAt, blocksAt, blocksAt + blocks.length * BLOCK.bytes, count, placesAt, top);
    this.position = memory[(stateAt + STATE.position) / 4];
    for (const i of this.previous.keys()) this.previous[i] = memory[previousAt(stateAt, i) / 4];
    return memory[(stateAt + STATE.isDamaged) / 4] === 0;
  }
}

/** Where the last first coefficient of a component lies. */
const previousAt = (stateAt: number, component: number): number => stateAt + STATE.previous + component * 4;
