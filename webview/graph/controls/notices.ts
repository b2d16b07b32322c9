/** One line under the bar: what is under way, what is missing and what to do next. Never covers the graph. */

import { formatCount, formatRoughPercent } from '../../../src/common/format.ts';
import { visible } from '../../../src/common/visible.ts';
import type { GraphEditorAction } from '../../../src/protocol/graph-editor.ts';
import { button, progressBar } from '../../shared/controls.ts';
import { COST_UNIT, formatMacs } from '../../shared/cost.ts';
import { element, setText } from '../../shared/dom.ts';
import { t } from '../../shared/l10n.ts';
import type { Actions } from '../actions.ts';
import type { Store } from '../model/store.ts';

interface Notice {
  readonly text: string;
  readonly action?: GraphEditorAction;
  readonly label?: string;
}

/** A plan is stale for a moment whenever something changes: said only when no new one comes. */
const STALE_AFTER_MS = 500;

/** The first thing that a person would want to know; undefined when all is well. `staleFor`: milliseconds that the plan has been stale. */
function noticeOf(store: Store, staleFor: number): Notice | undefined {
  const { host } = store;
  if (host.phase !== 'ready' || !host.view) return undefined;
  if (host.cannotRun) return { text: host.cannotRun };
  if (!host.groups) return { text: t('Looking for groups of channels that hang together…') };
  if (host.planStale && host.plan && staleFor >= STALE_AFTER_MS && !store.planPending)
    return { text: t('The plan shown is from before the last change. Move the target to plan again.') };
  if (host.scores?.criterion === 'l1' && !host.plan)
    return {
      text: t(
        'Scored by the size of its weights (L1). Set a target, or score with images first: it ranks channels by what they do.',
      ),
      action: 'score',
      label: t('Score Channels…'),
    };
  if (!host.scores)
    return {
      text: t('Not scored yet: widths are planned by ratio alone. Score channels to rank them by what they do.'),
      action: 'score',
      label: t('Score Channels…'),
    };
  if (!host.plan) return { text: t('Scored with {0}. Set a target: drag the slider or write 50%.', host.scores.label) };
  return host.message ? { text: host.message } : undefined;
}

function timeLeft(seconds: number | undefined): string {
  if (seconds === undefined) return '';
  return seconds >= 90 ? t('{0} min left', Math.round(seconds / 60)) : t('{0} s left', Math.round(seconds));
}

export class Notices {
  readonly root: HTMLElement;
  readonly #store: Store;
  readonly #actions: Actions;
  readonly #text = element('span', { class: 'notice-text', role: 'status' });
  readonly #figures = element('span', { class: 'notice-figures number' });
  readonly #buttons = element('span', { class: 'notice-buttons' });
  readonly #bar = progressBar(t('Progress'));
  #shown = '';
  #staleSince: number | undefined;

  constructor(store: Store, actions: Actions) {
    this.#store = store;
    this.#actions = actions;
    this.root = element(
      'div',
      { class: 'notices' },
      this.#bar.root,
      element('div', { class: 'notice' }, this.#text, this.#buttons, this.#figures),
    );
    store.on(['state', 'figures', 'model'], () => this.#render());
    this.#render();
  }

  #render(): void {
    const { task, plan, view } = this.#store.host;
    this.#figures.textContent =
      plan && view
        ? t(
            '{0} → {1} {4}, {2} → {3} params',
            formatMacs(plan.before.macs),
            formatMacs(plan.after.macs),
            formatCount(plan.before.params),
            formatCount(plan.after.params),
            COST_UNIT,
          )
        : view
          ? t('{0} {2}, {1} params', formatMacs(view.cost.macs), formatCount(view.cost.params), COST_UNIT)
          : '';
    this.#bar.root.hidden = !task;
    if (task) {
      const { done, total, message, eta } = task.progress;
      this.#bar.set(total > 0 ? done / total : undefined);
      const parts = [task.title, total > 0 ? formatRoughPercent(done / total) : '', message ?? '', timeLeft(eta)];
      this.#say(parts.filter(Boolean).join(' · '), task.cancellable ? 'cancel' : undefined, t('Stop'));
    } else {
      const notice = noticeOf(this.#store, this.#staleFor());
      this.#say(notice?.text ?? '', notice?.action, notice?.label);
    }
    this.root.hidden = !this.#text.textContent && !this.#figures.textContent;
  }

  #staleFor(): number {
    if (!this.#store.host.planStale) {
      this.#staleSince = undefined;
      return 0;
    }
    if (this.#staleSince === undefined) {
      this.#staleSince = performance.now();
      setTimeout(() => this.#render(), STALE_AFTER_MS + 20);
    }
    return performance.now() - this.#staleSince;
  }

  #say(text: string, action?: GraphEditorAction, label?: string): void {
    setText(this.#text, text);
    this.#text.title = visible(text);
    const key = `${action} ${label}`;
    if (key === this.#shown) return;
    this.#shown = key;
    this.#buttons.replaceChildren(
      ...(action
        ? [button(label ?? action, { look: 'secondary', onClick: () => this.#actions.send('graph/run', action) })]
        : []),
    );
  }
}
