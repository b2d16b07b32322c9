/**
 * The page's panes: bar above, graph and inspector side by side, tables below. Splitters size them; a narrow page has the
 * inspector among the tables.
 */
import type { EditorFrame } from '../../../src/protocol/graph-editor.ts';
import { element } from '../../shared/dom.ts';
import { t } from '../../shared/l10n.ts';
import { splitter } from '../controls/splitter.ts';

export interface FrameState extends EditorFrame {
  /** The plan's options are open. */
  readonly options: boolean;
}

export interface FrameParts {
  /** Heading of the page, for those who do not see its tab. */
  readonly title: HTMLElement;
  readonly bar: HTMLElement;
  readonly options: HTMLElement;
  readonly notices: HTMLElement;
  readonly graph: HTMLElement;
  readonly inspector: HTMLElement;
  readonly panel: HTMLElement;
  /** Where the inspector goes in a narrow page. */
  readonly inspectorSlot: HTMLElement;
}

export interface FrameEvents {
  /** Something that is to be remembered. */
  changed(): void;
  /** The inspector has its own place again. */
  widened(): void;
}

const DEFAULTS: FrameState = { side: 320, panel: 220, panelShown: true, sideShown: true, options: false };
/** Narrower than this the inspector is a tab below the graph. */
const NARROW = 720;

export class Frame {
  readonly #root: HTMLElement;
  readonly #middle: HTMLElement;
  readonly #parts: FrameParts;
  readonly #events: FrameEvents;
  #state: FrameState;

  constructor(page: HTMLElement, parts: FrameParts, state: Partial<FrameState>, events: FrameEvents) {
    this.#parts = parts;
    this.#events = events;
    this.#state = { ...DEFAULTS, ...state };
    const side = splitter({
      label: t('Width of the inspector'),
      orientation: 'vertical',
      minimum: 200,
      maximum: () => Math.max(200, window.innerWidth - 260),
      size: this.#state.side,
      onCollapse: () => this.#set({ sideShown: false }),
      onSize: (size) => this.#set({ side: size }),
    });
    const below = splitter({
      label: t('Height of the tables'),
      orientation: 'horizontal',
      minimum: 90,
      maximum: () => Math.max(90, window.innerHeight - 240),
      size: this.#state.panel,
      onCollapse: () => this.#set({ panelShown: false }),
      onSize: (size) => this.#set({ panel: size }),
    });
    this.#middle = element('div', { class: 'middle' }, parts.graph, side, parts.inspector);
    this.#root = element(
      'div',
      { class: 'editor' },
      parts.title,
      parts.bar,
      parts.options,
      parts.notices,
      this.#middle,
      below,
      parts.panel,
    );
    page.replaceChildren(this.#root);
    this.#set({});
    this.#arrange();
    new ResizeObserver(() => this.#arrange()).observe(page);
  }

  get state(): FrameState {
    return this.#state;
  }

  /** Takes over the room that another editor gave its parts. */
  adopt(frame: EditorFrame): void {
    this.#set(frame);
  }

  showOptions(options: boolean): void {
    this.#set({ options });
  }

  showSide(sideShown: boolean): void {
    this.#set({ sideShown });
  }

  showPanel(panelShown: boolean): void {
    this.#set({ panelShown });
  }

  #set(change: Partial<FrameState>): void {
    this.#state = { ...this.#state, ...change };
    const { side, panel, panelShown, sideShown, options } = this.#state;
    this.#root.style.setProperty('--side', `${side}px`);
    this.#root.style.setProperty('--panel', `${panel}px`);
    this.#root.classList.toggle('no-panel', !panelShown);
    this.#root.classList.toggle('no-side', !sideShown);
    this.#parts.options.hidden = !options;
    this.#events.changed();
  }

  /** Moves the inspector into the tabs where there is no room beside the graph. */
  #arrange(): void {
    const narrow = this.#root.clientWidth < NARROW;
    if (narrow === this.#root.classList.contains('narrow')) return;
    this.#root.classList.toggle('narrow', narrow);
    (narrow ? this.#parts.inspectorSlot : this.#middle).append(this.#parts.inspector);
    if (!narrow) this.#events.widened();
  }
}
