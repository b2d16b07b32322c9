/** Sums over rows of a layer's inputs and targets: all that a least squares fit, and its error, are made of. */

/** A layer's weights act on `groups` slices of its input one by one: 1 for a plain layer, the channels of a depthwise one. */
export interface MomentSizes {
  readonly groups: number;
  /** Inputs of a group: channels times taps. */
  readonly inputs: number;
  /** Outputs of a group. */
  readonly outputs: number;
}

/** Double precision. X: rows × inputs, Y: rows × outputs, of every group. */
export interface Moments extends MomentSizes {
  readonly rows: number;
  /** XᵀX: [groups, inputs, inputs]. */
  readonly xx: Float64Array;
  /** YᵀX: [groups, outputs, inputs], as a layer's weight lies. */
  readonly yx: Float64Array;
  /** Column sums of X: [groups, inputs], and of Y: [groups, outputs]. */
  readonly x: Float64Array;
  readonly y: Float64Array;
  /** Column sums of Y²: [groups, outputs]. */
  readonly yy: Float64Array;
}

const MOMENT_FIELDS = ['xx', 'yx', 'x', 'y', 'yy'] as const;
type Field = (typeof MOMENT_FIELDS)[number];

const sizesOf: { readonly [F in Field]: (sizes: MomentSizes) => number } = {
  xx: ({ groups, inputs }) => groups * inputs * inputs,
  yx: ({ groups, inputs, outputs }) => groups * outputs * inputs,
  x: ({ groups, inputs }) => groups * inputs,
  y: ({ groups, outputs }) => groups * outputs,
  yy: ({ groups, outputs }) => groups * outputs,
};

const TARGET_FIELDS = ['yx', 'y', 'yy'] as const satisfies readonly Field[];

/** Adds up what batches bring. */
export class MomentSums {
  private readonly sums: { readonly [F in Field]: Float64Array };
  private readonly fields: readonly Field[];
  private rows = 0;

  /** @param known sums of the same inputs with other targets: those of the inputs alone are taken over, and no batch brings them */
  constructor(
    private readonly sizes: MomentSizes,
    known?: Moments,
  ) {
    const zeros = (field: Field): Float64Array => new Float64Array(sizesOf[field](sizes));
    const { xx, x } = known ?? { xx: zeros('xx'), x: zeros('x') };
    this.sums = { xx, yx: zeros('yx'), x, y: zeros('y'), yy: zeros('yy') };
    this.fields = known ? TARGET_FIELDS : MOMENT_FIELDS;
  }

  /** @param batch sums over `rows` rows, by field */
  add(batch: Readonly<Record<string, ArrayLike<number>>>, rows: number): void {
    for (const field of this.fields) {
      const sum = this.sums[field];
      const more = batch[field];
      if (more.length !== sum.length) throw new Error(`${field} has ${more.length} entries, not ${sum.length}`);
      for (let i = 0; i < sum.length; i++) sum[i] += more[i];
    }
    this.rows += rows;
  }

  get moments(): Moments {
    return { ...this.sizes, rows: this.rows, ...this.sums };
  }
}

/** The sums over the rows of both. */
export function mergeMoments(a: Moments, b: Moments): Moments {
  const added = (field: Field): Float64Array => a[field].map((value, i) => value + b[field][i]);
  return {
    groups: a.groups,
    inputs: a.inputs,
    outputs: a.outputs,
    rows: a.rows + b.rows,
    xx: added('xx'),
    yx: added('yx'),
    x: added('x'),
    y: added('y'),
    yy: added('yy'),
  };
}
