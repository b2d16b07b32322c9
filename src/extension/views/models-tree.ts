/** The Models view: dense → pruned → finetuned as a tree, figures in the description. */
import * as vscode from 'vscode';
import { formatAccuracy } from '../../common/confidence.ts';
import { formatBytes, formatCount, formatInteger, formatPercent } from '../../common/format.ts';
import type { Comparison } from '../compare/comparison.ts';
import { costUnit, formatMacs } from '../cost-text.ts';
import { distinctTitles } from '../model/distinct-titles.ts';
import type { ModelLibrary } from '../model/model-library.ts';
import type { ModelSessions } from '../model/model-sessions.ts';
import { modelKey, modelTitle, shortPath } from '../model/model-uri.ts';
import type { KnownModel } from '../workspace-memory.ts';
import { visibleItem } from './visible-item.ts';

const STEP_ICONS = { pruned: 'symbol-ruler', repaired: 'wrench', finetuned: 'flame', exported: 'export' } as const;

export class ModelsView implements vscode.TreeDataProvider<KnownModel>, vscode.Disposable {
  private readonly changes = new vscode.EventEmitter<undefined>();
  readonly onDidChangeTreeData = this.changes.event;
  private readonly view: vscode.TreeView<KnownModel>;
  private readonly subscriptions: readonly vscode.Disposable[];

  constructor(
    private readonly library: ModelLibrary,
    private readonly comparison: Comparison,
    private readonly sessions: ModelSessions,
  ) {
    this.view = vscode.window.createTreeView('espalier.models', { treeDataProvider: this, canSelectMany: true });
    const refresh = (): void => this.changes.fire(undefined);
    this.subscriptions = [
      this.view,
      library.onDidChange(refresh),
      comparison.onDidChange(refresh),
      sessions.onDidChangeActive(refresh),
    ];
  }

  get selection(): readonly KnownModel[] {
    return this.view.selection;
  }

  getChildren(model?: KnownModel): KnownModel[] {
    return [...(model ? this.library.childrenOf(model) : this.library.roots)];
  }

  getTreeItem(model: KnownModel): vscode.TreeItem {
    const { source, info } = model;
    const hasChildren = this.library.childrenOf(model).length > 0;
    const title = this.titleOf(model);
    const item = new vscode.TreeItem(
      title,
      hasChildren ? vscode.TreeItemCollapsibleState.Expanded : vscode.TreeItemCollapsibleState.None,
    );
    // With its first child it becomes another item, which VS Code shows expanded.
    item.id = `${modelKey(source)}${hasChildren ? '+' : ''}`;
    item.description = this.figures(model);
    item.tooltip = this.tooltip(model);
    item.contextValue = source.kind === 'file' ? 'model file' : 'model';
    const active = this.sessions.active;
    const icon = info?.lineage ? STEP_ICONS[info.lineage.step] : source.kind === 'zoo' ? 'library' : 'file-binary';
    item.iconPath = new vscode.ThemeIcon(
      icon,
      active?.key === modelKey(source) ? new vscode.ThemeColor('list.highlightForeground') : undefined,
    );
    item.command = { command: 'espalier.openModel', title: vscode.l10n.t('Open Model'), arguments: [model] };
    item.accessibilityInformation = { label: `${title}, ${item.description}` };
    return visibleItem(item);
  }

  /** Told apart from others in the list that are called the same. */
  private titleOf({ source }: KnownModel): string {
    const { models } = this.library;
    const titles = distinctTitles(
      models.map((model) => ({
        title: modelTitle(model.source),
        ...(model.source.kind === 'file' && { file: model.source.path }),
      })),
    );
    const at = models.findIndex((model) => modelKey(model.source) === modelKey(source));
    return titles[at] ?? modelTitle(source);
  }

  /** `4.11 G · 25.6 M · 76.1 %`: MACs, parameters, top-1. */
  private figures({ source, info }: KnownModel): string {
    const measured = this.comparison.of(modelKey(source));
    return [
      info && formatMacs(info.macs),
      info && formatCount(info.params),
      measured && formatPercent(measured.top1, 1),
    ]
      .filter((part) => part !== undefined)
      .join(' · ');
  }

  private tooltip({ source, info }: KnownModel): vscode.MarkdownString {
    const text = new vscode.MarkdownString();
    const line = (what: string): vscode.MarkdownString => text.appendText(what).appendMarkdown('\n\n');
    line(source.kind === 'file' ? shortPath(source.path) : vscode.l10n.t('{0}, without weights', source.name));
    if (info) {
      line(
        // Detectors and segmenters have outputs, and no classes of images.
        info.classes
          ? vscode.l10n.t('{0} · {1} classes · {2} layers', info.name, info.classes, info.layers)
          : vscode.l10n.t('{0} · {1} layers', info.name, info.layers),
      );
      line(
        vscode.l10n.t(
          '{0} {3} (paper’s count), {1} true · {2} parameters',
          formatMacs(info.macs),
          formatMacs(info.macsTrue),
          formatCount(info.params),
          costUnit(),
        ),
      );
      if (info.bytes) line(formatBytes(info.bytes));
      if (info.lineage) line(info.lineage.summary);
    }
    const measured = this.comparison.of(modelKey(source));
    if (measured) {
      line(
        vscode.l10n.t(
          'top-1 {0}, top-5 {1} on {2} images',
          formatAccuracy(measured.top1, measured.images),
          formatAccuracy(measured.top5, measured.images),
          formatInteger(measured.images),
        ),
      );
    }
    return text;
  }

  dispose(): void {
    for (const subscription of this.subscriptions) subscription.dispose();
    this.changes.dispose();
  }
}
