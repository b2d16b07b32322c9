/** The extension's settings, typed by contributions.ts. */
import * as vscode from 'vscode';
import type { SettingId, SettingValue } from './contributions.ts';

/** Value of a setting, as it applies to a file or folder. */
export function setting<K extends SettingId>(id: K, scope?: vscode.Uri): SettingValue<K> {
  const dot = id.indexOf('.');
  const value = vscode.workspace.getConfiguration(id.slice(0, dot), scope).get(id.slice(dot + 1));
  return value as SettingValue<K>;
}

export function onSettingChange(ids: readonly SettingId[], listener: () => void): vscode.Disposable {
  return vscode.workspace.onDidChangeConfiguration((event) => {
    if (ids.some((id) => event.affectsConfiguration(id))) listener();
  });
}
