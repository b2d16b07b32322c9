/** What a criterion's formula is: a score of each element of the parameters, or of each channel at once. */
import type { MemberKind } from '../../coupling/groups.ts';

/** Whether a kind of member counts in the sums; depthwise convolutions and bare parameters count in none of the reference's. */
export type CountedMembers = { readonly [K in MemberKind]: boolean };

export interface ElementFormula {
  readonly of: 'elements';
  readonly counts: CountedMembers;
  /** Score of one element; `g` is 0 where the criterion reads no gradient. */
  readonly element: (weight: number, g: number) => number;
}

export interface ChannelFormula {
  readonly of: 'channels';
  /** `count` scores for what `name` names, the same for the same seed. */
  readonly scores: (seed: number, name: string, count: number) => Float64Array;
}

export type Formula = ElementFormula | ChannelFormula;

export const WITH_NORMS: CountedMembers = {
  conv: true,
  convTranspose: true,
  linear: true,
  batchNorm: true,
  layerNorm: true,
  groupNorm: true,
  depthwise: false,
  bare: false,
};
