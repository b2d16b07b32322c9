/** Groups with the person's wishes: pinned and ignored layers stay as they are, and so does all that is tied to them. */
import type { Pin } from '../protocol/values.ts';
import type { Group, Groups, Side } from '../pruning/groups.ts';

/** `layer4.*`, `fc:in`: `*` stands for any text; a side after a colon means that side alone. */
function matcher(globs: readonly string[]): (layer: string, side: Side) => boolean {
  const patterns = globs.map((glob) => {
    const [, name, only] = /^(.*?)(?::(in|out))?$/.exec(glob) ?? [glob, glob];
    const text = name
      .replace(/[.+^${}()|[\]\\]/g, '\\$&')
      .replaceAll('*', '.*')
      .replaceAll('?', '.');
    return { pattern: new RegExp(`^${text}$`), only };
  });
  return (layer, side) => patterns.some(({ pattern, only }) => (!only || only === side) && pattern.test(layer));
}

/** The same groups, those that a pin or an ignored layer is a member of frozen with that reason. */
export function pinnedGroups(groups: Groups, pins: readonly Pin[], ignore: readonly string[]): Groups {
  if (pins.length === 0 && ignore.length === 0) return groups;
  const ignored = matcher(ignore);
  const isPinned = (layer: string, side: Side): boolean =>
    pins.some((pin) => pin.layer === layer && (pin.side === 'both' || pin.side === side));
  const frozen = (group: Group): string | undefined => {
    const pinned = group.members.find(({ layer, side }) => isPinned(layer, side));
    if (pinned) return `${pinned.layer} is pinned`;
    const left = group.members.find(({ layer, side }) => ignored(layer, side));
    return left && `${left.layer} is ignored`;
  };
  return {
    ...groups,
    groups: groups.groups.map((group) => {
      const reason = group.frozen ?? frozen(group);
      return reason === undefined ? group : { ...group, frozen: reason };
    }),
  };
}
