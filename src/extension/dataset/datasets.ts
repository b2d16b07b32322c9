/** The workspace's data set: chosen once, checked, shown. */
import path from 'node:path';
import * as vscode from 'vscode';
import type { DatasetToHost, HostToDataset } from '../../protocol/panels.ts';
import type { DatasetSummary } from '../../protocol/values.ts';
import type { Log } from '../log.ts';
import type { Worker } from '../supervision/worker.ts';
import { Panel } from '../webview-panel.ts';
import type { Memory } from '../workspace-memory.ts';

export class Datasets implements vscode.Disposable {
  private readonly changes = new vscode.EventEmitter<string | null>();
  readonly onDidChange = this.changes.event;
  private panel: { readonly panel: Panel<HostToDataset, DatasetToHost>; summary: DatasetSummary } | undefined;

  constructor(
    private readonly extension: vscode.Uri,
    private readonly worker: Worker,
    private readonly memory: Memory,
    private readonly log: Log,
  ) {}

  get current(): string | null {
    return this.memory.get('dataset');
  }

  get recent(): readonly string[] {
    return this.memory.get('recentDatasets');
  }

  /** Looks at a folder. Rejects with what is wrong with it. */
  validate(folder: string): Promise<DatasetSummary> {
    return vscode.window.withProgress(
      { location: vscode.ProgressLocation.Window, title: vscode.l10n.t('Reading {0}', path.basename(folder)) },
      () => this.worker.request('dataset/validate', { path: folder }),
    ) as Promise<DatasetSummary>;
  }

  /** Checks a folder and makes it the workspace's data set. */
  async use(folder: string): Promise<DatasetSummary> {
    const summary = await this.validate(folder);
    await this.memory.set('dataset', folder);
    await this.memory.addRecent('recentDatasets', folder);
    this.changes.fire(folder);
    return summary;
  }

  /** Shows classes, counts and first images in a tab. */
  show(summary: DatasetSummary): void {
    const root = vscode.Uri.file(summary.root);
    if (this.panel?.summary.root === summary.root) {
      this.panel.summary = summary;
      this.panel.panel.view.reveal();
      this.send();
      return;
    }
    this.panel?.panel.view.dispose();
    const view = vscode.window.createWebviewPanel(
      'espalier.dataset',
      vscode.l10n.t('Data set {0}', path.basename(summary.root)),
      vscode.ViewColumn.Active,
      { retainContextWhenHidden: true },
    );
    const panel = new Panel<HostToDataset, DatasetToHost>(view, {
      extension: this.extension,
      log: this.log,
      name: 'dataset',
      images: [root],
      handlers: { ready: () => this.send() },
    });
    this.panel = { panel, summary };
    view.onDidDispose(() => {
      if (this.panel?.panel === panel) this.panel = undefined;
    });
  }

  private send(): void {
    if (!this.panel) return;
    const { panel, summary } = this.panel;
    const uris = summary.samples.map(({ file }) => panel.view.webview.asWebviewUri(vscode.Uri.file(file)).toString());
    panel.send('dataset/snapshot', { summary, uris });
  }

  dispose(): void {
    this.changes.dispose();
  }
}
