/**
 * The controls of every webview, and the only place that knows which library draws them: its successor takes its place here.
 * What is not here (sliders, charts, trees) is plain HTML.
 */

import {
  provideVSCodeDesignSystem,
  vsCodeButton,
  vsCodeCheckbox,
  vsCodeDropdown,
  vsCodeOption,
  vsCodeProgressRing,
  vsCodeTextField,
} from '@vscode/webview-ui-toolkit';
import { visible } from '../../src/common/visible.ts';
import { element, icon } from './dom.ts';

/** Makes the controls known to the document; call it once, before the first of them is created. */
export function registerControls(): void {
  provideVSCodeDesignSystem().register(
    vsCodeButton(),
    vsCodeCheckbox(),
    vsCodeDropdown(),
    vsCodeOption(),
    vsCodeProgressRing(),
    vsCodeTextField(),
  );
}

type ButtonLook = 'primary' | 'secondary' | 'icon';

export interface ButtonOptions {
  readonly look?: ButtonLook;
  /** Codicon before the text, or alone in a button of look `icon`. */
  readonly icon?: string;
  /** Tooltip; the name for screen readers of a button of look `icon` is its text all the same. */
  readonly title?: string;
  readonly onClick: () => void;
}

/** A button that can be disabled and renamed. */
export interface Button extends HTMLElement {
  disabled: boolean;
}

export function button(text: string, options: ButtonOptions): Button {
  const made = document.createElement('vscode-button') as Button;
  const look = options.look ?? 'primary';
  made.setAttribute('appearance', look);
  made.setAttribute('aria-label', visible(text));
  made.title = visible(options.title ?? (look === 'icon' ? text : ''));
  if (options.icon) {
    const sign = icon(options.icon);
    if (look !== 'icon') sign.slot = 'start';
    made.append(sign);
  }
  if (look !== 'icon') made.append(visible(text));
  made.addEventListener('click', () => {
    if (!made.disabled) options.onClick();
  });
  return made;
}

const fieldNames = new WeakMap<HTMLElement, string>();

/** Calls a text field by another name from now on. */
export function nameField(made: HTMLElement, name: string): void {
  fieldNames.set(made, name);
  if (made.getAttribute('aria-label') !== name) made.setAttribute('aria-label', name);
}

/** The toolkit names a text field "Text field" whenever it enters the page: its own name comes back. */
function keepName(made: HTMLElement, name: string): void {
  nameField(made, name);
  new MutationObserver(() => nameField(made, fieldNames.get(made) ?? name)).observe(made, {
    attributes: true,
    attributeFilter: ['aria-label'],
  });
}

export interface TextField extends HTMLElement {
  value: string;
  disabled: boolean;
}

/** `onChange`: the person pressed Enter or left the field with another text in it. */
export function textField(options: {
  readonly label: string;
  readonly value?: string;
  readonly placeholder?: string;
  /** Every keystroke. */
  readonly onInput?: (value: string) => void;
  readonly onChange?: (value: string) => void;
}): TextField {
  const made = document.createElement('vscode-text-field') as TextField;
  keepName(made, options.label);
  if (options.placeholder) made.setAttribute('placeholder', options.placeholder);
  made.value = options.value ?? '';
  made.addEventListener('input', () => options.onInput?.(made.value));
  made.addEventListener('change', () => options.onChange?.(made.value));
  return made;
}

export interface Checkbox extends HTMLElement {
  checked: boolean;
  disabled: boolean;
}

export function checkbox(label: string, checked: boolean, onChange: (checked: boolean) => void): Checkbox {
  const made = document.createElement('vscode-checkbox') as Checkbox;
  made.append(label);
  made.checked = checked;
  made.addEventListener('change', () => onChange(made.checked));
  return made;
}

export interface Select extends HTMLElement {
  value: string;
  disabled: boolean;
}

export function select(options: {
  readonly label: string;
  readonly choices: readonly (readonly [value: string, label: string])[];
  readonly value: string;
  readonly onChange: (value: string) => void;
}): Select {
  const made = document.createElement('vscode-dropdown') as Select;
  made.setAttribute('aria-label', options.label);
  for (const [value, label] of options.choices) {
    const choice = document.createElement('vscode-option');
    choice.setAttribute('value', value);
    if (value === options.value) choice.setAttribute('selected', '');
    choice.append(label);
    made.append(choice);
  }
  made.addEventListener('change', () => options.onChange(made.value));
  return made;
}

/** Says that work is under way whose length is unknown. */
export function progressRing(label: string): HTMLElement {
  const made = document.createElement('vscode-progress-ring');
  made.setAttribute('aria-label', label);
  return made;
}

/** A bar from 0 to 1; pass undefined while the length is unknown. */
export function progressBar(label: string): { readonly root: HTMLElement; set(share: number | undefined): void } {
  const fill = element('div', { class: 'progress-fill' });
  const root = element('div', { class: 'progress', role: 'progressbar', 'aria-label': label }, fill);
  root.setAttribute('aria-valuemin', '0');
  root.setAttribute('aria-valuemax', '100');
  return {
    root,
    set(share) {
      root.classList.toggle('indeterminate', share === undefined);
      if (share === undefined) root.removeAttribute('aria-valuenow');
      else root.setAttribute('aria-valuenow', String(Math.round(share * 100)));
      fill.style.width = share === undefined ? '' : `${(share * 100).toFixed(1)}%`;
    },
  };
}
