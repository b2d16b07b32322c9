/** The Runs view: state and progress of every run; ticked ones are drawn together in the run editor. */
import * as vscode from 'vscode';
import { formatSeconds } from '../../common/format.ts';
import { formatProgress } from '../progress-text.ts';
import { canPause, canResume, canStopAfterEpoch, ENDED, kindOf, type RunRecord } from '../runs/run-record.ts';
import { nameOfRun, type RunService } from '../runs/run-service.ts';
import { visibleItem } from './visible-item.ts';

const STATE_ICONS: { readonly [S in RunRecord['state']]: readonly [icon: string, color?: string] } = {
  queued: ['clock'],
  running: ['loading~spin', 'charts.blue'],
  paused: ['debug-pause', 'charts.yellow'],
  interrupted: ['debug-disconnect', 'charts.yellow'],
  cancelled: ['circle-slash'],
  failed: ['error', 'charts.red'],
  done: ['pass', 'charts.green'],
};

export const stateText: { readonly [S in RunRecord['state']]: () => string } = {
  queued: () => vscode.l10n.t('queued'),
  running: () => vscode.l10n.t('running'),
  paused: () => vscode.l10n.t('paused'),
  interrupted: () => vscode.l10n.t('interrupted'),
  cancelled: () => vscode.l10n.t('stopped'),
  failed: () => vscode.l10n.t('failed'),
  done: () => vscode.l10n.t('done'),
};

export class RunsView implements vscode.TreeDataProvider<RunRecord>, vscode.Disposable {
  private readonly changes = new vscode.EventEmitter<RunRecord | undefined>();
  readonly onDidChangeTreeData = this.changes.event;
  private readonly ticks = new vscode.EventEmitter<readonly string[]>();
  /** The runs to be compared changed. */
  readonly onDidTick = this.ticks.event;
  private readonly view: vscode.TreeView<RunRecord>;
  private readonly subscriptions: readonly vscode.Disposable[];
  private readonly ticked = new Set<string>();
  /** The objects that the tree holds, by run. */
  private elements = new Map<string, RunRecord>();
  private loaded = false;

  constructor(private readonly runs: RunService) {
    this.view = vscode.window.createTreeView('espalier.runs', { treeDataProvider: this });
    this.subscriptions = [
      this.view,
      runs.onDidChange((record) => {
        const element = record && this.elements.get(record.id);
        this.changes.fire(element);
      }),
      this.view.onDidChangeCheckboxState(({ items }) => this.tick(items)),
    ];
  }

  get compared(): readonly string[] {
    return [...this.ticked];
  }

  /** Reads the runs when the view is first shown, not when the extension starts. */
  async getChildren(element?: RunRecord): Promise<RunRecord[]> {
    if (element) return [];
    if (!this.loaded) {
      this.loaded = true;
      await this.runs.load();
    }
    const all = this.runs.all;
    this.elements = new Map(all.map((record) => [record.id, this.elements.get(record.id) ?? record]));
    return [...this.elements.values()];
  }

  getTreeItem(element: RunRecord): vscode.TreeItem {
    const record = this.runs.find(element.id) ?? element;
    const name = nameOfRun(record);
    const item = new vscode.TreeItem(name);
    const [icon, color] = STATE_ICONS[record.state];
    item.id = record.id;
    item.iconPath = new vscode.ThemeIcon(icon, color ? new vscode.ThemeColor(color) : undefined);
    item.description = `${record.title} · ${this.stateOf(record)} · ${record.subject}`;
    item.tooltip = this.tooltip(record);
    item.contextValue = contextOf(record, this.runs.resultOf(record) !== undefined);
    item.command = { command: 'espalier.openRun', title: vscode.l10n.t('Open Run'), arguments: [record] };
    item.accessibilityInformation = { label: `${name}, ${record.title}, ${record.subject}, ${this.stateOf(record)}` };
    if (kindOf(record) === 'finetune') {
      item.checkboxState = {
        state: this.ticked.has(record.id)
          ? vscode.TreeItemCheckboxState.Checked
          : vscode.TreeItemCheckboxState.Unchecked,
        tooltip: vscode.l10n.t('Draw in the run editor, beside others'),
      };
    }
    return visibleItem(item);
  }

  private stateOf(record: RunRecord): string {
    const progress = this.runs.queue.progressOf(record.id);
    if (record.state === 'running' && progress) return formatProgress(progress);
    if (record.state === 'done' && record.summary) return record.summary;
    return stateText[record.state]();
  }

  private tooltip(record: RunRecord): vscode.MarkdownString {
    const text = new vscode.MarkdownString();
    const line = (what: string): vscode.MarkdownString => text.appendText(what).appendMarkdown('\n\n');
    line(nameOfRun(record));
    line(`${record.title} · ${stateText[record.state]()}`);
    line(record.subject);
    if (record.started && record.ended) {
      line(formatSeconds((Date.parse(record.ended) - Date.parse(record.started)) / 1000));
    }
    if (record.summary) line(record.summary);
    if (record.error) line(record.error);
    line(new Date(record.created).toLocaleString());
    return text;
  }

  private tick(items: readonly (readonly [RunRecord, vscode.TreeItemCheckboxState])[]): void {
    for (const [{ id }, state] of items) {
      if (state === vscode.TreeItemCheckboxState.Checked) this.ticked.add(id);
      else this.ticked.delete(id);
    }
    this.ticks.fire(this.compared);
  }

  dispose(): void {
    for (const subscription of this.subscriptions) subscription.dispose();
    this.changes.dispose();
    this.ticks.dispose();
  }
}

/** What can be done with a run, for the menus. */
function contextOf(record: RunRecord, hasResult: boolean): string {
  const ended = ENDED.has(record.state);
  return [
    'run',
    canPause(record) && 'pausable',
    canStopAfterEpoch(record) && 'endable',
    record.state === 'paused' && 'paused',
    canResume(record) && 'resumable',
    !ended && 'stoppable',
    ended && 'deletable',
    hasResult && 'result',
  ]
    .filter(Boolean)
    .join(' ');
}
