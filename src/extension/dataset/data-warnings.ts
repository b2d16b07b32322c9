/** What is wrong with images that a run could all the same be started on. */
import type { DataCheck } from '../../protocol/values.ts';

/** An accuracy on fewer images is known to no better than ±10 points. */
const FEW_IMAGES = 100;
/** Two-sided 95 %, in standard deviations. */
const CONFIDENCE = 1.96;

export type DataWarning =
  | { readonly kind: 'oneClass'; readonly split: string }
  /** `points`: half the width of the 95 % interval of an accuracy at its widest, in points. */
  | { readonly kind: 'few'; readonly split: string; readonly images: number; readonly points: number }
  /** The model tells more classes apart than there are images of. */
  | { readonly kind: 'someClasses'; readonly split: string; readonly classes: number; readonly of: number };

export function dataWarnings({ splits, modelClasses }: DataCheck): readonly DataWarning[] {
  return splits.flatMap(({ name, images, classes }): DataWarning[] => {
    if (classes === 1 && modelClasses > 1) return [{ kind: 'oneClass', split: name }];
    const points = Math.ceil((100 * CONFIDENCE * 0.5) / Math.sqrt(Math.max(1, images)));
    return [
      ...(images < FEW_IMAGES ? [{ kind: 'few', split: name, images, points } as const] : []),
      ...(name === 'train' && classes < modelClasses
        ? [{ kind: 'someClasses', split: name, classes, of: modelClasses } as const]
        : []),
    ];
  });
}
