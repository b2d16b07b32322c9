/** Beside the target's text: whether it is a cost, or a time on this machine. */
import { formatRoughPercent } from '../../../src/common/format.ts';
import { COST_UNIT } from '../../shared/cost.ts';
import { t } from '../../shared/l10n.ts';
import type { Actions } from '../actions.ts';
import type { Store } from '../model/store.ts';
import { hostSelect, isBusy } from './host-select.ts';

function titleOf({ host }: Store): string {
  const { latency, settings } = host;
  if (settings.removeLayers > 0)
    return t('A target in milliseconds removes no whole blocks: set their number to 0 first');
  if (!latency)
    return t(
      'ms: what each layer takes on this machine is measured first, which takes minutes; the status bar shows it',
    );
  return t(
    'Times of {0}; predictions were within {1} on {2} networks held out',
    latency.where,
    formatRoughPercent(latency.error),
    latency.heldOut,
  );
}

export function unitControl(store: Store, actions: Actions): HTMLElement {
  const now = (): 'cost' | 'ms' => (store.host.settings.target.kind === 'ms' ? 'ms' : 'cost');
  return hostSelect(store, {
    label: t('Unit of the target'),
    class: 'unit',
    choices: [
      ['cost', COST_UNIT],
      ['ms', 'ms'],
    ],
    now,
    choose: (wanted) => {
      if (wanted === 'ms' && !store.host.latency) actions.send('graph/run', 'measureLatency');
      else actions.send('graph/unit', wanted);
    },
    title: () => titleOf(store),
    // Whoever is in milliseconds may always go back.
    disabled: () => isBusy(store) || (now() === 'cost' && store.host.settings.removeLayers > 0),
  });
}
