/** The compressed data of a baseline JPEG scan: Huffman codes to coefficients (ITU-T T.81, F.2.2). */
import { type JpegComponent, type JpegHeader, ZIGZAG } from './header.ts';
import { extend, HAS_VALUE, LOOK_BITS, type LookupTable, longSymbol, lookupTable } from './huffman.ts';

/** The scan without stuffed bytes and markers. */
interface ScanData {
  /** Zeros follow the data, as many as a coded unit of damaged data can run beyond it. */
  readonly view: DataView;
  /** Where each stretch between restart markers ends, in bytes. */
  readonly ends: readonly number[];
}

/** Bytes that a coded unit takes at most: six blocks of 64 coefficients of 26 bits or more. */
const LONGEST_UNIT = 2048;

/** @returns undefined where the data do not end as they must, or other markers are among them */
function cleanScan(bytes: Uint8Array, from: number): ScanData | undefined {
  const data = new Uint8Array(bytes.length - from + LONGEST_UNIT);
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
    if (!isRestart) return { view: new DataView(data.buffer), ends };
  }
}

/** Where a component's coefficients go. */
export interface ScanPlace {
  /** Index of its first coefficient in the buffer. */
  readonly at: number;
  /** Blocks of a row of coded units. */
  readonly blocksAcross: number;
}

/** A component while it is decoded. */
interface ComponentScan extends ScanPlace {
  readonly component: JpegComponent;
  readonly dc: LookupTable;
  readonly ac: LookupTable;
  /** The last block's first coefficient. */
  previous: number;
}

/** Damaged data run over the end of a block into these. */
const PLACES = Uint8Array.from({ length: 64 + 16 }, (_, i) => (i < 64 ? ZIGZAG[i] : 63));
const SHIFT = 32 - LOOK_BITS;

/** Decodes a scan, a row of coded units at a time. */
export class ScanDecoder {
  private readonly components: readonly ComponentScan[];
  private readonly data: ScanData;
  private readonly unitsAcross: number;
  private readonly restartInterval: number;
  private stretch = 0;
  private unit = 0;
  /** In bits. */
  private position = 0;

  private constructor(header: JpegHeader, components: readonly ComponentScan[], data: ScanData, unitsAcross: number) {
    this.components = components;
    this.data = data;
    this.unitsAcross = unitsAcross;
    this.restartInterval = header.restartInterval;
  }

  /** @returns undefined where tables or data are damaged */
  static open(
    bytes: Uint8Array,
    header: JpegHeader,
    places: readonly ScanPlace[],
    units: { readonly across: number; readonly down: number },
  ): ScanDecoder | undefined {
    const data = cleanScan(bytes, header.dataAt);
    const count = units.across * units.down;
    const stretches = header.restartInterval > 0 ? Math.ceil(count / header.restartInterval) : 1;
    if (data?.ends.length !== stretches) return undefined;
    const components: ComponentScan[] = [];
    for (const [i, component] of header.components.entries()) {
      const [dc, ac] = [lookupTable(component.dcTable), lookupTable(component.acTable)];
      if (!dc || !ac) return undefined;
      components.push({ component, dc, ac, ...places[i], previous: 0 });
    }
    return new ScanDecoder(header, components, data, units.across);
  }

  /** Decodes the next row of units into `coefficients`, which must be zeros; false where the data are damaged. */
  row(coefficients: Int16Array): boolean {
    for (let x = 0; x < this.unitsAcross; x++) {
      if (this.restartInterval > 0 && this.unit === this.restartInterval && !this.restart()) return false;
      for (const scan of this.components) if (!this.blocksOfUnit(scan, x, coefficients)) return false;
      if (this.position > this.data.ends[this.stretch] * 8) return false;
      this.unit += 1;
    }
    return true;
  }

  /** After the last row: nothing may be left but the bits that fill a byte. */
  get isComplete(): boolean {
    return this.stretch === this.data.ends.length - 1 && this.data.ends[this.stretch] * 8 - this.position < 8;
  }

  private restart(): boolean {
    const end = this.data.ends[this.stretch] * 8;
    if (end - this.position >= 8) return false;
    this.position = end;
    this.stretch += 1;
    this.unit = 0;
    for (const scan of this.components) scan.previous = 0;
    return this.stretch < this.data.ends.length;
  }

  private blocksOfUnit(scan: ComponentScan, x: number, coefficients: Int16Array): boolean {
    const { across, down } = scan.component;
    for (let v = 0; v < down; v++)
      for (let h = 0; h < across; h++) {
        const block = v * scan.blocksAcross + x * across + h;
        if (!this.block(scan, scan.at + block * 64, coefficients)) return false;
      }
    return true;
  }

  /** One block. Most of the time is spent here: everything is in local variables. */
  private block(scan: ComponentScan, at: number, coefficients: Int16Array): boolean {
    const { view } = this.data;
    let p = this.position;
    let next = view.getUint32(p >>> 3) << (p & 7);
    let entry = scan.dc.entries[next >>> SHIFT];
    let symbol = 0;
    if (entry & HAS_VALUE) {
      scan.previous += entry >> 16;
      p += entry & 63;
    } else {
      if (entry === 0) entry = longSymbol(scan.dc, next >>> 16);
      if (entry < 0) return false;
      symbol = entry >> 8;
      p += entry & 63;
      if (symbol > 11) return false;
      if (symbol > 0) {
        next = view.getUint32(p >>> 3) << (p & 7);
        scan.previous += extend(next >>> (32 - symbol), symbol);
        p += symbol;
      }
    }
    coefficients[at] = scan.previous;
    const { entries } = scan.ac;
    let k = 1;
    while (k < 64) {
      next = view.getUint32(p >>> 3) << (p & 7);
      entry = entries[next >>> SHIFT];
      if (entry & HAS_VALUE) {
        k += (entry >> 8) & 15;
        coefficients[at + PLACES[k]] = entry >> 16;
        k += 1;
        p += entry & 63;
        continue;
      }
      if (entry === 0) entry = longSymbol(scan.ac, next >>> 16);
      if (entry < 0) return false;
      symbol = entry >> 8;
      p += entry & 63;
      const size = symbol & 15;
      if (size === 0) {
        if (symbol !== 0xf0) break; // the rest of the block is 0
        k += 16;
        continue;
      }
      next = view.getUint32(p >>> 3) << (p & 7);
      k += symbol >> 4;
      coefficients[at + PLACES[k]] = extend(next >>> (32 - size), size);
      k += 1;
      p += size;
    }
    this.position = p;
    return k <= 64;
  }
}
