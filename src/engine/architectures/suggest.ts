/** Names that a person may have meant. */
import { variants } from './registry.ts';

/** torchvision's names of networks that are known by timm's. */
const TORCHVISION: Readonly<Record<string, string>> = {
  vit_b_16: 'vit_base_patch16_224',
  swin_t: 'swin_tiny_patch4_window7_224',
  swin_s: 'swin_small_patch4_window7_224',
  swin_b: 'swin_base_patch4_window7_224',
  regnet_y_400mf: 'regnety_004',
  regnet_y_800mf: 'regnety_008',
  regnet_y_1_6gf: 'regnety_016',
  regnet_y_3_2gf: 'regnety_032',
  regnet_y_16gf: 'regnety_160',
};
const MOST = 3;
const SHORTEST = 3;
/** Letters put in, left out or changed. */
const MOST_EDITS = 3;

/** Levenshtein's distance. */
function edits(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++)
      next.push(Math.min(next[j - 1] + 1, row[j] + 1, row[j - 1] + Number(a[i - 1] !== b[j - 1])));
    row = next;
  }
  return row[b.length];
}

/** Known names near to one that is not known, the nearest first; none where nothing is near. */
export function suggestNames(unknown: string): readonly string[] {
  const name = unknown.toLowerCase().replaceAll('-', '_').split('.')[0];
  if (Object.hasOwn(TORCHVISION, name)) return [TORCHVISION[name]];
  const names = variants.map((variant) => variant.name);
  const near = names
    .map((known) => ({ known, distance: edits(name, known) }))
    .filter(({ distance }) => distance <= MOST_EDITS)
    .sort((a, b) => a.distance - b.distance);
  const longer = name.length >= SHORTEST ? names.filter((known) => known.includes(name)) : [];
  return [...new Set([...near.map(({ known }) => known), ...longer])].slice(0, MOST);
}
