/** The comparison as CSV and as Markdown. */

import { formatInteger } from '../../src/common/format.ts';
import type { CompareRow } from '../../src/protocol/panels.ts';
import { COST_UNIT } from '../shared/cost.ts';
import { columns } from './comparison-columns.ts';

const quoted = (text: string): string => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

/** Numbers as they were measured, one model a line. */
export function toCsv(rows: readonly CompareRow[]): string {
  const heading = ['model', ...columns.map(({ id }) => id), 'images', 'split', 'data', 'backend', 'device', 'file'];
  const lines = rows.map((row) => [
    row.label,
    ...columns.map(({ value }) => String(value(row) ?? '')),
    String(row.images),
    row.split,
    row.dataPath,
    row.backend,
    row.device,
    row.source.kind === 'file' ? row.source.path : '',
  ]);
  return `${[heading, ...lines].map((line) => line.map(quoted).join(',')).join('\n')}\n`;
}

const escaped = (text: string): string => text.replaceAll('|', '\\|');

/** A table for people, figures as in the editor, with what they were measured on below it. */
export function toMarkdown(rows: readonly CompareRow[]): string {
  const heading = ['Model', ...columns.map((column) => column.heading), 'Images'];
  const lines = rows.map((row) => [
    escaped(row.label),
    ...columns.map(({ value, format, margin }) => {
      const found = value(row);
      const known = margin?.(row) ? ` ${margin(row)}` : '';
      return found === undefined ? '–' : format(found) + known;
    }),
    formatInteger(row.images),
  ]);
  const table = [heading, heading.map((_, i) => (i ? '---:' : '---')), ...lines].map(
    (line) => `| ${line.join(' | ')} |`,
  );
  const where = new Set(rows.map(({ backend, device }) => `${backend}, ${device}`));
  return `${table.join('\n')}\n\nMeasured with ${[...where].join('; ')}. ${COST_UNIT} by the paper’s counter${COST_UNIT === 'FLOPs' ? ', two a MAC' : ''}; latency is the median at batch 1. ± is half of the 95 % interval of an accuracy on so many images, in points.\n`;
}
