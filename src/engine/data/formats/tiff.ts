/**
 * How the pixels of a TIFF file must be read for Pillow's `convert('RGB')`. Pillow opens only the combinations of photometric
 * interpretation, bits, sample format and extra samples that `TiffImagePlugin.OPEN_INFO` lists; what it refuses is refused here.
 */
import type { PixelReading } from './pixel-readings.ts';
import { readTiffTags, TIFF_TAGS, type TiffTag, type TiffTags, withTiffValue } from './tiff-tags.ts';

export interface TiffReading {
  readonly reading: PixelReading;
  /** The file, with tags changed where the decoder would take its samples for something else than Pillow does. */
  readonly bytes: Uint8Array;
  /** 1 to 8, as in EXIF: Pillow turns TIFF files (and no others). */
  readonly orientation: number;
}

interface Pixels {
  readonly bits: number;
  readonly channels: number;
  /** 1 unsigned, 2 signed, 3 floating point. */
  readonly sampleFormat: number;
  readonly extra: readonly number[];
  readonly isBigEndian: boolean;
  readonly compression: number;
  /** Colour differences at full size, with the usual coefficients and range. */
  readonly isPlainYCbCr: boolean;
}

/** A reading, with the tags to change first; undefined: Pillow refuses such pixels. */
type Rule = (pixels: Pixels) => readonly [PixelReading, ...(readonly [TiffTag, number])[]] | undefined;

const ASSOCIATED_ALPHA = 1;
const CORELDRAW_ALPHA = 999;
const NO_COMPRESSION = 1;
const JPEG_COMPRESSIONS: readonly number[] = [6, 7];

/** One channel: black or white is zero. Pillow inverts the latter up to 8 bits only. */
const grey: Rule = ({ bits, channels, sampleFormat, extra, isBigEndian }) => {
  if (channels === 2 && bits === 8 && sampleFormat === 1) return [0, 2].includes(extra[0]) ? ['plain'] : undefined;
  if (channels !== 1 || extra.length > 0) return undefined;
  if (sampleFormat === 1 && bits <= 8) return [1, 2, 4, 8].includes(bits) ? ['plain'] : undefined;
  if (sampleFormat === 2 && bits === 8) return ['plain', ['sampleFormat', 1]];
  if (bits === 16 && sampleFormat <= 2) return ['clipped16'];
  if (bits !== 32) return undefined;
  // Unsigned ones are taken for signed ones.
  if (sampleFormat === 1) return isBigEndian ? undefined : ['plain', ['sampleFormat', 2]];
  return ['plain'];
};

/** White is zero: from 16 bits on Pillow does not invert, and knows fewer combinations. */
const whiteIsZero: Rule = (pixels) => {
  if (pixels.channels !== 1) return undefined;
  if (pixels.bits <= 8) return pixels.sampleFormat === 1 ? grey(pixels) : undefined;
  const isKnown = pixels.bits === 16 ? pixels.sampleFormat === 1 && !pixels.isBigEndian : pixels.sampleFormat === 3;
  const reading = isKnown ? grey(pixels) : undefined;
  return reading && [...reading, ['photometric', 1]];
};

const rgb: Rule = ({ bits, channels, sampleFormat, extra }) => {
  const mostChannels = bits === 8 ? 6 : bits === 16 ? 4 : 0;
  if (sampleFormat !== 1 || channels < 3 || channels > mostChannels) return undefined;
  const isKnown = [undefined, 0, ASSOCIATED_ALPHA, 2, CORELDRAW_ALPHA].includes(extra[0]);
  if (!isKnown) return undefined;
  return extra[0] === ASSOCIATED_ALPHA ? ['premultiplied', ['extraSamples', 2]] : ['plain'];
};

const palette: Rule = ({ bits, channels, sampleFormat, extra }) => {
  if (sampleFormat !== 1) return undefined;
  if (channels === 1) return [1, 2, 4, 8].includes(bits) ? ['plain'] : undefined;
  return channels === 2 && bits === 8 && [0, 2].includes(extra[0]) ? ['plain'] : undefined;
};

