/** Parameters of a layer with their shapes; statistics of their values when asked. */
import { formatFigure, formatRoughPercent } from '../../../src/common/format.ts';
import type { NodeDetails, ParameterView } from '../../../src/protocol/graph-view.ts';
import { element } from '../../shared/dom.ts';
import { t } from '../../shared/l10n.ts';
import { link, section } from './inspector-parts.ts';

export interface DetailsState {
  readonly node: string;
  /** null while they are on their way. */
  readonly details: NodeDetails | null;
  readonly problem: string;
}

function statistics(parameter: ParameterView, details: NodeDetails): HTMLElement | '' {
  const found = details.statistics.find(({ name }) => name === parameter.name);
  if (!found) return '';
  const text = t(
    'min {0}, max {1}, mean {2}, std {3}',
    formatFigure(found.min),
    formatFigure(found.max),
    formatFigure(found.mean),
    formatFigure(found.std),
  );
  const zeros = found.zeros > 0 ? t(', {0} zeros', formatRoughPercent(found.zeros)) : '';
  return element('div', { class: 'parameter-statistics muted' }, text + zeros);
}

export function parameterSection(
  parameters: readonly ParameterView[],
  state: DetailsState | null,
  ask: () => void,
): HTMLElement | '' {
  if (!parameters.length) return '';
  const rows = parameters.map((parameter) =>
    element(
      'div',
      { class: 'parameter' },
      element('span', { title: parameter.name }, parameter.role),
      element('span', { class: 'number' }, parameter.shape.length ? parameter.shape.join('×') : t('scalar')),
      element('span', { class: 'muted' }, parameter.dtype),
      state?.details ? statistics(parameter, state.details) : '',
    ),
  );
  const foot = !state
    ? link(t('Statistics of the values'), ask)
    : state.problem
      ? element('p', { class: 'muted' }, state.problem)
      : !state.details
        ? element('p', { class: 'muted', role: 'status' }, t('Reading values…'))
        : !state.details.statistics.length
          ? element('p', { class: 'muted' }, t('The file holds no weights.'))
          : '';
  return section(t('Parameters'), ...rows, foot);
}
