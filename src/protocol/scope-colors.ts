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

/**
 * The theme's colour that each one is unless it is set. The orange is that of class symbols: `charts.orange` is the
 * minimap's mark of a found word, which newer themes make so dark that nothing drawn in it is seen.
 */
export const THEME_COLORS: Readonly<Record<ScopeColor, string>> = {
  'espalier.scope1': 'charts.blue',
  'espalier.scope2': 'symbolIcon.classForeground',
  'espalier.scope3': 'charts.green',
  'espalier.scope4': 'charts.purple',
  'espalier.scope5': 'charts.yellow',
  'espalier.scope6': 'charts.red',
};

/** Of the scope with that number; they are used in turn. */
export const scopeColor = (scope: number): ScopeColor => SCOPE_COLORS[scope % SCOPE_COLORS.length];
