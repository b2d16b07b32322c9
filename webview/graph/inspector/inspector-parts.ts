/** Small pieces of the inspector. */
import { element } from '../../shared/dom.ts';

export function section(title: string, ...children: readonly (Node | string)[]): HTMLElement {
  return element('section', { class: 'inspector-section' }, element('h3', {}, title), ...children);
}

/** Name and value in two columns. */
export function facts(rows: readonly (readonly [name: string, value: string])[]): HTMLElement {
  return element(
    'dl',
    { class: 'facts' },
    ...rows.flatMap(([name, value]) => [element('dt', {}, name), element('dd', {}, value)]),
  );
}

/** A button that looks like a link. */
export function link(text: string, run: () => void, title?: string): HTMLButtonElement {
  const made = element('button', { type: 'button', class: 'link', title }, text);
  made.addEventListener('click', run);
  return made;
}

/** A list that shows its first entries, and the rest when asked. */
export function shortList(entries: readonly HTMLElement[], most: number, more: (left: number) => string): HTMLElement {
  const list = element('div', { class: 'short-list' }, ...entries.slice(0, most));
  if (entries.length > most) {
    const rest = link(more(entries.length - most), () => {
      rest.remove();
      list.append(...entries.slice(most));
    });
    list.append(rest);
  }
  return list;
}
