/** What is under the pointer, in words. Everything in it is in the inspector too: nothing is for the mouse alone. */
import { formatLocalInteger } from '../../../src/common/format.ts';
import { element } from '../../shared/dom.ts';
import { t } from '../../shared/l10n.ts';
import { groupLine, itemLines, titleOf } from '../model/describe.ts';
import type { GroupIndex } from '../model/group-lookup.ts';
import { groupsFor } from '../model/selection.ts';
import type { Scene } from '../model/store.ts';
import type { Hit } from './hit.ts';

const DELAY_MS = 350;
const MOST_GROUPS = 3;

function lines(hit: Hit, scene: Scene, groups: GroupIndex | null): string[] {
  const { tree, overlay } = scene;
  if (hit.kind === 'ribbon') {
    const value = hit.value as number;
    const [width, kept] = [overlay.widths[value], overlay.kept[value]];
    const text =
      width === kept ? formatLocalInteger(width) : `${formatLocalInteger(width)} → ${formatLocalInteger(kept)}`;
    const from = t('{0} channels from {1}', text, tree.view.nodes[value].id);
    const shape = tree.view.nodes[value].shape.map((d) => (d < 0 ? 'N' : d)).join('×');
    return [from, shape, ...groupLines(groups, groups?.carried(value) ?? [])];
  }
  const item = hit.box?.item ?? 0;
  const { node } = tree.items[item];
  const own = node >= 0 && groups ? groupLines(groups, groupsFor(groups, node, 'out')) : [];
  return [titleOf(tree, item), ...itemLines(tree, overlay, item), ...own];
}

function groupLines(index: GroupIndex | null, groups: readonly number[]): string[] {
  if (!index) return [];
  const shown = groups.slice(0, MOST_GROUPS).map((group) => groupLine(index, group));
  return groups.length > MOST_GROUPS ? [...shown, t('and {0} more groups', groups.length - MOST_GROUPS)] : shown;
}

export class Tooltip {
  readonly root = element('div', { class: 'tooltip', role: 'presentation', hidden: true });
  #timer: ReturnType<typeof setTimeout> | undefined;
  #shown = '';

  /** Shows after a moment of rest what the pointer is on; hides it when it is on nothing. */
  hover(hit: Hit | undefined, scene: Scene, groups: GroupIndex | null, x: number, y: number): void {
    const key = hit ? `${hit.kind} ${hit.box?.item} ${hit.value}` : '';
    if (key === this.#shown && hit) return;
    this.hide();
    this.#shown = key;
    if (hit) this.#timer = setTimeout(() => this.#show(lines(hit, scene, groups), x, y), DELAY_MS);
  }

  hide(): void {
    clearTimeout(this.#timer);
    this.#shown = '';
    this.root.hidden = true;
  }

  #show(texts: readonly string[], x: number, y: number): void {
    this.root.replaceChildren(
      ...texts.map((text, i) => element('div', { class: i ? undefined : 'tooltip-title' }, text)),
    );
    this.root.hidden = false;
    const { offsetWidth, offsetHeight } = this.root;
    const left = Math.max(4, Math.min(x + 14, window.innerWidth - offsetWidth - 4));
    const below = y + 18 + offsetHeight < window.innerHeight;
    this.root.style.left = `${left}px`;
    this.root.style.top = `${Math.max(4, below ? y + 18 : y - offsetHeight - 8)}px`;
  }
}
