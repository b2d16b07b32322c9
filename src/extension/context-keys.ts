/** Context keys, set only when they change. */
import * as vscode from 'vscode';
import type { ContextKeys } from './contributions.ts';

const known = new Map<string, unknown>();

export function setContext<K extends keyof ContextKeys>(key: K, value: ContextKeys[K]): void {
  if (known.get(key) === value) return;
  known.set(key, value);
  void vscode.commands.executeCommand('setContext', key, value);
}
