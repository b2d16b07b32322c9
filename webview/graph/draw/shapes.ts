/** Shapes of values, beside the ribbons on which they change: `64×56×56`. */
import type { PlacedEdge } from '../layout/types.ts';
import type { Tree } from '../model/tree.ts';
import { type Picture, thickness } from './picture.ts';
import type { Surface } from './surface.ts';

const SIZE = 9;
/** Pixels of a straight piece beside which the text has room. */
const LEAST_RUN = 12;

/** The shape of a value without its batch, where it is not that of what it was computed from; '' elsewhere. */
export function newShape(tree: Tree, value: number): string {
  const { shape, inputs } = tree.view.nodes[value];
  const text = (dimensions: readonly number[]): string => dimensions.filter((size) => size >= 0).join('×');
  const own = text(shape);
  return inputs.some((input) => text(tree.view.nodes[input].shape) === own) ? '' : own;
}

/** Writes the shape beside an edge. In a plan's preview the values are narrower than the network says: nothing is written then. */
export function drawShape(
  surface: Surface,
  { tree, overlay, mode, theme }: Picture,
  { value, route }: PlacedEdge,
): void {
  if (mode === 'pruned' && overlay.kept[value] !== overlay.widths[value]) return;
  const text = newShape(tree, value);
  const [x, from, to] = route;
  if (text === '' || Math.abs(to - from) < LEAST_RUN) return;
  surface.text(x + thickness(overlay.widths[value]) / 2 + 4, (from + to) / 2, text, { fill: theme.muted, size: SIZE });
}
