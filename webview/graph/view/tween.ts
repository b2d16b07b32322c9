/** From one layout to the next: boxes glide, new ones grow out of the module that was opened. */
import type { Layout, PlacedBox, PlacedEdge, Route } from '../layout/types.ts';
import type { Tree } from '../model/tree.ts';

export const TWEEN_MS = 140;
/** Above this many boxes a jump is better than frames that come late. */
const MOST_BOXES = 260;

export function shouldTween(from: Layout, to: Layout): boolean {
  return (
    from.boxes.length <= MOST_BOXES &&
    to.boxes.length <= MOST_BOXES &&
    !window.matchMedia('(prefers-reduced-motion: reduce)').matches &&
    // VS Code's own setting.
    !document.body.classList.contains('vscode-reduce-motion')
  );
}

const edgeKey = (edge: PlacedEdge): string => `${edge.value} ${edge.container} ${edge.from} ${edge.to}`;
const mix = (a: number, b: number, t: number): number => a + (b - a) * t;

/** The box itself before, or of the closed module that then stood for it. */
function origin(tree: Tree, before: ReadonlyMap<number, PlacedBox>, box: PlacedBox): PlacedBox | undefined {
  for (let item = box.item; item > 0; item = tree.items[item].parent) {
    const known = before.get(item);
    if (known) return known;
  }
  return undefined;
}

/** A layout at time t of 0 … 1. */
export function tweened(tree: Tree, from: Layout, to: Layout, t: number): Layout {
  const eased = 1 - (1 - t) ** 3;
  const before = new Map(from.boxes.map((box) => [box.item, box]));
  const boxes = to.boxes.map((box) => {
    const start = origin(tree, before, box);
    if (!start) return box;
    return {
      ...box,
      x: mix(start.x, box.x, eased),
      y: mix(start.y, box.y, eased),
      width: mix(start.width, box.width, eased),
      height: mix(start.height, box.height, eased),
    };
  });
  const routes = new Map<string, Route>(from.edges.map((edge) => [edgeKey(edge), edge.route]));
  const edges = to.edges.flatMap((edge) => {
    const start = routes.get(edgeKey(edge));
    if (!start || start.length !== edge.route.length) return eased > 0.8 ? [edge] : [];
    return [{ ...edge, route: edge.route.map((value, i) => mix(start[i], value, eased)) }];
  });
  return { width: to.width, height: to.height, boxes, edges };
}
