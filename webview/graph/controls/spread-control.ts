/** Beside the target: whether each scope gives the same share, or what the network misses least goes first. */
import { t } from '../../shared/l10n.ts';
import type { Actions } from '../actions.ts';
import type { Store } from '../model/store.ts';
import { hostSelect, isBusy } from './host-select.ts';

export const spreadControl = (store: Store, actions: Actions): HTMLElement =>
  hostSelect(store, {
    label: t('How the target is spread'),
    class: 'spread',
    choices: [
      ['uniform', t('same share')],
      ['sensitivity', t('by sensitivity')],
    ],
    now: () => (store.host.settings.spread ? 'sensitivity' : 'uniform'),
    choose: (wanted) => {
      const { sensitivity } = store.host;
      if (wanted === 'uniform') actions.send('graph/settings', { spread: null });
      else if (sensitivity) actions.send('graph/settings', { spread: sensitivity.settings });
      else actions.send('graph/run', 'spread');
    },
    title: () =>
      store.host.settings.spread
        ? t(
            'More goes where the answers move least ({0}); what is left is repaired when it is pruned',
            store.host.sensitivity?.label ?? '',
          )
        : t('The same share of each scope goes, as in the paper; "by sensitivity" is measured on images first'),
    disabled: () => isBusy(store),
  });