const inks: Rule = ({ bits, channels, sampleFormat, extra }) => {
  if (sampleFormat !== 1 || channels < 4 || extra.some((kind) => kind !== 0)) return undefined;
  if (bits === 16) return channels === 4 ? ['cmyk16'] : undefined;
  return bits === 8 && channels <= 6 ? ['cmyk'] : undefined;
};

const lumaAndColour: Rule = ({ bits, channels, sampleFormat, extra, compression, isPlainYCbCr }) => {
  if (bits !== 8 || sampleFormat !== 1 || extra.length > 0) return undefined;
  if (channels === 1) return ['plain'];
  if (channels !== 3) return undefined;
  // The JPEG decoder inside gives RGB already.
  if (JPEG_COMPRESSIONS.includes(compression)) return ['plain'];
  if (!isPlainYCbCr) return undefined;
  // Pillow converts what it reads itself, and lets libtiff convert what is compressed.
  return [compression === NO_COMPRESSION ? 'ycbcr' : 'ycbcrOfLibtiff'];
};

/** By the tag PhotometricInterpretation. CIELAB (8) needs a colour profile: not read. */
const rules: ReadonlyMap<number, Rule> = new Map([
  [0, whiteIsZero],
  [1, grey],
  [2, rgb],
  [3, palette],
  [5, inks],
  [6, lumaAndColour],
]);

const JFIF_COEFFICIENTS = [0.299, 0.587, 0.114];
const JFIF_RANGE = [0, 255, 128, 255, 128, 255];
const areNear = (a: readonly number[], b: readonly number[]): boolean =>
  a.length === b.length && a.every((value, i) => Math.abs(value - b[i]) < 1e-3);

function pixelsOf(tags: TiffTags): Pixels | undefined {
  const of = (tag: TiffTag, otherwise: readonly number[]): readonly number[] =>
    tags.fields.get(TIFF_TAGS[tag])?.values ?? otherwise;
  const bits = of('bitsPerSample', [1]);
  const formats = of('sampleFormat', [1]);
  if (new Set(bits).size !== 1 || new Set(formats).size !== 1) return undefined;
  return {
    bits: bits[0],
    channels: bits.length,
    sampleFormat: formats[0],
    extra: of('extraSamples', []),
    isBigEndian: !tags.isLittleEndian,
    compression: of('compression', [NO_COMPRESSION])[0],
    isPlainYCbCr:
      areNear(of('ycbcrSubsampling', [2, 2]), [1, 1]) &&
      areNear(of('ycbcrCoefficients', JFIF_COEFFICIENTS), JFIF_COEFFICIENTS) &&
      areNear(of('referenceBlackWhite', JFIF_RANGE), JFIF_RANGE),
  };
}

/** How to read a TIFF file, or the reason why it is not read. */
export function tiffReading(bytes: Uint8Array): TiffReading | string {
  const tags = readTiffTags(bytes);
  if (!tags) return 'its TIFF directory is damaged';
  const pixels = pixelsOf(tags);
  const photometric = tags.fields.get(TIFF_TAGS.photometric)?.values[0] ?? 0;
  const rule = pixels && rules.get(photometric)?.(pixels);
  if (!rule) {
    const { bits = 0, channels = 0, sampleFormat = 0 } = pixels ?? {};
    const kind = ['', 'unsigned ', 'signed ', 'floating-point '][sampleFormat] ?? '';
    const what = pixels ? `${channels} × ${bits} ${kind}bits` : 'channels of different kinds';
    return `TIFF pixels of ${what} with photometric interpretation ${photometric} are not read (nor by Pillow, for most)`;
  }
  const [reading, ...changes] = rule;
  let changed = bytes;
  for (const [tag, value] of changes) changed = withTiffValue(changed, tags, tag, value);
  return { reading, bytes: changed, orientation: tags.fields.get(TIFF_TAGS.orientation)?.values[0] ?? 1 };
}
