/** A sortable table that draws only the rows on screen; arrows move, Enter chooses, headers sort. */
import { visible, visibleLine } from '../../../src/common/visible.ts';
import { element, icon } from '../../shared/dom.ts';

export interface Column<Row> {
  readonly key: string;
  readonly title: string;
  /** Longer explanation of the heading. */
  readonly hint?: string;
  /** Least width in pixels. */
  readonly width: number;
  /** Share of the room that is left; 0 when absent. */
  readonly grow?: number;
  readonly number?: boolean;
  text(row: Row): string;
  /** What the text was shortened from. */
  full?(row: Row): string;
  /** What the column sorts by; its text where there is none. */
  sortBy?(row: Row): number | string;
  /** Share of the cell that a bar behind the text fills, 0 … 1; undefined: no bar. */
  heat?(row: Row): number | undefined;
  /** A colour mark before the text, and as the text says. */
  mark?(row: Row): Element | undefined;
}

export interface GridOptions<Row> {
  readonly label: string;
  readonly columns: readonly Column<Row>[];
  readonly empty: string;
  /** What stays the same when the figures change. */
  identity(row: Row): number;
  choose(row: Row): void;
}

interface MadeRow {
  readonly root: HTMLElement;
  readonly cells: readonly HTMLElement[];
  /** What the cells say. */
  readonly texts: string[];
}

const ROW_HEIGHT = 22;
const SLACK = 6;
/** Left and right of a row, as in the style sheet. */
const ROW_PADDING = 12;

/** Sorts a copy; equal ones keep their order. */
export function sorted<Row>(rows: readonly Row[], column: Column<Row> | undefined, down: boolean): Row[] {
  if (!column) return [...rows];
  const value = (row: Row): number | string => column.sortBy?.(row) ?? column.text(row);
  const sign = down ? -1 : 1;
  return [...rows].sort((a, b) => {
    const [x, y] = [value(a), value(b)];
    if (typeof x === 'number' && typeof y === 'number') return sign * (x - y);
    return sign * String(x).localeCompare(String(y), undefined, { numeric: true });
  });
}

export class Grid<Row> {
  readonly root: HTMLElement;
  readonly #options: GridOptions<Row>;
  readonly #head: HTMLElement;
  readonly #body: HTMLElement;
  readonly #canvas: HTMLElement;
  readonly #empty: HTMLElement;
  #rows: readonly Row[] = [];
  #shown: readonly Row[] = [];
  #sort: { key: string; down: boolean } | null = null;
  #active = -1;
  #selected = new Set<number>();
  /** Rows on screen by their place. */
  readonly #made = new Map<number, MadeRow>();
  /** Where the body is scrolled to and how much of it is seen: kept, because asking makes the browser lay out the page. */
  #seen = { top: 0, height: 0 };

  constructor(options: GridOptions<Row>) {
    this.#options = options;
    this.#head = element('div', { class: 'grid-head', role: 'row' });
    this.#canvas = element('div', { class: 'grid-canvas', role: 'rowgroup' });
    // What has the keyboard is the grid itself: only it may say which of its rows is the active one.
    this.#body = element(
      'div',
      { class: 'grid-body', role: 'grid', tabindex: 0, 'aria-label': options.label },
      this.#head,
      this.#canvas,
    );
    this.#empty = element('div', { class: 'grid-empty muted' }, options.empty);
    this.root = element('div', { class: 'grid' }, this.#body, this.#empty);
    const tracks = options.columns.map(({ width, grow }) => (grow ? `minmax(${width}px, ${grow}fr)` : `${width}px`));
    this.root.style.setProperty('--columns', tracks.join(' '));
    const least = options.columns.reduce((sum, { width }) => sum + width, 2 * ROW_PADDING);
    this.root.style.setProperty('--least', `${least}px`);
    this.#renderHead();
    this.#body.addEventListener('scroll', () => this.#look());
    this.#body.addEventListener('keydown', (event) => this.#key(event));
    new ResizeObserver(() => this.#look()).observe(this.#body);
  }

  #look(): void {
    this.#seen = { top: this.#body.scrollTop, height: this.#room };
    this.#renderRows();
  }

