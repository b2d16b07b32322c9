/** The model editor: a read-only custom editor whose webview draws what its session knows. */
import path from 'node:path';
import * as vscode from 'vscode';
import {
  type GraphEditorAction,
  type GraphEditorCommand,
  type GraphToHost,
  type HostToGraph,
  settingsOf,
  type TargetWish,
} from '../../protocol/graph-editor.ts';
import type { PlanView } from '../../protocol/graph-view.ts';
import type { Message } from '../../protocol/panels.ts';
import { type CommandId, EDITOR_IDS } from '../contributions.ts';
import type { Log } from '../log.ts';
import { showPage, webviewOptions } from '../webview-html.ts';
import type { Memory } from '../workspace-memory.ts';
import type { ModelSession } from './model-session.ts';
import type { ModelSessions } from './model-sessions.ts';
import { sourceOf } from './model-uri.ts';

class ModelDocument implements vscode.CustomDocument {
  constructor(
    readonly uri: vscode.Uri,
    readonly session: ModelSession,
    private readonly release: () => void,
  ) {}

  dispose(): void {
    this.release();
  }
}

/** What the buttons in the editor run. */
const ACTIONS: { readonly [A in GraphEditorAction]: CommandId } = {
  score: 'espalier.score',
  selectDataset: 'espalier.selectDataset',
  measureSensitivity: 'espalier.measureSensitivity',
  spread: 'espalier.spreadTarget',
  measureLatency: 'espalier.measureLatency',
  prune: 'espalier.prune',
  finetune: 'espalier.finetune',
  evaluate: 'espalier.evaluate',
  savePlan: 'espalier.savePlan',
  applyPlan: 'espalier.applyPlan',
  export: 'espalier.export',
  cancel: 'espalier.stopRun',
  retry: 'espalier.retryModel',
};

/** What a button says besides the model. */
const GIVEN: { readonly [A in GraphEditorAction]?: object } = { spread: { spread: 'sensitivity' } };

type Incoming = Message<GraphToHost>;

/** One tab: a panel and its wire. */
export class ModelEditor {
  constructor(
    readonly session: ModelSession,
    readonly panel: vscode.WebviewPanel,
    extension: vscode.Uri,
    private readonly log: Log,
    private readonly memory: Memory,
  ) {
    const { webview } = panel;
    webview.options = webviewOptions(extension);
    webview.onDidReceiveMessage((message: Incoming) => this.receive(message));
    const subscriptions = [
      session.onDidChange((state) => this.send('graph/update', state)),
      session.onDidSelect(({ origin, nodes, scope, reveal }) => {
        if (origin !== this) this.send('graph/select', { nodes, scope, reveal });
      }),
      showPage(webview, extension, 'graph'),
    ];
    panel.onDidDispose(() => {
      for (const subscription of subscriptions) subscription.dispose();
    });
  }

  send<K extends keyof HostToGraph>(type: K, value: HostToGraph[K]): void {
    void this.panel.webview.postMessage({ type, value });
  }

  command(command: GraphEditorCommand): void {
    this.send('graph/command', command);
  }

