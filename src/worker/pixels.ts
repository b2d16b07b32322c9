/** What the person says in the host's settings of the pixels that networks take. */
import type { ModelRequest } from '../engine/jobs/opening/model.ts';

const CHOICES = ['0..1', '0..255', 'normalised'] as const satisfies ModelRequest['pixels'][];

/** Nothing where the files are to say it themselves. */
export function pixelsOfHost(): Pick<ModelRequest, 'pixels'> {
  const pixels = CHOICES.find((choice) => choice === process.env['ESPALIER_PIXELS']);
  return pixels ? { pixels } : {};
}
