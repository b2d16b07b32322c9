/** Titles that several models share, told apart by what is known of their files: when its run began, else its folder. */
import path from 'node:path';
import { RUN_FILES } from '../../protocol/run-files.ts';

/** Folder of a run: `2026-11-22T16-47-13-finetune-resnet20`. */
const RUN_FOLDER = /^(\d{4}-\d\d-\d\d)T(\d\d)-(\d\d)-\d\d-/;

/** Name of the folder that a checkpoint lies in; of a job's, which has a folder of its own in its run's, that of the run. */
export function runFolderOf(file: string): string {
  const [run, folder] = path.dirname(file).split(path.sep).slice(-2);
  return folder === RUN_FILES.job && RUN_FOLDER.test(run) ? run : (folder ?? run);
}

function whereFrom(file: string): string {
  const folder = runFolderOf(file);
  const run = RUN_FOLDER.exec(folder);
  return run ? `${run[1]} ${run[2]}:${run[3]}` : folder;
}

/** @param models their titles, and their files where they have one */
export function distinctTitles(models: readonly { readonly title: string; readonly file?: string }[]): string[] {
  const counts = new Map<string, number>();
  for (const { title } of models) counts.set(title, (counts.get(title) ?? 0) + 1);
  return models.map(({ title, file }) =>
    (counts.get(title) ?? 0) > 1 && file !== undefined ? `${title} (${whereFrom(file)})` : title,
  );
}
