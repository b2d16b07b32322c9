/** A choice that the host keeps: it shows what is so, for what was chosen may take a while first, and can be refused. */
import { type Select, select } from '../../shared/controls.ts';
import { element } from '../../shared/dom.ts';
import type { Store } from '../model/store.ts';

export interface HostChoice<T extends string> {
  readonly label: string;
  readonly class: string;
  readonly choices: readonly (readonly [value: T, label: string])[];
  now(): T;
  /** Another one than the present was chosen. */
  choose(value: T): void;
  title(): string;
  disabled(): boolean;
}

export function hostSelect<T extends string>(store: Store, choice: HostChoice<T>): HTMLElement {
  const render = (): void => {
    made.value = choice.now();
    made.disabled = choice.disabled();
    made.title = choice.title();
  };
  const made: Select = select({
    label: choice.label,
    choices: choice.choices,
    value: choice.now(),
    onChange: (value) => {
      if (value !== choice.now()) choice.choose(value as T);
      render();
    },
  });
  store.on(['model', 'state', 'figures'], render);
  render();
  return element('div', { class: choice.class }, made);
}

/** What needs the model's groups, and nothing under way, cannot be chosen without them. */
export const isBusy = ({ host }: Store): boolean =>
  !host.view || !host.groups || host.cannotRun !== '' || host.task !== null;
