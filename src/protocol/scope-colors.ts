/** Colours of scopes and of series in charts, in the order of use: contributed to VS Code, so that a theme or a person can set them. */
export const SCOPE_COLORS = [
  'espalier.scope1',
  'espalier.scope2',
  'espalier.scope3',
  'espalier.scope4',
  'espalier.scope5',
  'espalier.scope6',
] as const;

export type ScopeColor = (typeof SCOPE_COLORS)[number];

/** Of the scope with that number; they are used in turn. */
export const scopeColor = (scope: number): ScopeColor => SCOPE_COLORS[scope % SCOPE_COLORS.length];
