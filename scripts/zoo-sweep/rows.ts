/** What the sweep asks of its children, what they answer, and the table of it in Markdown. */

export interface SweepRequest {
  readonly source: string;
  readonly name: string;
  /** `pt2`, `onnx` (PyTorch's TorchScript-based exporter) or `onnx-dynamo`. */
  readonly form: string;
  /** Side of the images where the network takes any; its own otherwise. */
  readonly side?: number;
  readonly opset?: number;
  /** A folder for its files, which is removed. */
  readonly folder: string;
}

/** What was found of one network; relative errors against PyTorch's outputs, null (what JSON makes of NaN) where they are no numbers. */
export interface Row {
  readonly name: string;
  opens?: boolean;
  /** Operations that nothing is known of. */
  frozen?: number;
  dense?: number | null;
  /** Of an ONNX file: what ONNX Runtime computes of it against PyTorch's outputs. */
  exporter?: number;
  /** How far the outputs of the two images are apart, of the dense and of the pruned network: figures of what hardly varies say nothing. */
  variation?: number | null;
  macs?: number;
  pruned?: number | null;
  returned?: number | null;
  problem?: string;
  /** What is to be said of how it was exported. */
  note?: string;
  seconds?: number;
}

/** A relative error as the table says it. */
const figure = (value: number | null | undefined): string =>
  value === undefined ? '' : value === null ? 'NaN' : value.toExponential(1);

/** Beyond it a result is wrong: float32 networks of hundreds of layers stay below. */
export const TOLERANCE = 1e-4;

/** Exporters round weights that they put together: more than this is worth saying. */
export const EXPORTED = 5e-5;

/** How far errors must stay below what the image makes of the outputs: with closer ones a wrong layer may hide behind constants. */
const OF_VARIATION = 0.01;

/** What is in the way of calling it done: '' where everything was right. */
export function verdict({ problem, dense, variation, pruned, returned }: Row): string {
  if (problem) return problem;
  const wrong = Object.entries({ dense, pruned, returned }).flatMap(([what, error]) =>
    error === undefined || (error !== null && error <= TOLERANCE) ? [] : [`${what} is wrong by ${figure(error)}`],
  );
  if (wrong.length) return wrong.join(', ');
  const largest = Math.max(...[dense, pruned, returned].map((error) => error ?? 0));
  const isTold =
    variation === undefined || (variation !== null && variation > 0 && largest <= OF_VARIATION * variation);
  return isTold ? '' : `the check says little: outputs of two images differ by ${figure(variation)} alone`;
}

/** What was in the way, and what is to be known of the row besides. */
const remarks = (row: Row): string => [verdict(row), row.note].filter(Boolean).join('; ');

const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ');

export function formatTable(rows: readonly Row[]): string {
  const lines = rows.map((row) => {
    const share = row.macs === undefined ? '' : `${(100 * row.macs).toFixed(1)} %`;
    const cells = [row.name, figure(row.dense), share, figure(row.pruned), figure(row.returned), cell(remarks(row))];
    return `| ${cells.join(' | ')} |`;
  });
  const head = [
    '| network | dense | MACs left | pruned against masked | written back | remarks |',
    '|---|---|---|---|---|---|',
  ];
  return `${[...head, ...lines].join('\n')}\n`;
}
