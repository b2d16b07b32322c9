/** The HTML of every webview: an empty page with its script and style. What is shown comes by messages, never in HTML. */
import { randomBytes } from 'node:crypto';
import * as vscode from 'vscode';
import { onSettingChange, setting } from './settings.ts';

export type WebviewName = 'graph' | 'run' | 'compare' | 'dataset';

const distFolder = (extension: vscode.Uri): vscode.Uri => vscode.Uri.joinPath(extension, 'dist', 'webview');

/** Scripts from dist/webview only; `more`: folders whose images the view shows. */
export function webviewOptions(extension: vscode.Uri, more: readonly vscode.Uri[] = []): vscode.WebviewOptions {
  return { enableScripts: true, localResourceRoots: [distFolder(extension), ...more] };
}

/** VS Code's translations for the view's own texts; as data it is not run, and it cannot end its element. */
const bundleJson = (): string => JSON.stringify(vscode.l10n.bundle ?? {}).replaceAll('<', '\\u003c');

function webviewHtml(webview: vscode.Webview, extension: vscode.Uri, name: WebviewName): string {
  const folder = webview.asWebviewUri(distFolder(extension)).toString();
  const nonce = randomBytes(18).toString('base64');
  const source = webview.cspSource;
  const policy = [
    "default-src 'none'",
    `script-src 'nonce-${nonce}'`,
    // The toolkit makes one style element of its own, with the nonce that it finds in the page.
    `style-src ${source} 'nonce-${nonce}'`,
    `font-src ${source}`,
    `img-src ${source} data: blob:`,
    // The layout worker's script is read and started as a blob.
    `connect-src ${source}`,
    'worker-src blob:',
  ].join('; ');
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta property="csp-nonce" content="${nonce}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="stylesheet" href="${folder}/codicon.css">
<link rel="stylesheet" href="${folder}/${name}.css">
<title>Espalier</title>
<script type="application/json" id="l10n">${bundleJson()}</script>
</head>
<body data-scripts="${folder}" data-cost-unit="${setting('espalier.costs')}">
<main id="root"></main>
<script nonce="${nonce}" src="${folder}/${name}.js"></script>
</body>
</html>`;
}

/** Puts the page into a webview, and makes it anew when a setting that stands in it changes. */
export function showPage(webview: vscode.Webview, extension: vscode.Uri, name: WebviewName): vscode.Disposable {
  const show = (): void => {
    webview.html = webviewHtml(webview, extension, name);
  };
  show();
  return onSettingChange(['espalier.costs'], show);
}
