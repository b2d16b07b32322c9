/** What layout works on and what it gives. Lengths in pixels at zoom 1; y grows downwards. */

/** A child of a container, laid out already: its size and where ribbons enter and leave. */
export interface Part {
  readonly width: number;
  readonly height: number;
  /** x of each entry on the top edge; a closed box takes all of them at its middle. */
  readonly entries: readonly number[];
  readonly exits: readonly number[];
  /** How much of the network it holds: the heaviest way through a container becomes its spine. */
  readonly weight: number;
  /** Images enter here: it stays at the top instead of moving down to what reads it. */
  readonly isInput: boolean;
}

/**
 * A ribbon's middle line: vertical runs [x, from, to] one after another in one array; S-curves join the end of one run to
 * the start of the next.
 */
export type Route = readonly number[];

/** A container laid out by itself. */
export interface LocalLayout extends Part {
  /** x and y of each child. */
  readonly positions: readonly (readonly [x: number, y: number])[];
  /** By edge of the container's flow. */
  readonly routes: readonly Route[];
}

export interface PlacedBox {
  /** Index of the item in the tree. */
  readonly item: number;
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  /** Its children are drawn inside. */
  readonly open: boolean;
}

export interface PlacedEdge {
  /** Node whose value flows. */
  readonly value: number;
  /** Container in which this piece runs. */
  readonly container: number;
  /** Child items at the ends; −1 where it crosses the container's border. */
  readonly from: number;
  readonly to: number;
  readonly route: Route;
}

export interface Layout {
  readonly width: number;
  readonly height: number;
  /** Containers before their children. */
  readonly boxes: readonly PlacedBox[];
  readonly edges: readonly PlacedEdge[];
}

export const SIZES = {
  layer: { width: 232, height: 40 },
  step: { width: 160, height: 22 },
  closed: { width: 232, height: 46 },
  /** Name line of an open container. */
  header: 26,
  padding: 14,
  /** Between boxes one after another; more where ribbons part or join. */
  gap: 16,
  bend: 30,
  /** Between boxes side by side. */
  beside: 22,
  /** Room of a ribbon that runs by itself. */
  lane: 20,
  margin: 24,
} as const;
