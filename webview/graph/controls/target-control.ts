/** The FLOP target: slider and text field are one value; the reachable band is drawn, the figure reached stands beside. */

import { macsOfText, meantShare } from '../../../src/common/flop-target.ts';
import { formatRoughPercent } from '../../../src/common/format.ts';
import { type TextField, textField } from '../../shared/controls.ts';
import { COST_UNIT, formatMacs } from '../../shared/cost.ts';
import { element, icon, setText } from '../../shared/dom.ts';
import { t } from '../../shared/l10n.ts';
import type { Actions } from '../actions.ts';
import type { Store } from '../model/store.ts';
import { SpreadControl } from './spread-control.ts';

const STEPS = 1000;
/** Where the track is marked, in percent of the dense model. */
const TICKS = [25, 50, 75];

export class TargetControl {
  readonly root: HTMLElement;
  readonly #slider: HTMLInputElement;
  readonly #band: HTMLElement;
  readonly #text: TextField;
  readonly #share: HTMLElement;
  readonly #reached: HTMLElement;
  readonly #note: HTMLElement;
  readonly #store: Store;
  readonly #actions: Actions;
  /** What the person asked last, ahead of the host's answer. */
  #asked: number | null = null;
  #problem = '';
  /** The question beside the control, until it is answered or something else is asked. */
  #question: HTMLElement | undefined;

  constructor(store: Store, actions: Actions) {
    this.#store = store;
    this.#actions = actions;
    this.#slider = element('input', {
      type: 'range',
      min: 0,
      max: STEPS,
      step: 1,
      class: 'target-slider',
      'aria-label': t('Target ({0})', COST_UNIT),
      'aria-describedby': 'target-note',
    });
    this.#band = element('div', { class: 'target-band' });
    this.#text = textField({ label: t('Target ({0}) as text', COST_UNIT), onChange: (text) => this.#typed(text) });
    this.#text.classList.add('target-text');
    this.#text.title = t('2.05G, 4200M, 50% or -30%');
    this.#share = element('span', { class: 'target-share number muted' });
    this.#reached = element('span', { class: 'target-reached', role: 'status' });
    this.#note = element('span', { class: 'target-note', id: 'target-note' });
    this.root = element(
      'div',
      { class: 'target', role: 'group', 'aria-label': t('Target ({0})', COST_UNIT) },
      element('span', { class: 'target-label' }, t('Target ({0})', COST_UNIT)),
      element('div', { class: 'target-track' }, this.#band, ...ticks(), this.#slider),
      this.#text,
      this.#share,
      this.#reached,
      new SpreadControl(store, actions).root,
      this.#note,
    );
    this.#slider.addEventListener('input', () => this.#ask((Number(this.#slider.value) / STEPS) * this.#dense()));
    store.on(['model', 'state', 'figures'], () => this.#render());
    this.#render();
  }

  focus(): void {
    (this.#text.shadowRoot?.querySelector('input') ?? this.#text).focus();
  }

  /** Says beside the control what is wrong with what was asked. */
  report(problem: string): void {
    this.#problem = problem;
    this.#render();
  }

  /** The plan that was asked for could not be made. */
  failed(problem: string): void {
    this.#asked = null;
    this.report(problem);
  }

  #dense(): number {
    return this.#store.host.view?.cost.macs ?? 0;
  }

  #typed(text: string): void {
    this.#question = undefined;
    const share = meantShare(text);
    if (share !== undefined) {
      this.#doubt(share);
      return;
    }
    const macs = macsOfText(text, this.#dense(), COST_UNIT);
    if (macs === undefined) {
      this.report(t('"{0}" is no target: write 2.05G, 4200M, 50% or -30%.', text));
      return;
    }
    this.#ask(macs);
  }

  /** Asks whether a bare number was meant as a share: Enter or a click takes it so. */
  #doubt(share: string): void {
    this.#problem = '';
    this.#question = element(
      'button',
      { type: 'button', class: 'link' },
      t('Did you mean {0}?', share.replace('%', ' %')),
    );
    this.#question.addEventListener('click', () => {
      this.#text.value = share;
      this.#typed(share);
      this.focus();
    });
    this.#render();
    this.#question.focus();
  }

  /** Asks for what can be reached; what was wanted is said where it cannot. */
  #ask(macs: number): void {
    const { range } = this.#store.host;
    this.#problem = '';
    this.#question = undefined;
    const reachable = range ? Math.min(range.max, Math.max(range.min, macs)) : macs;
    if (range && macs < range.min)
      this.#problem = t('cannot be lower than {0}: {1}', formatMacs(range.min), range.reason);
    else if (range && macs > range.max) this.#problem = t('cannot be higher than {0}', formatMacs(range.max));
    this.#asked = reachable;
    this.#render();
    this.#actions.want(reachable);
  }

  #render(): void {
    const { host } = this.#store;
    const dense = this.#dense();
    if (host.target !== null && this.#asked !== null && Math.round(host.target) === Math.round(this.#asked))
      this.#asked = null;
    const target = this.#asked ?? host.target;
    const ready = dense > 0 && host.groups !== null;
    this.#slider.disabled = !ready;
    this.#text.disabled = !ready;
    const shown = target ?? dense;
    this.#slider.style.setProperty('--value', dense ? String(shown / dense) : '1');
    if (dense === 0) this.#slider.value = String(STEPS);
    else {
      this.#slider.value = String(Math.round((shown / dense) * STEPS));
      this.#slider.setAttribute('aria-valuetext', `${formatMacs(shown)}, ${formatRoughPercent(shown / dense)}`);
    }
    if (!this.#text.matches(':focus-within')) this.#text.value = target === null ? '' : formatMacs(target);
    this.#text.setAttribute('placeholder', dense > 0 ? formatMacs(dense) : '');
    this.#share.textContent = target === null || !dense ? '' : formatRoughPercent(target / dense);
    const { range } = host;
    this.#band.hidden = !range || !dense;
    if (range && dense) {
      this.#band.style.left = `${((100 * range.min) / dense).toFixed(2)}%`;
      this.#band.style.right = `${(100 - (100 * range.max) / dense).toFixed(2)}%`;
      this.#band.title = t('can be reached: {0} to {1}', formatMacs(range.min), formatMacs(range.max));
    }
    this.#renderReached();
  }

  #renderReached(): void {
    const { plan, planStale } = this.#store.host;
    const stale = planStale || this.#asked !== null;
    this.#reached.replaceChildren();
    this.#reached.classList.toggle('stale', stale && plan !== null);
    if (plan)
      this.#reached.append(
        icon('target'),
        ` ${t('{0} reached', formatMacs(plan.after.macs))}${planStale && this.#asked === null ? ` (${t('stale')})` : ''}`,
      );
    if (this.#question && !this.#problem) {
      if (!this.#note.contains(this.#question)) this.#note.replaceChildren(this.#question);
    } else setText(this.#note, this.#problem);
    this.#note.hidden = !this.#problem && !this.#question;
  }
}

/** Marks behind the slider; they say nothing that its value does not. */
const ticks = (): HTMLElement[] =>
  TICKS.map((percent) => {
    const tick = element('div', { class: 'target-tick', 'aria-hidden': 'true' });
    tick.style.setProperty('--at', String(percent / 100));
    return tick;
  });
