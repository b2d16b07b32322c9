/** The comparison editor: one tab with everything that was measured. */
import path from 'node:path';
import * as vscode from 'vscode';
import type { CompareToHost, HostToCompare } from '../../protocol/panels.ts';
import { COMPARE_PANEL } from '../contributions.ts';
import type { Log } from '../log.ts';
import type { Worker } from '../supervision/worker.ts';
import { Panel } from '../webview-panel.ts';
import { type Comparison, sameImages } from './comparison.ts';

/** Thumbnails of each kind of change. */
const SHOWN_IMAGES = 24;

type ComparePanel = Panel<HostToCompare, CompareToHost>;

export interface ComparePanelServices {
  readonly extension: vscode.Uri;
  readonly log: Log;
  readonly worker: Worker;
  readonly comparison: Comparison;
}

export class ComparePanels implements vscode.WebviewPanelSerializer {
  private panel: ComparePanel | undefined;

  constructor(private readonly services: ComparePanelServices) {}

  /** `preserveFocus`: it shows itself, unasked, and leaves the keyboard where it is. */
  open(preserveFocus = false): void {
    if (this.panel) this.panel.view.reveal(undefined, preserveFocus);
    else
      this.attach(
        vscode.window.createWebviewPanel(
          COMPARE_PANEL,
          title(),
          { viewColumn: vscode.ViewColumn.Active, preserveFocus },
          {
            retainContextWhenHidden: true,
          },
        ),
      );
  }

  async deserializeWebviewPanel(view: vscode.WebviewPanel): Promise<void> {
    if (this.panel) view.dispose();
    else this.attach(view);
  }

  private attach(view: vscode.WebviewPanel): void {
    const { extension, log, comparison } = this.services;
    const folders = new Set(comparison.view.rows.map(({ dataPath }) => dataPath));
    const panel: ComparePanel = new Panel<HostToCompare, CompareToHost>(view, {
      extension,
      log,
      name: 'compare',
      images: [...folders].map((folder) => vscode.Uri.file(folder)),
      handlers: {
        ready: () => panel.send('compare/snapshot', comparison.view),
        'compare/evaluate': () => vscode.commands.executeCommand('espalier.evaluate'),
        'compare/baseline': (id) => comparison.setBaseline(id),
        'compare/remove': (id) => comparison.remove(id),
        'compare/askChanged': ({ before, after }) => this.sendChanged(panel, before, after),
        'compare/save': ({ format, text }) => save(format, text),
      },
    });
    this.panel = panel;
    panel.own(comparison.onDidChange(() => panel.send('compare/snapshot', comparison.view)));
    view.onDidDispose(() => {
      this.panel = undefined;
    });
  }

  private async sendChanged(panel: ComparePanel, before: string, after: string): Promise<void> {
    const { comparison, worker, extension } = this.services;
    const rows = [comparison.row(before), comparison.row(after)] as const;
    try {
      const [first, second] = rows;
      if (!first || !second || !sameImages(first.result, second.result))
        throw new Error(vscode.l10n.t('These two were not evaluated on the same images.'));
      if (!first.predictionsFile || !second.predictionsFile)
        throw new Error(vscode.l10n.t('What they said of each image is not known: evaluate them again.'));
      const { images, totals } = await worker.request('evaluate/changed', {
        before: first.predictionsFile,
        after: second.predictionsFile,
        limit: SHOWN_IMAGES,
      });
      const { webview } = panel.view;
      const folder = vscode.Uri.file(first.result.dataPath);
      if (!webview.options.localResourceRoots?.some((root) => root.fsPath === folder.fsPath)) {
        webview.options = {
          ...webview.options,
          localResourceRoots: [...(webview.options.localResourceRoots ?? [extension]), folder],
        };
      }
      panel.send('compare/changed', {
        before,
        after,
        totals,
        images: images.map((image) => ({
          ...image,
          uri: webview.asWebviewUri(vscode.Uri.file(image.file)).toString(),
        })),
      });
    } catch (error) {
      panel.send('compare/error', error instanceof Error ? error.message : String(error));
    }
  }
}

const title = (): string => vscode.l10n.t('Compare Models');

async function save(format: 'csv' | 'markdown', text: string): Promise<void> {
  const extension = format === 'csv' ? 'csv' : 'md';
  const folder = vscode.workspace.workspaceFolders?.[0]?.uri ?? vscode.Uri.file(process.cwd());
  const target = await vscode.window.showSaveDialog({
    defaultUri: vscode.Uri.joinPath(folder, `comparison.${extension}`),
    filters: format === 'csv' ? { CSV: ['csv'] } : { Markdown: ['md'] },
  });
  if (!target) return;
  await vscode.workspace.fs.writeFile(target, Buffer.from(text));
  const open = vscode.l10n.t('Open');
  const chosen = await vscode.window.showInformationMessage(
    vscode.l10n.t('Saved {0}.', path.basename(target.fsPath)),
    open,
  );
  if (chosen === open) await vscode.window.showTextDocument(target);
}
