/** `espalier groups`: which channels must be pruned together, and with which groups they are ranked. */

import { flag } from '../../common/flags.ts';
import { openModel } from '../../engine/jobs/opening/model.ts';
import { couple } from '../../engine/pruning/coupling/couple.ts';
import { formatGroups } from '../../engine/pruning/coupling/groups.ts';
import { findScopes, formatScopes } from '../../engine/pruning/planning/scopes.ts';
import { command, modelFlags } from '../command.ts';
import { modelRequest } from '../requests.ts';

export const groups = command({
  summary: 'coupled groups of channels and their scopes',
  readsOnly: true,
  usage: 'MODEL|FILE',
  most: 1,
  flags: {
    ...modelFlags,
    headDims: flag.boolean('head dims of attention are a scope of their own, as with --head-dim-pruning-ratio'),
    noIsomorphic: flag.boolean('one scope for all groups'),
  },
  run: async ({ values, positionals }) => {
    const { graph } = await openModel(modelRequest(values, positionals));
    const coupled = couple(graph);
    const scopes = findScopes(coupled, { isomorphic: !values.noIsomorphic, global: true, headDims: values.headDims });
    const scopeOf = new Map(scopes.flatMap((scope) => scope.groups.map((group) => [group, scope.id] as const)));
    const json = coupled.groups.map((group) => ({
      root: group.root,
      scope: scopeOf.get(group.id) ?? null,
      channels: group.channels,
      channel_groups: group.channelGroups,
      ...(group.heads !== undefined && { heads: coupled.heads[group.heads].count, head_dim: group.width }),
      ...(group.frozen !== undefined && { frozen: group.frozen }),
      members: group.members.map(({ layer, side, count }) => [layer, side, count]),
    }));
    return { json: { groups: json }, text: `${formatGroups(coupled)}\n\n${formatScopes(scopes, coupled)}` };
  },
});
