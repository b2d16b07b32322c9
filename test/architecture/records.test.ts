/**
 * An operation, an activation function and a criterion are added to their records, in the compiler's memory only: the files that then fail to
 * compile are exactly those that docs/architecture.md names for it.
 */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { before, test } from 'node:test';
import ts from 'typescript';

const ROOT = path.resolve(import.meta.dirname, '../..');

interface Addition {
  /** Its line in docs/architecture.md begins with this. */
  readonly title: string;
  readonly name: string;
  /** The file that it is added to first, and what is put in after which text. */
  readonly file: string;
  readonly insertions: readonly (readonly [after: string, text: string])[];
  /** Most files edited by hand, tests included; undefined: as many as there are tables. */
  readonly most?: number;
}

const ADDITIONS: readonly Addition[] = [
  {
    title: 'an operation',
    name: 'probeOperation',
    file: 'src/engine/graph/operations.ts',
    insertions: [
      ['export interface OperationAttributes {', 'probeOperation: { readonly probed: number };'],
      ['export const operations = {', "probeOperation: { parameters: ['weight'], module: 'Probe' },"],
    ],
  },
  {
    title: 'an activation function',
    name: 'probeActivation',
    file: 'src/engine/graph/activations.ts',
    insertions: [
      [
        'const records = {',
        "probeActivation: { label: 'probe', module: 'Probe', python: { name: 'F.probe' }, counted: false, " +
          "value: (on, x) => on.tanh(x), derivativeOf: 'output', derivative: (on, y) => on.square(y) },",
      ],
    ],
    most: 4,
  },
  {
    title: 'a criterion',
    name: 'probeCriterion',
    file: 'src/common/criteria.ts',
    insertions: [
      ['export const CRITERIA = {', "probeCriterion: { label: 'Probe', explanation: 'Probes.', gradients: 'none' },"],
    ],
    most: 3,
  },
];

/** Files that docs/architecture.md names in the list for it. */
function documented(title: string): string[] {
  const text = readFileSync(path.join(ROOT, 'docs/architecture.md'), 'utf8');
  const line = text.split('\n').find((each) => each.startsWith(`- **${title}**`));
  assert.ok(line, `docs/architecture.md has no line for ${title}`);
  return [...line.matchAll(/`((?:src|test|webview)\/[\w./-]+\.ts)`/g)].map(([, file]) => file);
}

function withInsertions(text: string, { file, insertions }: Addition): string {
  return insertions.reduce((changed, [after, inserted]) => {
    assert.ok(changed.includes(after), `${file} has no line "${after}"`);
    return changed.replace(after, `${after}\n  ${inserted}`);
  }, text);
}

/** Imports of the types that tables are keyed by: a file without has no table. Checking the others would take most of the time. */
const NAMES_KEYS = /(operations|activations|criteria|groups|formula|program)\.ts'/;

/** Files that do not compile, by the addition that they lack. */
function incomplete(): ReadonlyMap<string, ReadonlySet<string>> {
  const { config } = ts.readConfigFile(path.join(ROOT, 'tsconfig.json'), ts.sys.readFile);
  const { options, fileNames } = ts.parseJsonConfigFileContent(config, ts.sys, ROOT);
  const host = ts.createCompilerHost(options);
  const { readFile } = host;
  host.readFile = (file) => {
    const text = readFile(file);
    const addition = ADDITIONS.find((each) => path.join(ROOT, each.file) === path.normalize(file));
    return addition && text !== undefined ? withInsertions(text, addition) : text;
  };
  const roots = fileNames.filter((file) => /\/(src|test\/engine|test\/support)\//.test(file));
  const program = ts.createProgram(roots, options, host);
  const found = new Map<string, Set<string>>();
  for (const source of program.getSourceFiles()) {
    if (source.fileName.includes('node_modules') || !NAMES_KEYS.test(source.text)) continue;
    const file = path.relative(ROOT, source.fileName).split(path.sep).join('/');
    for (const { messageText } of program.getSemanticDiagnostics(source)) {
      const message = ts.flattenDiagnosticMessageText(messageText, '\n');
      const name = ADDITIONS.find((each) => message.includes(each.name))?.name ?? `neither: ${message}`;
      found.set(name, (found.get(name) ?? new Set()).add(file));
    }
  }
  return found;
}

let found: ReadonlyMap<string, ReadonlySet<string>>;
before(() => {
  found = incomplete();
});

for (const { title, name, file, most } of ADDITIONS)
  test(`${title} is added where docs/architecture.md says, and the compiler names each place`, () => {
    const files = [file, ...[...(found.get(name) ?? [])].filter((each) => each !== file)];
    // A file that holds its formula is new, and so has no place to fail.
    const added = documented(title).filter((each) => path.basename(each) !== 'NAME.ts');
    for (const each of documented(title)) assert.equal(existsSync(path.join(ROOT, each)), added.includes(each), each);
    assert.deepEqual(files.toSorted(), added.toSorted());
    if (most !== undefined) assert.ok(documented(title).length <= most, `${documented(title).length} files`);
  });

test('nothing else fails to compile', () => {
  const names = new Set(ADDITIONS.map(({ name }) => name));
  assert.deepEqual(
    [...found].filter(([name]) => !names.has(name)),
    [],
  );
});
