/** The bar at the top: score, target, prune, finetune, evaluate; find, fit, dense | split | pruned, and the rest in a menu. */

import type { GraphEditorAction } from '../../../src/protocol/graph-editor.ts';
import { type Button, button } from '../../shared/controls.ts';
import { element } from '../../shared/dom.ts';
import { t } from '../../shared/l10n.ts';
import type { Actions } from '../actions.ts';
import type { Mode, Store } from '../model/store.ts';
import { menuButton } from './menu.ts';
import { TargetControl } from './target-control.ts';

export interface BarToggles {
  options(): void;
  panel(): void;
  side(): void;
}

export class TopBar {
  readonly root: HTMLElement;
  readonly target: TargetControl;
  readonly #store: Store;
  readonly #actions: Actions;
  readonly #runs: ReadonlyMap<GraphEditorAction, Button>;
  readonly #modes: ReadonlyMap<Mode, HTMLButtonElement>;

  constructor(store: Store, actions: Actions, toggles: BarToggles) {
    this.#store = store;
    this.#actions = actions;
    this.target = new TargetControl(store, actions);
    const run = (
      action: GraphEditorAction,
      label: string,
      look: 'primary' | 'secondary',
    ): [GraphEditorAction, Button] => [
      action,
      button(label, { look, onClick: () => actions.send('graph/run', action) }),
    ];
    this.#runs = new Map([
      run('score', t('Score…'), 'secondary'),
      run('prune', t('Prune'), 'primary'),
      run('finetune', t('Finetune…'), 'secondary'),
      run('evaluate', t('Evaluate…'), 'secondary'),
    ]);
    this.#modes = new Map(
      (
        [
          ['dense', t('Dense')],
          ['split', t('Split')],
          ['pruned', t('Pruned')],
        ] as const
      ).map(([mode, label]) => [mode, this.#modeButton(mode, label)]),
    );
    const runButton = (action: GraphEditorAction): Button => this.#runs.get(action) as Button;
    this.root = element(
      'div',
      { class: 'top-bar', role: 'toolbar', 'aria-label': t('Model') },
      runButton('score'),
      this.target.root,
      button(t('Plan options'), { look: 'icon', icon: 'settings', onClick: toggles.options }),
      runButton('prune'),
      runButton('finetune'),
      runButton('evaluate'),
      element('div', { class: 'spacer' }),
      element(
        'div',
        { class: 'bar-tools' },
        button(t('Find (/)'), { look: 'icon', icon: 'search', onClick: () => actions.find() }),
        button(t('Fit (f)'), { look: 'icon', icon: 'screen-full', onClick: () => actions.fit() }),
        element(
          'div',
          { class: 'modes', role: 'radiogroup', 'aria-label': t('Which model is drawn') },
          ...this.#modes.values(),
        ),
        button(t('Inspector: show or hide'), {
          look: 'icon',
          icon: 'layout-sidebar-right',
          onClick: toggles.side,
        }),
        button(t('Tables: show or hide'), { look: 'icon', icon: 'layout-panel', onClick: toggles.panel }),
        menuButton(t('More'), 'ellipsis', () => this.#more(toggles)),
      ),
    );
    store.on(['state', 'look', 'model'], () => this.#render());
    this.#render();
  }

  #modeButton(mode: Mode, label: string): HTMLButtonElement {
    const made = element('button', { type: 'button', role: 'radio', class: 'mode' }, label);
    made.addEventListener('click', () => this.#actions.setMode(mode));
    made.addEventListener('keydown', (event) => {
      const step = event.key === 'ArrowRight' ? 1 : event.key === 'ArrowLeft' ? -1 : 0;
      if (!step) return;
      const all = [...this.#modes.keys()];
      const next = all[(all.indexOf(mode) + step + all.length) % all.length];
      this.#actions.setMode(next);
      this.#modes.get(next)?.focus();
      event.preventDefault();
    });
    return made;
  }

  #more(toggles: BarToggles): Parameters<typeof menuButton>[2] extends () => infer R ? R : never {
    const actions = this.#actions;
    const { host, selection, tint } = this.#store;
    const shown = host.view !== null;
    return [
      { label: t('Expand all'), enabled: shown, run: () => actions.expandAll() },
      { label: t('Collapse all'), enabled: shown, run: () => actions.collapseAll() },
      {
        label: t('Open or close all of this structure'),
        hint: 'Shift+Enter',
        enabled: selection.item >= 0,
        run: () => actions.toggle(selection.item, true),
      },
      {
        label: t('Select the whole scope'),
        hint: 's',
        enabled: selection.item >= 0,
        run: () => actions.select(selection.item, { scope: true, tell: true }),
      },
      null,
      { label: t('Show or hide the inspector'), run: toggles.side },
      { label: t('Show or hide the tables'), run: toggles.panel },
      { label: t('Keys of the graph'), hint: '?', run: () => actions.help() },
      null,
      host.sensitivity
        ? {
            label: tint === 'sensitivity' ? t('Tint by scores') : t('Tint by sensitivity'),
            run: () => this.#store.setTint(tint === 'sensitivity' ? 'scores' : 'sensitivity'),
          }
        : {
            label: t('Measure sensitivity…'),
            enabled: !host.cannotRun && shown,
            run: () => actions.send('graph/run', 'measureSensitivity'),
          },
      {
        label: t('Measure latency…'),
        enabled: !host.cannotRun && shown,
        run: () => actions.send('graph/run', 'measureLatency'),
      },
      null,
      { label: t('Select data set…'), run: () => actions.send('graph/run', 'selectDataset') },
      { label: t('Save plan…'), enabled: host.plan !== null, run: () => actions.send('graph/run', 'savePlan') },
      { label: t('Apply plan…'), enabled: shown, run: () => actions.send('graph/run', 'applyPlan') },
      null,
      { label: t('Export model…'), enabled: shown, run: () => actions.send('graph/run', 'export') },
      { label: t('Export picture as SVG…'), enabled: shown, run: () => actions.exportPicture('svg') },
      { label: t('Export picture as PNG…'), enabled: shown, run: () => actions.exportPicture('png') },
    ];
  }

  #render(): void {
    const { host, mode } = this.#store;
    const why =
      host.cannotRun ||
      (host.phase !== 'ready'
        ? t('The model is not read yet.')
        : host.task
          ? t('{0} is under way.', host.task.title)
          : '');
    for (const [action, made] of this.#runs) {
      made.disabled = why !== '';
      made.title = why || (action === 'prune' && !host.plan ? t('Asks for the target first.') : '');
    }
    for (const [name, made] of this.#modes) {
      made.setAttribute('aria-checked', String(name === mode));
      made.tabIndex = name === mode ? 0 : -1;
    }
  }
}
