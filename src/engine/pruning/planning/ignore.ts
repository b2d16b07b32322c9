/** Ignore lists and pins: layers that stay as they are, and with them all that is tied to them. */
import { UserError } from '../../../common/errors.ts';
import type { Group, Groups, Member, Side } from '../coupling/groups.ts';

interface Pattern {
  readonly text: string;
  readonly side?: Side;
  readonly matches: (layer: string) => boolean;
}

/**
 * `layer1.0.conv1` is that layer, `layer4` all layers in it, `layer*.conv1` what the glob says (`*` any text, dots too;
 * `?` one character); `:out` or `:in` after it means that side only, nothing both.
 */
function parsePattern(text: string): Pattern {
  const [, glob, side] = /^(.*?)(?::(out|in|both))?$/.exec(text) as RegExpExecArray;
  const source = glob
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.');
  const regex = new RegExp(`^${source}(?:\\..*)?$`);
  return { text, side: side === 'out' || side === 'in' ? side : undefined, matches: (layer) => regex.test(layer) };
}

const covers = ({ side, matches }: Pattern, member: Member): boolean =>
  (side === undefined || side === member.side) && matches(member.layer);

/**
 * The same groups, those frozen that an ignored layer is a member of: `ignored by layer*.conv1:out (layer1.0.conv1)`.
 * Scores of the groups as they were stay valid. Throws UserError for a pattern that matches no layer.
 */
export function ignoreLayers(groups: Groups, patterns: readonly string[]): Groups {
  if (!patterns.length) return groups;
  const parsed = patterns.map(parsePattern);
  const members = groups.groups.flatMap((group) => group.members);
  for (const pattern of parsed)
    if (!members.some((member) => covers(pattern, member))) {
      const examples = groups.groups.slice(0, 3).map(({ root }) => root);
      throw new UserError(
        `${pattern.text} matches no layer of ${groups.graph.name} that could be pruned: names are like ${examples.join(', ')}`,
      );
    }
  return { ...groups, groups: groups.groups.map((group) => freeze(group, parsed)) };
}

function freeze(group: Group, patterns: readonly Pattern[]): Group {
  if (group.frozen !== undefined) return group;
  for (const pattern of patterns) {
    const member = group.members.find((each) => covers(pattern, each));
    if (member) return { ...group, frozen: `ignored by ${pattern.text} (${member.layer})` };
  }
  return group;
}
