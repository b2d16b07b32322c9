/** The target: slider and text field are one value; the reachable band is drawn, the figure reached stands beside. */

import { formatRoughPercent } from '../../../src/common/format.ts';
import { nameField, type TextField, textField } from '../../shared/controls.ts';
import { element, icon, setText } from '../../shared/dom.ts';
import { t } from '../../shared/l10n.ts';
import type { Actions } from '../actions.ts';
import type { Store } from '../model/store.ts';
import { spreadControl } from './spread-control.ts';
import { COST, type TargetUnit, TIME, unitOf } from './target-units.ts';
import { unitControl } from './unit-control.ts';

const STEPS = 1000;
/** Where the track is marked, in percent of the dense model. */
const TICKS = [25, 50, 75];

/** What was asked for, in its unit. */
interface Asked {
  readonly unit: TargetUnit;
  readonly amount: number;
}

export class TargetControl {
  readonly root: HTMLElement;
  readonly #slider: HTMLInputElement;
  readonly #label: HTMLElement;
  readonly #band: HTMLElement;
  readonly #ticks: readonly HTMLElement[] = TICKS.map(() =>
    element('div', { class: 'target-tick', 'aria-hidden': 'true' }),
  );
  readonly #text: TextField;
  readonly #share: HTMLElement;
  readonly #reached: HTMLElement;
  readonly #note: HTMLElement;
  readonly #store: Store;
  readonly #actions: Actions;
  /** What the person asked last, ahead of the host's answer. */
  #asked: Asked | null = null;
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
      'aria-describedby': 'target-note',
    });
    this.#label = element('span', { class: 'target-label' });
    this.#band = element('div', { class: 'target-band' });
    this.#text = textField({ label: '', onChange: (text) => this.#typed(text) });
    this.#text.classList.add('target-text');
    this.#share = element('span', { class: 'target-share number muted' });
    this.#reached = element('span', { class: 'target-reached', role: 'status' });
    this.#note = element('span', { class: 'target-note', id: 'target-note' });
    this.root = element(
      'div',
      { class: 'target', role: 'group' },
      this.#label,
      element('div', { class: 'target-track' }, this.#band, ...this.#ticks, this.#slider),
      this.#text,
      unitControl(store, actions),
      this.#share,
      this.#reached,
      spreadControl(store, actions),
      this.#note,
    );
    this.#slider.addEventListener('input', () => this.#slid());
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

  /** The unit that is shown: of what was asked last, else the host's. */
  #unit(): TargetUnit {
    return this.#asked?.unit ?? unitOf(this.#store.host);
  }

  #slid(): void {
    const { host } = this.#store;
    const unit = this.#unit();
    const least = unit.least(host);
    this.#ask(least + (Number(this.#slider.value) / STEPS) * (unit.dense(host) - least), unit);
  }

  #typed(text: string): void {
    const { host } = this.#store;
    const unit = this.#unit();
    this.#question = undefined;
    const meant = unit.meant(text);
    if (meant !== undefined) {
      this.#doubt(meant);
      return;
    }
    const amount = unit.read(text, unit.dense(host));
    if (amount !== undefined) {
      this.#ask(amount, unit);
      return;
    }
    // What names another unit is meant in that; a share is one of this.
    const other = unit === TIME ? COST : TIME;
    const there = text.includes('%') ? undefined : other.read(text, other.dense(host));
    if (there === undefined) this.report(unit.unreadable(text));
    else if (other === TIME && !host.latency)
      this.report(t('Times are not measured yet: choose ms beside the target first.'));
    else this.#ask(there, other);
  }

  /** Asks whether a bare number was meant with a unit: Enter or a click takes it so. */
  #doubt(meant: string): void {
    this.#problem = '';
    this.#question = element(
      'button',
      { type: 'button', class: 'link' },
      t('Did you mean {0}?', meant.replace(/(%|ms)$/, ' $1')),
    );
    this.#question.addEventListener('click', () => {
      this.#text.value = meant;
      this.#typed(meant);
      this.focus();
    });
    this.#render();
    this.#question.focus();
  }

  /** Asks for what can be reached; what was wanted is said where it cannot. */
  #ask(amount: number, unit: TargetUnit): void {
    const { host } = this.#store;
    const range = unit.range(host);
    this.#problem = '';
    this.#question = undefined;
    const reachable = range ? Math.min(range.max, Math.max(range.min, amount)) : amount;
    if (range && amount < range.min) this.#problem = unit.tooLow(unit.format(range.min), host.range?.reason ?? '');
    else if (range && amount > range.max) this.#problem = unit.tooHigh(unit.format(range.max));
    this.#asked = { unit, amount: reachable };
    this.#render();
    this.#actions.want(unit.wish(reachable));
  }

  #render(): void {
    const { host } = this.#store;
    const asked = this.#asked;
    if (asked) {
      const told = asked.unit.target(host);
      if (unitOf(host) === asked.unit && told !== null && asked.unit.isSame(told, asked.amount)) this.#asked = null;
    }
    const unit = this.#unit();
    const dense = unit.dense(host);
    const target = this.#asked?.amount ?? unit.target(host);
    const ready = dense > 0 && host.groups !== null;
    this.#slider.disabled = !ready;
    this.#text.disabled = !ready;
    this.#renderName(unit);
    this.#renderTrack(unit, target ?? dense);
    if (!this.#text.matches(':focus-within')) this.#text.value = target === null ? '' : unit.format(target);
    this.#text.setAttribute('placeholder', dense > 0 ? unit.format(dense) : '');
    this.#share.textContent = target === null || !dense ? '' : formatRoughPercent(target / dense);
    this.#renderReached(unit);
  }

  #renderName(unit: TargetUnit): void {
    const name = t('Target ({0})', unit.name);
    if (this.#label.textContent === name) return;
    this.#label.textContent = name;
    this.root.setAttribute('aria-label', name);
    this.root.classList.toggle('timed', unit === TIME);
    this.#slider.setAttribute('aria-label', name);
    nameField(this.#text, t('Target ({0}) as text', unit.name));
    this.#text.title = unit.hint;
  }

  /** The slider, its marks at shares of the dense model, and the band that can be reached. */
  #renderTrack(unit: TargetUnit, shown: number): void {
    const { host } = this.#store;
    const dense = unit.dense(host);
    const least = unit.least(host);
    const place = (amount: number): number =>
      dense > least ? Math.min(1, Math.max(0, (amount - least) / (dense - least))) : 1;
    this.#slider.style.setProperty('--value', String(place(shown)));
    this.#slider.value = String(Math.round(place(shown) * STEPS));
    if (dense > 0)
      this.#slider.setAttribute('aria-valuetext', `${unit.format(shown)}, ${formatRoughPercent(shown / dense)}`);
    for (const [i, tick] of this.#ticks.entries()) {
      const at = (TICKS[i] / 100) * dense;
      tick.hidden = dense > 0 && at < least;
      tick.style.setProperty('--at', String(dense > 0 ? place(at) : TICKS[i] / 100));
    }
    const range = unit.range(host);
    this.#band.hidden = !range || !dense;
    if (!range || !dense) return;
    this.#band.style.left = `${(100 * place(range.min)).toFixed(2)}%`;
    this.#band.style.right = `${(100 * (1 - place(range.max))).toFixed(2)}%`;
    this.#band.title = t('can be reached: {0} to {1}', unit.format(range.min), unit.format(range.max));
  }

  #renderReached(unit: TargetUnit): void {
    const { host } = this.#store;
    const { plan, planStale } = host;
    const stale = planStale || this.#asked !== null;
    this.#reached.replaceChildren();
    this.#reached.classList.toggle('stale', stale && plan !== null);
    const { text, title } = plan ? unit.reached(plan, host) : { text: '', title: '' };
    this.#reached.title = title;
    if (plan)
      this.#reached.append(icon('target'), ` ${text}${planStale && this.#asked === null ? ` (${t('stale')})` : ''}`);
    if (this.#question && !this.#problem) {
      if (!this.#note.contains(this.#question)) this.#note.replaceChildren(this.#question);
    } else setText(this.#note, this.#problem);
    this.#note.hidden = !this.#problem && !this.#question;
  }
}
