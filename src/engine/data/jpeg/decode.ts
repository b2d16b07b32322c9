/**
 * Baseline JPEG to RGB, the same bytes as libjpeg's: several times less work than a pipeline of the general decoder for the small
 * photographs of data sets. What is not baseline, or damaged, is not decoded here.
 */
import type { RgbImage } from '../image.ts';
import { ScanDecoder, scanBytes } from './entropy.ts';
import { type JpegComponent, type JpegHeader, readJpegHeader } from './header.ts';
import { type JpegKernels, jpegKernels } from './kernels.ts';

/** Larger images are left to the general decoder: the memory never shrinks again. */
const MOST_BYTES = 96 * 1024 * 1024;
/** Narrower ones too: libjpeg enlarges colours of one or two samples otherwise. */
const LEAST_SIDE = 8;
const PAGE = 65536;
/** Around rows, for what the kernels read and write beyond them. */
const MARGIN = 64;
const COEFFICIENT_BYTES = 128;
const GREY = 128;

/** Where a component lies in the kernels' memory. */
interface Plane {
  readonly component: JpegComponent;
  /** Samples of the image, not of its blocks. */
  readonly width: number;
  readonly height: number;
  readonly blocksAcross: number;
  readonly quantisationAt: number;
  readonly coefficientsAt: number;
  /** First sample of the first row; rows are `pitch` bytes apart. */
  readonly at: number;
  readonly pitch: number;
}

interface Layout {
  readonly header: JpegHeader;
  readonly planes: readonly Plane[];
  readonly unitsAcross: number;
  readonly unitsDown: number;
  /** Two rows of enlarged colours. */
  readonly colourRows: readonly [number, number];
  readonly out: number;
  /** For the scan. */
  readonly scanAt: number;
  readonly bytes: number;
}

function layOut(header: JpegHeader, compressed: number): Layout {
  const across = Math.max(...header.components.map((component) => component.across));
  const down = Math.max(...header.components.map((component) => component.down));
  const unitsAcross = Math.ceil(header.width / (8 * across));
  const unitsDown = Math.ceil(header.height / (8 * down));
  let end = 0;
  const take = (bytes: number): number => {
    const at = end;
    end = Math.ceil((end + bytes) / 16) * 16;
    return at;
  };
  // Coefficients of all components lie side by side, so that they are cleared at once.
  const quantisation = header.components.map(() => take(COEFFICIENT_BYTES));
  const coefficients = header.components.map((c) => take(unitsAcross * c.across * c.down * COEFFICIENT_BYTES));
  const planes = header.components.map((component, i): Plane => {
    const blocksAcross = unitsAcross * component.across;
    const pitch = blocksAcross * 8 + MARGIN;
    const rows = unitsDown * component.down * 8;
    return {
      component,
      width: Math.ceil((header.width * component.across) / across),
      height: Math.ceil((header.height * component.down) / down),
      blocksAcross,
      quantisationAt: quantisation[i],
      coefficientsAt: coefficients[i],
      at: take(rows * pitch + MARGIN) + MARGIN / 2,
      pitch,
    };
  });
  const rowBytes = unitsAcross * across * 8 + MARGIN;
  const colourRows: [number, number] = [take(rowBytes), take(rowBytes)];
  const out = take(header.width * header.height * 3 + MARGIN);
  const scanAt = take(scanBytes(header.components.length, compressed));
  return { header, planes, unitsAcross, unitsDown, colourRows, out, scanAt, bytes: end };
}

function reserve(memory: WebAssembly.Memory, bytes: number): void {
  const missing = bytes - memory.buffer.byteLength;
  if (missing > 0) memory.grow(Math.ceil(missing / PAGE));
}

