/** A bar between two parts of the page, moved with the pointer or the arrow keys. */
import { element } from '../../shared/dom.ts';

export interface SplitterOptions {
  readonly label: string;
  /** `vertical`: the bar stands between left and right. */
  readonly orientation: 'vertical' | 'horizontal';
  readonly minimum: number;
  /** Largest size, asked when it is needed. */
  maximum(): number;
  readonly size: number;
  /** A double click, or Enter, puts the part away. */
  onCollapse(): void;
  /** The part at the right or at the bottom now has this size in pixels. */
  onSize(size: number): void;
}

const STEP = 24;

export function splitter(options: SplitterOptions): HTMLElement {
  let { size } = options;
  const bar = element('div', {
    class: `splitter ${options.orientation}`,
    role: 'separator',
    tabindex: 0,
    'aria-orientation': options.orientation,
    'aria-label': options.label,
  });
  const set = (wanted: number): void => {
    size = Math.max(options.minimum, Math.min(options.maximum(), wanted));
    bar.setAttribute('aria-valuenow', String(Math.round(size)));
    options.onSize(size);
  };
  bar.addEventListener('pointerdown', (event) => {
    const start = options.orientation === 'vertical' ? event.clientX : event.clientY;
    const before = size;
    bar.setPointerCapture(event.pointerId);
    const move = (next: PointerEvent): void =>
      set(before + start - (options.orientation === 'vertical' ? next.clientX : next.clientY));
    bar.addEventListener('pointermove', move);
    bar.addEventListener('lostpointercapture', () => bar.removeEventListener('pointermove', move), { once: true });
  });
  bar.addEventListener('dblclick', () => options.onCollapse());
  bar.addEventListener('keydown', (event) => {
    const [larger, smaller] =
      options.orientation === 'vertical' ? ['ArrowLeft', 'ArrowRight'] : ['ArrowUp', 'ArrowDown'];
    if (event.key === larger) set(size + STEP);
    else if (event.key === smaller) set(size - STEP);
    else if (event.key === 'Enter') options.onCollapse();
    else return;
    event.preventDefault();
  });
  bar.setAttribute('aria-valuenow', String(size));
  return bar;
}
