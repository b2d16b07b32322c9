/** Building HTML and SVG without HTML text: what comes from files can only become text nodes and attributes. */

import { visible } from '../../src/common/visible.ts';

export type Attributes = Readonly<Record<string, string | number | boolean | undefined>>;

/** Attributes that people read. */
const SPOKEN: ReadonlySet<string> = new Set(['title', 'aria-label', 'alt']);

function apply(made: Element, attributes: Attributes, children: readonly (Node | string)[]): void {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === false) continue;
    const text = value === true ? '' : String(value);
    made.setAttribute(name, SPOKEN.has(name) ? visible(text) : text);
  }
  made.append(...children.map((child) => (typeof child === 'string' ? visible(child) : child)));
}

/** Puts text that may come from a file into an element: what cannot be seen in it is written as an escape. */
export function setText(into: Element, text: string): void {
  into.textContent = visible(text);
}

/** `element('div', {class: 'row'}, 'text', child)`. No inline `style`: the content security policy refuses it. */
export function element<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: readonly (Node | string)[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  apply(made, attributes, children);
  return made;
}

/** What scrolls to the side where it is wider than the page, by the keyboard too. */
export const scrollRegion = (label: string, ...children: readonly Node[]): HTMLElement =>
  element('div', { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': label }, ...children);

export function svg<K extends keyof SVGElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: readonly (Node | string)[]
): SVGElementTagNameMap[K] {
  const made = document.createElementNS('http://www.w3.org/2000/svg', tag);
  apply(made, attributes, children);
  return made;
}

/** A codicon, which says nothing to screen readers. */
export function icon(name: string): HTMLElement {
  return element('span', { class: `codicon codicon-${name}`, 'aria-hidden': 'true' });
}
