/** One picture on a surface: containers, ribbons, boxes; only what is on screen, only as much detail as can be seen. */
import type { Layout, PlacedEdge } from '../layout/types.ts';
import { drawBox, drawContainer, drawContainerName } from './boxes.ts';
import { type Area, edgeArea, type Picture } from './picture.ts';
import { drawRibbon } from './ribbons.ts';
import { drawShape } from './shapes.ts';
import type { Surface } from './surface.ts';

/** Below this zoom text is unreadable and left out. */
const TEXT_ZOOM = 0.42;

const areas = new WeakMap<Layout, Area[]>();

function edgeAreas(layout: Layout): Area[] {
  let known = areas.get(layout);
  if (!known) {
    known = layout.edges.map(edgeArea);
    areas.set(layout, known);
  }
  return known;
}

export const EVERYTHING: Area = {
  left: Number.NEGATIVE_INFINITY,
  top: Number.NEGATIVE_INFINITY,
  right: Number.POSITIVE_INFINITY,
  bottom: Number.POSITIVE_INFINITY,
};

/** Below this zoom the shapes beside ribbons are too small to read. */
const SHAPE_ZOOM = 0.7;

const SLACK = 12;

/** Draws what lies in the area. Coordinates are the layout's own; the caller has set the zoom. */
export function drawPicture(surface: Surface, picture: Picture, area: Area, zoom: number): void {
  const { layout, highlight } = picture;
  const detailed = zoom >= TEXT_ZOOM;
  const boxes = layout.boxes.filter(
    (box) =>
      box.x - SLACK <= area.right &&
      box.x + box.width + SLACK >= area.left &&
      box.y - SLACK <= area.bottom &&
      box.y + box.height + SLACK >= area.top,
  );
  for (const box of boxes) if (box.open) drawContainer(surface, picture, box);
  const extents = edgeAreas(layout);
  const lit: number[] = [];
  const seen: PlacedEdge[] = [];
  for (const [i, edge] of layout.edges.entries()) {
    const extent = extents[i];
    if (extent.left > area.right || extent.right < area.left || extent.top > area.bottom || extent.bottom < area.top)
      continue;
    seen.push(edge);
    if (highlight.values.has(edge.value)) lit.push(i);
    else drawRibbon(surface, picture, edge, detailed);
  }
  for (const i of lit) drawRibbon(surface, picture, layout.edges[i], detailed);
  if (zoom >= SHAPE_ZOOM) drawShapes(surface, picture, seen);
  for (const box of boxes) {
    if (!box.open) drawBox(surface, picture, box, detailed, zoom);
    else if (detailed) drawContainerName(surface, picture, box, area.left);
  }
}

/** Once for each value: beside its first edge that is on screen, and not while another group has the attention. */
function drawShapes(surface: Surface, picture: Picture, edges: readonly PlacedEdge[]): void {
  const { highlight } = picture;
  const told = new Set<number>();
  for (const edge of edges) {
    if (told.has(edge.value) || (highlight.groups.length > 0 && !highlight.values.has(edge.value))) continue;
    told.add(edge.value);
    drawShape(surface, picture, edge);
  }
}