/** Fills the planes; false where the data are damaged. */
function decodePlanes(kernels: JpegKernels, bytes: Uint8Array, layout: Layout): boolean {
  const { planes, header, unitsAcross, unitsDown, scanAt } = layout;
  const { buffer } = kernels.memory;
  const places = planes.map(({ coefficientsAt, blocksAcross }) => ({ at: coefficientsAt, blocksAcross }));
  const units = { across: unitsAcross, down: unitsDown };
  const decoder = ScanDecoder.open(kernels, bytes, header, places, units, scanAt);
  if (!decoder) return false;
  const coefficients = new Int16Array(buffer);
  for (const { component, quantisationAt } of planes) coefficients.set(component.quantisation, quantisationAt / 2);
  coefficients.fill(0, planes[0].coefficientsAt / 2, (planes[0].at - MARGIN / 2) / 2);
  for (let unit = 0; unit < unitsDown; unit++) {
    if (!decoder.row()) return false;
    for (const plane of planes) transformRow(kernels, plane, unit);
  }
  return decoder.isComplete;
}

/** The coefficients of a row of units to samples. */
function transformRow(kernels: JpegKernels, plane: Plane, unit: number): void {
  const { component, blocksAcross, coefficientsAt, quantisationAt, at, pitch } = plane;
  const rowBytes = blocksAcross * COEFFICIENT_BYTES;
  for (let v = 0; v < component.down; v++) {
    const from = coefficientsAt + v * rowBytes;
    const out = at + (unit * component.down + v) * 8 * pitch;
    kernels.idct(from, from + rowBytes, quantisationAt, out, pitch);
  }
}

/** The first and the last sample of every row again beyond it, for the enlargement. */
function repeatEnds(memory: Uint8Array, { at, pitch, width, height }: Plane): void {
  for (let y = 0, row = at; y < height; y++, row += pitch) {
    memory[row - 1] = memory[row];
    memory[row + width] = memory[row + width - 1];
  }
}

/** Address of a row of colour samples as wide as the image. */
type ColourRow = (y: number) => number;

/** How a colour plane is enlarged, by its size relative to the image's. */
function colourRow(kernels: JpegKernels, layout: Layout, index: number): ColourRow {
  const { planes, colourRows, header } = layout;
  const out = colourRows[index - 1];
  const memory = new Uint8Array(kernels.memory.buffer);
  if (planes.length === 1) {
    memory.fill(GREY, out, out + header.width + MARGIN);
    return () => out;
  }
  const plane = planes[index];
  const rowAt = (y: number): number => plane.at + Math.min(Math.max(y, 0), plane.height - 1) * plane.pitch;
  const [light] = planes;
  if (light.component.across === 1) return rowAt;
  repeatEnds(memory, plane);
  const end = out + header.width;
  if (light.component.down === 1) {
    return (y) => {
      kernels.widen(rowAt(y), out, end);
      return out;
    };
  }
  return (y) => {
    const near = y >> 1;
    kernels.widenBoth(rowAt(near), rowAt(y % 2 === 0 ? near - 1 : near + 1), out, end);
    return out;
  };
}

function convertRows(kernels: JpegKernels, layout: Layout): Uint8Array {
  const { header, planes, out } = layout;
  const [blue, red] = [colourRow(kernels, layout, 1), colourRow(kernels, layout, 2)];
  const rowBytes = header.width * 3;
  for (let y = 0; y < header.height; y++) {
    const at = out + y * rowBytes;
    kernels.convert(planes[0].at + y * planes[0].pitch, blue(y), red(y), at, at + rowBytes);
  }
  return new Uint8Array(kernels.memory.buffer).slice(out, out + header.height * rowBytes);
}

/** The pixels, or undefined for what is left to the general decoder: another coding, other sampling, damaged data. */
export function decodeJpeg(bytes: Uint8Array): RgbImage | undefined {
  const kernels = jpegKernels();
  const header = kernels && readJpegHeader(bytes);
  if (!kernels || !header || Math.min(header.width, header.height) < LEAST_SIDE) return undefined;
  const layout = layOut(header, bytes.length - header.dataAt);
  if (layout.bytes > MOST_BYTES) return undefined;
  reserve(kernels.memory, layout.bytes);
  if (!decodePlanes(kernels, bytes, layout)) return undefined;
  const { width, height } = header;
  return { width, height, data: convertRows(kernels, layout) };
}
