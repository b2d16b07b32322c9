/** Opens a checkpoint in the form in which it fits a network: parts put together, wrappers' prefixes off, products folded. */
import { UserError } from '../../../common/errors.ts';
import type { Variant } from '../../architectures/variant.ts';
import { type OpenCheckpoint, openCheckpoint, type ReadOptions } from '../../checkpoint/checkpoint.ts';
import { prefixesOf, renamedCheckpoint } from '../../checkpoint/renamed.ts';
import { withFoldedWeights } from '../../checkpoint/reparametrised.ts';
import { checkpointInFolder, isFolder, isSharded, openShards } from '../../checkpoint/shards.ts';
import type { Graph } from '../../graph/graph.ts';
import { graphOf, UnknownNetworkError } from './model-graph.ts';
import type { ModelRequest } from './model-types.ts';

export interface FittingCheckpoint {
  readonly checkpoint: OpenCheckpoint;
  readonly graph: Graph;
  readonly notes: readonly string[];
  /** Opens it once more in the same form; the caller closes it. */
  reopen(): Promise<OpenCheckpoint>;
}

/** With `prefix`: only what lies under it, `''` for all of it. Undefined: as a training script's usual wrappers want it. */
async function openAs(file: string, options: ReadOptions, prefix?: string): Promise<OpenCheckpoint> {
  const asStored = { ...options, namesAsStored: true };
  if (isSharded(file)) {
    const whole = await openShards(file, (part) => openCheckpoint(part, asStored));
    return withFoldedWeights(renamedCheckpoint(whole, prefix));
  }
  if (prefix === undefined) return withFoldedWeights(await openCheckpoint(file, options));
  return withFoldedWeights(renamedCheckpoint(await openCheckpoint(file, asStored), prefix));
}

/** Prefixes in the file's own names under which much of it lies. */
async function candidatePrefixes(file: string, options: ReadOptions): Promise<readonly string[]> {
  const asStored = { ...options, namesAsStored: true };
  const stored = isSharded(file)
    ? await openShards(file, (part) => openCheckpoint(part, asStored))
    : await openCheckpoint(file, asStored);
  await stored.close();
  return prefixesOf(stored.tensors.keys());
}

/**
 * Opens `place`, a file, an index of parts, one of the parts or a folder, and finds the network that it holds.
 * @throws UserError where it holds none, or several
 */
export async function openFitting(
  place: string,
  options: ReadOptions,
  request: ModelRequest,
  variant?: Variant,
): Promise<FittingCheckpoint> {
  const file = (await isFolder(place)) ? await checkpointInFolder(place) : place;
  const attempt = async (prefix?: string): Promise<FittingCheckpoint> => {
    const checkpoint = await openAs(file, options, prefix);
    try {
      return { checkpoint, ...graphOf(checkpoint, request, variant), reopen: () => openAs(file, options, prefix) };
    } catch (error) {
      await checkpoint.close();
      throw error;
    }
  };
  try {
    return await attempt();
  } catch (error) {
    if (!(error instanceof UnknownNetworkError)) throw error;
    const found: { prefix: string; fitting: FittingCheckpoint }[] = [];
    for (const prefix of await candidatePrefixes(file, options)) {
      const fitting = await attempt(prefix).catch((other: unknown) => {
        if (other instanceof UnknownNetworkError) return undefined;
        throw other;
      });
      // Wrappers' own prefixes come off by themselves: a path further in is the same network.
      const isSame = found.some((other) => prefix.startsWith(other.prefix));
      if (fitting && isSame) await fitting.checkpoint.close();
      else if (fitting) found.push({ prefix, fitting });
    }
    const [first, ...others] = found;
    if (!first) throw error;
    if (!others.length) return first.fitting;
    for (const { fitting } of found) await fitting.checkpoint.close();
    const prefixes = found.map(({ prefix }) => prefix).join(', ');
    throw new UserError(`${file} holds several networks (under ${prefixes}): save the one that is wanted by itself.`);
  }
}
