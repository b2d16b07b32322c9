/** A layer's group and scope: who is tied to it, who competes with it, and how it stands among them. */
import { formatFigure, formatLocalInteger } from '../../../src/common/format.ts';
import type { ScopeView, Side } from '../../../src/protocol/graph-view.ts';
import { element } from '../../shared/dom.ts';
import { t } from '../../shared/l10n.ts';
import type { Actions } from '../actions.ts';
import { scopeLook, type Theme } from '../draw/theme.ts';
import type { GroupIndex } from '../model/group-lookup.ts';
import type { Store } from '../model/store.ts';
import type { Tree } from '../model/tree.ts';
import { pathTail } from '../path-tail.ts';
import { scopeMark } from '../view/legend.ts';
import { errorCurve } from './error-curve.ts';
import { histogram } from './histogram.ts';
import { link, section, shortList } from './inspector-parts.ts';
import { keepSlider } from './keep-slider.ts';

const MEMBERS_SHOWN = 8;
const MEMBER_LETTERS = 36;

interface Context {
  readonly store: Store;
  readonly actions: Actions;
  readonly theme: Theme;
  readonly tree: Tree;
  readonly index: GroupIndex;
}

/** Which side's group is shown: as a pair of radio buttons, when both sides have one. */
function sides({ store, actions, index }: Context, item: number, node: number): HTMLElement | '' {
  const both = (['out', 'in'] as const).filter((side) => index.groupsOf(node, side).length > 0);
  if (both.length < 2) return '';
  const labels: Readonly<Record<Side, string>> = { out: t('outputs'), in: t('inputs') };
  return element(
    'div',
    { class: 'modes', role: 'radiogroup', 'aria-label': t('Group of its') },
    ...both.map((side) => {
      const made = element(
        'button',
        { type: 'button', role: 'radio', class: 'mode', 'aria-checked': String(store.selection.side === side) },
        labels[side],
      );
      made.addEventListener('click', () => actions.select(item, { side, tell: false }));
      return made;
    }),
  );
}

function members({ actions, tree, index }: Context, group: number, own: number): HTMLElement {
  const entries = index.view.groups[group].members.map(({ node, side, channels }) => {
    const { id } = tree.view.nodes[node];
    const select = (): void => actions.select(tree.itemOfNode[node], { side, reveal: true, tell: true });
    const made = link(pathTail(`${id}.${side}`, MEMBER_LETTERS), select, `${id}.${side}`);
    return element(
      'div',
      { class: node === own ? 'member own' : 'member' },
      made,
      element('span', { class: 'number muted' }, formatLocalInteger(channels)),
    );
  });
  return shortList(entries, MEMBERS_SHOWN, (left) => t('and {0} more', left));
}

/** How many layers with weights are in it besides this one. */
function tied({ tree, index }: Context, group: number, own: number): string {
  const { channels, channelGroups, members: all, frozen } = index.view.groups[group];
  const others = new Set(all.map((m) => m.node).filter((node) => node !== own && tree.view.nodes[node].inWidth > 0));
  const unit = index.view.scopes[index.view.groups[group].scope]?.kind === 'heads' ? t('heads') : t('channels');
  const each = channelGroups > 1 ? t(' in each of {0} groups', channelGroups) : '';
  const kin =
    others.size === 0
      ? t('tied to no other layer')
      : others.size === 1
        ? t('tied to 1 other layer')
        : t('tied to {0} other layers', others.size);
  return `${formatLocalInteger(channels)} ${unit}${each}, ${kin}${frozen ? `. ${t('Not pruned: {0}', frozen)}` : ''}`;
}

function keptLine({ store }: Context, group: number, channels: number): string {
  const { plan } = store.host;
  return plan
    ? t('{0} of {1} kept', formatLocalInteger(plan.kept[group] ?? channels), formatLocalInteger(channels))
    : '';
}

interface Shown {
  readonly item: number;
  readonly node: number;
  readonly group: number;
  /** Which of the layer's groups it is, of how many. */
  readonly place: number;
  readonly of: number;
}

export function groupSection(context: Context, { item, node, group, place, of }: Shown): HTMLElement {
  const { channels, name } = context.index.view.groups[group];
  return section(
    of > 1 ? t('Group {0} of {1}: {2}', place + 1, of, name) : t('Group'),
    place === 0 ? sides(context, item, node) : '',
    element('p', {}, tied(context, group, node)),
    element('p', { class: 'muted' }, keptLine(context, group, channels)),
    members(context, group, node),
    curveOf(context, group),
  );
}

/** The group's error curve, where its sensitivity was measured. */
function curveOf({ store, index, theme }: Context, group: number): HTMLElement | '' {
  const { sensitivity, plan } = store.host;
  const curve = sensitivity?.groups[group];
  if (!sensitivity || !curve) return '';
  const { color } = scopeLook(theme, index.view.groups[group].scope);
  return errorCurve(curve, plan?.kept[group], color, sensitivity.label);
}

export function scopeSection(context: Context, item: number, group: number): HTMLElement | '' {
  const { index, store, theme, actions } = context;
  const { scope } = index.view.groups[group];
  if (scope < 0) return '';
  const view = index.view.scopes[scope];
  const { scores, plan } = store.host;
  const all = scores?.scopes[scope];
  const selected = store.selection.scope === scope;
  const head = element('p', { class: 'scope-head' }, scopeMark(theme, scope), element('span', {}, view.label));
  const threshold = plan?.thresholds[scope] ?? null;
  const body = all
    ? histogram({
        scores: all,
        own: scores?.groups[group] ?? [],
        threshold,
        color: scopeLook(theme, scope).color,
        width: 280,
        height: 64,
        label:
          threshold === null
            ? t('Scores of {0}, this group in front', view.name)
            : t('Scores of {0}, this group in front; channels up to {1} go', view.name, formatFigure(threshold)),
      })
    : element('p', { class: 'muted' }, t('Not scored yet.'));
  return section(
    scopeTitle(view),
    head,
    body,
    keepSlider(store, actions, index, view),
    link(selected ? t('Back to the group') : t('Select the whole scope'), () =>
      actions.select(item, { scope: selected ? false : scope, tell: true }),
    ),
  );
}

/** `residual stream: 3 such groups, 112 channels`, in the words for one and for heads. */
function scopeTitle({ name, kind, groups, channels }: ScopeView): string {
  const such = groups.length === 1 ? t('one such group') : t('{0} such groups', groups.length);
  const many =
    kind === 'heads' ? t('{0} heads', formatLocalInteger(channels)) : t('{0} channels', formatLocalInteger(channels));
  return `${name}: ${such}, ${many}`;
}
