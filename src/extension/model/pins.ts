/** Layers whose outputs or inputs stay as they are. */
import type { Pin } from '../../protocol/values.ts';

const bothSides = (side: Pin['side']): readonly ('out' | 'in')[] => (side === 'both' ? ['out', 'in'] : [side]);

/** The pins with one side of a layer, or both, pinned or freed. */
export function changedPins(pins: readonly Pin[], layer: string, side: Pin['side'], pinned: boolean): readonly Pin[] {
  const sides = new Set(pins.filter((pin) => pin.layer === layer).flatMap((pin) => bothSides(pin.side)));
  for (const one of bothSides(side)) {
    if (pinned) sides.add(one);
    else sides.delete(one);
  }
  const others = pins.filter((pin) => pin.layer !== layer);
  const [first] = sides;
  return first ? [...others, { layer, side: sides.size === 2 ? 'both' : first }] : others;
}
