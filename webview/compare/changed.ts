/** Images that changed verdict between two models, as thumbnails with both predictions. */
import { formatInteger } from '../../src/common/format.ts';
import type { ChangedImages } from '../../src/protocol/panels.ts';
import { element } from '../shared/dom.ts';
import { t } from '../shared/l10n.ts';

const HEADINGS = {
  lost: () => t('Right before, wrong now'),
  gained: () => t('Wrong before, right now'),
  other: () => t('Wrong both times, differently'),
} as const;

const count = (n: number): string => (n === 1 ? t('1 image') : t('{0} images', formatInteger(n)));

export function changedImages({ images, totals }: ChangedImages): HTMLElement {
  if (images.length === 0) return element('p', { class: 'muted' }, t('Both say the same of every image.'));
  const kinds = Object.keys(HEADINGS) as (keyof typeof HEADINGS)[];
  return element(
    'div',
    {},
    ...kinds.flatMap((kind) => {
      const own = images.filter(({ change }) => change === kind);
      if (own.length === 0) return [];
      return [
        element('h3', {}, `${HEADINGS[kind]()}: ${count(totals[kind])}`),
        element('ul', { class: 'thumbnails' }, ...own.map(thumbnail)),
      ];
    }),
  );
}

function thumbnail({ uri, file, label, before, after, change }: ChangedImages['images'][number]): HTMLElement {
  return element(
    'li',
    { class: `thumbnail ${change}` },
    element('img', {
      src: uri,
      alt: `${label}: ${file.split(/[\\/]/).at(-1) ?? ''}`,
      loading: 'lazy',
      width: 72,
      height: 72,
    }),
    element('span', { class: 'truth', title: label }, label),
    element('span', { class: 'muted', title: `${before} → ${after}` }, `${before} → ${after}`),
  );
}
