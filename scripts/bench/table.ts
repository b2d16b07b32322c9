/** The table that the benchmark prints. */

/** Programs that run an exported network, or PyTorch's compiler. */
export const RIVALS = ['ONNX Runtime', 'OpenVINO', 'torch.compile'] as const;
export type Rival = (typeof RIVALS)[number];

/** One line of it; what is left out is printed as a dash. */
export interface Row {
  readonly work: string;
  /** Images per second. */
  readonly ours?: number;
  readonly other?: number;
  /** The ratio of the two that the project asks for. */
  readonly atLeast?: number;
  /** Seconds to the end of the first run. */
  readonly start?: number;
  /** Images per second of what a person would take instead, on the same work. */
  readonly rivals?: Readonly<Partial<Record<Rival, number>>>;
  /** Bytes. */
  readonly peak?: number;
  readonly otherPeak?: number;
  readonly notes: readonly string[];
}

const COLUMNS = [
  'work',
  'Espalier',
  'compared with',
  'ratio',
  'at least',
  ...RIVALS,
  'start',
  'peak',
  'its peak',
  'notes',
];

export const tableHead = `| ${COLUMNS.join(' | ')} |\n|${'---|'.repeat(COLUMNS.length)}`;

const rate = (perSecond: number): string => `${perSecond >= 1000 ? perSecond.toFixed(0) : perSecond.toPrecision(3)}/s`;
const factor = (ratio: number): string => `${ratio.toFixed(2)} ×`;
const mebibytes = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(0)} MiB`;
const seconds = (value: number): string => `${value.toFixed(1)} s`;

const orDash = (value: number | undefined, format: (value: number) => string): string =>
  value === undefined || !Number.isFinite(value) ? '–' : format(value);

export function tableLine(row: Row): string {
  const ratio = row.ours !== undefined && row.other !== undefined ? row.ours / row.other : undefined;
  const cells = [
    row.work,
    orDash(row.ours, rate),
    orDash(row.other, rate),
    orDash(ratio, factor),
    orDash(row.atLeast, factor),
    ...RIVALS.map((rival) => orDash(row.rivals?.[rival], rate)),
    orDash(row.start, seconds),
    orDash(row.peak, mebibytes),
    orDash(row.otherPeak, mebibytes),
    row.notes.join('; '),
  ];
  return `| ${cells.map((cell) => cell.replaceAll('|', '/').replaceAll('\n', ' ')).join(' | ')} |`;
}
