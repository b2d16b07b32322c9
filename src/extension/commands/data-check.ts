/** Looks at the images before a run is queued: what the run would refuse is refused at once, what makes it worth little is asked about. */
import path from 'node:path';
import * as vscode from 'vscode';
import { formatInteger } from '../../common/format.ts';
import type { ModelSource } from '../../protocol/values.ts';
import { type DataWarning, dataWarnings } from '../dataset/data-warnings.ts';
import { RequestError } from '../supervision/request-error.ts';
import { CANCELLED } from './questions.ts';
import type { Services } from './services.ts';

function textOf(warning: DataWarning, data: string): string {
  const split = `${data}/${warning.split}`;
  switch (warning.kind) {
    case 'oneClass':
      return vscode.l10n.t('{0} has images of one class only: an accuracy on them says nothing.', split);
    case 'few':
      return vscode.l10n.t(
        '{0} has {1} images: an accuracy on so few is known to ±{2} points.',
        split,
        formatInteger(warning.images),
        warning.points,
      );
    case 'someClasses':
      return vscode.l10n.t(
        '{0} has images of {1} of the model’s {2} classes: it would forget the others.',
        split,
        formatInteger(warning.classes),
        formatInteger(warning.of),
      );
  }
}

/** Rejects (as cancelled, once it was said) where the images do not fit the model, or the person would rather take others. */
export async function checkData(
  { worker }: Services,
  source: ModelSource,
  dataPath: string,
  splits: readonly ('train' | 'val')[],
): Promise<void> {
  const select = vscode.l10n.t('Select Data Set…');
  const other = async (chosen: string | undefined): Promise<never> => {
    if (chosen === select) await vscode.commands.executeCommand('espalier.selectDataset');
    throw CANCELLED;
  };
  const found = await worker.request('dataset/check', { source, dataPath, splits }).catch(async (error: unknown) => {
    if (!(error instanceof RequestError) || error.kind !== 'user') throw error;
    return other(await vscode.window.showErrorMessage(error.message, select));
  });
  const warnings = dataWarnings(found).map((warning) => textOf(warning, path.basename(dataPath)));
  if (warnings.length === 0) return;
  const go = vscode.l10n.t('Go On');
  const [first, ...more] = warnings;
  const chosen = await vscode.window.showWarningMessage(first, { modal: true, detail: more.join('\n') }, go, select);
  if (chosen !== go) await other(chosen);
}
