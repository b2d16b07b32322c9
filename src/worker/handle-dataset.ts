/** Looks at a data set folder: its splits, classes, counts and first images. */
import { type ImageFolder, openImageFolder, type Split } from '../engine/data/image-folder.ts';
import { dataFor, openImages } from '../engine/jobs/evaluate.ts';
import type { DatasetSplit, DatasetSummary } from '../protocol/values.ts';
import type { Handler } from './handler.ts';
import { findModel } from './open-models.ts';

const SHOWN_SAMPLES = 24;

function extreme(folder: ImageFolder, better: (a: number, b: number) => boolean): DatasetSplit['fewest'] {
  let best = 0;
  folder.counts.forEach((count, i) => {
    if (better(count, folder.counts[best])) best = i;
  });
  return { className: folder.classes[best], images: folder.counts[best] };
}

function summaryOf(folder: ImageFolder): DatasetSplit {
  return {
    name: folder.split,
    classes: folder.classes.length,
    images: folder.samples.length,
    fewest: extreme(folder, (a, b) => a < b),
    most: extreme(folder, (a, b) => a > b),
  };
}

/** The first image of each of the first classes. */
function firstImages(folder: ImageFolder): DatasetSummary['samples'] {
  const seen = new Set<number>();
  return folder.samples
    .filter(({ label }) => seen.size < SHOWN_SAMPLES && !seen.has(label) && seen.add(label))
    .map(({ file, label }) => ({ file, className: folder.classes[label], split: folder.split }));
}

function classDifference(train: ImageFolder, val: ImageFolder): string[] {
  const known = new Set(train.classes);
  const missing = val.classes.filter((name) => !known.has(name));
  if (missing.length)
    return [`Classes of ${val.root} that ${train.root} does not have: ${missing.slice(0, 5).join(', ')}`];
  return train.classes.length === val.classes.length
    ? []
    : [`${train.root} has ${train.classes.length} classes, ${val.root} has ${val.classes.length}`];
}

export const validateDataset: Handler<'dataset/validate'> = async ({ path }, { signal, progress }) => {
  const folders: ImageFolder[] = [];
  const wanted: readonly Split[] = ['train', 'val'];
  for (const [index, split] of wanted.entries()) {
    signal.throwIfAborted();
    progress({ phase: 'read', done: index, total: wanted.length, message: split });
    // A data set with only one of them can be evaluated on, or scored with: the other's absence is a note.
    folders.push(
      await openImageFolder(path, split).catch((error: unknown) => {
        if (index === wanted.length - 1 && folders.length) return folders[0];
        throw error;
      }),
    );
  }
  const [train, val] = folders;
  const distinct = train.root === val.root ? [train] : [train, val];
  return {
    root: path,
    splits: distinct.map(summaryOf),
    classNames: train.classes,
    samples: firstImages(train),
    warnings: [
      ...new Set([
        ...distinct.flatMap(({ notes }) => notes),
        ...(distinct.length > 1 ? classDifference(train, val) : []),
      ]),
    ],
  };
};

export const checkDataset: Handler<'dataset/check'> = async ({ source, dataPath, splits }, { signal }) => {
  const { model } = await findModel(source);
  const found = [];
  for (const name of splits) {
    signal.throwIfAborted();
    const { samples } = await openImages(model.graph, dataFor(model, { dataPath }), name);
    found.push({ name, images: samples.length, classes: new Set(samples.map(({ label }) => label)).size });
  }
  return { splits: found, modelClasses: model.graph.classes };
};
