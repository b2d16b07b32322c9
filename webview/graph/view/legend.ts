/** What colours, patterns and bars mean; scopes can be selected here. */
import { formatLocalInteger } from '../../../src/common/format.ts';
import { element, svg } from '../../shared/dom.ts';
import { t } from '../../shared/l10n.ts';
import { scopeLook, type Theme } from '../draw/theme.ts';
import type { Store, Tint } from '../model/store.ts';

/** A scope's stripe as on the boxes. */
export function scopeMark(theme: Theme, scope: number): SVGSVGElement {
  const { color, dash } = scopeLook(theme, scope);
  const line = svg('line', { x1: 2.5, y1: 1, x2: 2.5, y2: 15, 'stroke-width': 4, stroke: color });
  if (dash.length) line.setAttribute('stroke-dasharray', dash.join(' '));
  return svg('svg', { class: 'scope-mark', width: 5, height: 16, 'aria-hidden': 'true' }, line);
}

function sample(kind: 'ribbon' | 'bar', theme: Theme): SVGSVGElement {
  const color = theme.charts[0];
  if (kind === 'ribbon')
    return svg(
      'svg',
      { width: 34, height: 14, 'aria-hidden': 'true' },
      svg('rect', { x: 0, y: 1, width: 34, height: 12, fill: color, 'fill-opacity': 0.25 }),
      svg('rect', { x: 0, y: 4, width: 34, height: 6, fill: color, 'fill-opacity': 0.75 }),
    );
  return svg(
    'svg',
    { width: 34, height: 14, 'aria-hidden': 'true' },
    svg('rect', { x: 0, y: 2, width: 34, height: 4, fill: color, 'fill-opacity': 0.3 }),
    svg('rect', { x: 0, y: 2, width: 22, height: 4, fill: color }),
    svg('rect', { x: 0, y: 8, width: 26, height: 4, fill: theme.foreground, 'fill-opacity': 0.25 }),
    svg('rect', { x: 0, y: 8, width: 16, height: 4, fill: theme.foreground, 'fill-opacity': 0.6 }),
  );
}

function tint(fill: string, strongest: number): SVGSVGElement {
  const steps = [0.15, 0.5, 1].map((share, i) =>
    svg('rect', { x: 12 * i, y: 1, width: 10, height: 12, fill, 'fill-opacity': share * strongest }),
  );
  return svg('svg', { width: 34, height: 14, 'aria-hidden': 'true' }, ...steps);
}

const row = (mark: Element, text: string): HTMLElement =>
  element('div', { class: 'legend-row' }, mark, element('span', {}, text));

export class Legend {
  readonly root: HTMLDetailsElement;
  readonly #store: Store;
  readonly #body: HTMLElement;
  readonly #selectScope: (scope: number) => void;
  #theme: Theme;

  constructor(store: Store, theme: Theme, selectScope: (scope: number) => void) {
    this.#store = store;
    this.#theme = theme;
    this.#selectScope = selectScope;
    this.#body = element('div', { class: 'legend-body' });
    this.root = element('details', { class: 'legend' }, element('summary', {}, t('Legend')), this.#body);
    this.root.addEventListener('toggle', () => this.#render());
    store.on(['model', 'figures', 'selection', 'state'], () => this.#render());
  }

  set theme(theme: Theme) {
    this.#theme = theme;
    this.#render();
  }

  /** What the tint of layers says; a choice where there are both. */
  #tints(): HTMLElement[] {
    const store = this.#store;
    const theme = this.#theme;
    const { scores, sensitivity } = store.host;
    const kinds: Readonly<Record<Tint, HTMLElement>> = {
      scores: row(tint(theme.charts[0], 0.3), t('stronger tint: more important among its scope')),
      sensitivity: row(
        tint(theme.heat, 0.5),
        t('stronger tint: the answers move more when half of its channels go; {0}', sensitivity?.label ?? ''),
      ),
    };
    if (!sensitivity) return scores ? [kinds.scores] : [];
    const labels: Readonly<Record<Tint, string>> = { scores: t('Scores'), sensitivity: t('Sensitivity') };
    const choice = (which: Tint): HTMLElement => {
      const checked = String(store.tint === which);
      const made = element(
        'button',
        { type: 'button', role: 'radio', class: 'mode', 'aria-checked': checked },
        labels[which],
      );
      made.addEventListener('click', () => store.setTint(which));
      return made;
    };
    return [
      kinds[store.tint],
      element(
        'div',
        { class: 'legend-row' },
        element('span', {}, t('Tint by')),
        element(
          'div',
          { class: 'modes', role: 'radiogroup', 'aria-label': t('Tint by') },
          choice('scores'),
          choice('sensitivity'),
        ),
      ),
    ];
  }

  #render(): void {
    if (!this.root.open) return;
    const { groups, selection } = this.#store;
    const theme = this.#theme;
    const rows: HTMLElement[] = [
      row(sample('ribbon', theme), t('channels between layers; faded: removed by the plan')),
      row(sample('bar', theme), t('channels kept; MACs, by the square root of their share')),
    ];
    rows.push(...this.#tints());
    for (const [scope, view] of (groups?.view.scopes ?? []).entries()) {
      const button = element(
        'button',
        { class: 'legend-scope', type: 'button', title: view.label, 'aria-pressed': String(selection.scope === scope) },
        scopeMark(theme, scope),
        element('span', { class: 'legend-label' }, view.name),
        element('span', { class: 'number muted' }, formatLocalInteger(view.channels)),
      );
      button.addEventListener('click', () => this.#selectScope(scope));
      rows.push(button);
    }
    this.#body.replaceChildren(...rows);
  }
}