  private receive(message: Incoming): void {
    if (!Object.hasOwn(this.handlers, message.type)) return;
    const handler = this.handlers[message.type] as (value: unknown) => unknown;
    Promise.resolve()
      .then(() => handler(message.value))
      .catch((error: unknown) => {
        this.log.error(`${message.type}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
      });
  }

  private readonly handlers: { readonly [K in keyof GraphToHost]: (value: GraphToHost[K]) => unknown } = {
    ready: () => {
      const frame = this.memory.get('editorFrame');
      if (frame) this.send('graph/frame', frame);
      this.send('graph/show', this.session.state);
      const { nodes, scope } = this.session.selection;
      if (nodes.length || scope !== null) this.send('graph/select', { nodes, scope, reveal: false });
    },
    'graph/target': ({ seq, wish }) => this.answerPlan(seq, this.plan(wish)),
    'graph/unit': (unit) => this.reportPlan(this.session.target.setUnit(unit)),
    'graph/settings': (change) => this.reportPlan(this.session.changeSettings(settingsOf(change))),
    'graph/pin': ({ layer, side, pinned }) => this.reportPlan(this.session.pin(layer, side, pinned)),
    'graph/selected': ({ nodes, scope }) => this.session.select({ nodes, scope }, this),
    'graph/details': async ({ node }) => {
      const { details, problem } = await this.session.details(node);
      this.send('graph/details', { node, details, problem });
    },
    'graph/frame': (frame) => this.memory.set('editorFrame', frame),
    'graph/planText': async () => this.send('graph/planText', (await this.session.exportPlan()).text),
    'graph/run': (action) =>
      Object.hasOwn(ACTIONS, action) &&
      vscode.commands.executeCommand(ACTIONS[action], this.session.source, GIVEN[action]),
    'graph/export': ({ format, name, data }) => this.saveDrawing(format, name, data),
    'graph/error': (text) => this.log.error(`graph: ${text}`),
  };

  private plan(wish: TargetWish): Promise<PlanView | undefined> {
    const { target } = this.session;
    return 'macs' in wish ? target.setMacs(wish.macs) : target.setMilliseconds(wish.milliseconds);
  }

  /** The plan itself went to every editor of the model, the asking one too; this tells it that its wish is answered. */
  private async answerPlan(seq: number, asked: Promise<PlanView | undefined>): Promise<void> {
    try {
      const plan = await asked;
      if (plan) this.send('graph/plan', { seq, problem: '' });
    } catch (error) {
      this.send('graph/plan', { seq, problem: error instanceof Error ? error.message : String(error) });
    }
  }

  private async reportPlan(asked: Promise<unknown>): Promise<void> {
    await asked.catch((error: unknown) => {
      void vscode.window.showWarningMessage(error instanceof Error ? error.message : String(error));
    });
  }

  private async saveDrawing(format: 'svg' | 'png', name: string, data: string): Promise<void> {
    const { source } = this.session;
    const folder =
      source.kind === 'file'
        ? vscode.Uri.file(path.dirname(source.path))
        : (vscode.workspace.workspaceFolders?.[0]?.uri ?? vscode.Uri.file(process.cwd()));
    const target = await vscode.window.showSaveDialog({
      defaultUri: vscode.Uri.joinPath(folder, name),
      filters: format === 'svg' ? { SVG: ['svg'] } : { PNG: ['png'] },
    });
    if (!target) return;
    const bytes = Buffer.from(data, format === 'svg' ? 'utf8' : 'base64');
    await vscode.workspace.fs.writeFile(target, bytes);
  }
}

export class ModelEditorProvider implements vscode.CustomReadonlyEditorProvider<ModelDocument> {
  private readonly editors = new Set<ModelEditor>();

  constructor(
    private readonly extension: vscode.Uri,
    private readonly sessions: ModelSessions,
    private readonly log: Log,
    private readonly memory: Memory,
  ) {}

  register(): vscode.Disposable {
    const options = {
      supportsMultipleEditorsPerDocument: true,
      webviewOptions: { retainContextWhenHidden: true, enableFindWidget: false },
    };
    return vscode.Disposable.from(
      ...EDITOR_IDS.map((id) => vscode.window.registerCustomEditorProvider(id, this, options)),
    );
  }

  openCustomDocument(uri: vscode.Uri): ModelDocument {
    const session = this.sessions.acquire(sourceOf(uri));
    return new ModelDocument(uri, session, () => this.sessions.release(session));
  }

  resolveCustomEditor(document: ModelDocument, panel: vscode.WebviewPanel): void {
    const editor = new ModelEditor(document.session, panel, this.extension, this.log, this.memory);
    this.editors.add(editor);
    const noteActive = (): void => {
      if (panel.active) this.sessions.setActive(document.session);
    };
    panel.onDidChangeViewState(noteActive);
    panel.onDidDispose(() => this.editors.delete(editor));
    noteActive();
    // Not awaited: the tab shows at once, and says what it is waiting for.
    void document.session.open();
  }

  /** The tab that a palette command means: the one in front, else any of the active model. */
  get activeEditor(): ModelEditor | undefined {
    const all = [...this.editors];
    return (
      all.find(({ panel }) => panel.active) ??
      all.find(({ panel, session }) => panel.visible && session === this.sessions.active) ??
      all.find(({ session }) => session === this.sessions.active)
    );
  }

  editorsOf(session: ModelSession): readonly ModelEditor[] {
    return [...this.editors].filter((editor) => editor.session === session);
  }
}
