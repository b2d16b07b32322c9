/** Ribbons: the channels that flow from layer to layer, with what the plan removes faded. */
import type { PlacedEdge } from '../layout/types.ts';
import { keptThickness, type Picture, thickness } from './picture.ts';
import type { Surface } from './surface.ts';
import { scopeLook } from './theme.ts';

/** Opacity of a ribbon's kept part and of the removed part around it. */
const KEPT = 0.62;
const REMOVED = 0.2;
const DIMMED = 0.16;

export function drawRibbon(surface: Surface, picture: Picture, edge: PlacedEdge, detailed: boolean): void {
  const { overlay, highlight, theme, mode } = picture;
  const width = overlay.widths[edge.value];
  const kept = overlay.kept[edge.value];
  const lit = highlight.values.has(edge.value);
  const dimmed = highlight.groups.length > 0 && !lit;
  const { color } = scopeLook(theme, overlay.scopes[edge.value]);
  const stroke = theme.highContrast && !lit && overlay.scopes[edge.value] < 0 ? theme.foreground : color;
  const full = thickness(width);
  const inner = keptThickness(width, kept);
  const fade = dimmed ? DIMMED / KEPT : 1;
  if (mode === 'dense' && inner < full - 0.05) {
    const dash = theme.highContrast && detailed ? [3, 3] : undefined;
    surface.ribbon(edge.route, { stroke, lineWidth: full, alpha: REMOVED * fade * (theme.highContrast ? 2 : 1), dash });
  }
  if (inner <= 0) return;
  surface.ribbon(edge.route, { stroke, lineWidth: inner, alpha: (lit ? 0.95 : KEPT) * fade });
  if (lit && detailed) surface.ribbon(edge.route, { stroke: theme.foreground, lineWidth: 1, alpha: 0.9, dash: [5, 4] });
}
