/** An explored trade-off as the run's page shows it: what each network has and costs, and the plan behind it. */

export const TRADE_OFF_FILE = 'frontier.json';
export const TRADE_OFF_MODES = ['dense', 'pruned', 'repaired', 'sensitivity', 'reconstruction'] as const;

export interface TradeOffPoint {
  readonly mode: (typeof TRADE_OFF_MODES)[number];
  /** As it was asked for: `50%`. */
  readonly target: string;
  readonly macs: number;
  readonly params: number;
  /** Share of the images that are classified right. */
  readonly top1?: number;
  readonly images?: number;
  /** Share of held-out images on which it names the dense network's class. */
  readonly agreement?: number;
  /** Median at batch 1, in milliseconds. */
  readonly latency: number;
  /** In the run's folder; absent for the dense network. */
  readonly plan?: string;
}

export interface TradeOff {
  readonly points: readonly TradeOffPoint[];
  /** What computed, and so what the times are of. */
  readonly backend: string;
}
