/** Writes l10n/bundle.l10n.json: every text that the extension shows through `vscode.l10n.t`, for translators. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const source = path.join(root, 'src', 'extension');
export const bundleFile = path.join(root, 'l10n', 'bundle.l10n.json');

const isTranslation = (node: ts.Node): node is ts.CallExpression =>
  ts.isCallExpression(node) && node.expression.getText().endsWith('l10n.t');

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
  const files = readdirSync(source, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'));
  const texts = new Set(files.flatMap((name) => textsOf(path.join(source, name))));
  const entries = [...texts].sort().map((text) => [text, text] as const);
  return `${JSON.stringify(Object.fromEntries(entries), null, 2)}\n`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  mkdirSync(path.dirname(bundleFile), { recursive: true });
  writeFileSync(bundleFile, bundle());
}
