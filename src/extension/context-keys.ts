/** Context keys, set only when they change. */
import * as vscode from 'vscode';
import type { ContextKeys } from './contributions.ts';

const known = new Map<string, unknown>();

export function setContext<K extends keyof ContextKeys>(key: K, value: ContextKeys[K]): void {
  if (known.get(key) === value) return;
  known.set(key, value);
  void vscode.commands.executeCommand('setContext', key, value);
}

/**
 * Tells the keys that hold once more. The walkthrough ticks a step when its key changes, and hears of no change before it is opened
 * for the first time.
 */
export async function tellContextAgain(): Promise<void> {
  for (const [key, value] of known) {
    if (value !== true) continue;
    await vscode.commands.executeCommand('setContext', key, false);
    await vscode.commands.executeCommand('setContext', key, true);
  }
}
