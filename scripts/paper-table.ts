/** Writes docs/paper-models.md: the paper's models, pruned here with the same flags. `node --import tsx scripts/paper-table.ts` */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { buildModel } from '../src/engine/architectures/registry.ts';
import { type Cost, graphCost } from '../src/engine/graph/macs.ts';
import { couple } from '../src/engine/pruning/coupling/couple.ts';
import { compilePlanner } from '../src/engine/pruning/planning/planner.ts';
import { planForTarget } from '../src/engine/pruning/planning/target.ts';
import { planBlocks, planWithBlocks } from '../src/engine/pruning/rebuilding/remove-layers.ts';
import { scoreGroups } from '../src/engine/pruning/scoring/importance.ts';
import { fillWeights, gradient } from '../test/support/detfill.ts';
import { caseNames, readReference } from '../test/support/reference.ts';
import { PAPER_RUNS, type PaperRun } from './paper-runs.ts';

const root = path.resolve(import.meta.dirname, '..');
const output = path.join(root, 'docs/paper-models.md');

interface Row {
  readonly run: PaperRun;
  readonly before: Cost;
  /** With the script's ratios. */
  readonly same: Cost;
  /** With `--target-macs` of the released model and the script's ratios as proportions. */
  readonly target: Cost;
}

async function prunedBy(run: PaperRun): Promise<Row> {
  const graph = buildModel(run.model);
  if (!graph) throw new Error(`no model ${run.model}`);
  const groups = couple(graph);
  const weights = fillWeights(graph);
  const of = (name: string): Float32Array => gradient(name, weights.get(name)?.shape ?? []);
  const scoring = { criterion: 'taylor', gradients: { kind: 'combined', of } } as const;
  const scores = await scoreGroups(groups, weights, scoring);
  const inputs = { groups, weights, scoring };
  const { removeLayers = 0, ratios } = run;
  const atRatios = planBlocks(inputs, compilePlanner(groups, scores).plan(ratios), removeLayers);
  const atTarget = planWithBlocks(inputs, scores, removeLayers, (planner) =>
    planForTarget(planner, ratios, { macs: run.macs * 1e9 }),
  );
  return { run, before: graphCost(graph), same: atRatios.after, target: atTarget.after };
}

const giga = (macs: number): string => (macs / 1e9).toFixed(macs < 1e9 ? 3 : 2);
const mega = (params: number): string => (params / 1e6).toFixed(2);
const both = ({ macs, params }: Pick<Cost, 'macs' | 'params'>): string => `${giga(macs)} G, ${mega(params)} M`;
const percent = (found: number, wanted: number): string => {
  const difference = 100 * (found / wanted - 1);
  return `${difference < 0 ? '−' : '+'}${Math.abs(difference).toFixed(1)} %`;
};

/** What the reference implementation gets with the same flags and the same tensors; undefined where that was not recorded. */
function referenceOf({ name }: PaperRun): Pick<Cost, 'macs' | 'params'> | undefined {
  if (!caseNames.includes(name)) return undefined;
  return readReference<{ pruned: Pick<Cost, 'macs' | 'params'> }>(`cases/${name}.json`).pruned;
}

function formatRow({ run, before, same, target }: Row): string {
  const { name, model, macs, params } = run;
  const reference = referenceOf(run);
  const equal = reference && reference.macs === same.macs && reference.params === same.params;
  const differences = [percent(same.macs, macs * 1e9), ...(params ? [percent(same.params, params * 1e6)] : [])];
  const cells = [
    name,
    `${model} (${both(before)})`,
    params ? `${macs} G, ${params} M` : `${macs} G by its name`,
    both(same),
    differences.join(', '),
    reference ? (equal ? 'the same, exactly' : both(reference)) : 'not recorded',
    both(target),
  ];
  return `| ${cells.join(' | ')} |`;
}

const HEADER = `# The paper's models

Every pruning script of the paper's authors, with its own flags. MACs and parameters by the paper's counter.

No pretrained weights come with this repository: these are scores of deterministic stand-in weights and gradients (Taylor),
so which channels go is not what it is for trained weights, and widths and costs differ from the released models by what
that makes. On the same stand-ins the reference implementation gives the figures of its column. The last column asks for
the released model's MACs with \`--target-macs\`, the script's ratios in proportion. Written by \`scripts/paper-table.ts\`.

| script | from | released | here, same flags | difference | reference, same tensors | here, \`--target-macs\` |
|---|---|---|---|---|---|---|
`;

export async function paperTable(): Promise<string> {
  const lines: string[] = [];
  for (const run of PAPER_RUNS) lines.push(formatRow(await prunedBy(run)));
  return `${HEADER}${lines.join('\n')}\n`;
}

if (process.argv[1] === import.meta.filename) writeFileSync(output, await paperTable());
