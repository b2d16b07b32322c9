/** Writes l10n/bundle.l10n.json: every text that the extension shows through `vscode.l10n.t` or a webview's `t`, for translators. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const sources = [path.join(root, 'src', 'extension'), path.join(root, 'webview')];
export const bundleFile = path.join(root, 'l10n', 'bundle.l10n.json');

const isTranslation = (node: ts.Node): node is ts.CallExpression =>
  ts.isCallExpression(node) && /^(vscode\.l10n\.)?t$/.test(node.expression.getText());

/** Texts of one file. Throws for a text that is put together while the program runs: it could not be translated. */
function textsOf(file: string): string[] {
  const tree = ts.createSourceFile(file, readFileSync(file, 'utf8'), ts.ScriptTarget.Latest, true);
  const found: string[] = [];
  const visit = (node: ts.Node): void => {
    if (isTranslation(node)) {
      const [text] = node.arguments;
      if (!ts.isStringLiteralLike(text)) throw new Error(`${file}: l10n.t(${text.getText()}) is no plain text`);
      found.push(text.text);
    }
    ts.forEachChild(node, visit);
  };
  visit(tree);
  return found;
}

/** The bundle's text as it should be. */
export function bundle(): string {
  const files = sources.flatMap((source) =>
    readdirSync(source, { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts'))
      .map((name) => path.join(source, name)),
  );
  const texts = new Set(files.flatMap(textsOf));
  const entries = [...texts].sort().map((text) => [text, text] as const);
  return `${JSON.stringify(Object.fromEntries(entries), null, 2)}\n`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  mkdirSync(path.dirname(bundleFile), { recursive: true });
  writeFileSync(bundleFile, bundle());
}
