/** Mean intersection over union of segmentations, as PASCAL VOC counts it: over all pixels of all images, class by class. */

export interface SegmentationMetrics {
  /** Mean over the classes that occur in labels or predictions, 0 to 1. */
  readonly miou: number;
  /** Share of the labelled pixels that are right. */
  readonly pixelAccuracy: number;
  readonly classes: number;
  readonly images: number;
}

/** Pixels that carry no label. */
export const IGNORED = 255;

export class SegmentationSum {
  private readonly both: Float64Array;
  private readonly labelled: Float64Array;
  private readonly predicted: Float64Array;
  private images = 0;

  constructor(private readonly classes: number) {
    [this.both, this.labelled, this.predicted] = [0, 1, 2].map(() => new Float64Array(classes)) as Float64Array[];
  }

  /**
   * @param values of one image, [classes, height, width]
   * @param labels [height, width]
   * @throws RangeError for a label that is no class
   */
  add(values: Float32Array, labels: Uint8Array): void {
    const pixels = labels.length;
    for (let i = 0; i < pixels; i++) {
      const label = labels[i];
      if (label === IGNORED) continue;
      if (label >= this.classes) throw new RangeError(`${label} is no class of ${this.classes}`);
      let best = 0;
      for (let c = 1; c < this.classes; c++) if (values[c * pixels + i] > values[best * pixels + i]) best = c;
      this.labelled[label]++;
      this.predicted[best]++;
      if (best === label) this.both[label]++;
    }
    this.images++;
  }

  get result(): SegmentationMetrics {
    const shares = Array.from(this.both, (both, c) => both / (this.labelled[c] + this.predicted[c] - both));
    const present = shares.filter((share) => !Number.isNaN(share));
    const sum = (values: Float64Array): number => values.reduce((a, b) => a + b, 0);
    return {
      miou: present.reduce((a, b) => a + b, 0) / (present.length || 1),
      pixelAccuracy: sum(this.both) / (sum(this.labelled) || 1),
      classes: present.length,
      images: this.images,
    };
  }
}
