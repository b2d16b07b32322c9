/** The webview's page as VS Code would serve it: the same content security policy, theme variables set by script. */
import { mkdtempSync, rmSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

export type ThemeName = 'dark' | 'light' | 'hc-black' | 'hc-light';

const here = path.dirname(fileURLToPath(import.meta.url));
const root = path.resolve(here, '../../..');
const TYPES: Readonly<Record<string, string>> = {
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.ttf': 'font/ttf',
  '.html': 'text/html',
};

/** What stands in for VS Code in the page: the API, and the theme's variables on <html>. */
const STAND_IN = `
  const themes = THEMES;
  window.setTheme = (name) => {
    const { variables, bodyClass } = themes[name];
    const { style } = document.documentElement;
    for (const old of [...style]) if (old.startsWith('--vscode-')) style.removeProperty(old);
    for (const [key, value] of Object.entries(variables)) style.setProperty(key, value);
    document.body.className = bodyClass;
    document.body.dataset.vscodeThemeId = themes[name].name;
  };
  window.setTheme(new URLSearchParams(location.search).get('theme') ?? 'dark');
  window.acquireVsCodeApi = () => ({
    postMessage: (message) => window.toHost?.(JSON.parse(JSON.stringify(message))),
    getState: () => JSON.parse(sessionStorage.getItem('state') ?? 'null') ?? undefined,
    setState: (state) => sessionStorage.setItem('state', JSON.stringify(state)),
  });
  addEventListener('securitypolicyviolation', (event) => window.toHost?.({ type: 'violation', value: event.violatedDirective + ' ' + event.blockedURI }));
`;

function pageHtml(themes: string, name: PageName): string {
  const nonce = 'bm9uY2U';
  const policy = [
    "default-src 'none'",
    `script-src 'nonce-${nonce}'`,
    `style-src 'self' 'nonce-${nonce}'`,
    "font-src 'self'",
    "img-src 'self' data: blob:",
    "connect-src 'self'",
    'worker-src blob:',
  ].join('; ');
  return `<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta property="csp-nonce" content="${nonce}"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Espalier</title>
<link rel="stylesheet" href="/codicon.css"><link rel="stylesheet" href="/${name}.css"></head>
<body data-scripts=""><script nonce="${nonce}">${STAND_IN.replace('THEMES', themes)}</script>
<main id="root"></main><script nonce="${nonce}" src="/${name}.js"></script></body></html>`;
}

export const PAGES = ['graph', 'run', 'compare', 'dataset'] as const;
export type PageName = (typeof PAGES)[number];

export interface Site {
  readonly url: string;
  close(): Promise<void>;
}

/** Builds webviews and serves them on a free port of this machine, each at its name; `/` is the first. */
export async function serveWebviews(names: readonly PageName[]): Promise<Site> {
  const out = mkdtempSync(path.join(os.tmpdir(), 'espalier-webview-'));
  await build({
    entryPoints: [
      ...names.map((name) => ({ in: path.join(root, `webview/${name}/main.ts`), out: name as string })),
      { in: path.join(root, 'webview/graph/layout-thread.ts'), out: 'graph-layout-thread' },
    ],
    bundle: true,
    platform: 'browser',
    format: 'iife',
    target: 'es2022',
    outdir: out,
    logLevel: 'error',
  });
  const themes = await readFile(path.join(here, 'themes.json'), 'utf8');
  const codicons = path.join(root, 'node_modules/@vscode/codicons/dist');
  const server = createServer(async (request, response) => {
    const name = new URL(request.url ?? '/', 'http://localhost').pathname;
    if (name === '/favicon.ico') {
      response.writeHead(204).end();
      return;
    }
    const page = name === '/' ? names[0] : names.find((one) => name === `/${one}`);
    if (page) {
      response.writeHead(200, { 'content-type': 'text/html' }).end(pageHtml(themes, page));
      return;
    }
    const folder = name.startsWith('/codicon') ? codicons : out;
    try {
      const body = await readFile(path.join(folder, path.basename(name)));
      response.writeHead(200, { 'content-type': TYPES[path.extname(name)] ?? 'text/plain' }).end(body);
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      rmSync(out, { recursive: true, force: true });
    },
  };
}
