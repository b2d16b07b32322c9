/** Context keys, set only when they change, and the steps of the walkthrough that they tick. */
import * as vscode from 'vscode';
import { type ContextKeys, STEP_KEYS, type StepKey, TOLD, toldKey } from './contributions.ts';

const known = new Map<string, unknown>();
const done = new Set<StepKey>();
/** Which of TOLD it is now. */
let told = 0;

/** Milliseconds after which VS Code may have read the steps of a walkthrough that was opened, on a fast machine and on busy ones. */
const STEPS_ARE_READ = [1_000, 3_000, 8_000, 20_000];

const isStep = (key: string): key is StepKey => (STEP_KEYS as readonly string[]).includes(key);

function tell(step: StepKey): void {
  void vscode.commands.executeCommand('setContext', toldKey(step), TOLD[told]);
}

export function setContext<K extends keyof ContextKeys>(key: K, value: ContextKeys[K]): void {
  if (known.get(key) === value) return;
  known.set(key, value);
  void vscode.commands.executeCommand('setContext', key, value);
  if (!value || !isStep(key)) return;
  done.add(key);
  tell(key);
}

function tellAgain(): void {
  told = (told + 1) % TOLD.length;
  for (const step of done) tell(step);
}

/** Tells of the steps that were done once the walkthrough is read, which nothing says, whichever way it is opened. */
export function watchWalkthrough(): vscode.Disposable {
  let timers: NodeJS.Timeout[] = [];
  const watch = vscode.window.tabGroups.onDidChangeTabs(({ opened, changed }) => {
    // A page of VS Code's own has no input; its title is another one until the walkthrough is read.
    if (![...opened, ...changed].some(({ input }) => input === undefined)) return;
    for (const timer of timers) clearTimeout(timer);
    timers = STEPS_ARE_READ.map((milliseconds) => setTimeout(tellAgain, milliseconds));
  });
  return new vscode.Disposable(() => {
    watch.dispose();
    for (const timer of timers) clearTimeout(timer);
  });
}
