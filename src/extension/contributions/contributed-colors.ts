/** Colours: the theme's chart colours, where they stand out from every background. */
import { SCOPE_COLORS, type ScopeColor } from '../../protocol/scope-colors.ts';

/**
 * The theme's colour that each one is unless it is set. The orange is that of class symbols: `charts.orange` is the
 * minimap's mark of a found word, which newer themes make so dark that nothing drawn in it is seen.
 */
const DEFAULTS: Readonly<Record<ScopeColor, string>> = {
  'espalier.scope1': 'charts.blue',
  'espalier.scope2': 'symbolIcon.classForeground',
  'espalier.scope3': 'charts.green',
  'espalier.scope4': 'charts.purple',
  'espalier.scope5': 'charts.yellow',
  'espalier.scope6': 'charts.red',
};

export interface ColorContribution {
  readonly id: string;
  readonly description: string;
  readonly color: string;
}

export const colors: readonly ColorContribution[] = SCOPE_COLORS.map((id, index) => ({
  id,
  description: `Scopes and chart series: colour ${index + 1} of ${SCOPE_COLORS.length}, used in turn.`,
  color: DEFAULTS[id],
}));
