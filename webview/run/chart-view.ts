/** What the charts of a run share: the stretch of epochs shown, where the crosshair stands, smoothing and the scale of values. */

export interface ChartView {
  /** 0: none, towards 1: more; the weight of what came before, as in TensorBoard. */
  readonly smoothing: number;
  /** Losses and learning rates on a logarithmic axis. */
  readonly logarithmic: boolean;
  /** Epochs shown; undefined: all. */
  readonly range?: readonly [from: number, to: number];
}

export class SharedView {
  private cursorNow: number | undefined;
  private readonly redraws = new Set<(view: ChartView) => void>();
  private readonly pointers = new Set<(cursor: number | undefined) => void>();

  constructor(private now: ChartView) {}

  get value(): ChartView {
    return this.now;
  }

  /** Epoch under the crosshair. */
  get cursor(): number | undefined {
    return this.cursorNow;
  }

  change(change: Partial<ChartView>): void {
    this.now = { ...this.now, ...change };
    for (const redraw of this.redraws) redraw(this.now);
  }

  point(cursor: number | undefined): void {
    this.cursorNow = cursor;
    for (const pointer of this.pointers) pointer(cursor);
  }

  onChange(redraw: (view: ChartView) => void): void {
    this.redraws.add(redraw);
  }

  onCursor(pointer: (cursor: number | undefined) => void): void {
    this.pointers.add(pointer);
  }
}

/**
 * The range seen after zooming by a factor about a place; undefined: everything. Never narrower than a hundredth of what there is.
 * @param all how far the axis goes
 */
export function zoomed(
  range: ChartView['range'],
  all: number,
  about: number,
  factor: number,
): readonly [number, number] | undefined {
  const [from, to] = range ?? [0, all];
  const width = Math.min(all, Math.max((to - from) / factor, all / 100));
  if (width >= all) return undefined;
  const share = (about - from) / (to - from || 1);
  const start = Math.min(Math.max(0, about - share * width), all - width);
  return [start, start + width];
}

/** The range moved along by a share of its width. */
export function moved(range: ChartView['range'], all: number, share: number): ChartView['range'] {
  if (!range) return undefined;
  const width = range[1] - range[0];
  const start = Math.min(Math.max(0, range[0] + share * width), all - width);
  return [start, start + width];
}
