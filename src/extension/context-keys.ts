/** Context keys, set only when they change. */
import * as vscode from 'vscode';
import type { ContextKeys } from './contributions.ts';

const known = new Map<string, unknown>();

export function setContext<K extends keyof ContextKeys>(key: K, value: ContextKeys[K]): void {
  if (known.get(key) === value) return;
  known.set(key, value);
  void vscode.commands.executeCommand('setContext', key, value);
}

let told = 0;

/**
 * Tells the keys that hold once more, as other values that hold as well: the walkthrough ticks a step when its key changes, and hears of
 * no change before VS Code has read its steps.
 */
export function tellContextAgain(): void {
  told += 1;
  for (const [key, value] of known) if (value === true) void vscode.commands.executeCommand('setContext', key, told);
}