  /** Pixels in which rows are seen: below the headings, which stay. */
  get #room(): number {
    return this.#body.clientHeight - this.#head.offsetHeight;
  }

  set rows(rows: readonly Row[]) {
    const active = this.#shown[this.#active];
    this.#rows = rows;
    this.#arrange(active && this.#options.identity(active));
  }

  /** Marks have other colours now: every row is made anew. */
  forget(): void {
    this.#made.clear();
    this.#canvas.replaceChildren();
  }

  /** Marks rows as selected; `reveal` scrolls to the first. */
  select(ids: ReadonlySet<number>, reveal: boolean): void {
    this.#selected = new Set(ids);
    const first = this.#shown.findIndex((row) => ids.has(this.#options.identity(row)));
    if (first >= 0 && reveal) {
      this.#active = first;
      this.#scrollTo(first);
    }
    this.#renderRows();
  }

  #arrange(active: number | undefined): void {
    const column = this.#options.columns.find(({ key }) => key === this.#sort?.key);
    this.#shown = sorted(this.#rows, column, this.#sort?.down ?? false);
    this.#active = active === undefined ? -1 : this.#shown.findIndex((row) => this.#options.identity(row) === active);
    this.#empty.hidden = this.#shown.length > 0;
    this.#canvas.hidden = this.#shown.length === 0;
    this.#body.classList.toggle('empty', this.#shown.length === 0);
    this.#body.setAttribute('aria-rowcount', String(this.#shown.length + 1));
    this.#renderRows();
  }

  #renderHead(): void {
    this.#head.replaceChildren(
      ...this.#options.columns.map((column) => {
        const sortedHere = this.#sort?.key === column.key;
        const label = element('button', { type: 'button', class: 'grid-sort', title: column.hint }, column.title);
        if (sortedHere) label.append(icon(this.#sort?.down ? 'arrow-down' : 'arrow-up'));
        label.addEventListener('click', () => this.#sortBy(column));
        return element(
          'div',
          {
            role: 'columnheader',
            class: column.number ? 'grid-cell number' : 'grid-cell',
            'aria-sort': sortedHere ? (this.#sort?.down ? 'descending' : 'ascending') : 'none',
          },
          label,
        );
      }),
    );
  }

  /** First numbers from the largest, names from the first; then the other way round; then the network's own order. */
  #sortBy(column: Column<Row>): void {
    const firstDown = column.number ?? false;
    if (this.#sort?.key !== column.key) this.#sort = { key: column.key, down: firstDown };
    else if (this.#sort.down === firstDown) this.#sort = { key: column.key, down: !firstDown };
    else this.#sort = null;
    const focused = [...this.#head.children].findIndex((cell) => cell.contains(document.activeElement));
    this.#renderHead();
    if (focused >= 0) this.#head.children[focused].querySelector('button')?.focus();
    const active = this.#shown[this.#active];
    this.#arrange(active && this.#options.identity(active));
  }

  #renderRows(): void {
    const { top, height } = this.#seen;
    const from = Math.max(0, Math.floor(top / ROW_HEIGHT) - SLACK);
    const to = Math.min(this.#shown.length, Math.ceil((top + height) / ROW_HEIGHT) + SLACK);
    this.#canvas.style.height = `${this.#shown.length * ROW_HEIGHT}px`;
    for (const [index, { root }] of this.#made) {
      if (index >= from && index < to) continue;
      root.remove();
      this.#made.delete(index);
    }
    // From the last on: a new row goes before the one after it.
    for (let i = to - 1; i >= from; i--) this.#renderRow(i);
    if (this.#active >= from && this.#active < to)
      this.#body.setAttribute('aria-activedescendant', this.#rowId(this.#active));
    else this.#body.removeAttribute('aria-activedescendant');
  }

  #rowId(index: number): string {
    return `${this.#options.label.replace(/\W/g, '-')}-row-${index}`;
  }

  /** Writes what has changed of a row, and makes it first where it is not there. */
  #renderRow(index: number): void {
    const row = this.#shown[index];
    const selected = this.#selected.has(this.#options.identity(row));
    const made = this.#made.get(index) ?? this.#makeRow(index);
    const look = `grid-row${selected ? ' selected' : ''}${index === this.#active ? ' active' : ''}`;
    if (made.root.className !== look) {
      made.root.className = look;
      made.root.setAttribute('aria-selected', String(selected));
    }
    for (const [i, column] of this.#options.columns.entries()) {
      const cell = made.cells[i];
      const text = visibleLine(column.text(row));
      const title = column.number ? '' : visible(column.full?.(row) ?? text);
      if (cell.title !== title) cell.title = title;
      if (column.heat) cell.style.setProperty('--heat', String(column.heat(row) ?? 0));
      if (made.texts[i] === text) continue;
      made.texts[i] = text;
      cell.textContent = text;
      const mark = column.mark?.(row);
      if (mark) cell.prepend(mark);
    }
  }

  #makeRow(index: number): MadeRow {
    const cells = this.#options.columns.map((column) =>
      element('div', {
        role: 'gridcell',
        class: `grid-cell${column.number ? ' number' : ''}${column.heat ? ' heat' : ''}`,
      }),
    );
    const root = element('div', { id: this.#rowId(index), role: 'row', 'aria-rowindex': index + 2 }, ...cells);
    root.style.top = `${index * ROW_HEIGHT}px`;
    root.addEventListener('click', () => this.#choose(index));
    const made = { root, cells, texts: [] };
    this.#made.set(index, made);
    // Screen readers go by the order of the elements.
    this.#canvas.insertBefore(root, this.#made.get(index + 1)?.root ?? null);
    return made;
  }

  #choose(index: number): void {
    this.#active = index;
    this.#renderRows();
    this.#options.choose(this.#shown[index]);
  }

  #scrollTo(index: number): void {
    const top = index * ROW_HEIGHT;
    const { scrollTop } = this.#body;
    const room = this.#room;
    if (top < scrollTop) this.#body.scrollTop = top;
    else if (top + ROW_HEIGHT > scrollTop + room) this.#body.scrollTop = top + ROW_HEIGHT - room;
    else return;
    this.#seen = { top: this.#body.scrollTop, height: room };
  }

  #key(event: KeyboardEvent): void {
    if (event.target !== this.#body) return;
    const last = this.#shown.length - 1;
    const page = Math.max(1, Math.floor(this.#room / ROW_HEIGHT) - 1);
    const moves: Readonly<Record<string, number>> = {
      ArrowDown: this.#active + 1,
      ArrowUp: this.#active - 1,
      PageDown: this.#active + page,
      PageUp: this.#active - page,
      Home: 0,
      End: last,
    };
    if (event.key in moves) {
      this.#active = Math.max(0, Math.min(last, moves[event.key]));
      this.#scrollTo(this.#active);
      this.#renderRows();
    } else if ((event.key === 'Enter' || event.key === ' ') && this.#active >= 0) this.#choose(this.#active);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }
}
