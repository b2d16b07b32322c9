/**
 * Questions to the person. They stay until they are answered: a webview that gets the keyboard back late, as it does when the
 * palette closes, would close them otherwise.
 */
import * as vscode from 'vscode';
import { RequestError } from '../supervision/request-error.ts';

/** The person closed a quick pick or dialog: nothing is to be said. */
export const CANCELLED = new RequestError('cancelled', 'Cancelled.');

/** The value, unless the person closed the question. */
export async function answered<T>(question: Thenable<T | undefined>): Promise<T> {
  const answer = await question;
  if (answer === undefined) throw CANCELLED;
  return answer;
}

type Items<T> = readonly T[] | Thenable<readonly T[]>;

/** One entry of a list. */
export const chooseOne = <T extends vscode.QuickPickItem>(
  items: Items<T>,
  options: Omit<vscode.QuickPickOptions, 'ignoreFocusOut' | 'canPickMany'>,
): Promise<T> => answered(vscode.window.showQuickPick(items, { ...options, ignoreFocusOut: true }));

/** The ticked entries of a list, one at least. */
export async function chooseSeveral<T extends vscode.QuickPickItem>(
  items: Items<T>,
  options: Omit<vscode.QuickPickOptions, 'ignoreFocusOut' | 'canPickMany'>,
): Promise<readonly T[]> {
  const chosen = await answered(
    vscode.window.showQuickPick(items, { ...options, ignoreFocusOut: true, canPickMany: true }),
  );
  if (chosen.length === 0) throw CANCELLED;
  return chosen;
}

/** A line of text. */
export const askText = (options: Omit<vscode.InputBoxOptions, 'ignoreFocusOut'>): Promise<string> =>
  answered(vscode.window.showInputBox({ ...options, ignoreFocusOut: true }));
