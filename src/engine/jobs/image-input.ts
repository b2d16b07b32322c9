/** Which networks can be fed from image files. */
import { UserError } from '../../common/errors.ts';
import type { Graph } from '../graph/graph.ts';

/**
 * Files become squares of three normalised colours.
 * @throws UserError naming what the network takes instead, before any work
 */
export function requireImages({ name, input }: Graph): void {
  const { channels, height, width } = input;
  const size = `${width} × ${height} pixels (width × height)`;
  if (channels !== 3)
    throw new UserError(
      `${name} takes ${channels} channel${channels === 1 ? '' : 's'} of ${size}; image files give three (red, green, blue). ` +
        'It cannot be evaluated, scored by images or finetuned here; scores that need no images (l1, l2, random), or --gradients FILE, work.',
    );
  if (height !== width)
    throw new UserError(
      `${name} takes images of ${size}; Espalier makes squares of image files. Export it for square images` +
        ', or score it without images (l1, l2, random, --gradients FILE).',
    );
}
