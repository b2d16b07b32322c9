/** Exploring the trade-off of accuracy against cost. */
import type { ScoreSettings } from './values.ts';

export interface ExploreSettings {
  /** Folder with train/ and val/. */
  readonly dataPath: string;
  /** `50%`, `2.05G` */
  readonly targets: readonly string[];
  /** Training images that are fitted to. */
  readonly images: number;
  /** Validation images that are evaluated on; 0: all. */
  readonly limit: number;
  readonly score: Omit<ScoreSettings, 'dataPath'>;
}

export interface ExploreResult {
  /** The report: Markdown, with picture and CSV beside it. */
  readonly saved: string;
  readonly networks: number;
}
