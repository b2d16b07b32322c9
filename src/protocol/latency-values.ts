/** What a network's layers take on this machine, so that a target can be a time. */

/** Times that were measured; what a prediction of them is worth. */
export interface LatencyView {
  /** The same text for times of the same machine, runtime, threads, images of a run and multiple of widths: plans name it. */
  readonly key: string;
  /** Machine, runtime, threads and images of a run, for a person. */
  readonly where: string;
  /** Widths were measured at multiples of this. */
  readonly roundTo: number;
  /** Milliseconds of the network as it is: the median of its runs. */
  readonly dense: number;
  /** Largest relative error of a prediction, of so many networks that the fit has not seen. */
  readonly error: number;
  readonly heldOut: number;
}

/** What a plan takes, predicted. */
export interface PlanTime {
  /** Milliseconds. */
  readonly predicted: number;
  /** Those asked for, where the target is a time. */
  readonly asked?: number;
}

/** Of a pruning to a time: several plans were run whole, and the largest that kept the target was taken. */
export interface MeasuredLatency {
  readonly asked: number;
  readonly predicted: number;
  /** Median of its runs. */
  readonly measured: number;
  /** Plans that were run. */
  readonly plans: number;
  readonly where: string;
}
