/** The order of the comparison's rows. */
import type { CompareRow } from '../../src/protocol/panels.ts';
import { columns } from './comparison-columns.ts';

export interface Sorting {
  readonly column: string;
  readonly descending: boolean;
}

/** Rows in the order that the person asked for; those without a figure last. */
export function sorted(rows: readonly CompareRow[], sorting: Sorting | undefined): readonly CompareRow[] {
  const column = columns.find(({ id }) => id === sorting?.column);
  if (!sorting) return rows;
  const sign = sorting.descending ? -1 : 1;
  return [...rows].sort((a, b) => {
    if (!column) return sign * a.label.localeCompare(b.label);
    const [left, right] = [column.value(a), column.value(b)];
    if (left === undefined || right === undefined) return Number(left === undefined) - Number(right === undefined);
    return sign * (left - right);
  });
}
