/** Widths of least error at or under a cost: one option of every group, by dynamic programming over a cost grid. */

export interface WidthOption {
  readonly width: number;
  readonly error: number;
  /** Of the network with the other groups as they are now, less its cost now. */
  readonly cost: number;
}

/** Steps of the grid: costs are rounded up to them, so that the sum never exceeds the budget. */
const STEPS = 4000;

/**
 * Chooses one option of every list. Undefined where even the cheapest together cost more than the budget.
 *
 * @param budget most that the costs may add up to
 * @returns places in the lists
 */
export function cheapestErrors(lists: readonly (readonly WidthOption[])[], budget: number): number[] | undefined {
  const least = lists.map((options) => Math.min(...options.map(({ cost }) => cost)));
  const most = lists.map((options) => Math.max(...options.map(({ cost }) => cost)));
  const floor = least.reduce((sum, cost) => sum + cost, 0);
  const room =
    Math.min(
      budget,
      most.reduce((sum, cost) => sum + cost, 0),
    ) - floor;
  if (room < 0) return undefined;
  const unit = room / STEPS || 1;
  let best = new Float64Array(STEPS + 1);
  const chosen = lists.map(() => new Int16Array(STEPS + 1).fill(-1));
  lists.forEach((options, list) => {
    const next = new Float64Array(STEPS + 1).fill(Number.POSITIVE_INFINITY);
    options.forEach(({ cost, error }, place) => {
      const steps = Math.ceil((cost - least[list]) / unit - 1e-9);
      for (let at = steps; at <= STEPS; at++) {
        const total = best[at - steps] + error;
        if (total < next[at]) {
          next[at] = total;
          chosen[list][at] = place;
        }
      }
    });
    best = next;
  });
  const places = new Array<number>(lists.length);
  for (let list = lists.length - 1, at = STEPS; list >= 0; list--) {
    const place = chosen[list][at];
    if (place < 0) return undefined;
    places[list] = place;
    at -= Math.ceil((lists[list][place].cost - least[list]) / unit - 1e-9);
  }
  return places;
}
