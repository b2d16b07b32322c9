/** A button above the settings of a finetuning run: it starts the run with what the file says. */
import * as vscode from 'vscode';
import { type CommandId, FINETUNE_FILE } from './contributions.ts';

const START: CommandId = 'espalier.startFinetune';

export const registerFinetuneLens = (): vscode.Disposable =>
  vscode.languages.registerCodeLensProvider(
    { pattern: `**/${FINETUNE_FILE}` },
    {
      provideCodeLenses: ({ uri }) => [
        new vscode.CodeLens(new vscode.Range(0, 0, 0, 0), {
          title: `$(play) ${vscode.l10n.t('Start')}`,
          command: START,
          arguments: [uri],
        }),
      ],
    },
  );
