/** The theme's colours as the canvas needs them: read from --vscode-* variables, again whenever the theme changes. */
import { SCOPE_COLORS, THEME_COLORS } from '../../../src/protocol/scope-colors.ts';

export interface Theme {
  readonly background: string;
  readonly foreground: string;
  readonly muted: string;
  /** Boxes of layers. */
  readonly surface: string;
  readonly border: string;
  readonly focus: string;
  /** Outline of what is selected. */
  readonly selection: string;
  readonly warning: string;
  /** Of the heat map. */
  readonly heat: string;
  readonly badge: string;
  readonly badgeText: string;
  /** Colours of scopes, used in turn. */
  readonly charts: readonly string[];
  /** Ribbons without scope. */
  readonly stream: string;
  readonly fontFamily: string;
  readonly highContrast: boolean;
}

export function readTheme(root: HTMLElement = document.documentElement, body: HTMLElement = document.body): Theme {
  const style = getComputedStyle(root);
  const pick = (...names: string[]): string => {
    for (const name of names) {
      const value = style.getPropertyValue(`--vscode-${name.replaceAll('.', '-')}`).trim();
      if (value) return value;
    }
    return 'CanvasText';
  };
  const highContrast =
    body.classList.contains('vscode-high-contrast') || body.classList.contains('vscode-high-contrast-light');
  const foreground = pick('editor-foreground', 'foreground');
  return {
    background: pick('editor-background'),
    foreground,
    muted: highContrast ? foreground : pick('descriptionForeground', 'foreground'),
    surface: pick('editorWidget-background', 'editor-background'),
    border: pick(
      ...(highContrast ? ['contrastBorder'] : []),
      'editorWidget-border',
      'widget-border',
      'panel-border',
      'contrastBorder',
    ),
    focus: pick('focusBorder'),
    selection: pick(...(highContrast ? ['contrastActiveBorder'] : []), 'focusBorder'),
    warning: pick('editorWarning-foreground', 'charts-yellow'),
    heat: pick('charts-red', 'errorForeground'),
    badge: pick('badge-background'),
    badgeText: pick('badge-foreground'),
    // The extension's own colours are not there before the first reload after it was installed: the theme's stand in.
    charts: SCOPE_COLORS.map((color) => pick(color, THEME_COLORS[color], 'foreground')),
    stream: pick('charts-lines', 'descriptionForeground'),
    fontFamily: style.getPropertyValue('--vscode-font-family').trim() || 'sans-serif',
    highContrast,
  };
}

/** Calls back when VS Code changes the theme: it replaces the variables and the body's class. */
export function watchTheme(changed: () => void): void {
  const observer = new MutationObserver(changed);
  observer.observe(document.documentElement, { attributes: true, attributeFilter: ['style', 'class'] });
  observer.observe(document.body, { attributes: true, attributeFilter: ['class', 'data-vscode-theme-id'] });
}

/** How a scope looks: a colour and, from the seventh scope on, another pattern, so that no two of 24 look alike. */
export interface ScopeLook {
  readonly color: string;
  /** Dashes of its stripe: [] is a full line. */
  readonly dash: readonly number[];
}

const DASHES: readonly (readonly number[])[] = [[], [6, 3], [2, 2], [8, 2, 2, 2]];

export function scopeLook(theme: Theme, scope: number): ScopeLook {
  if (scope < 0) return { color: theme.stream, dash: [] };
  const color = theme.charts[scope % theme.charts.length];
  return { color, dash: DASHES[Math.floor(scope / theme.charts.length) % DASHES.length] };
}
