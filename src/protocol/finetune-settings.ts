/** What a finetuning run is asked to do, and where. */
import type { RunPlace } from './run-place.ts';

export interface FinetuneSettings {
  readonly recipe: string;
  readonly dataPath: string;
  readonly flags: Readonly<Record<string, string | number | boolean>>;
  /** Where it trains; without, on this machine, with what computes everything else. */
  readonly place?: RunPlace;
}
