/** What the run, comparison and data set panels share: one tab with a typed wire, restored after a restart. */
import * as vscode from 'vscode';
import type { Message } from '../protocol/panels.ts';
import type { Log } from './log.ts';
import { showPage, type WebviewName, webviewOptions } from './webview-html.ts';

type PanelHandlers<In> = { readonly [K in keyof In]: (value: In[K]) => unknown };

export interface PanelOptions<In> {
  readonly extension: vscode.Uri;
  readonly log: Log;
  readonly name: WebviewName;
  readonly handlers: PanelHandlers<In>;
  /** Folders whose images it shows. */
  readonly images?: readonly vscode.Uri[];
}

export class Panel<Out extends object, In extends object> implements vscode.Disposable {
  private readonly subscriptions: vscode.Disposable[] = [];

  constructor(
    readonly view: vscode.WebviewPanel,
    private readonly options: PanelOptions<In>,
  ) {
    const { webview } = view;
    webview.options = webviewOptions(options.extension, options.images);
    webview.onDidReceiveMessage((message: Message<In>) => this.receive(message));
    view.onDidDispose(() => this.dispose());
    view.iconPath = {
      dark: vscode.Uri.joinPath(options.extension, 'media', 'espalier.svg'),
      light: vscode.Uri.joinPath(options.extension, 'media', 'espalier-light.svg'),
    };
    this.own(showPage(webview, options.extension, options.name));
  }

  send<K extends keyof Out>(type: K, value: Out[K]): void {
    void this.view.webview.postMessage({ type, value });
  }

  /** Something that ends with the panel. */
  own(subscription: vscode.Disposable): void {
    this.subscriptions.push(subscription);
  }

  private receive(message: Message<In>): void {
    const { handlers, log } = this.options;
    if (!Object.hasOwn(handlers, message.type)) return;
    const handler = handlers[message.type] as (value: unknown) => unknown;
    Promise.resolve()
      .then(() => handler(message.value))
      .catch((error: unknown) => {
        const text = error instanceof Error ? error.message : String(error);
        log.error(`${String(message.type)}: ${text}`);
        void vscode.window.showErrorMessage(text);
      });
  }

  dispose(): void {
    for (const subscription of this.subscriptions.splice(0)) subscription.dispose();
  }
}
