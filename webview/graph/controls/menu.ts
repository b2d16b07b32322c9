/** A menu behind a button: arrow keys, Escape, a click elsewhere. */
import { element, icon } from '../../shared/dom.ts';

export interface MenuEntry {
  readonly label: string;
  readonly hint?: string;
  readonly enabled?: boolean;
  readonly run: () => void;
}

const EDGE = 4;

/** `entries` is asked whenever the menu opens; null is a line between groups. */
export function menuButton(label: string, codicon: string, entries: () => readonly (MenuEntry | null)[]): HTMLElement {
  const opener = element(
    'button',
    {
      type: 'button',
      class: 'plain',
      'aria-label': label,
      title: label,
      'aria-haspopup': 'menu',
      'aria-expanded': 'false',
    },
    icon(codicon),
  );
  const list = element('div', { class: 'menu', role: 'menu', 'aria-label': label, hidden: true });
  const root = element('div', { class: 'menu-holder' }, opener, list);
  const items = (): HTMLElement[] => [...list.querySelectorAll<HTMLElement>('[role=menuitem]:not([disabled])')];
  const close = (focus: boolean): void => {
    list.hidden = true;
    opener.setAttribute('aria-expanded', 'false');
    if (focus) opener.focus();
  };
  // Below its button, moved so that it stays on the page.
  const place = (): void => {
    const { right, bottom } = opener.getBoundingClientRect();
    const left = Math.min(right - list.offsetWidth, window.innerWidth - list.offsetWidth - EDGE);
    list.style.left = `${Math.max(EDGE, left)}px`;
    list.style.top = `${bottom}px`;
  };
  const open = (): void => {
    list.replaceChildren(
      ...entries().map((entry) => {
        if (!entry) return element('div', { class: 'menu-line', role: 'separator' });
        const item = element(
          'button',
          { type: 'button', role: 'menuitem', class: 'menu-item', disabled: entry.enabled === false, tabindex: -1 },
          element('span', {}, entry.label),
          element('span', { class: 'muted' }, entry.hint ?? ''),
        );
        item.addEventListener('click', () => {
          close(true);
          entry.run();
        });
        return item;
      }),
    );
    list.hidden = false;
    opener.setAttribute('aria-expanded', 'true');
    place();
    items()[0]?.focus();
  };
  opener.addEventListener('click', () => (list.hidden ? open() : close(false)));
  list.addEventListener('keydown', (event) => {
    const all = items();
    const at = all.indexOf(document.activeElement as HTMLElement);
    if (event.key === 'ArrowDown') all[(at + 1) % all.length]?.focus();
    else if (event.key === 'ArrowUp') all[(at - 1 + all.length) % all.length]?.focus();
    else if (event.key === 'Escape') close(true);
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  root.addEventListener('focusout', (event) => {
    if (!root.contains(event.relatedTarget as Node | null)) close(false);
  });
  return root;
}
