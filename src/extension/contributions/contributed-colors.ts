/** Colours: the theme's chart colours, where they stand out from every background. */
import { SCOPE_COLORS, THEME_COLORS } from '../../protocol/scope-colors.ts';

export interface ColorContribution {
  readonly id: string;
  readonly description: string;
  readonly color: string;
}

export const colors: readonly ColorContribution[] = SCOPE_COLORS.map((id, index) => ({
  id,
  description: `Scopes and chart series: colour ${index + 1} of ${SCOPE_COLORS.length}, used in turn.`,
  color: THEME_COLORS[id],
}));
