/** Repair in its place: as a step of a pruning, and of a pruned model's file with the dense one it came from. */

import { UserError } from '../../../common/errors.ts';
import type { RunContext } from '../../../common/progress.ts';
import type { Executor } from '../../compute/executor.ts';
import { type Graph, parametersByName } from '../../graph/graph.ts';
import { graphCost } from '../../graph/macs.ts';
import { type KeptIndexTable, type KeptTensor, pruneGraph } from '../../pruning/rebuilding/prune-graph.ts';
import { divergenceOf } from '../../training/divergence.ts';
import type { Model } from '../opening/model.ts';
import { type HistoryStep, type ModelRecord, withStep } from '../record.ts';
import { repairModel } from './repair.ts';
import type { RepairHooks, RepairReport, RepairRequest } from './repair-report.ts';

/** Entries of the first network's parameters that are left after both prunings. */
function composed(first: KeptIndexTable, second: KeptIndexTable): KeptIndexTable {
  return new Map(
    [...second].map(([name, { from, kept }]): [string, KeptTensor] => {
      const before = first.get(from);
      if (!before) throw new Error(`${from} is not among the parameters before`);
      const both = Array.from({ length: Math.max(kept.length, before.kept.length) }, (_, d) => {
        const earlier = before.kept[d];
        const later = kept[d];
        return earlier && later ? later.map((i) => earlier[i]) : (later ?? earlier);
      });
      return [name, { from: before.from, kept: both }];
    }),
  );
}

/**
 * Which channels of the teacher a pruned model kept, from the plans in its history.
 *
 * @throws UserError where its history does not say, or the teacher is another network than the one it was pruned from
 */
function keptOfTeacher(student: Pick<Model, 'graph' | 'record' | 'file'>, teacher: Model): KeptIndexTable {
  const name = student.file ?? student.graph.name;
  const prunings = ({ history }: ModelRecord): readonly HistoryStep[] =>
    history.filter(({ step }) => step === 'pruned');
  const steps = prunings(student.record).slice(prunings(teacher.record).length);
  if (!steps.length || steps.some((step) => !step.kept))
    throw new UserError(
      `${name} does not say which channels of the dense network it kept: it was not pruned by this version of Espalier. Prune the dense network again, with --repair.`,
    );
  let graph: Graph = teacher.graph;
  let kept: KeptIndexTable | undefined;
  for (const step of steps) {
    if (!step.kept) continue;
    const pruned = pruneGraph(graph, step.kept);
    kept = kept ? composed(kept, pruned.keptIndices) : pruned.keptIndices;
    graph = pruned.graph;
  }
  const mine = parametersByName(student.graph);
  const other = graph.parameters.find(({ name: p, shape }) => mine.get(p)?.shape.join() !== shape.join());
  if (other || !kept)
    throw new UserError(
      `${teacher.file ?? teacher.graph.name} is not the network that ${name} was pruned from: pruned by its plan, ${other?.name} would be [${other?.shape.join(', ')}].`,
    );
  return kept;
}

/** One line of what a repair did, for the model's history. */
export function summariseRepair({ chosen, candidates, fittedImages, heldImages }: RepairReport): string {
  const figure = (wanted: string): string => {
    const found = candidates.find(({ outcome }) => outcome === wanted);
    return found ? divergenceOf(found.divergence).toFixed(3) : '?';
  };
  return `${chosen}, on ${fittedImages} images; divergence from the dense network ${figure('unrepaired')} → ${figure(chosen)} on ${heldImages} others`;
}

export interface RepairedModel {
  readonly report: RepairReport;
  readonly record: ModelRecord;
}

/** Repairs an opened pruned model towards the dense one it was pruned from. */
export async function repairPruned(
  student: Model,
  teacher: Model,
  request: RepairRequest,
  executor: Executor,
  context: RunContext = {},
  hooks: RepairHooks = {},
): Promise<RepairedModel> {
  const kept = keptOfTeacher(student, teacher);
  const inputs = {
    student: student.graph,
    weights: await student.weights(context),
    teacher: teacher.graph,
    teacherWeights: await teacher.weights(context),
    kept,
  };
  const report = await repairModel(inputs, request, executor, context, hooks);
  const step = {
    step: 'repaired',
    summary: summariseRepair(report),
    ...(student.file && { parent: student.file }),
  } as const;
  return { report, record: withStep(student.record, graphCost(teacher.graph), step) };
}
