/**
 * docs/networks.md from the sweeps' results: `npm run zoo-table`. Results are lines of JSON in scripts/zoo-sweep/results, a file for each
 * library and form, as `npm run zoo-sweep -- --results FILE` writes them.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import networks from './networks.json' with { type: 'json' };
import { EXPORTED, formatTable, type Row, verdict } from './rows.ts';

const RESULTS = path.join(import.meta.dirname, 'results');
const DOCUMENT = path.resolve(import.meta.dirname, '../../docs/networks.md');

const FORMS: Readonly<Record<string, string>> = {
  pt2: 'exported programs (`.pt2`, torch.export)',
  onnx: "ONNX files of PyTorch's TorchScript-based exporter",
  'onnx-dynamo': "ONNX files of PyTorch's exporter with `dynamo=True`",
};

const rowsIn = (file: string): readonly Row[] => {
  const lines = readFileSync(path.join(RESULTS, file), 'utf8').split('\n').filter(Boolean);
  // What was examined again counts as it was found last.
  return [...new Map(lines.map((line) => JSON.parse(line) as Row).map((row) => [row.name, row])).values()];
};

function changedByExporter(rows: readonly Row[]): string {
  const changed = rows.flatMap(({ name, exporter = 0 }) =>
    exporter > EXPORTED ? [`${name} (${exporter.toExponential(1)})`] : [],
  );
  return changed.length
    ? `PyTorch's exporter changes what it computes on the way to the file: ${changed.join(', ')}.\n`
    : '';
}

function section(file: string): string {
  const [, source, form] = /^(\w+?)-(pt2|onnx|onnx-dynamo)\.jsonl$/.exec(file) ?? [];
  const rows = rowsIn(file);
  const listed: readonly string[] = networks[source as keyof typeof networks];
  const missing = listed.filter((name) => !rows.some((row) => row.name === name));
  const right = rows.filter((row) => !verdict(row));
  const opened = rows.filter(({ opens }) => opens);
  const computed = opened.filter(({ dense }) => dense !== undefined);
  const wrong = rows.filter(({ problem, ...row }) => !problem && verdict(row));
  return [
    `## ${source}: ${FORMS[form]}`,
    '',
    `Of ${rows.length} networks examined, ${opened.length} open, ${computed.length} of them are computed, ${right.length} prune and go back right; ${wrong.length} gave wrong numbers.${missing.length ? ` ${missing.length} of the list were not examined: ${missing.join(', ')}.` : ''}`,
    '',
    formatTable(rows),
    changedByExporter(rows),
  ].join('\n');
}

const files = readdirSync(RESULTS)
  .filter((name) => name.endsWith('.jsonl'))
  .sort()
  .reverse();
const text = `# Which networks open, prune and go back

This page is generated from measured results (\`npm run zoo-table\`); \`npm run zoo-sweep -- --source torchvision --form pt2 --side 64\` measures them again.

For every network, PyTorch builds it with random weights that hide nothing (no zeros, no ones) and at scales at which the outputs follow the image (errors must be below 1 % of what two images' outputs differ by; where these are closer, the check says little, and the row says so), exports it, and computes its outputs for two images. Espalier opens the file, computes the same outputs (*dense*; of an ONNX file they are ONNX Runtime's), prunes channels at random to 70 % of the MACs, computes (*pruned against masked*: PyTorch runs the dense network with the removed channels zero, its norms over the channels that are left), writes the file in the form in which it came, and PyTorch or ONNX Runtime runs what was written (*written back*). Figures are the largest difference over the largest output; more than 1e-4 is called wrong. Images are 64 × 64 where the network takes them, its own size otherwise.

Where a \`.pt2\` has operations that Espalier does not compute, they stay as they are and what they touch is whole: PyTorch alone then compares what was written with the masked network, and the row says so. Where PyTorch's TorchScript-based exporter fails, its newer one (\`dynamo=True\`) makes the ONNX file, with a remark too.

A factor of attention that the file holds as a number stays that number; the one that PyTorch's fused attention computes of the head dimension follows it. An ONNX file has tensors with names of its own, and an exported program may compute its layers' weights of its parameters (standardised convolutions): their masked network is written as ONNX and computed by ONNX Runtime, with norms over the channels that are left.

\`dense_tasks\` are small networks for segmentation and detection (scripts/zoo-sweep/dense_tasks.py; \`npm run zoo-sweep -- --source dense_tasks --form onnx --side 64\`): torchvision's, U-Nets and DETRs written out, and those of transformers and segmentation_models_pytorch with small configurations. All their outputs are compared, and a \`.pt2\` must come back with the dictionary or tuple that its module returned.

timm's list has the smallest member of each of its modules; torchvision's has all its classification models. What has no section or row here has not been examined since these criteria hold.

${files.map(section).join('\n')}`;
writeFileSync(DOCUMENT, `${text.trimEnd()}\n`);
