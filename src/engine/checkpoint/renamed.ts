/** A checkpoint's tensors under other names than the file's: a prefix taken off, timm's names in the place of others'. */
import type { Tensor } from '../graph/tensor.ts';
import type { OpenCheckpoint } from './checkpoint.ts';
import { timmNames, timmShape } from './other-names.ts';
import { stripPrefixes } from './torch/state-entries.ts';

const SHOWN = 4;

/**
 * The same checkpoint with what lies under `prefix` alone, wrappers' prefixes off, and under timm's names where its own are
 * known ones of others. What does not lie there is left out, and noted.
 * @param checkpoint with the names as stored
 */
export function renamedCheckpoint(checkpoint: OpenCheckpoint, prefix = ''): OpenCheckpoint {
  const names = [...checkpoint.tensors.keys()];
  const inside = names.filter((name) => name.startsWith(prefix));
  const beside = names.filter((name) => !name.startsWith(prefix));
  const taken = new Map(inside.map((name) => [name.slice(prefix.length), name]));
  const { entries: plain, stripped } = stripPrefixes(taken);
  const { entries, whose } = timmNames(plain);
  const shaped = <T extends { readonly shape: readonly number[] }>(name: string, value: T): T => ({
    ...value,
    shape: timmShape(whose, name, value.shape),
  });
  const tensors = new Map(
    [...entries].map(([name, original]) => [name, shaped(name, checkpoint.tensors.get(original)!)]),
  );
  const readAll: OpenCheckpoint['readAll'] = async (wanted = tensors.keys(), context) => {
    const list = [...wanted];
    const read = await checkpoint.readAll(
      list.map((name) => entries.get(name)!),
      context,
    );
    return new Map(list.map((name): [string, Tensor] => [name, shaped(name, read.get(entries.get(name)!)!)]));
  };
  const left = `${beside.slice(0, SHOWN).join(', ')}${beside.length > SHOWN ? `, … (${beside.length} in all)` : ''}`;
  return {
    ...checkpoint,
    tensors,
    readAll,
    read: async (name) => (await readAll([name])).get(name)!,
    sources: [...checkpoint.sources, ...(prefix ? [prefix] : []), ...stripped],
    notes: [...(checkpoint.notes ?? []), ...(beside.length ? [`left out, beside the network: ${left}`] : [])],
    ...(whose && { whoseNames: whose }),
  };
}

/** Deepest path that is looked at. */
const MAX_DEPTH = 8;
/** A network that is held by something else has at least this share of the tensors. */
const LEAST_SHARE = 0.3;
const MOST_PREFIXES = 12;

/** Paths under which many of the tensors lie, with their dot, those that hold most first: where a network may be. */
export function prefixesOf(names: Iterable<string>): readonly string[] {
  const counts = new Map<string, number>();
  let total = 0;
  for (const name of names) {
    total++;
    for (let at = name.indexOf('.'), depth = 0; at >= 0 && depth < MAX_DEPTH; at = name.indexOf('.', at + 1), depth++) {
      const prefix = name.slice(0, at + 1);
      counts.set(prefix, (counts.get(prefix) ?? 0) + 1);
    }
  }
  return [...counts]
    .filter(([, count]) => count >= LEAST_SHARE * total)
    .sort(([a, m], [b, n]) => n - m || a.length - b.length)
    .slice(0, MOST_PREFIXES)
    .map(([prefix]) => prefix);
}
