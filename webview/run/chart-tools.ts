/** What stands above the charts: smoothing, scale, and the way back from a zoom. */
import { button, checkbox } from '../shared/controls.ts';
import { element } from '../shared/dom.ts';
import { t } from '../shared/l10n.ts';
import type { SharedView } from './chart-view.ts';

/** More would leave nothing of the curve. */
const MOST_SMOOTHING = 0.99;

export function chartTools(view: SharedView): HTMLElement {
  const slider = element('input', {
    type: 'range',
    id: 'smoothing',
    min: 0,
    max: MOST_SMOOTHING,
    step: 0.01,
    value: view.value.smoothing,
  });
  const figure = element('output', { for: 'smoothing', class: 'number' });
  const all = button(t('Show all epochs'), {
    look: 'secondary',
    icon: 'screen-full',
    onClick: () => view.change({ range: undefined }),
  });
  const show = (): void => {
    const { smoothing, range } = view.value;
    figure.textContent = smoothing > 0 ? smoothing.toFixed(2) : t('none');
    all.hidden = range === undefined;
  };
  slider.addEventListener('input', () => view.change({ smoothing: Number(slider.value) }));
  view.onChange(show);
  show();
  return element(
    'div',
    { class: 'chart-tools', role: 'group', 'aria-label': t('Charts') },
    element('label', { for: 'smoothing' }, t('Smoothing')),
    slider,
    figure,
    checkbox(t('Log scale'), view.value.logarithmic, (logarithmic) => view.change({ logarithmic })),
    all,
    element('span', { class: 'muted hint' }, t('Drag across a chart to zoom; arrow keys read values.')),
  );
}
