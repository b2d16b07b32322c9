/** The sweep's table in Markdown. */

export interface TableRow {
  readonly name: string;
  readonly dense?: number;
  readonly macs?: number;
  readonly pruned?: number;
  readonly returned?: number;
  readonly problem?: string;
}

const error = (value: number | undefined): string => (value === undefined ? '' : value.toExponential(1));
const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ');

export function formatTable(rows: readonly TableRow[]): string {
  const lines = rows.map(({ name, dense, macs, pruned, returned, problem }) => {
    const share = macs === undefined ? '' : `${(100 * macs).toFixed(1)} %`;
    return `| ${[name, error(dense), share, error(pruned), error(returned), cell(problem ?? '')].join(' | ')} |`;
  });
  const head = [
    '| network | dense | MACs left | pruned against masked | written back | what is in the way |',
    '|---|---|---|---|---|---|',
  ];
  return `${[...head, ...lines].join('\n')}\n`;
}
