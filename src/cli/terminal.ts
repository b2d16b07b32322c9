/** What the command line prints: progress and tables on stderr, the result as JSON on stdout. */
import { formatClock } from '../common/format.ts';
import { type Progress, type ProgressReport, phaseWords } from '../common/progress.ts';
import { visible, visibleLine } from '../common/visible.ts';

const BAR_WIDTH = 28;
/** Steps shorter than this show no bar. */
const FIRST_DRAW_MS = 400;
/** Between two drawings on a terminal, and between two lines where there is none. */
const DRAW_INTERVAL_MS = 80;
const LINE_INTERVAL_MS = 5000;

/** One progress bar at a time on stderr; `finish` ends its line. */
export class ProgressBar {
  readonly #out: NodeJS.WriteStream;
  #phase = '';
  #started = 0;
  /** What was done when the phase began: a resumed run's, or that of the epochs before. */
  #from = 0;
  #drawn = 0;
  #open = false;

  constructor(out: NodeJS.WriteStream = process.stderr) {
    this.#out = out;
  }

  readonly report: Progress = (report) => {
    const now = performance.now();
    if (report.phase !== this.#phase) {
      this.finish();
      this.#phase = report.phase;
      this.#started = now;
      this.#from = report.done;
      this.#drawn = Number.NEGATIVE_INFINITY;
    }
    if (now - this.#started < FIRST_DRAW_MS) return;
    const last = report.total > 0 && report.done >= report.total;
    const interval = this.#out.isTTY ? DRAW_INTERVAL_MS : LINE_INTERVAL_MS;
    if (!last && now - this.#drawn < interval) return;
    this.#drawn = now;
    this.#draw(report, (now - this.#started) / 1000);
    if (last) this.finish();
  };

  #draw({ phase, done, total, message = '' }: ProgressReport, elapsed: number): void {
    const share = total > 0 ? Math.min(1, done / total) : 0;
    const filled = Math.round(share * BAR_WIDTH);
    const bar = total > 0 ? `${'█'.repeat(filled)}${'·'.repeat(BAR_WIDTH - filled)} ${done}/${total}` : `${done}`;
    const since = done - this.#from;
    const left =
      since > 0 && share > 0 && share < 1
        ? ` ETA ${formatClock((elapsed * (total - done)) / since)}`
        : ` ${formatClock(elapsed)}`;
    const line = `${phaseWords(phase).padEnd(9)} ${bar}${left}${message && `  ${message}`}`;
    this.#out.write(this.#out.isTTY ? `\r\x1b[2K${line}` : `${line}\n`);
    this.#open = this.#out.isTTY;
  }

  finish(): void {
    if (this.#open) this.#out.write('\n');
    this.#open = false;
    this.#phase = '';
  }
}

/** Rows of text in columns below a row of headings; words stand left, figures right. */
export function formatTable(cells: readonly (readonly string[])[]): string {
  const rows = cells.map((row) => row.map(visibleLine));
  const widths = rows[0].map((_, column) => rows.reduce((widest, row) => Math.max(widest, row[column].length), 0));
  const figures = rows[0].map((_, column) => rows.slice(1).every((row) => /^[\d−-]/.test(row[column])));
  return rows
    .map((row) =>
      row
        .map((cell, i) => (figures[i] ? cell.padStart(widths[i]) : cell.padEnd(widths[i])))
        .join('   ')
        .trimEnd(),
    )
    .join('\n');
}

/** Lines for the person; on a terminal they take the place of a progress bar, which is drawn again below them. */
export const say = (text: string): void => {
  process.stderr.write(`${process.stderr.isTTY ? '\r\x1b[2K' : ''}${visible(text)}\n`);
};
