/** What share of a scope's channels or heads stays: as the target needs, or as the person fixes it; the target is reached by the others. */
import { formatRoughPercent } from '../../../src/common/format.ts';
import type { ScopeView } from '../../../src/protocol/graph-view.ts';
import { element } from '../../shared/dom.ts';
import { t } from '../../shared/l10n.ts';
import type { Actions } from '../actions.ts';
import type { GroupIndex } from '../model/group-lookup.ts';
import { fixedRatio, withRatio } from '../model/scope-shares.ts';
import type { Store } from '../model/store.ts';
import { link } from './inspector-parts.ts';

/** Share of a scope that the plan keeps. */
function keptShare(store: Store, index: GroupIndex, { groups, channels }: ScopeView): number {
  const { plan } = store.host;
  if (!plan) return 1;
  const kept = groups.reduce((sum, group) => sum + (plan.kept[group] ?? index.view.groups[group].channels), 0);
  return kept / Math.max(1, channels);
}

export function keepSlider(store: Store, actions: Actions, index: GroupIndex, scope: ScopeView): HTMLElement {
  const { settings } = store.host;
  if (!settings.isomorphic || !settings.global)
    return element('p', { class: 'muted' }, t('Its share can be fixed with isomorphic ranking (plan options).'));
  if (settings.spread)
    return element('p', { class: 'muted' }, t('Its share is decided by sensitivity, as chosen beside the target.'));
  const fixed = fixedRatio(index, scope, settings);
  const kept = keptShare(store, index, scope);
  const slider = element('input', {
    type: 'range',
    class: 'keep-slider',
    min: 0,
    max: 100,
    step: 1,
    value: Math.round(100 * (fixed === undefined ? kept : 1 - fixed)),
    'aria-label': t('Keep of {0}', scope.name),
  });
  const figure = element('output', { class: 'number' }, formatRoughPercent(kept));
  slider.setAttribute('aria-valuetext', formatRoughPercent(Number(slider.value) / 100));
  slider.addEventListener('input', () => {
    figure.textContent = `${slider.value} %`;
    slider.setAttribute('aria-valuetext', `${slider.value} %`);
  });
  const send = (ratio: number | undefined): void =>
    actions.send('graph/settings', withRatio(index, scope, store.host.settings, ratio));
  slider.addEventListener('change', () => send(1 - Number(slider.value) / 100));
  const state =
    fixed === undefined
      ? element('span', { class: 'muted' }, t('as the target needs'))
      : link(t('fixed: free it again'), () => send(undefined));
  return element('div', { class: 'keep' }, element('span', {}, t('Keep')), slider, figure, state);
}
