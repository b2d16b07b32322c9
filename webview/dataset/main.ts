/** The data set view: splits, counts, first images. */
import { formatInteger } from '../../src/common/format.ts';
import './dataset.css';
import '../shared/base.css';
import type { DatasetToHost, HostToDataset } from '../../src/protocol/panels.ts';
import type { DatasetSplit, DatasetSummary } from '../../src/protocol/values.ts';
import { element, scrollRegion } from '../shared/dom.ts';
import { connect } from '../shared/host-wire.ts';
import { t } from '../shared/l10n.ts';

const SHOWN_CLASSES = 200;

const host = connect<HostToDataset, DatasetToHost, never>({
  'dataset/snapshot': ({ summary, uris }) => {
    document
      .getElementById('root')
      ?.replaceChildren(
        element('h1', {}, summary.root),
        ...summary.warnings.map((warning) => element('p', { class: 'warning' }, warning)),
        splits(summary.splits),
        element('h2', {}, t('First images')),
        images(summary, uris),
        classes(summary.classNames),
      );
  },
});

const count = (n: number): string => formatInteger(n);

/** The class too, where there is a difference. */
function extreme({ fewest, most }: DatasetSplit, one: DatasetSplit['fewest']): string {
  return fewest.images === most.images ? count(one.images) : `${count(one.images)} (${one.className})`;
}

function splits(all: readonly DatasetSplit[]): HTMLElement {
  const headings = [t('Split'), t('Classes'), t('Images'), t('Fewest in a class'), t('Most in a class')];
  return scrollRegion(
    t('Split'),
    element(
      'table',
      {},
      element('thead', {}, element('tr', {}, ...headings.map((text) => element('th', { scope: 'col' }, text)))),
      element(
        'tbody',
        {},
        ...all.map((split) =>
          element(
            'tr',
            {},
            element('th', { scope: 'row' }, split.name),
            element('td', { class: 'number' }, count(split.classes)),
            element('td', { class: 'number' }, count(split.images)),
            element('td', { class: 'number' }, extreme(split, split.fewest)),
            element('td', { class: 'number' }, extreme(split, split.most)),
          ),
        ),
      ),
    ),
  );
}

function images({ samples }: DatasetSummary, uris: readonly string[]): HTMLElement {
  return element(
    'ul',
    { class: 'images' },
    ...samples.map(({ className }, i) =>
      element(
        'li',
        {},
        element('img', { src: uris[i], alt: '', width: 96, height: 96, loading: 'lazy' }),
        element('span', { title: className }, className),
      ),
    ),
  );
}

function classes(names: readonly string[]): HTMLElement {
  const shown = names.slice(0, SHOWN_CLASSES).join(', ');
  const more = names.length > SHOWN_CLASSES ? t(' and {0} more', count(names.length - SHOWN_CLASSES)) : '';
  return element(
    'details',
    {},
    element('summary', {}, t('{0} classes', count(names.length))),
    element('p', { class: 'muted' }, shown + more),
  );
}

host.send('ready', null);
