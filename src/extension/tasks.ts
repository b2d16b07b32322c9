/** The `espalier` task type: a command of the command line with its flags, for runs that can be repeated. */
import * as vscode from 'vscode';
import { TASK_COMMANDS, TASK_TYPE } from './contributions.ts';
import { setting } from './settings.ts';

type FlagValue = string | number | boolean | readonly (string | number)[];

export interface EspalierTask extends vscode.TaskDefinition {
  readonly command: (typeof TASK_COMMANDS)[number];
  readonly arguments?: readonly string[];
  readonly flags?: Readonly<Record<string, FlagValue>>;
}

/** `{epochs: 5, "model-ema": true, ignore: ["a", "b"]}` → `--epochs 5 --model-ema --ignore a b`. */
function commandLine(task: EspalierTask): string[] {
  const flags = Object.entries(task.flags ?? {}).flatMap(([name, value]) => {
    if (value === false) return [];
    if (value === true) return [`--${name}`];
    return [`--${name}`, ...(Array.isArray(value) ? value.map(String) : [String(value)])];
  });
  return [task.command, ...(task.arguments ?? []), ...flags];
}

export class TaskProvider implements vscode.TaskProvider {
  constructor(private readonly extension: vscode.Uri) {}

  /** What can be run as it is; others are written in tasks.json. */
  provideTasks(): vscode.Task[] {
    if (!vscode.workspace.isTrusted) return [];
    return [
      this.task({ type: TASK_TYPE, command: 'models' }, vscode.l10n.t('list models')),
      this.task({ type: TASK_TYPE, command: 'runtime', arguments: ['status'] }, vscode.l10n.t('runtime status')),
    ];
  }

  resolveTask(task: vscode.Task): vscode.Task | undefined {
    const definition = task.definition as EspalierTask;
    if (!TASK_COMMANDS.includes(definition.command)) return undefined;
    return this.task(definition, task.name || definition.command, task.scope);
  }

  private task(
    definition: EspalierTask,
    name: string,
    scope: vscode.WorkspaceFolder | vscode.TaskScope = vscode.TaskScope.Workspace,
  ): vscode.Task {
    const program = vscode.Uri.joinPath(this.extension, 'dist', 'espalier.cjs').fsPath;
    const execution = new vscode.ProcessExecution(
      setting('espalier.worker.node') || process.execPath,
      [program, ...commandLine(definition)],
      { env: { ELECTRON_RUN_AS_NODE: '1' } },
    );
    // No problem matchers, and said so: else VS Code asks before each run which of them shall read the output.
    const made = new vscode.Task(definition, scope, name, 'Espalier', execution, []);
    made.presentationOptions = { reveal: vscode.TaskRevealKind.Always, panel: vscode.TaskPanelKind.Dedicated };
    return made;
  }
}
