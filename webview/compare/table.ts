/** The table of models, sortable, with differences to the baseline. */
import { formatInteger } from '../../src/common/format.ts';
import type { CompareRow } from '../../src/protocol/panels.ts';
import { button } from '../shared/controls.ts';
import { element, icon } from '../shared/dom.ts';
import { t } from '../shared/l10n.ts';
import { type Column, columns, verdict } from './comparison-columns.ts';
import { type Sorting, sorted } from './sorting.ts';

export interface TableActions {
  readonly sort: (column: string) => void;
  readonly setBaseline: (id: string) => void;
  readonly remove: (id: string) => void;
}

function headingCell(
  id: string,
  text: string,
  hint: string,
  sorting: Sorting | undefined,
  sort: () => void,
): HTMLElement {
  const on = sorting?.column === id;
  const order = on ? (sorting.descending ? 'descending' : 'ascending') : 'none';
  const made = element('button', { class: 'heading', title: hint, type: 'button' }, text);
  if (on) made.append(icon(sorting.descending ? 'arrow-down' : 'arrow-up'));
  made.addEventListener('click', sort);
  return element('th', { scope: 'col', 'aria-sort': order, class: id === 'label' ? 'name' : 'number' }, made);
}

function figureCell(column: Column, row: CompareRow, baseline: CompareRow | undefined): HTMLElement {
  const value = column.value(row);
  if (value === undefined) return element('td', { class: 'number muted' }, '–');
  const cell = element('td', { class: 'number' }, column.format(value));
  if (column.margin?.(row)) cell.append(element('span', { class: 'margin muted' }, column.margin(row)));
  const reference = baseline && column.value(baseline);
  if (!column.difference || reference === undefined || baseline?.id === row.id) return cell;
  const difference = column.difference(value, reference);
  cell.append(element('span', { class: `difference ${verdict(column, value, reference)}` }, difference));
  return cell;
}

export function comparisonTable(
  rows: readonly CompareRow[],
  baselineId: string | undefined,
  sorting: Sorting | undefined,
  actions: TableActions,
): HTMLElement {
  const baseline = rows.find(({ id }) => id === baselineId);
  const headings = [
    headingCell('label', t('Model'), t('sort by name'), sorting, () => actions.sort('label')),
    ...columns.map(({ id, heading, hint }) => headingCell(id, heading, hint, sorting, () => actions.sort(id))),
    element('th', {}, element('span', { class: 'visually-hidden' }, t('Actions'))),
  ];
  const body = sorted(rows, sorting).map((row) => {
    const isBaseline = row.id === baselineId;
    const name = element(
      'th',
      { scope: 'row', class: 'name', title: row.source.kind === 'file' ? row.source.path : row.source.name },
      element('span', { class: 'label' }, row.label),
      element(
        'span',
        { class: 'muted where' },
        t('{0} images', formatInteger(row.images)) + (isBaseline ? ` · ${t('baseline')}` : ''),
      ),
    );
    const tools = element(
      'td',
      { class: 'tools' },
      button(isBaseline ? t('{0} is the baseline', row.label) : t('Take {0} as baseline', row.label), {
        look: 'icon',
        icon: isBaseline ? 'star-full' : 'star-empty',
        onClick: () => actions.setBaseline(row.id),
      }),
      button(t('Remove {0} from the table', row.label), {
        look: 'icon',
        icon: 'close',
        onClick: () => actions.remove(row.id),
      }),
    );
    return element(
      'tr',
      { class: isBaseline ? 'baseline' : undefined },
      name,
      ...columns.map((column) => figureCell(column, row, baseline)),
      tools,
    );
  });
  return element('table', {}, element('thead', {}, element('tr', {}, ...headings)), element('tbody', {}, ...body));
}
