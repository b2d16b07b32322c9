/** What the module of an exported program returns: PyTorch's tree of its outputs (torch.utils._pytree.treespec_dumps), as places. */
import type { OutputPlace } from '../../graph/output-places.ts';

interface Returning {
  readonly userOutputs: readonly string[];
  readonly outputPlaces?: readonly OutputPlace[];
}

const MAX_TEXT = 1 << 16;
const MAX_DEPTH = 8;

type Json = Readonly<Record<string, unknown>>;
const isObject = (value: unknown): value is Json =>
  value !== null && typeof value === 'object' && !Array.isArray(value);

function parsed(value: unknown): unknown {
  if (typeof value !== 'string' || value.length > MAX_TEXT) return undefined;
  try {
    return JSON.parse(value);
  } catch {
    return undefined;
  }
}

/** Keys of a dictionary, or of a class that says the names of its parts as one. */
function keysOf(context: unknown, count: number): readonly string[] | undefined {
  const keys = parsed(context);
  if (!Array.isArray(keys) || keys.length !== count || new Set(keys).size !== count) return undefined;
  return keys.every((key) => typeof key === 'string' && key) ? (keys as readonly string[]) : undefined;
}

function placesIn(tree: unknown, place: OutputPlace, found: OutputPlace[]): boolean {
  if (!isObject(tree) || place.length > MAX_DEPTH) return false;
  const { type, context, children_spec: children } = tree as Json & { readonly children_spec?: unknown };
  if (type === null) return found.push(place) > 0;
  if (!Array.isArray(children)) return false;
  const keys = keysOf(context, children.length);
  return children.every((child, i) => placesIn(child, [...place, keys?.[i] ?? i], found));
}

/**
 * Places of all that the module returns, in order; a class of its own is taken as a dictionary or a tuple of its parts.
 * @param moduleCalls `module_call_graph`, the module itself first
 * @returns undefined where the file does not say it in a way that can be followed
 */
export function returnedPlaces(moduleCalls: unknown): readonly OutputPlace[] | undefined {
  const [own] = Array.isArray(moduleCalls) ? moduleCalls : [];
  const signature = isObject(own) ? own['signature'] : undefined;
  const spec = isObject(signature) ? parsed(signature['out_spec']) : undefined;
  const found: OutputPlace[] = [];
  return Array.isArray(spec) && placesIn(spec[1], [], found) ? found : undefined;
}

/** Places of the values that a program gives, by what a translator calls them. */
export function placesByValue(
  { userOutputs, outputPlaces }: Returning,
  named: (name: string) => string,
): Map<string, OutputPlace[]> {
  const found = new Map<string, OutputPlace[]>();
  userOutputs.forEach((name, i) => {
    const place = outputPlaces?.[i];
    if (name && place) found.set(named(name), [...(found.get(named(name)) ?? []), place]);
  });
  return found;
}
