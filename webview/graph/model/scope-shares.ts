/** Shares of single scopes that a person has fixed, in the settings of a plan. */
import type { PlanSettingsChange } from '../../../src/protocol/graph-editor.ts';
import type { ScopeView } from '../../../src/protocol/graph-view.ts';
import type { PlanSettings } from '../../../src/protocol/values.ts';
import type { GroupIndex } from './group-lookup.ts';

/** The name by which settings know a scope: that of its first group. */
const keyOf = (index: GroupIndex, { groups }: ScopeView): string => index.view.groups[groups[0]].name;

/** The share that is fixed to go; undefined: as the target needs. */
export function fixedRatio(index: GroupIndex, scope: ScopeView, settings: PlanSettings): number | undefined {
  if (scope.kind === 'heads') return settings.headRatio;
  const { scopeRatios = {} } = settings;
  const key = keyOf(index, scope);
  return Object.hasOwn(scopeRatios, key) ? scopeRatios[key] : undefined;
}

/** The settings that fix a share, or (undefined) free the scope again. */
export function withRatio(
  index: GroupIndex,
  scope: ScopeView,
  settings: PlanSettings,
  ratio: number | undefined,
): PlanSettingsChange {
  if (scope.kind === 'heads') return { headRatio: ratio ?? null };
  const { [keyOf(index, scope)]: _, ...others } = settings.scopeRatios ?? {};
  const scopeRatios = ratio === undefined ? others : { ...others, [keyOf(index, scope)]: ratio };
  return { scopeRatios };
}
