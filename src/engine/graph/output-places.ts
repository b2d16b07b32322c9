/** Where a module's return value has a tensor: keys of dictionaries and positions in tuples, from the outside inwards; none for the value itself. */
export type OutputPlace = readonly (string | number)[];

/** A return value: a tensor, or tuples and dictionaries of such. */
export type OutputTree =
  | { readonly kind: 'tensor'; readonly output: number }
  | { readonly kind: 'tuple'; readonly parts: readonly OutputTree[] }
  | { readonly kind: 'dictionary'; readonly keys: readonly string[]; readonly parts: readonly OutputTree[] };

interface Placed {
  readonly output: number;
  readonly place: OutputPlace;
}

function treeFrom(placed: readonly Placed[], depth: number): OutputTree | undefined {
  const ended = placed.filter(({ place }) => place.length === depth);
  if (ended.length) return placed.length === 1 ? { kind: 'tensor', output: ended[0].output } : undefined;
  const parts = new Map<string | number, Placed[]>();
  for (const each of placed) {
    const key = each.place[depth];
    parts.set(key, [...(parts.get(key) ?? []), each]);
  }
  const keys = [...parts.keys()];
  const names = keys.filter((key) => typeof key === 'string');
  // What was left out of a tuple leaves no gap.
  const order = names.length ? keys : keys.toSorted((a, b) => Number(a) - Number(b));
  const trees = order.map((key) => treeFrom(parts.get(key) ?? [], depth + 1));
  if ((names.length && names.length < keys.length) || trees.includes(undefined)) return undefined;
  const found = trees as readonly OutputTree[];
  return names.length ? { kind: 'dictionary', keys: names, parts: found } : { kind: 'tuple', parts: found };
}

/** The return value that has its outputs at these places, each at one or several; undefined where there is no such value. */
export function outputTree(places: readonly (readonly OutputPlace[] | undefined)[]): OutputTree | undefined {
  if (places.some((each) => !each?.length)) return undefined;
  return treeFrom(
    places.flatMap((each, output) => (each ?? []).map((place) => ({ output, place }))),
    0,
  );
}
