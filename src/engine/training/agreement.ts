/** How far one network's outputs are from another's, output by output, over batches of images. */
import { sizePerImage } from '../graph/shapes.ts';
import { channelOf, type OutputSpec, type OutputStatistics } from './output-statistics.ts';

interface OutputAgreement {
  readonly name: string;
  /** ‖student − dense‖ / ‖dense‖ over all images. */
  readonly relativeError: number;
  /** Of the two as vectors, over all images. */
  readonly cosine: number;
}

export interface Agreement {
  readonly outputs: readonly OutputAgreement[];
  readonly images: number;
  /** The imitation loss: squared distance in units of each channel's variance, mean over elements, outputs and images. */
  readonly loss: number;
}

interface Sums {
  dot: number;
  dense: number;
  student: number;
  difference: number;
  weighted: number;
}

type Values = Readonly<Record<string, Float32Array>>;

export class AgreementSum {
  private readonly sums: Map<string, Sums>;
  private images = 0;

  /** @param statistics of the dense network's outputs */
  constructor(
    private readonly outputs: readonly OutputSpec[],
    private readonly statistics: ReadonlyMap<string, OutputStatistics>,
  ) {
    this.sums = new Map(
      outputs.map(({ name }) => [name, { dot: 0, dense: 0, student: 0, difference: 0, weighted: 0 }]),
    );
  }

  add(dense: Values, student: Values, count: number): void {
    for (const { name, shape } of this.outputs) {
      const sums = this.sums.get(name) as Sums;
      const [t, s] = [dense[name], student[name]];
      const precision = this.statistics.get(name)?.precision ?? new Float32Array(1);
      const channel = channelOf(shape);
      const size = sizePerImage(shape);
      let weighted = 0;
      for (let i = 0; i < t.length; i++) {
        const difference = (s[i] - t[i]) ** 2;
        sums.dot += s[i] * t[i];
        sums.dense += t[i] ** 2;
        sums.student += s[i] ** 2;
        sums.difference += difference;
        weighted += difference * precision[channel(i % size)];
      }
      sums.weighted += weighted / size;
    }
    this.images += count;
  }

  get result(): Agreement {
    const { images } = this;
    const all = [...this.sums];
    return {
      outputs: all.map(([name, { dot, dense, student, difference }]) => ({
        name,
        relativeError: Math.sqrt(difference / (dense || 1)),
        cosine: dense === 0 && student === 0 ? 1 : dot / (Math.sqrt(dense * student) || 1),
      })),
      images,
      loss: all.reduce((sum, [, { weighted }]) => sum + weighted, 0) / all.length / (images || 1),
    };
  }
}
